"""Whether a failure was for want of memory. Nothing here needs torch."""

from __future__ import annotations

_ALLOCATION = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of Python's, NumPy's or PyTorch's says that memory could not be had."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _ALLOCATION)
