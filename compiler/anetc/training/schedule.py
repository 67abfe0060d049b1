"""The learning rate over a run: a linear warm-up, then a cosine (semantics 10)."""

from __future__ import annotations

import math


def learning_rate(iteration: int, iterations: int, peak: float, warmup: float) -> float:
    """The learning rate of a step; `iteration` counts from 0, `warmup` is a part of the run.

    It rises in equal steps to `peak`, which the last step of the warm-up has, and the first one
    after it. From there half a cosine falls towards 0, which the step after the last would have.

    >>> [round(learning_rate(i, 10, 1.0, 0.4), 3) for i in (0, 1, 3, 4, 7, 9)]
    [0.25, 0.5, 1.0, 1.0, 0.5, 0.067]
    """
    rising = round(warmup * iterations)
    if iteration < rising:
        return peak * (iteration + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (iteration - rising) / (iterations - rising)))
