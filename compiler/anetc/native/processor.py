"""Describe the processor of this machine, as a part of the keys of cached files."""

from __future__ import annotations

import platform
from pathlib import Path

_FIELDS = (
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "stepping",
    "flags",
    "cpu implementer",
    "cpu part",
    "features",
)


def describe_processor() -> str:
    """Return a text that differs between models of processors, with their instructions.

    Two models may have one name, so the text has all fields of /proc/cpuinfo that identify one.
    """
    try:
        block = Path("/proc/cpuinfo").read_text("utf-8", "replace").partition("\n\n")[0]
    except OSError:
        return f"{platform.machine()} {platform.processor()} {platform.system()}"
    fields = (line.partition(":") for line in block.splitlines())
    found = [value.strip() for key, _, value in fields if key.strip().lower() in _FIELDS]
    return "\n".join([platform.machine(), *found])
