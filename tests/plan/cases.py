"""Networks with random weights and clips, and random plans."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import attrs
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

import anetdsl
from anetc import build_network
from anetc.modules.attention import PeerAttention, SelfAttention
from anetc.modules.network import NetworkModule
from anetc.plan.plan import Expr, Op, Plan, call
from anetdsl.ir import Network
from tests.networks import networks

EVERY_PASS = anetdsl.parse("""anet 1
network every_pass D=[2, 4, 4, 4] modules=[2, 1, 1, 1]
input rgb channels=3
node s0 level=0 C=8 r=1 stride=4 inputs=[rgb]
node s1 level=0 C=4 r=2 stride=4 inputs=[rgb]
node n2 level=1 C=2 r=4 stride=2 inputs=[s0, s1]
node n3 level=2 C=2 r=1 stride=1 inputs=[s0, n2]
node n4 level=2 C=2 r=1 stride=1 inputs=[n2, s0]
node n5 level=2 C=1 r=1 stride=1 inputs=[s0, s1]
sink inputs=[n3, n4] classes=5
""")
"""A network whose plan every pass changes.

`n5` is unused, `n3` and `n4` share a pool, and `n2` has an adapter.
"""


@attrs.frozen
class Case:
    """A network, its reference module with random weights in inference mode, and a clip."""

    network: Network
    model: NetworkModule
    inputs: dict[str, Tensor]

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return next(iter(self.inputs.values())).shape[2]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the clip."""
        height, width = next(iter(self.inputs.values())).shape[3:]
        return height, width

    @property
    def state(self) -> dict[str, Tensor]:
        """Parameters and statistics of the module."""
        return self.model.state_dict()


def case(
    network: Network,
    *,
    batch: int = 1,
    frames: int = 4,
    size: tuple[int, int] = (32, 24),
    seed: int = 0,
) -> Case:
    """Return a network with weights, statistics and a clip drawn from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    model = build_network(network, seed=seed).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            _normal(module.weight, generator)
            _normal(module.bias, generator)
            _normal(module.running_mean, generator)
            assert module.running_var is not None
            module.running_var.uniform_(0.3, 3, generator=generator)
        if isinstance(module, PeerAttention | SelfAttention):
            # The initial values are nearly 0, so that all peers and channels would be alike.
            for parameter in module.parameters():
                _normal(parameter, generator)
    # A wide distribution: with the initial weights, the logits are little more than rounding.
    _normal(model.sink.fc.weight, generator)
    inputs = {
        value.name: torch.randn(batch, value.channels, frames, *size, generator=generator)
        for value in network.inputs
    }
    return Case(network, model, inputs)


def _normal(tensor: Tensor | None, generator: torch.Generator) -> None:
    assert tensor is not None
    tensor.detach().normal_(generator=generator)


ONE_CHANNEL = """\
anet 1
network one  blocks=lite D=[1, 1, 1, 1] modules=[1, 1, 1, 1]
input rgb channels=3
node s level=0 C=2 r=1 stride=2 inputs=[rgb]
node a level=1 C=[1, 2, 2] r=1 stride=1 inputs=[s]
sink inputs=[a] classes=3
"""
"""A network with a 3x3x3 convolution of one channel."""


def leave_nan_in_freed_memory() -> None:
    """Free memory that holds NaN, which a kernel must not read."""
    freed = [torch.full((2**power,), math.nan) for power in range(4, 18) for _ in range(12)]
    del freed


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a network without errors and one or two clips of any size."""
    return case(
        draw(networks()),
        batch=draw(st.integers(1, 2)),
        frames=draw(st.integers(1, 4)),
        size=(draw(st.integers(1, 40)), draw(st.integers(1, 40))),
        seed=draw(st.integers(0, 2**31)),
    )


def relative_error(got: Tensor, expected: Tensor) -> float:
    """Return the largest difference divided by the largest expected value; 0 for equal tensors."""
    assert got.shape == expected.shape
    difference = (got.double() - expected.double()).abs().max()
    return float(difference / expected.abs().max()) if difference else 0.0


def is_close(got: Tensor, example: Case, bound: float, dtype: torch.dtype = torch.float32) -> bool:
    """Return whether logits equal those of the reference module, up to `bound` or rounding.

    If terms of the logits cancel almost completely, the rounding errors of `dtype` are large. For
    such a network the bound is four times the reference module's own error in `dtype`. Since one
    error may be small by chance, this error is the largest over several scalings of the clip.
    """
    expected = _logits_in(torch.float32, example)
    if (error := relative_error(got, expected)) < bound:
        return True
    own = (
        relative_error(_logits_in(dtype, example, light), _logits_in(torch.float64, example, light))
        for light in (1, 0.99, 1.01, 0.98, 1.02)
    )
    return error < 4 * max(own)


def _logits_in(dtype: torch.dtype, example: Case, light: float = 1) -> Tensor:
    model = copy.deepcopy(example.model).to(dtype)
    clips = {name: (light * clip).to(dtype) for name, clip in example.inputs.items()}
    with torch.no_grad():
        logits: Tensor = model(clips)
    return logits


CHANNELS = 3
GATE_OF_ONE = 50.0
"""A value whose sigmoid is 1 in double precision."""


@attrs.frozen
class WildCase:
    """A random plan that need not come from a network, its stored tensors, and inputs."""

    plan: Plan
    state: dict[str, Tensor]
    inputs: dict[str, Tensor]


@st.composite
def wild_cases(draw: st.DrawFn) -> WildCase:
    """Draw a plan in which any operation reads any earlier results, also one result twice."""
    frames, height, width = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 6)),
        draw(st.integers(1, 6)),
    )
    shape = (CHANNELS, frames, height, width)
    ops = [Op("x", "input", (), shape), Op("y", "input", (), shape)]
    for number in range(draw(st.integers(1, 8))):
        # Late results are drawn more often, so that the plan is deeper.
        names = st.sampled_from([op.name for op in ops] + [op.name for op in ops[-3:]])
        ops.append(draw(_operations(f"v{number}", names, shape)))
    last = ops[-1].name
    if any(op.kind == "attend" for op in ops):
        ops[2:2] = [Op(mean, "space_mean", (mean[0],), (CHANNELS, frames)) for mean in MEANS]
    weight, bias = call("fc"), call("b")
    ops.append(Op("space", "space_mean", (last,), (CHANNELS, frames)))
    ops.append(Op("time", "time_mean", ("space",), (CHANNELS,)))
    exprs = {"weight": (weight,), "bias": (bias,)}
    ops.append(Op("logits", "linear", ("time",), (CHANNELS,), {}, exprs))
    plan = Plan("wild", frames, height, width, tuple(ops))
    seed, batch = draw(st.integers(0, 2**31)), draw(st.integers(1, 2))
    return WildCase(plan, wild_state(seed), wild_inputs(plan, seed, batch, draw(st.booleans())))


KERNELS = {"1x1x1": "p", "1x3x3": "q", "3x1x1": "r", "3x3x3": "s"}
MEANS = ("x.mean", "y.mean")
"""Names of the means of the inputs, which are the logits of attention."""


@st.composite
def _operations(
    draw: st.DrawFn, name: str, names: st.SearchStrategy[str], shape: tuple[int, ...]
) -> Op:
    options: dict[str, Any] = {"relu": True} if draw(st.booleans()) else {}
    match draw(st.sampled_from(["conv", "conv", "conv", "add", "add", "sum", "attend", "relu"])):
        case "conv":
            kernel = draw(st.sampled_from(list(KERNELS)))
            if kernel == "1x3x3" and draw(st.booleans()):
                options["same"] = True
            exprs = {"weight": (call(KERNELS[kernel]),)}
            if draw(st.booleans()):
                exprs["bias"] = (call("b"),)
            args = (draw(names), *([draw(names)] if draw(st.booleans()) else []))
            return Op(name, "conv", args, shape, {"kernel": kernel, **options}, exprs)
        case "add":
            return Op(name, "add", (draw(names), draw(names)), shape, options)
        case "sum" | "attend" as kind:
            args = tuple(draw(st.lists(names, min_size=1, max_size=3)))
            gates = st.sampled_from([call("gate", "w", 0), call("gate", "w", 1), Expr("1")])
            exprs = {"gates": tuple(draw(gates) for _ in args)}
            logits = [draw(st.sampled_from(MEANS)) for _ in args if kind == "attend"]
            return Op(name, kind, (*args, *logits), shape, {}, exprs)
    return Op(name, "relu", (draw(names),), shape)


def wild_state(seed: int) -> dict[str, Tensor]:
    """Return the stored tensors of random plans, drawn from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    shapes: Mapping[str, tuple[int, ...]] = {
        **{
            name: (CHANNELS, CHANNELS, *map(int, kernel.split("x")))
            for kernel, name in KERNELS.items()
        },
        "b": (CHANNELS,),
        "fc": (CHANNELS, CHANNELS),
    }
    state = {name: torch.randn(shape, generator=generator) / 3 for name, shape in shapes.items()}
    return {**state, "w": torch.tensor([0.5, GATE_OF_ONE])}


def wild_inputs(plan: Plan, seed: int, batch: int, last: bool) -> dict[str, Tensor]:
    """Return clips; with `last` in channels-last layout, which the engine does not copy."""
    generator = torch.Generator().manual_seed(seed)
    clips = {
        name: torch.randn(batch, *plan.op(name).shape, generator=generator) for name in ("x", "y")
    }
    layout = torch.channels_last_3d if last else torch.contiguous_format
    return {name: clip.contiguous(memory_format=layout) for name, clip in clips.items()}
