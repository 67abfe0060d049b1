"""Select the population and the parents (paper 3.2, 4.1; Real et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from anetdsl.evolve.candidates import Member


def fittest(finished: Sequence[Member], size: int) -> tuple[Member, ...]:
    """Return the population if the worst member leaves for each new one; of equals the oldest."""
    population: list[Member] = []
    for member in finished:
        population.append(member)
        if len(population) > size:
            population.remove(min(population, key=lambda other: other.fitness))
    return tuple(population)


def youngest(finished: Sequence[Member], size: int) -> tuple[Member, ...]:
    """Return the population if the oldest member leaves for each new one."""
    return tuple(finished[max(0, len(finished) - size) :])


def everyone(finished: Sequence[Member], _size: int) -> tuple[Member, ...]:
    """Return the population if no member leaves."""
    return tuple(finished)


def tournament(population: Sequence[Member], size: int, rng: Random) -> Member:
    """Return the best of a random subset of the population; of equals the youngest."""
    drawn = rng.sample(population, min(size, len(population)))
    return max(drawn, key=lambda member: (member.fitness, member.index))
