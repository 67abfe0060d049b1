"""Prepare the fork server of `worker_processes`: the import of this module has the effect.

The fork server imports this module first, so that it dies with the main process also while it
imports the others, and so that all workers have the settings of `process_start`. A worker whose
main process has ended before it passed on the work ends without a traceback.
"""

from __future__ import annotations

import sys
from multiprocessing import parent_process
from types import TracebackType

from anetc.process_start import prepare_process
from anetc.worker_processes import kill_with_parent

_NOT_PASSED_ON = ("EOFError", "UnpicklingError", "FileNotFoundError")
"""Exceptions of a worker that does not receive its work, or whose semaphores have gone."""


def _report(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if parent_process() is None and kind.__name__ in _NOT_PASSED_ON:
        return
    sys.__excepthook__(kind, error, traceback)


kill_with_parent()
prepare_process()
sys.excepthook = _report
