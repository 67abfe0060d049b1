"""A driver in a process of its own, to be killed: `python driver.py RUN [SECONDS OF A TRIAL]`."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs

# Run as a script: the folder above `tests` is not on the path yet.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.search import drive_run
from tests.evolve.method import COMMAND, RULES


def main() -> int:
    command = (*COMMAND, *sys.argv[2:])
    try:
        drive_run(
            RunDir(sys.argv[1]),
            RULES,
            # Whoever kills at random may kill one candidate's trial again and again.
            change=lambda running: attrs.evolve(running, retries=100),
            command=command,
        )
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
