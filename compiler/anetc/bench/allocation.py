"""What a function allocates: every tensor, and what operations need while they run.

Counted where PyTorch's own allocator on the CPU hands memory out, which oneDNN's packed weights go
through too; what libraries take from the system behind its back is not seen.
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
    """Bytes above what was held before."""

    peak: int
    """The most at one time."""
    remaining: int
    """What is still held in the end."""


def allocated(function: Callable[[], object]) -> Allocated:
    """Run a function under PyTorch's profiler, and count."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it reports on standard error
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
