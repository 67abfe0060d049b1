"""Networks that no plan can be made for: engines run the reference module, exports refuse."""

from pathlib import Path

import pytest
import torch

import anetdsl
from anetc.bench.backends import BACKENDS, make_backend
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.inference.inference_engine import compile_network
from anetc.engines.training import TrainingModule
from anetc.export.about import KINDS, About
from anetc.export.compile import compile_artifact
from anetc.modules.network import NetworkModule, build_network
from anetc.plan.lower import lower, missing_in_plans
from anetdsl.errors import CannotRun
from anetdsl.ir import Network

NETWORKS = [
    anetdsl.load(Path(f"examples/small_assemblenet_plus{ending}.anet")) for ending in ("", "_lite")
]


def some_inputs(network: Network) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        value.name: torch.randn(2, value.channels, 2, 32, 32, generator=generator)
        for value in network.inputs
    }


@pytest.mark.parametrize(
    "network", [n for n in NETWORKS if missing_in_plans(n)], ids=lambda network: network.name
)
def test_every_user_of_plans_falls_back_or_refuses(network: Network, tmp_path: Path) -> None:
    inputs = some_inputs(network)
    with pytest.raises(CannotRun, match="no plan can be made for"):
        lower(network)
    reference = build_network(network)
    expected = reference.eval()(inputs)
    assert torch.equal(compile_network(reference)(inputs), expected)
    for engine in (TrainingModule, AcceleratorModule):
        trained = engine(build_network(network))
        logits = trained.train()(inputs)
        logits.sum().backward()
        other: NetworkModule = build_network(network).train()
        other(inputs).sum().backward()
        for found, right in zip(trained.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(found.grad, right.grad, rtol=1e-3, atol=1e-4)
    for name in BACKENDS:
        with pytest.raises(CannotRun, match="no plan can be made for"):
            make_backend(name, reference, inputs)
    for kind in KINDS[:2]:
        about = About(kind, str(network), 2, 2, 32, 32)
        with pytest.raises(CannotRun, match="no plan can be made for"):
            compile_artifact(network, about, tmp_path / "artifact.py", use_cache=False)
    assert not list(tmp_path.iterdir())
