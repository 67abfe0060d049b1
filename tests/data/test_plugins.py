"""Formats of data of other packages: a fake distribution on sys.path registers them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anetc.data.open import open_data
from anetc.data.plugins import load_plugin, plugin_formats
from anetc.data.recipes import recipes_for
from anetc.data.spec import parse_spec, spec_text
from anetc.data.torch_dataset import collate, torch_dataset
from anetc.data.values import DataSpec
from anetdsl.errors import CannotRun
from tests.command_line import anetc
from tests.training.running import TEXT

CODE = '''\
"""A format whose clips are of one colour: class k is 80 k. PATH is the number of videos."""

import attrs
import numpy as np

from anetc.data.values import Sample
from anetdsl.errors import CannotRun


@attrs.frozen
class Colours:
    spec: object
    split: str
    recipe: object
    flow: bool
    count: int
    classes: tuple = ("dark", "grey", "light")
    multi_label: bool = False

    def __len__(self):
        return self.count

    def name(self, index):
        return f"{self.split} {index}"

    def target(self, index):
        return index % 3

    def sample(self, index, *, seed, epoch):
        shape = (1, self.recipe.frames, *self.recipe.size)
        rgb = np.full((*shape, 3), 80 * self.target(index), np.uint8)
        flow = np.zeros((*shape, 2), np.float32) if self.flow else None
        return Sample(self.name(index), rgb, flow, self.target(index), (False,))


def open_colours(spec, split, recipe, *, flow):
    if not spec.path.isdigit():
        raise CannotRun(f"{spec.path} is no number of videos")
    return Colours(spec, split, recipe, flow, int(spec.path))


not_a_function = 3
'''

FOLDER_RECIPE = recipes_for(DataSpec("folder", "x")).train
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that installs a distribution with these entry points: name and value."""
    before = set(sys.modules)

    def make(distribution: str, **formats: str) -> None:
        site = tmp_path / distribution
        about = site / f"{distribution}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        lines = [f"{name.replace('_', '-')} = {value}" for name, value in formats.items()]
        (about / "entry_points.txt").write_text("\n".join(["[anetc.data]", *lines, ""]))
        (site / f"{distribution}_code.py").write_text(CODE)
        monkeypatch.syspath_prepend(site)

    yield make
    for name in set(sys.modules) - before:
        if name.endswith("_code"):
            del sys.modules[name]


@pytest.fixture
def colours(install: Install) -> None:
    install("paint", one_colour="paint_code:open_colours")


@pytest.mark.usefixtures("colours")
def test_a_spec_names_the_format() -> None:
    spec = parse_spec("one-colour:12?x=1")
    assert spec == DataSpec("one-colour", "12", (("x", "1"),))
    assert parse_spec(spec_text(spec)) == spec
    assert parse_spec("12", "one-colour") == DataSpec("one-colour", "12")
    assert plugin_formats() == ("one-colour",)


@pytest.mark.usefixtures("colours")
def test_a_data_set_can_be_opened() -> None:
    spec = parse_spec("one-colour:4")
    recipe = recipes_for(spec, 2, (8, 8)).train
    dataset = open_data(spec, "train", recipe, flow=True)
    assert (len(dataset), dataset.classes) == (4, ("dark", "grey", "light"))
    inputs, targets = collate(
        [torch_dataset("one-colour:4", "train", frames=2, size=(8, 8))[k] for k in range(4)]
    )
    assert targets.tolist() == [0, 1, 2, 0]
    assert inputs["rgb"][2].unique().tolist() == pytest.approx([160 / 255])


@pytest.mark.usefixtures("colours")
def test_the_commands_use_it(tmp_path: Path) -> None:
    """Training and evaluation; messages of the opener reach the user."""
    (tmp_path / "toy.anet").write_text(TEXT)
    options = ["--frames", 4, "--size", 16, "--device", "cpu"]
    train = ["train", tmp_path / "toy.anet", "--out", tmp_path / "run", "--batch", 3, *options]
    wrong = anetc(*train, "--data", "one-colour:many")
    assert (wrong.code, "many is no number of videos" in wrong.err) == (2, True)
    done = anetc(*train, "--data", "one-colour:6", "--iterations", 2)
    assert done.code == 0, done.err
    run = tmp_path / "run"
    command = ["eval", run / "model.anet", "--weights", run / "weights.safetensors"]
    found = anetc(*command, "--data", "one-colour:6")
    assert found.code == 0, found.err
    assert "6 videos of 3 classes" in found.out


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize("name", ["info", "check", "flow"])
def test_commands_that_list_videos_say_that_they_cannot(name: str) -> None:
    found = anetc("data", name, "one-colour:6")
    assert (found.code, "one-colour has no video files" in found.err) == (2, True)


@pytest.mark.usefixtures("colours")
def test_an_unknown_format_lists_those_of_packages() -> None:
    with pytest.raises(CannotRun, match="did you mean one-colour"):
        parse_spec("12", "one-color")
    with pytest.raises(CannotRun, match=r"there are moments, .*, one-colour"):
        parse_spec("12", "xyz")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere_code:f", "broken of broken_package cannot be loaded: .*ModuleNotFoundError"),
        ("broken_package_code:g", "cannot be loaded: .*AttributeError"),
        ("broken_package_code:not_a_function", "is not a function"),
    ],
)
def test_a_broken_package_is_named(value: str, message: str, install: Install) -> None:
    install("broken_package", broken=value)
    spec = parse_spec("broken:1")
    with pytest.raises(CannotRun, match=message):
        open_data(spec, "train", recipes_for(spec).train, flow=False)


def test_two_packages_with_one_format_are_refused(install: Install) -> None:
    install("first", same="first_code:open_colours")
    install("second", same="second_code:open_colours")
    with pytest.raises(CannotRun, match="provided by first and second; uninstall one"):
        load_plugin("same")


def test_formats_of_anetc_have_precedence(install: Install, tmp_path: Path) -> None:
    """And a path that begins with a drive is a path."""
    install("paint", folder="paint_code:open_colours", c="paint_code:open_colours")
    assert plugin_formats() == ("folder",)
    with pytest.raises(CannotRun, match="no such file"):
        open_data(DataSpec("folder", str(tmp_path / "x")), "train", FOLDER_RECIPE, flow=False)
    with pytest.raises(CannotRun, match="no such file"):
        parse_spec("c:1")


def test_a_format_whose_package_is_gone_is_named() -> None:
    with pytest.raises(CannotRun, match="no installed package provides the data format gone"):
        load_plugin("gone")
