"""Run an artifact in a process that cannot import anetdsl or anetc (script).

`anetc.export.verify` starts it with `python -I`. It reads two lines of JSON from standard input, a
header and a job, and writes one line of JSON to standard output. Header, job, answer:

    {"folders": [..], "allow": false, "threads": 2}
    {"kind": "pt2", "path": "..", "names": ["rgb"], "device": "cpu",
     "trials": [{"shapes": [[1, 3, 8, 64, 64]], "seed": 1, "expected": [[0.5, ..]]}]}
    {"errors": [1.2e-7], "first": 0.3}
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from typing import Any

FORBIDDEN = ("anetdsl", "anetc")


class ForbiddenFinder(importlib.abc.MetaPathFinder):
    """Import finder that makes imports of anetdsl and anetc fail, even if they are installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for these two packages."""
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is not available here")


def end_with_parent() -> None:
    """Have this process end when its parent ends; `anetc.worker_processes` cannot be imported."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG


def main() -> None:
    """Answer one job. An error of any kind is an answer, too."""
    # Libraries may print. Only the answer goes to the real standard output.
    end_with_parent()
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    header = json.loads(sys.stdin.readline())
    sys.path.extend(header["folders"])
    if not header["allow"]:
        sys.meta_path.insert(0, ForbiddenFinder())
    import torch  # while the parent process still writes the artifact

    torch.set_num_threads(header["threads"])
    line = sys.stdin.readline()
    if not line:
        return
    try:
        result = run_trials(torch, json.loads(line))
    except Exception as error:
        result = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}
    answer.write(json.dumps(result) + "\n")
    answer.close()
    # Threads of a compiled artifact may crash when the interpreter ends.
    os._exit(0)


def run_trials(torch: Any, job: Any) -> dict[str, Any]:
    """Return the relative error of each trial, and the seconds up to the first result."""
    start = time.perf_counter()
    # The reference module computes on a CPU: a GPU must not round the factors of products.
    torch.backends.cudnn.allow_tf32 = False
    run = load(torch, job["kind"], job["path"], job["names"])
    errors, first = [], None
    with torch.inference_mode():
        for trial in job["trials"]:
            generator = torch.Generator().manual_seed(trial["seed"])
            inputs = [torch.randn(*shape, generator=generator) for shape in trial["shapes"]]
            logits = run([x.to(job["device"]) for x in inputs]).cpu()
            first = first or time.perf_counter() - start
            expected = torch.tensor(trial["expected"], dtype=torch.float64)
            if logits.shape != expected.shape or logits.dtype != torch.float32:
                return {"failed": f"it returns {logits.dtype} of shape {list(logits.shape)}"}
            scale = max(expected.abs().max().item(), 1e-30)
            error = (logits.double() - expected).abs().max().item() / scale
            errors.append(error if error == error else float("inf"))
    return {"errors": errors, "first": first}


def load(torch: Any, kind: str, path: str, names: list[str]) -> Any:
    """Return a function of the inputs, which are in the order of `names`."""
    if kind == "module":
        from anetc.export.load import load_artifact

        module = load_artifact(path)
        return lambda inputs: module(dict(zip(names, inputs)))
    if kind == "python":
        spec = importlib.util.spec_from_file_location("artifact", path)
        assert spec is not None
        assert spec.loader is not None
        source = importlib.util.module_from_spec(spec)
        sys.dont_write_bytecode = True
        spec.loader.exec_module(source)
        network = source.load()
        return lambda inputs: network(dict(zip(names, inputs)))
    if kind == "onnx":
        return onnx_runner(torch, path, names)
    if kind == "pt2":
        program = torch.export.load(path).module()
    elif kind == "aoti":
        package = torch._C._aoti.AOTIModelPackageLoader(path, "model", False, 1, -1)
        return lambda inputs: package.run(inputs)[0]
    else:
        program = torch.jit.load(path)
    return lambda inputs: program(*inputs)


def onnx_runner(torch: Any, path: str, names: list[str]) -> Any:
    """Return a function that runs a model in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        path, sess_options=options, providers=["CPUExecutionProvider"]
    )

    def run(inputs: list[Any]) -> Any:
        given = {name: x.numpy() for name, x in zip(names, inputs)}
        return torch.from_numpy(session.run(None, given)[0])

    return run


if __name__ == "__main__":
    main()
