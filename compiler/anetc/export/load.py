"""Load an artifact of any kind as a module that is called as the reference module is."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, assert_never

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from anetc.engines.folded import FoldedPlan
from anetc.export.about import ANY_LENGTH, DATA_ONLY, About
from anetc.export.kinds import METADATA_KEY, onnx_session, read_about, safetensors_header
from anetc.memory import is_out_of_memory
from anetc.modules.network import InputError, check_inputs
from anetc.plan.plan_text import parse_plan
from anetdsl.api import parse
from anetdsl.errors import AnetError, CannotRun

Runner = Callable[[Mapping[str, Tensor]], Tensor]


class Artifact(nn.Module):
    """A loaded artifact. `about` is its description, `network` its network."""

    def __init__(self, about: About, run: Runner, path: Path) -> None:
        super().__init__()
        self.about = about
        self._path = path
        try:
            self.network = parse(about.network, f"the network in {path}")
        except AnetError:
            raise CannotRun(
                f"{path}: the artifact is damaged: its network text has errors"
            ) from None
        self._run = run

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits (N, classes) in float32, for a tensor (N, C, T, H, W) by input name.

        Raise InputError for sizes that the artifact was not compiled for, and CannotRun if the
        artifact fails.
        """
        check_inputs(self.network, inputs)
        self._check_sizes(next(iter(inputs.values())).shape)
        try:
            with torch.inference_mode():
                return self._run({value.name: inputs[value.name] for value in self.network.inputs})
        except Exception as error:  # the runtimes may raise anything
            if is_out_of_memory(error):
                raise
            raise CannotRun(f"{self._path}: the artifact fails: {_one_line(error)}") from error

    def _check_sizes(self, shape: torch.Size) -> None:
        about = self.about
        free = ("batch", "frames") if about.kind in ANY_LENGTH else about.dynamic
        sizes = {
            "batch": (shape[0], about.batch),
            "frames": (shape[2], about.frames),
            "height": (shape[3], about.height),
            "width": (shape[4], about.width),
        }
        if about.kind == "python":
            return
        for axis, (given, expected) in sizes.items():
            if axis not in free and given != expected:
                raise InputError(
                    f"this {about.kind} artifact was compiled for {axis} {expected}, not {given}"
                )


def load_artifact(path: str | Path, *, trust: bool = False) -> Artifact:
    """Load an artifact of `anetc compile`. The content of the file determines its kind.

    All kinds except `module` and `onnx` contain code, which runs with your rights. They are loaded
    only with `trust`: use it for files whose origin you know. Raise CannotRun for files that cannot
    be loaded.
    """
    path = Path(path)
    about = read_about(path)
    if about is None:
        raise CannotRun(f"{path}: is not an artifact of `anetc compile`")
    return load_described(path, about, trust=trust)


def load_described(path: Path, about: About, *, trust: bool) -> Artifact:
    """Load an artifact whose description `read_about` has returned."""
    if about.kind not in DATA_ONLY and not trust:
        raise CannotRun(
            f"{path}: an artifact of kind {about.kind} contains code, which runs with your rights; "
            "if you trust its origin, add --trust (trust=True in Python)"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated
            run = _open(path, about)
    except (CannotRun, MemoryError):
        raise
    except Exception as error:  # the loaders may raise anything
        raise CannotRun(f"{path}: cannot be loaded: {_one_line(error)}") from None
    return Artifact(about, run, path)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _open(path: Path, about: About) -> Runner:
    match about.kind:
        case "module":
            return _load_module(path, about)
        case "python":
            return _load_python(path)
        case "pt2":
            with path.open("rb") as file:  # a path would have to end in .pt2
                return _by_position(torch.export.load(file).module())
        case "aoti":
            # `aoti_load_package` calls this after it has looked for a C++ compiler.
            package = torch._C._aoti.AOTIModelPackageLoader(str(path), "model", False, 1, -1)
            return _by_position(lambda *inputs: package.run(list(inputs))[0])
        case "torchscript":
            program = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
            return _by_position(program)
        case "onnx":
            return _load_onnx(path)
    assert_never(about.kind)


def _load_module(path: Path, about: About) -> Runner:
    from anetc.export.write import folded_module

    try:
        metadata = json.loads(safetensors_header(path)["__metadata__"][METADATA_KEY])
        plan = parse_plan(metadata["plan"])
        with safe_open(path, framework="pt") as file:
            constants = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return folded_module(FoldedPlan(plan, constants), about)
    except (KeyError, ValueError, SafetensorError, StopIteration, AssertionError) as error:
        raise CannotRun(f"{path}: the artifact is damaged: {error}") from None


def _load_python(path: Path) -> Runner:
    source = ModuleType("anet_artifact")
    source.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), source.__dict__)  # noqa: S102
    run: Runner = source.__dict__["load"]()
    return run


def _load_onnx(path: Path) -> Runner:
    session = onnx_session(path)

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        given = {name: x.float().cpu().numpy() for name, x in inputs.items()}
        return torch.from_numpy(session.run(None, given)[0])

    return run


def _by_position(program: Any) -> Runner:
    return lambda inputs: program(*(x.float() for x in inputs.values()))
