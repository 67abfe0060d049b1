"""Recognise errors that mean "out of memory". This module does not import torch."""

from __future__ import annotations

_ALLOCATION = (
    *("can't allocate memory", "not enough memory", "out of memory", "bad_alloc"),
    *("cublas_status_alloc_failed", "cudnn_status_alloc_failed"),
    # cuDNN 9
    *("_host_allocation_failed", "_device_allocation_failed"),
    # cuBLAS says so where there is no memory for its workspace.
    "cublas_status_not_initialized when calling `cublascreate",
)
"""Parts of messages, in lower case."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception of Python, NumPy or PyTorch means that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _ALLOCATION)
