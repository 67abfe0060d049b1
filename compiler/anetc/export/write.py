"""Write each kind of artifact into a folder."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from anetc.engines.accelerator.portable import PortableModule
from anetc.engines.folded import FoldedPlan, fold_constants
from anetc.engines.inductor import patched_scheduler
from anetc.export.about import About
from anetc.export.kinds import METADATA_KEY, ZIP_ENTRY
from anetc.modules.network import NetworkModule
from anetc.plan.plan import Plan
from anetc.plan.plan_text import print_plan
from anetc.process_family import processes_end_with_this_one
from anetdsl.errors import CannotRun

LONGEST_BATCH, LONGEST_CLIP = 4096, 100_000
_OPSET = 20
_ONNX_OUTPUT = "logits"


def write_artifact(model: NetworkModule, plan: Plan, about: About, folder: Path) -> None:
    """Write an artifact of a network and its optimised plan into a folder.

    Raise CannotRun if the kind needs a package or a compiler that is not installed.
    """
    state = model.state_dict()
    dtype = torch_dtype(about)
    target = folder / file_names(about)[0]
    if about.kind == "python":
        _write_python(model, about, folder)
        return
    folded = fold_constants(plan, state, dtype)
    if about.kind == "module":
        metadata = {
            METADATA_KEY: json.dumps({"about": about.to_json(), "plan": print_plan(folded.plan)})
        }
        target.write_bytes(save(folded.constants, metadata))
        return
    with _quiet(), torch.no_grad():
        portable = PortableModule(folded, dtype=dtype).eval().to(about.device)
        inputs = tuple(x.to(about.device) for x in _examples(model, about))
        # PyTorch writes into memory: where its own writer cannot write, the process aborts.
        archive = io.BytesIO()
        match about.kind:
            case "pt2":
                torch.export.save(_exported(portable, inputs, about), archive)
            case "aoti":
                _compile_ahead(portable, inputs, about, archive)
            case "torchscript":
                _trace(portable, inputs, archive)
            case "onnx":
                _export_onnx(portable, model, inputs, about, target)
                return
    _add_to_archive(archive, about)
    with target.open("wb") as file:
        file.write(archive.getbuffer())


def file_names(about: About) -> tuple[str, ...]:
    """Return the names of an artifact's files in its folder; the first one is loaded."""
    if about.kind == "python":
        return ("artifact.py", "artifact.safetensors")
    return ("artifact.pt2" if about.kind in ("pt2", "aoti") else "artifact",)


def torch_dtype(about: About) -> torch.dtype:
    """Return the data type that an artifact computes in."""
    return torch.bfloat16 if about.dtype == "bfloat16" else torch.float32


def random_inputs(
    model: NetworkModule, about: About, *, seed: int, batch: int = 0, frames: int = 0
) -> tuple[Tensor, ...]:
    """Return normal random inputs, of the artifact's sizes unless `batch` or `frames` are given."""
    generator = torch.Generator().manual_seed(seed)
    size = (frames or about.frames, about.height, about.width)
    return tuple(
        torch.randn(batch or about.batch, value.channels, *size, generator=generator)
        for value in model.network.inputs
    )


def _examples(model: NetworkModule, about: About) -> tuple[Tensor, ...]:
    """Return inputs to trace with. Free axes are at least 2: exporters assume that 1 is fixed."""
    batch = max(about.batch, 2) if "batch" in about.dynamic else about.batch
    frames = max(about.frames, 2) if "frames" in about.dynamic else about.frames
    return random_inputs(model, about, seed=0, batch=batch, frames=frames)


def _write_python(model: NetworkModule, about: About, folder: Path) -> None:
    from anetc.export.python.python_source import python_source
    from anetc.export.python.python_weights import python_weights

    source, weights = (folder / name for name in file_names(about))
    dtype = torch_dtype(about)
    source.write_text(python_source(model.network, dtype, about.trained_on), encoding="utf-8")
    metadata = {METADATA_KEY: json.dumps({"about": about.to_json()})}
    weights.write_bytes(save(python_weights(model.network, model.state_dict(), dtype), metadata))


def _exported(portable: PortableModule, inputs: tuple[Tensor, ...], about: About) -> Any:
    from torch._dynamo.exc import UserError

    try:
        return torch.export.export(portable, inputs, dynamic_shapes=_dynamic_shapes(inputs, about))
    except UserError:  # for example for feature maps of height 1
        if not about.dynamic:
            raise
        raise CannotRun(
            f"--emit {about.kind}: PyTorch cannot export this network for {about.height} x "
            f"{about.width} pixels with free {' and '.join(about.dynamic)}; leave out --dynamic"
        ) from None


def _dynamic_shapes(inputs: tuple[Tensor, ...], about: About) -> Any:
    if not about.dynamic:
        return None
    axes: dict[int, Any] = {}
    if "batch" in about.dynamic:
        axes[0] = torch.export.Dim("batch", min=1, max=LONGEST_BATCH)
    if "frames" in about.dynamic:
        axes[2] = torch.export.Dim("frames", min=1, max=LONGEST_CLIP)
    return (tuple(axes for _ in inputs),)


def _compile_ahead(
    portable: PortableModule, inputs: tuple[Tensor, ...], about: About, archive: io.BytesIO
) -> None:
    from torch._inductor import aoti_compile_and_package
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InductorError, InvalidCxxCompiler

    start = time.time()
    try:
        get_cpp_compiler()
        program = _exported(portable, inputs, about)
        with patched_scheduler(), processes_end_with_this_one():
            aoti_compile_and_package(
                program,
                package_path=archive,
                # Freezing packs the weights into the code. With symbolic sizes they cannot be
                # packed, and Inductor then misreads the layout of tensors with one channel. On a
                # GPU there is nothing to pack.
                inductor_configs={"freezing": not about.dynamic and about.device == "cpu"},
            )
    except InvalidCxxCompiler:
        raise CannotRun(
            "--emit aoti needs a C++ compiler; install g++, or set CXX to another compiler"
        ) from None
    except InductorError as error:
        _remove_written_since(start)
        raise CannotRun(f"--emit aoti: Inductor failed: {_reason(str(error))}") from None
    except OSError:
        _remove_written_since(start)
        raise


def _reason(text: str) -> str:
    """Return the first line of a compiler's output that names an error, or else the start."""
    lines = (line.strip() for line in text.splitlines())
    errors = [line for line in lines if "error:" in line.lower() or "no space left" in line.lower()]
    return " ".join((errors[0] if errors else text).split())[:300]


def _remove_written_since(start: float) -> None:
    """Delete what a failed compilation has left in Inductor's cache: some of it may be cut off."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    for path in Path(cache_dir()).rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_mtime >= start:
                path.unlink()


def _trace(portable: PortableModule, inputs: tuple[Tensor, ...], archive: io.BytesIO) -> None:
    traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
        portable, inputs, check_trace=False
    )
    torch.jit.save(torch.jit.freeze(traced.eval()), archive)


def _export_onnx(
    portable: PortableModule,
    model: NetworkModule,
    inputs: tuple[Tensor, ...],
    about: About,
    target: Path,
) -> None:
    if any(value.name == _ONNX_OUTPUT for value in model.network.inputs):
        raise CannotRun(
            f"--emit onnx: `{_ONNX_OUTPUT}` is the name of the output; rename the input"
        )
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as error:
        raise CannotRun(
            f"--emit onnx needs {error.name}; install it with: pip install 'anetdsl[onnx]'"
        ) from None
    program = torch.onnx.export(
        _exported(portable, inputs, about),
        dynamo=True,
        opset_version=_OPSET,
        input_names=[value.name for value in model.network.inputs],
        output_names=[_ONNX_OUTPUT],
        verbose=False,
    )
    assert program is not None
    proto = program.model_proto
    _name_free_axes(proto)
    onnx.helper.set_model_props(proto, {METADATA_KEY: about.to_json()})
    try:
        target.write_bytes(proto.SerializeToString())
    except ValueError:
        raise CannotRun(
            "--emit onnx: the weights exceed 2 GB, the limit of an ONNX file; use another kind"
        ) from None


def _name_free_axes(proto: Any) -> None:
    """Call the free axes of an ONNX model `batch` and `frames`; the exporter numbers them."""
    graph = proto.graph
    batch, _, frames, _, _ = graph.input[0].type.tensor_type.shape.dim
    names = {batch.dim_param: "batch", frames.dim_param: "frames"}
    names.pop("", None)  # an axis of fixed size
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:  # a symbol or an expression of symbols
                axis.dim_param = re.sub(r"\w+", lambda m: names.get(m[0], m[0]), axis.dim_param)


def _add_to_archive(archive: io.BytesIO, about: About) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        top = file.namelist()[0].partition("/")[0]
        file.writestr(zipfile.ZipInfo(f"{top}/{ZIP_ENTRY}"), about.to_json())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings of the exporters about their own code."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def folded_module(folded: FoldedPlan, about: About) -> torch.nn.Module:
    """Return the module that runs a `module` artifact."""
    from anetc.engines.inference.plan_module import PlanModule

    return PlanModule(folded.plan, folded.constants, dtype=torch_dtype(about))
