"""Stop a run by SIGINT (Ctrl-C) or SIGTERM without losing a finished step."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A request to stop that a signal made.

    Inside `deferred()` the first signal is only recorded: the run saves a checkpoint after the
    current step and stops. A second signal, or a signal anywhere else, raises KeyboardInterrupt at
    once.
    """

    def __init__(self, notify: Callable[[], None] | None = None) -> None:
        """Make a request; the signal handler calls `notify` when it records a signal."""
        self.signal: signal.Signals | None = None
        """The last signal that was received."""
        self.ignores_repeats = False
        """True to ignore further signals inside `deferred()`, as torchrun repeats Ctrl-C."""
        self._deferred = False
        self._notify = notify

    @property
    def is_made(self) -> bool:
        """True after a signal."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """Exit code of the stopped command: 130 after SIGINT, 143 after SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM inside the block. A signal that is ignored stays ignored."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            for number, handler in before.items():
                if handler is not signal.SIG_IGN:
                    signal.signal(number, self._handle)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Record a signal inside the block instead of raising KeyboardInterrupt."""
        with self._set_deferred(True):
            yield

    @contextlib.contextmanager
    def immediate(self) -> Iterator[None]:
        """Raise KeyboardInterrupt inside the block, also for a request that was made before it."""
        with self._set_deferred(False):
            if self.is_made:
                raise KeyboardInterrupt
            yield

    @contextlib.contextmanager
    def _set_deferred(self, value: bool) -> Iterator[None]:
        before, self._deferred = self._deferred, value
        try:
            yield
        finally:
            self._deferred = before

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        repeated = self.is_made
        self.signal = signal.Signals(number)
        if not self._deferred or (repeated and not self.ignores_repeats):
            raise KeyboardInterrupt
        if not repeated and self._notify is not None:
            self._notify()
