"""The learning rate schedule: a linear warm-up, then half a cosine (semantics 10)."""

from __future__ import annotations

import math


def learning_rate(iteration: int, iterations: int, peak: float, warmup: float) -> float:
    """Return the learning rate of a step.

    `iteration` counts from 0; `warmup` is a fraction of the run. The rate rises in equal steps to
    `peak`, the rate of the last step of the warm-up and of the first step after it. Then it falls
    by half a cosine; the step after the last would have the rate 0.

    >>> [round(learning_rate(i, 10, 1.0, 0.4), 3) for i in (0, 1, 3, 4, 7, 9)]
    [0.25, 0.5, 1.0, 1.0, 0.5, 0.067]
    """
    rising = round(warmup * iterations)
    if iteration < rising:
        return peak * (iteration + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (iteration - rising) / (iterations - rising)))
