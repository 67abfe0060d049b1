"""The server of trials, which ends if the import of its modules uses the CUDA library.

PyTorch takes this CPU build for one with CUDA while the modules are imported.
"""

from __future__ import annotations

import os

import torch

from anetc.cli.trial_server import main, preload

FUNCTIONS = ("_cuda_getDeviceCount", "_cuda_init", "_cuda_getCurrentRawStream")


def end(*_: object) -> None:
    """End the process: the driver sees that the server starts no trial."""
    os._exit(1)


if __name__ == "__main__":
    missing = [name for name in FUNCTIONS if not hasattr(torch._C, name)]
    for name in missing:
        setattr(torch._C, name, end)
    preload()
    for name in missing:
        delattr(torch._C, name)
    main()
