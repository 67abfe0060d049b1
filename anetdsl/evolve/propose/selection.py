"""Who is alive, and who becomes a parent (paper 3.2, 4.1; Real et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from anetdsl.evolve.candidates import Member


def fittest(finished: Sequence[Member], size: int) -> tuple[Member, ...]:
    """The population when each that came joined, and then the worst left; of equals the oldest."""
    alive: list[Member] = []
    for member in finished:
        alive.append(member)
        if len(alive) > size:
            alive.remove(min(alive, key=lambda other: other.fitness))
    return tuple(alive)


def youngest(finished: Sequence[Member], size: int) -> tuple[Member, ...]:
    """The population when each that came joined, and then the oldest left."""
    return tuple(finished[max(0, len(finished) - size) :])


def tournament(population: Sequence[Member], size: int, rng: Random) -> Member:
    """The best of a random subset of the population; of equals the youngest."""
    drawn = rng.sample(population, min(size, len(population)))
    return max(drawn, key=lambda member: (member.fitness, member.index))
