"""`--engine` of `anetc run` and `anetc eval`: the fast engine agrees with the reference module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anetdsl
from anetc.engines.inference.inference_engine import InferenceEngine
from anetc.evaluation import one_video, runner
from anetc.modules.initial import randomise
from anetc.modules.network import NetworkModule, build_network
from anetc.weights.files import save_weights
from tests.cli.conftest import CLIP, REPOSITORY
from tests.command_line import anetc

NETWORK = REPOSITORY / "examples" / "small_two_stream_fully.anet"
ENGINES: dict[str, type] = {"fast": InferenceEngine, "reference": NetworkModule}
SIZE = ["--frames", "4", "--size", "32"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, also of batch normalisations: initial ones would hide errors."""
    model = build_network(anetdsl.load(NETWORK))
    randomise(model, 0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(model, path)
    return path


def spy(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """Record the positional arguments and the result of each call of a function."""
    calls: list[Any] = []
    function = getattr(module, name)

    def recorded(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        calls.append((args, result))
        return result

    monkeypatch.setattr(module, name, recorded)
    return calls


def test_eval_with_both_engines(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spy(monkeypatch, runner, "evaluate")
    logits = {}
    for engine, kind in ENGINES.items():
        saved = tmp_path / f"{engine}.jsonl"
        data = ["--data", "motion:clips=48,size=16", "--split", "test", "--save", saved]
        done = anetc("eval", NETWORK, "--weights", weights, *data, "--engine", engine)
        assert done.code == 0, done.err
        model, *_ = calls[-1][0]
        assert isinstance(model, kind)
        rows = [json.loads(line) for line in saved.read_text().splitlines()[1:]]
        logits[engine] = np.array([row["logits"] for row in rows])
    scale = abs(logits["reference"]).max()
    assert 0 < abs(logits["fast"] - logits["reference"]).max() < 1e-5 * scale


def test_run_with_both_engines(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = spy(monkeypatch, one_video, "predict_video")
    for engine, kind in ENGINES.items():
        arguments = ["--video", CLIP, "--weights", weights, *SIZE, "--top", 12]
        done = anetc("run", NETWORK, *arguments, "--engine", engine)
        assert done.code == 0, done.err
        assert isinstance(calls[-1][0][1], kind)
    fast, reference = (result for _, result in calls)
    assert fast.classes == reference.classes
    assert fast.probabilities == pytest.approx(reference.probabilities, rel=1e-5)


def test_the_fast_engine_is_the_default(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = spy(monkeypatch, one_video, "predict_video")
    assert anetc("run", NETWORK, "--video", CLIP, *SIZE).code == 0
    assert isinstance(calls[0][0][1], InferenceEngine)
    calls = spy(monkeypatch, runner, "evaluate")
    data = ["--data", "motion:clips=48,size=16"]
    assert anetc("eval", NETWORK, "--weights", weights, *data).code == 0
    assert isinstance(calls[0][0][0], InferenceEngine)


def test_an_unknown_engine_is_refused() -> None:
    done = anetc("run", NETWORK, "--video", CLIP, "--engine", "warp")
    assert done.code == 2
    assert "'warp' is not one of 'fast', 'reference'" in done.err
