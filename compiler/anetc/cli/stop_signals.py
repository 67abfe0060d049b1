"""Stop long work by Ctrl-C or SIGTERM: the first signal requests it, the second one forces it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Protocol

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stoppable(Protocol):
    """Work that ends soon after `stopping` is set."""

    stopping: threading.Event

    def wake(self) -> None:
        """Have the work check `stopping` at once."""
        ...


def stop_on_signals(work: Stoppable) -> None:
    """Install handlers: the first signal stops the work, the second one raises KeyboardInterrupt.

    Call it within `signal_handlers_restored`.
    """

    def stop(_number: int, _frame: object) -> None:
        if work.stopping.is_set():
            raise KeyboardInterrupt
        work.stopping.set()
        work.wake()

    for number in _SIGNALS:
        signal.signal(number, stop)


@contextlib.contextmanager
def signal_handlers_restored() -> Iterator[None]:
    """Restore the signal handlers when the block ends."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
