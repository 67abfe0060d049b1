"""Run the `anetc` command as `python -m anetc`."""

from __future__ import annotations

from anetc.cli.entry_point import run

run()
