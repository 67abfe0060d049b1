"""Results of a benchmark, as values and as JSON."""

from __future__ import annotations

from typing import Any

import attrs

SCHEMA = "anetdsl-bench"
SCHEMA_VERSION = 1
OPERATIONS = 2
"""Floating-point operations per multiply-add."""
REST = "rest"
"""Row for time outside of nodes: changing the layout of inputs, and the calls."""


@attrs.frozen
class NodeTime:
    """Time of one node, of `sink` or of the rest, in a forward pass of the whole batch."""

    name: str
    seconds: float
    """Median over the rounds."""
    multiply_adds: int
    """Multiply-adds of the network as written (`anetdsl.cost`); 0 for the rest."""
    moved_bytes: int
    """Bytes that the node's operations read and write: arguments, weights and result, once each."""

    @property
    def gflops(self) -> float:
        """Billions of floating-point operations per second."""
        return _gflops(self.multiply_adds, self.seconds)

    @property
    def intensity(self) -> float:
        """Floating-point operations per moved byte."""
        return OPERATIONS * self.multiply_adds / self.moved_bytes if self.moved_bytes else 0.0


@attrs.frozen
class BackendResult:
    """Result of one backend."""

    backend: str
    dtype: str
    seconds: tuple[float, ...]
    """Wall time of a forward pass of the batch in each round."""
    batch: int
    multiply_adds: int
    moved_bytes: int
    ceiling_gflops: float
    """GFLOP/s of a large convolution of this type, measured in the same rounds."""
    peak_bytes: int
    """Peak memory of a forward pass, without inputs and weights."""
    weight_bytes: int | None
    """Bytes held between passes, with packed weights; None if they cannot be measured."""
    prepare_seconds: float
    """Time from the reference module to the end of the first pass."""
    error: float | None
    """max|a - b| / max|b| of the logits a and those of `plain`, b; None without `plain`."""
    nodes: tuple[NodeTime, ...]
    """Nodes in the order of the text, sink, rest; empty if nodes cannot be timed."""

    @property
    def median(self) -> float:
        """Latency: the median of `seconds`."""
        return _median(self.seconds)

    @property
    def clips_per_second(self) -> float:
        """Throughput: clips of the batch divided by the latency."""
        return self.batch / self.median

    @property
    def gflops(self) -> float:
        """Billions of floating-point operations per second."""
        return _gflops(self.multiply_adds, self.median)

    @property
    def intensity(self) -> float:
        """Floating-point operations per moved byte."""
        return OPERATIONS * self.multiply_adds / self.moved_bytes


@attrs.frozen
class Bench:
    """Results of all backends of one benchmark."""

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
    """Bytes read and written per second by a copy much larger than caches, in the same rounds."""
    results: tuple[BackendResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Return values for JSON (docs/schemas/bench.schema.json)."""
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
