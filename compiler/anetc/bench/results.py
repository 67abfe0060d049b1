"""What a benchmark found, as values and as JSON."""

from __future__ import annotations

from typing import Any

import attrs

SCHEMA = "anetdsl-bench"
SCHEMA_VERSION = 1
OPERATIONS = 2
"""Floating-point operations of a multiply-add."""
REST = "rest"
"""What belongs to no node: bringing inputs into a layout, and the calls themselves."""


@attrs.frozen
class NodeTime:
    """One node, or `sink`, or the rest, in a forward pass of the whole batch."""

    name: str
    seconds: float
    """Median over the rounds."""
    multiply_adds: int
    """Of the network as written (`anetdsl.cost`), however it is run; 0 for the rest."""
    moved_bytes: int
    """What the node's operations read and write, each its arguments, weights and result once."""

    @property
    def gflops(self) -> float:
        """Billions of floating-point operations a second."""
        return _gflops(self.multiply_adds, self.seconds)

    @property
    def intensity(self) -> float:
        """Floating-point operations for a byte that is moved."""
        return OPERATIONS * self.multiply_adds / self.moved_bytes if self.moved_bytes else 0.0


@attrs.frozen
class BackendResult:
    """One means of running the network."""

    backend: str
    dtype: str
    seconds: tuple[float, ...]
    """Wall time of a forward pass of the batch, round by round."""
    batch: int
    multiply_adds: int
    moved_bytes: int
    ceiling_gflops: float
    """What a large convolution reaches in this type, measured in the same rounds."""
    peak_bytes: int
    """The most that a forward pass holds at once, beyond inputs and weights."""
    weight_bytes: int | None
    """What is held between passes, packed weights included; None where it cannot be seen."""
    prepare_seconds: float
    """From the plain module to the end of the first pass."""
    error: float | None
    """Of the logits, max|a - b| / max|b| to the plain module's; None if that did not run."""
    nodes: tuple[NodeTime, ...]
    """In the order of the text, then the sink and the rest; empty where one cannot tell."""

    @property
    def median(self) -> float:
        """Median of `seconds`: the latency."""
        return _median(self.seconds)

    @property
    def clips_per_second(self) -> float:
        """The throughput."""
        return self.batch / self.median

    @property
    def gflops(self) -> float:
        """Billions of floating-point operations a second."""
        return _gflops(self.multiply_adds, self.median)

    @property
    def intensity(self) -> float:
        """Floating-point operations for a byte that is moved."""
        return OPERATIONS * self.multiply_adds / self.moved_bytes


@attrs.frozen
class Bench:
    """All means of running a network that were asked for, side by side."""

    network: str
    frames: int
    height: int
    width: int
    batch: int
    threads: int
    repeats: int
    processor: str
    torch: str
    copy_bytes_per_second: float
    """Reading and writing together, of a copy much larger than caches, in the same rounds."""
    results: tuple[BackendResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, with the version of their layout."""
        values = attrs.asdict(self, recurse=False)
        values["results"] = [_backend_to_json(result) for result in self.results]
        return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **values}


def _backend_to_json(result: BackendResult) -> dict[str, Any]:
    values = attrs.asdict(result, recurse=False)
    values["seconds"] = list(result.seconds)
    for name in ("median", "clips_per_second", "gflops"):
        values[name] = getattr(result, name)
    values["nodes"] = [{**attrs.asdict(node), "gflops": node.gflops} for node in result.nodes]
    return values


def _gflops(multiply_adds: int, seconds: float) -> float:
    return OPERATIONS * multiply_adds / seconds / 1e9 if seconds else 0.0


def _median(values: tuple[float, ...]) -> float:
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2
