"""Drive a search in a process that tests can kill: `python driver.py RUN [TRIAL OPTIONS]`.

The options are those of `synthetic_trial.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import attrs

# This file is run as a script, so the folder above `tests` is not on the path yet.
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
            # A test that kills at random may kill the trials of one candidate many times.
            change=lambda running: attrs.evolve(running, retries=100),
            command=command,
        )
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
