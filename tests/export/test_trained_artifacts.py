"""Artifacts of every kind hold what the network was trained on."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

from anetc.export.about import About, about_from_json
from anetc.export.cache import key_of
from anetc.export.kinds import read_about
from anetc.export.load import load_artifact
from anetc.export.python.python_source import python_source
from anetc.export.write import file_names, write_artifact
from anetc.plan.lower import lower
from anetc.plan.passes import optimise
from anetc.weights.trained_on import TrainedClip, TrainedOn
from anetdsl.errors import CannotRun
from anetdsl.ir import Network
from tests.export.conftest import scrambled
from tests.export.test_artifacts import needs

CLIP = TrainedClip(frames=4, size=(32, 24), short_side=36, fps=12.5)
NAMES = ("walk", 'say "hi"', "Größe")
TRAINED_ON = TrainedOn(NAMES, False, "folder", attrs.evolve(CLIP, frames=8), CLIP)
DIFFICULT = (
    *("back\\", "it's", 'it\'s "q"', '"""', "\u200b", "\udcff", "a\nb", "\U0001f600\x00", ""),
    'end"',
)


def written(kind: str, network: Network, folder: Path) -> Path:
    """Write an artifact without the process that verifies it."""
    about = About(kind, str(network), 1, 4, 32, 24, trained=True, trained_on=TRAINED_ON)  # type: ignore[arg-type]
    plan = optimise(lower(network, frames=4, size=(32, 24)))
    write_artifact(scrambled(network), plan, about, folder)
    return folder / file_names(about)[0]


@pytest.mark.parametrize("kind", ["module", "python", "pt2", "torchscript", "onnx"])
def test_the_description_holds_the_training(kind: str, tiny: Network, tmp_path: Path) -> None:
    needs(kind)
    path = written(kind, tiny, tmp_path)
    about = read_about(path)
    assert about is not None
    assert about.trained_on == TRAINED_ON
    assert load_artifact(path, trust=True).about == about


def test_the_training_is_part_of_the_key() -> None:
    """Equal tensors with other class names are another artifact."""
    abouts = [About("module", "anet 1", trained_on=value) for value in (None, TRAINED_ON)]
    assert key_of(abouts[0], "0", 0) != key_of(abouts[1], "0", 0)


def test_old_descriptions_have_no_training() -> None:
    old: dict[str, Any] = json.loads(About("module", "anet 1").to_json())
    del old["trained_on"]
    assert about_from_json(json.dumps(old), "a").trained_on is None
    old["trained_on"] = {"classes": 3}
    with pytest.raises(CannotRun, match="a: the artifact is damaged: its description cannot be"):
        about_from_json(json.dumps(old), "a")


def test_the_python_source_names_the_classes(tiny: Network, tmp_path: Path) -> None:
    """In its docstring, and in a constant."""
    path = written("python", tiny, tmp_path)
    module = ast.parse(path.read_text(encoding="utf-8"))
    described = ast.get_docstring(module)
    assert described is not None
    words = " ".join(described.split())
    assert "Trained on data of the format folder, for clips of 4 frames of 32 x 24 pixels" in words
    assert "at 12.5 frames per second, cut from frames whose short side is 36 pixels" in words
    assert "take the softmax of the logits" in words
    assert words.endswith('0 walk 1 say "hi" 2 Größe')
    code = f"import runpy; print(ascii(runpy.run_path({str(path)!r})['CLASSES']))"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert ast.literal_eval(shown.stdout) == NAMES


@pytest.mark.parametrize("trained_on", [None, attrs.evolve(TRAINED_ON, classes=DIFFICULT)])
def test_any_class_name_can_be_written(
    trained_on: TrainedOn | None, tiny: Network, tmp_path: Path
) -> None:
    """The source stays one that formatters do not change."""
    text = python_source(tiny, torch.float32, trained_on)
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text.encode()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert values.get("CLASSES") == (DIFFICULT if trained_on else None)
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is not None:
        (tmp_path / "a.py").write_text(text, encoding="utf-8")
        command = [ruff, "format", "--isolated", "--diff", str(tmp_path / "a.py")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout


def test_several_labels_and_whole_frames_are_described(tiny: Network) -> None:
    clip = TrainedClip(frames=16, size=(32, 32), short_side=None, fps=None)
    text = python_source(tiny, torch.float32, TrainedOn(NAMES, True, "arrays", clip, clip))
    words = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    assert "for clips of 16 frames of 32 x 32 pixels, the whole frame resized." in words
    assert "take the sigmoid of the logits" in words
