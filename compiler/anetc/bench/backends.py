"""The backends that a benchmark compares.

plain      the reference module, eager
plan       the optimised plan, float32
plan-bf16  the optimised plan, bfloat16
compile    torch.compile of the reference module
frozen     the same with weights as constants (Inductor's freezing)

On a GPU, plans run by the engine for accelerators (`anetc.engines.accelerator.portable`).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, cast

import attrs
import torch
from torch import Tensor, nn

from anetc.bench.allocation import allocated
from anetc.bench.traffic import node_shares
from anetc.engines.inductor import patched_scheduler
from anetc.engines.inference.inference_engine import InferenceEngine
from anetc.engines.inference.plan_module import PlanModule
from anetc.modules.names import node_name
from anetc.modules.network import NetworkModule
from anetc.plan.lower import lower
from anetc.plan.passes import optimise
from anetc.plan.plan import Op, Plan
from anetc.process_family import processes_end_with_this_one
from anetdsl.errors import CannotRun

BACKENDS = ("plain", "plan", "plan-bf16", "compile", "frozen")
Inputs = Mapping[str, Tensor]
Times = dict[str, float]


@attrs.frozen
class Backend:
    """A prepared backend. It has run once."""

    name: str
    dtype: torch.dtype
    forward: Callable[[Inputs], Tensor]
    timed: Callable[[Inputs], Times]
    """Function that runs once and returns seconds by node; empty if nodes cannot be timed."""
    plan: Plan
    """Plan that is run, for counting the bytes it moves."""
    prepare_seconds: float
    """Time from the reference module to the end of the first pass."""
    weight_bytes: int | None
    """Bytes held between passes; None if they cannot be measured."""


def make_backend(name: str, model: NetworkModule, inputs: Inputs) -> Backend:
    """Prepare one of `BACKENDS` for inputs of this size. Raise CannotRun if it cannot run."""
    first = next(iter(inputs.values()))
    height, width = first.shape[3:]
    lowered = lower(model.network, frames=first.shape[2], size=(height, width))
    if name == "plain":
        start = time.perf_counter()
        model(inputs)
        seconds = time.perf_counter() - start
        timed = _by_hooks if first.device.type == "cpu" else _untimed
        held = sum(t.numel() * t.element_size() for t in model.state_dict().values())
        return Backend(
            name, torch.float32, model, lambda x: timed(model, x), lowered, seconds, held
        )
    if name in ("plan", "plan-bf16"):
        if first.device.type != "cpu":
            return _portable(name, lowered, model, inputs)
        return _plan(name, lowered, model, inputs)
    return _compiled(name, lowered, model, inputs)


def _plan(name: str, lowered: Plan, model: NetworkModule, inputs: Inputs) -> Backend:
    dtype = torch.bfloat16 if name == "plan-bf16" else torch.float32
    if dtype is torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise CannotRun(
            f"{name}: this processor has no bfloat16 instructions; leave it out of --backends"
        )
    plan = optimise(lowered)
    made: list[_TimedPlan] = []
    seconds = 0.0

    def prepare() -> None:
        nonlocal seconds
        start = time.perf_counter()
        made.append(_TimedPlan(plan, model.state_dict(), dtype=dtype))
        made[0](inputs)
        seconds = time.perf_counter() - start

    held = allocated(prepare).remaining
    module = made[0]

    def timed(x: Inputs) -> Times:
        module.clock = {}
        module(x)
        times, module.clock = module.clock, None
        return times

    return Backend(name, dtype, module, timed, plan, seconds, held)


def _portable(name: str, lowered: Plan, model: NetworkModule, inputs: Inputs) -> Backend:
    """Prepare a plan of ordinary operations for the device of the inputs."""
    dtype = torch.bfloat16 if name == "plan-bf16" else torch.float32
    device = next(iter(inputs.values())).device
    engine = InferenceEngine(model, portable=True).eval()

    def forward(x: Inputs) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16):
            return cast(Tensor, engine(x))

    def timed(x: Inputs) -> Times:
        forward(x)
        return {}

    start = time.perf_counter()
    held = allocated(lambda: forward(inputs).sum().item(), str(device)).remaining
    seconds = time.perf_counter() - start
    return Backend(name, dtype, forward, timed, optimise(lowered), seconds, held)


class _TimedPlan(PlanModule):
    """A plan whose operations are timed while `clock` is set."""

    clock: Times | None = None
    """Seconds by node."""

    def __init__(self, plan: Plan, *args: Any, **options: Any) -> None:
        super().__init__(plan, *args, **options)
        self.shares = node_shares(plan)

    def _run(self, op: Op, *args: Any) -> Tensor:
        if self.clock is None:
            return super()._run(op, *args)
        start = time.perf_counter()
        result = super()._run(op, *args)
        seconds = time.perf_counter() - start
        for node, share in self.shares[op.name].items():
            self.clock[node] = self.clock.get(node, 0.0) + share * seconds
        return result


def _untimed(model: NetworkModule, inputs: Inputs) -> Times:
    """Run once. A GPU works on while the next node is called, so nodes cannot be timed."""
    model(inputs)
    return {}


def _by_hooks(model: NetworkModule, inputs: Inputs) -> Times:
    """Run once and return seconds by node. No hook is left: torch.compile would trace it."""
    times: Times = {}
    parts = {node_name(key): part for key, part in model.nodes.items()} | {"sink": model.sink}

    def hook_into(name: str, part: nn.Module, stack: ExitStack) -> None:
        def begin(*_: object) -> None:
            times[name] = -time.perf_counter()

        def end(*_: object) -> None:
            times[name] += time.perf_counter()

        for handle in (
            part.register_forward_pre_hook(begin),
            part.register_forward_hook(end),
        ):
            stack.callback(handle.remove)

    with ExitStack() as stack:
        for name, part in parts.items():
            hook_into(name, part, stack)
        model(inputs)
    return times


def _compiled(name: str, lowered: Plan, model: NetworkModule, inputs: Inputs) -> Backend:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns about its own code
        return _compiled_quietly(name, lowered, model, inputs)


def _compiled_quietly(name: str, lowered: Plan, model: NetworkModule, inputs: Inputs) -> Backend:
    import torch._inductor.config as inductor
    from torch._inductor.compile_fx import compile_fx

    def backend(graph: Any, given: Any) -> Any:
        """Call Inductor from a new function, so that code compiled for another is not reused."""
        return compile_fx(graph, given)

    compiled: Callable[[Inputs], Tensor] = torch.compile(model, backend=backend, dynamic=False)
    start = time.perf_counter()
    try:
        # Not an option of `torch.compile`: tracing also reads whether weights are frozen.
        with (
            inductor.patch(freezing=name == "frozen"),
            patched_scheduler(),
            processes_end_with_this_one(),
        ):
            compiled(inputs)
    except Exception as error:  # a compiler of others may raise anything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CannotRun(f"{name}: torch.compile failed: {lines[0]}") from None
    seconds = time.perf_counter() - start

    def timed(x: Inputs) -> Times:
        compiled(x)
        return {}

    return Backend(name, torch.float32, compiled, timed, lowered, seconds, None)
