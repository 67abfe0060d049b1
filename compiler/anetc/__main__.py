"""`python -m anetc` is the `anetc` command."""

from __future__ import annotations

from anetc.cli.main import run

run()
