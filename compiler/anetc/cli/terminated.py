"""SIGTERM as an exception, so that a command ends its processes and removes temporary files.

The entry point imports this module early, so it imports nothing.
"""


class Terminated(KeyboardInterrupt):
    """The process has received SIGTERM."""


def raise_terminated(*_: object) -> None:
    """Raise Terminated: the handler of SIGTERM."""
    raise Terminated
