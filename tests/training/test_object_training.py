"""Networks with object inputs and peer attention: train, resume, evaluate, run, prune, try."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import anetdsl
from anetc.trial.trial import run_trial
from anetc.weights.files import read_weights
from anetdsl.evolve.contract import TrialFolder
from anetdsl.evolve.drive.run_reader import read_run
from tests.command_line import Result, anetc

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "small_assemblenet_plus.anet"
DATA = "motion:clips=12,size=16,objects=1"
TRAIN = ("--iterations", 3, "--batch", 4, "--learning-rate", 0.05, "--device", "cpu")


def train(*words: object, data: str = DATA) -> Result:
    return anetc("train", EXAMPLE, "--data", data, *TRAIN, *words)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("objects") / "run"
    done = train("--out", out)
    assert done.code == 0, done.err
    return out


def test_peers_and_edges_are_learned(trained: Path) -> None:
    """The text has a share for each peer, also for the object stem, and the weights its layer."""
    network = anetdsl.load(trained / "model.anet")
    node = network.node("n9")
    assert {peer.source for peer in node.peers} == {f"s{k}" for k in range(5)} | {
        f"n{k}" for k in range(5, 9)
    }
    assert sum(peer.weight or 0 for peer in node.peers) == pytest.approx(1, abs=0.05)
    assert network.score is not None
    tensors = read_weights(str(trained / "weights.safetensors"))[1]
    assert any("s4" in name for name in tensors)
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if "loss" in line] == [0, 1, 2]


def test_workers_read_the_same_maps(trained: Path, tmp_path: Path) -> None:
    assert train("--out", tmp_path / "run", "--workers", 1).code == 0
    found = (tmp_path / "run" / "weights.safetensors").read_bytes()
    assert found == (trained / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_trained_networks_are_evaluated(trained: Path, engine: str) -> None:
    files = (trained / "model.anet", "--weights", trained / "weights.safetensors")
    done = anetc("eval", *files, "--data", DATA, "--split", "validation", "--engine", engine)
    assert (done.code, "top-1" in done.out) == (0, True), done.err
    refused = anetc("eval", *files, "--data", "motion:clips=12,size=16")
    assert (refused.code, "without the option objects=1" in refused.err) == (2, True)


def test_pruned_weights_are_measured_on_clips_with_maps(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.anet"
    weights = ("--weights", trained / "weights.safetensors", "--weights-out", tmp_path / "p.st")
    words = ("--edges", 30, "--data", DATA, "--clips", 4, "-o", out)
    done = anetc("prune", trained / "model.anet", *weights, *words)
    assert (done.code, out.exists()) == (0, True), done.err


def test_data_without_maps_are_refused_before_a_run(tmp_path: Path) -> None:
    done = train("--out", tmp_path / "run", data="motion:clips=12,size=16")
    assert (done.code, (tmp_path / "run").exists()) == (2, False)
    assert "has no object maps without the option objects=1" in done.err


def test_a_trial_learns_attention(tmp_path: Path) -> None:
    folder = tmp_path / "g0000"
    folder.mkdir()
    (folder / "candidate.anet").write_text(EXAMPLE.read_text())
    job = {
        "schema": "anetdsl-trial-job",
        "schema_version": 1,
        "data": DATA,
        "settings": {"iterations": 2, "batch": 4, "learning_rate": 0.05},
        "recipe": {},
        "split": "validation",
        "init_from": None,
        "timeout": None,
        "device": "cpu",
    }
    (folder / "job.json").write_text(json.dumps(job))
    assert run_trial(TrialFolder(folder)) == "done"
    assert all(n.peers for n in anetdsl.load(folder / "trained.anet").nodes if not n.is_stem)
    job["data"] = "motion:clips=12,size=16"
    (folder / "job.json").write_text(json.dumps(job))
    assert run_trial(TrialFolder(folder)) == "failed"
    result = json.loads((folder / "result.json").read_text())
    assert (result["failure"], "objects=1" in result["message"]) == ("bad_data", True)


def test_a_search_has_objects_and_attention(tmp_path: Path) -> None:
    """One candidate of a space with objects; data without maps are refused at the start."""
    text = (
        '[search.space]\nattention = "peer"\nobjects = 12\nmost_splits = 0\n'
        "modules = [1, 1, 1, 1]\n[trial.settings]\niterations = 2\nbatch = 4\n"
    )
    (tmp_path / "search.toml").write_text(text)
    words = ("--config", tmp_path / "search.toml", "--preset", "small", "--candidates", 1)
    out = tmp_path / "run"
    done = anetc("evolve", *words, "--data", DATA, "--out", out)
    assert done.code == 0, done.err
    (record,) = read_run(out).records
    assert record.status == "done"
    refused = anetc("evolve", *words, "--data", "motion:clips=12,size=16", "--out", tmp_path / "b")
    assert (refused.code, "objects=1" in refused.err) == (2, True)
