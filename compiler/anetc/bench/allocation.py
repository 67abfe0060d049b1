"""Measure the memory that a function allocates: its tensors and the buffers of its operations.

PyTorch's CPU allocator is measured, which also serves oneDNN's packed weights. Memory that a
library takes directly from the system is not counted.
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


def allocated(function: Callable[[], object]) -> Allocated:
    """Run a function under PyTorch's profiler and return the bytes it allocated."""
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
