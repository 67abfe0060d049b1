"""The compiler of AnetDSL: from a `Network` to tensors, and the `anetc` command.

    compile_network(network)         the fast engine, for inference
    build_network(network)           the reference module, in plain PyTorch, for one's own training
    load_artifact(path)              a module from a file that `anetc compile` wrote
    train(network, data, out)        train a network on a data set, as `anetc train`
    evaluate(network, weights, data) evaluate a network on a data set, as `anetc eval`
    search(data, out)                search for a network, as `anetc evolve`
    finals(run)                      compare its best networks, train the winner: `anetc finals`
    torch_dataset(data, split)       a data set of any format for PyTorch's DataLoader
    collate(items)                   batches of its items
    describe_training(train, valid)  class names and clips of a training loop, for its weights file
    learned_text(module, source)     a network's text with the edge weights that a module learned

The package loads these names at their first use. So commands that need no tensors do not import
torch.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` takes time
if TYPE_CHECKING:
    from typing import Any

    from anetc.api.evaluate import evaluate
    from anetc.api.finals import finals
    from anetc.api.search import search
    from anetc.api.train import train
    from anetc.data.torch_dataset import collate, torch_dataset
    from anetc.engines.inference.inference_engine import compile_network
    from anetc.export.load import load_artifact
    from anetc.modules.network import build_network
    from anetc.training.data_record import describe_training
    from anetc.weights.learned import learned_text

__all__ = [
    "build_network",
    "collate",
    "compile_network",
    "describe_training",
    "evaluate",
    "finals",
    "learned_text",
    "load_artifact",
    "search",
    "torch_dataset",
    "train",
]

_HOMES = {
    "build_network": "anetc.modules.network",
    "collate": "anetc.data.torch_dataset",
    "compile_network": "anetc.engines.inference.inference_engine",
    "describe_training": "anetc.training.data_record",
    "evaluate": "anetc.api.evaluate",
    "finals": "anetc.api.finals",
    "learned_text": "anetc.weights.learned",
    "load_artifact": "anetc.export.load",
    "search": "anetc.api.search",
    "torch_dataset": "anetc.data.torch_dataset",
    "train": "anetc.api.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
