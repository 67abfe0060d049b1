"""Measure the memory that a function allocates: its tensors and the buffers of its operations.

PyTorch's allocator for the device is measured; that of CPUs also serves oneDNN's packed weights.
Memory that a library takes directly from the system or the driver is not counted.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import attrs


@attrs.frozen
class Allocated:
    """Allocated bytes, beyond those that were allocated before."""

    peak: int
    """Largest number of bytes at one time."""
    remaining: int
    """Number of bytes that are still allocated at the end."""


def allocated(function: Callable[[], object], device: str = "cpu") -> Allocated:
    """Run a function and return the bytes it allocated, on a CPU by PyTorch's profiler."""
    if device != "cpu":
        return _allocated_on_gpu(function, device)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # otherwise it writes to standard error
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    changes = [event for event in events if event.get("name") == "[memory]"]
    held = peak = 0
    for change in sorted(changes, key=lambda event: event["ts"]):
        held += change["args"]["Bytes"]
        peak = max(peak, held)
    return Allocated(peak, held)


def _allocated_on_gpu(function: Callable[[], object], device: str) -> Allocated:
    import torch

    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    function()
    torch.cuda.synchronize(device)
    peak, after = torch.cuda.max_memory_allocated(device), torch.cuda.memory_allocated(device)
    return Allocated(peak - before, after - before)
