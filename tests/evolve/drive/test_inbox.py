"""Networks that people add through the inbox."""

from __future__ import annotations

import os
import time
from pathlib import Path

import attrs
import pytest

from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.drive.search import drive_run, make_run
from anetdsl.evolve.settings.run_settings import settings_text
from tests.evolve.conftest import stop_after
from tests.evolve.driving import drive, searched
from tests.evolve.method import COMMAND, RULES, run_settings

MINE = """\
# a network of my own
anet 1
network mine  D=[8, 8, 8, 8]
score fitness=77.0
input rgb   channels=3
input flow  channels=2
node s0  level=0  C=8   r=1  stride=4  inputs=[rgb]  # the only stem
node s1  level=0  C=8   r=1  stride=4  inputs=[flow]
node a   level=1  C=8   r=1  stride=1  inputs=[s0, s1]
node c   level=2  C=8   r=1  stride=2  inputs=[a]
node d   level=3  C=8   r=1  stride=2  inputs=[c]
node e   level=4  C=8   r=1  stride=2  inputs=[d]
sink  inputs=[e]  classes=5
"""


def with_inbox(folder: Path, files: dict[str, str], **changes: object) -> Run:
    """Run a search with these files in its inbox."""
    directory = RunDir(folder)
    make_run(directory, run_settings(**changes))
    for name, text in files.items():
        (directory.inbox / name).write_text(text)
    assert drive(folder)
    return read_run(folder)


def test_inbox_file_becomes_a_candidate(tmp_path: Path) -> None:
    run = with_inbox(tmp_path / "run", {"mine.anet": MINE})
    (added,) = [record for record in run.records if record.source]
    assert (added.index, added.source, added.status) == (0, "mine.anet", "done")
    assert added.ops == ("added by hand: mine.anet",)
    assert "# a network of my own\n" in added.text
    assert "# the only stem\n" in added.text
    assert 'ops=["added by hand: mine.anet"]' in added.text
    assert "fitness=77.0" not in added.text
    assert len(run.records) == 24
    inbox = RunDir(run.path).inbox
    assert [path.name for path in inbox.rglob("*.anet")] == ["g0000-mine.anet"]
    assert (inbox / "accepted" / "g0000-mine.anet").read_text() == MINE


def test_added_candidate_can_become_a_parent(tmp_path: Path) -> None:
    run = with_inbox(tmp_path / "run", {"mine.anet": MINE}, population=1, candidates=60, seed=1)
    assert run.records[0].source
    assert any(record.parent == "g0000" for record in run.records)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("broken", MINE.replace("sink", "snik"), "did you mean `sink`"),
        ("bytes", "anet 1\x00", "error"),
        ("loose", MINE.replace("inputs=[c]", "inputs=[a]"), "A6"),
        ("classes", MINE.replace("classes=5", "classes=6"), "have 5 classes; this network has 6"),
        ("large", MINE.replace("C=8 ", "C=512 "), "parameters; the search allows 100,000"),
        ("empty", "", "error"),
    ],
)
def test_rejected_file_stays_with_a_reason(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    limits = attrs.evolve(run_settings().search.limits, parameters=100_000)
    run = with_inbox(tmp_path / "run", {f"{name}.anet": text}, limits=limits)
    assert not [record for record in run.records if record.source]
    path = RunDir(run.path).inbox / f"{name}.anet"
    assert path.read_text() == text
    reason = path.with_name(f"{name}.anet.txt").read_text()
    assert reason.startswith(f"{name}.anet cannot be added to the search:\n\n")
    assert message in reason


def test_network_of_another_search_has_no_parent(tmp_path: Path) -> None:
    """A candidate of this search has the same name, but another origin."""
    other = searched(tmp_path / "other", run_settings(seed=8)).records[4]
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())
    assert not drive(directory.path, None, watch=stop_after(8))
    (directory.inbox / "other.anet").write_text(other.text)
    assert drive(directory.path)
    (added,) = [record for record in read_run(directory.path).records if record.source]
    assert added.index > other.index
    assert added.parent is None


@pytest.mark.parametrize("name", [b"caf\xe9.anet", b"x" * 250 + b".anet"])
@pytest.mark.parametrize("text", [MINE, "nothing"])
def test_inbox_file_can_have_any_name(name: bytes, text: str, tmp_path: Path) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())
    path = os.fsencode(directory.inbox) + b"/" + name
    Path(os.fsdecode(path)).write_text(text)
    assert drive(directory.path)
    sources = [record.source for record in read_run(directory.path).records if record.source]
    if text == MINE:
        assert sources == [name.decode(errors="backslashreplace")]
        assert not Path(os.fsdecode(path)).exists()
    else:
        assert not sources
        assert len(list(directory.inbox.glob("*.anet.txt"))) == 1


def test_file_that_replaces_a_rejected_one_is_added(tmp_path: Path) -> None:
    """Its modification time may be older than the rejection."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())
    path = directory.inbox / "mine.anet"
    path.write_text("nothing")
    assert not drive(directory.path, None, watch=stop_after(2))
    better = tmp_path / "better.anet"
    better.write_text(MINE)
    os.utime(better, (1e9, 1e9))
    better.replace(path)
    assert drive(directory.path)
    assert [r.source for r in read_run(directory.path).records if r.source] == ["mine.anet"]


def test_same_network_is_added_once(tmp_path: Path) -> None:
    run = with_inbox(tmp_path / "run", {"a.anet": MINE, "b.anet": MINE})
    assert [record.source for record in run.records if record.source] == ["a.anet"]
    reason = (RunDir(run.path).inbox / "b.anet.txt").read_text()
    assert "it is the same network as g0000" in reason


def test_corrected_file_is_added(tmp_path: Path) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())
    path = directory.inbox / "mine.anet"
    path.write_text(MINE.replace("sink", "snik"))
    assert not drive(directory.path, None, watch=stop_after(2))
    assert path.with_name("mine.anet.txt").exists()
    path.write_text(MINE)
    os.utime(path, (time.time() + 1, time.time() + 1))
    assert drive(directory.path)
    assert [r.source for r in read_run(directory.path).records if r.source] == ["mine.anet"]
    assert not path.with_name("mine.anet.txt").exists()


def test_accepted_file_is_moved_after_a_kill(tmp_path: Path) -> None:
    """The driver was killed between the commit and the move of the file."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())
    (directory.inbox / "mine.anet").write_text(MINE)
    assert not drive(directory.path, None, watch=stop_after(2))
    (directory.accepted / "g0000-mine.anet").rename(directory.inbox / "mine.anet")
    assert drive(directory.path)
    assert [r.source for r in read_run(directory.path).records if r.source] == ["mine.anet"]
    assert not (directory.inbox / "mine.anet.txt").exists()
    assert (directory.accepted / "g0000-mine.anet").exists()


def test_file_after_the_last_candidate_waits(run: Run) -> None:
    """A finished search adds no file; after `candidates` is increased, it does."""
    directory = RunDir(run.path)
    (directory.inbox / "mine.anet").write_text(MINE)
    assert drive(run.path)
    assert (directory.inbox / "mine.anet").exists()
    directory.settings.write_text(settings_text(run_settings(candidates=26)))
    assert drive_run(directory, RULES, command=COMMAND)
    assert read_run(run.path).records[24].source == "mine.anet"
