"""`anetc eval`: tables and pictures, prediction files, errors."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import attrs
import jsonschema
import numpy as np
import pytest
import torch

from anetc.data.values import DataSpec
from anetc.modules.network import build_network
from anetc.weights.files import save_weights
from anetdsl.errors import CannotRun
from tests.command_line import anetc
from tests.training.toys import network

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((REPOSITORY / "docs" / "schemas" / "eval.schema.json").read_text("utf-8"))


@attrs.frozen
class Case:
    """Paths of a network and its weights, and the data as text for --data."""

    network: str
    other: str
    """Path of a network with another number of classes."""
    weights: str
    data: str


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Case:
    folder = tmp_path_factory.mktemp("case")
    (folder / "toy.anet").write_text(str(network()))
    save_weights(build_network(network(), seed=1), folder / "w.safetensors")
    (folder / "other.anet").write_text(str(network(4)))
    texts = (str(folder / name) for name in ("toy.anet", "other.anet"))
    return Case(*texts, str(folder / "w.safetensors"), f"arrays:{clips.path}")


def run_eval(case: Case, *options: object, code: int = 0) -> str:
    size = ("--frames", 4, "--size", 16, "--split", "validation")
    done = anetc(
        "eval", case.network, "--weights", case.weights, "--data", case.data, *size, *options
    )
    assert done.code == code, done.err
    return done.out if code == 0 else done.err


def test_output_lists_measures_and_classes(case: Case) -> None:
    lines = run_eval(case, "--confusion", "-").splitlines()
    assert lines[0].startswith("toy; arrays:")
    assert lines[0].endswith("validation split; 9 videos of 3 classes")
    assert lines[1] == "one clip of 4 frames of 16 x 16 pixels"
    assert [line.split()[0] for line in lines[3:6]] == ["top-1", "top-3", "loss"]
    assert lines[4].split()[1:3] == ["100.00", "%"]
    heads = [line.split() for line in lines if line.startswith("class ")]
    assert heads[0] == ["class", "videos", "top-1", "top-3", "most", "often", "predicted", "as"]
    assert any(line.startswith("true \\ predicted ") for line in lines)
    counts = [line.split()[-3:] for line in lines[-3:]]
    assert sum(int(count) for row in counts for count in row) == 9


def test_json_follows_its_schema(case: Case) -> None:
    document = json.loads(run_eval(case, "--json"))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert sum(map(sum, document["confusion"])) == document["videos"] == 9
    assert document["recipe"]["frames"] == 4


@pytest.mark.parametrize("command", ["eval", "run", "bench"])
def test_number_of_threads(case: Case, command: str, threads_restored: int) -> None:
    """The line about the device has the number of threads that --threads sets."""
    arguments: dict[str, tuple[object, ...]] = {
        "eval": (*("--weights", case.weights, "--data", case.data), "--split", "validation"),
        "run": ("--video", REPOSITORY / "tests" / "media" / "city_cc0.mp4"),
        "bench": ("--backends", "plan", "--repeats", 1),
    }
    count = threads_restored + 1
    size = ("--device", "cpu", "--frames", 4, "--size", 16, "--threads", count)
    done = anetc(command, case.network, *arguments[command], *size)
    assert done.code == 0, done.err
    assert f", {count} threads" in done.err.partition("float32")[0]
    assert torch.get_num_threads() == count


@pytest.fixture
def threads_restored() -> Iterator[int]:
    """Return the number of threads before the test, and restore it."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_saved_predictions_give_the_same_scores(case: Case, tmp_path: Path) -> None:
    """With their own labels and with those of the data; JSON lines give equal bits."""
    saved = tmp_path / "p.jsonl"
    document = json.loads(run_eval(case, "--json", "--save", saved))
    alone = anetc("eval", "--predictions", saved, "--json")
    assert json.loads(alone.out) == document
    by_data = anetc(
        *("eval", "--predictions", saved, "--data", case.data, "--split", "validation", "--json"),
    )
    assert json.loads(by_data.out) == document
    table = tmp_path / "p.csv"
    run_eval(case, "--save", table)
    from_csv = json.loads(anetc("eval", "--predictions", table, "--json").out)
    assert from_csv["confusion"] == document["confusion"]
    assert from_csv["measures"] == {**document["measures"], "loss": None}


def test_names_that_a_submission_cannot_hold_are_refused_before_computing(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spaces separate the scores of a line."""
    names = ["my film.mp4", "2.mp4", "3\u00a0.mp4"]
    x = np.zeros((3, 4, 16, 16, 3), np.uint8)
    flow8 = np.zeros((3, 4, 2, 16, 16), np.int8)
    np.savez(tmp_path / "clips.npz", x=x, flow8=flow8, y=np.arange(3), names=names)
    spaces = attrs.evolve(case, data=f"arrays:{tmp_path / 'clips.npz'}")
    run_eval(spaces, "--save", tmp_path / "p.csv")
    monkeypatch.setattr("anetc.evaluation.runner.evaluate", None)
    message = run_eval(spaces, "--save", tmp_path / "p.txt", code=2)
    assert "cannot hold `my film.mp4` and 1 more; write a .jsonl or .csv file" in message
    assert not (tmp_path / "p.txt").exists()


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_measures_are_printed_before_files_are_written(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    def full(*_: object) -> None:
        raise CannotRun("p.csv: cannot be written: No space left on device")

    module = "anetc.evaluation.predictions.prediction_files"
    monkeypatch.setattr(f"{module}.write_predictions", full)
    arguments = ("--data", case.data, "--split", "validation", "--save", tmp_path / "p.csv")
    size = ("--frames", 4, "--size", 16)
    done = anetc("eval", case.network, "--weights", case.weights, *arguments, *size, *option)
    assert done.code == 2
    assert "No space left" in done.err
    assert "top" in done.out


def test_equal_seeds_give_equal_scores(case: Case, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for file, seed in zip(files, (5, 5, 6)):
        random = ("--protocol", "charades", "--frames", 2, "--seed", seed)
        out = run_eval(case, *random, "--save", file)
        assert f"5 clips of 2 frames of 16 x 16 pixels, at random places (seed {seed})" in out
    first, again, other = (file.read_text() for file in files)
    assert first == again
    assert first.splitlines()[1:] != other.splitlines()[1:]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--frames", 4), "one clip of 4 frames of 16 x 16 pixels"),
        (("--frames", 2), "one clip of 2 frames of 16 x 16 pixels, from the middle of 4 stored"),
        (("--frames", 6), "one clip of 6 frames of 16 x 16 pixels, repeated from 4 stored frames"),
        (("--frames", 2, "--clips", 2), "2 clips of 2 frames of 16 x 16 pixels, evenly spread"),
    ],
)
def test_headline_reports_how_stored_clips_are_cut(
    case: Case, options: tuple[object, ...], text: str
) -> None:
    lines = run_eval(case, *options).splitlines()
    assert lines[1].startswith(text)
    recipe = json.loads(run_eval(case, *options, "--json"))["recipe"]
    assert (recipe["fps"], recipe["stored_frames"]) == (None, 4)


def test_confusion_matrix_as_table_and_as_picture(case: Case, tmp_path: Path) -> None:
    run_eval(case, "--confusion", tmp_path / "c.csv", "--no-per-class")
    rows = list(csv.reader((tmp_path / "c.csv").read_text().splitlines()))
    assert rows[0][0] == "true \\ predicted"
    assert rows[0][1:] == [row[0] for row in rows[1:]]
    assert sum(int(cell) for row in rows[1:] for cell in row[1:]) == 9
    run_eval(case, "--confusion", tmp_path / "c.svg")
    root = ElementTree.parse(tmp_path / "c.svg").getroot()
    assert root.tag.endswith("svg")
    assert "Confusion matrix of toy" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a network FILE, --weights and --data, or score a file with --predictions"),
        (("{network}",), "give also --weights and --data, or score a file with --predictions"),
        (("{network}", "--predictions", "p.csv"), "leave out FILE and --weights"),
        (
            ("{network}", "--weights", "no.safetensors", "--data", "{data}"),
            "no.safetensors: no such file",
        ),
        (("{network}", "--weights", "{weights}", "--data", "nowhere"), "nowhere: no such file"),
        (
            ("--predictions", "p.csv", "--save", "p.npz"),
            "a prediction file must end in .jsonl, .csv",
        ),
        (("--predictions", "p.csv", "--confusion", "c.png"), "must end in .svg or .csv, or be -"),
        (("--predictions", "p.json"), "a prediction file must end in .jsonl, .csv"),
        (("--predictions", "p.csv", "--split", "test"), "--predictions: --split has no effect"),
        (
            ("--predictions", "p.csv", "--data", "motion", "--clips", "2"),
            "--predictions: --clips has no effect here",
        ),
        (
            ("{network}", "--weights", "{weights}", "--data", "folder:.", "--fps", "nan"),
            "`fps` must be a number above 0, not NaN",
        ),
        (
            ("{network}", "--weights", "{weights}", "--data", "{data}", "--fps", "5"),
            "--fps: data of the format arrays store clips, whose frame rate is fixed",
        ),
        (
            ("{network}", "--weights", "{weights}", "--data", "{data}", "--clips", "2"),
            "a clip of 4 frames takes all 4 frames that arrays stores of a video",
        ),
        (
            ("{network}", "--weights", "{weights}", "--data", "{data}", "--protocol", "charades"),
            "so all clips would be equal; ask for fewer frames with --frames",
        ),
        (
            ("{other}", "--weights", "{weights}", "--data", "{data}"),
            "network toy has 4 classes, but the data have 3: write `classes=3` in its `sink`",
        ),
        (
            ("{network}", "--weights", "{weights}", "--data", "{data}", "--device", "nowhere"),
            "--device nowhere: ",
        ),
    ],
)
def test_errors(case: Case, arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("name,target,a\nx,0,1\n")
    given = [
        str(tmp_path / text) if text.startswith("p.") else text.format(**attrs.asdict(case))
        for text in arguments
    ]
    if case.data in given:
        given += ["--split", "validation", "--frames", "4", "--size", "16"]
    done = anetc("eval", *given)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_the_folder_of_a_run_is_not_its_network(whole: Path, clips: DataSpec) -> None:
    done = anetc("eval", whole, "--data", f"arrays:{clips.path}")
    assert f"give also --weights (maybe --weights {whole / 'weights.safetensors'})" in done.err
    done = anetc(
        *("eval", whole, "--weights", whole / "weights.safetensors"),
        *("--data", f"arrays:{clips.path}"),
    )
    message = f"{whole}: a folder; the network of the run in it is {whole / 'model.anet'}\n"
    assert (done.code, message in done.err) == (2, True)


def test_errors_in_the_network_are_reported(case: Case, tmp_path: Path) -> None:
    (tmp_path / "bad.anet").write_text("anet 1\nnetwork n\n")
    done = anetc(
        *("eval", tmp_path / "bad.anet", "--weights", case.weights, "--data", case.data),
    )
    assert done.code == 1
    assert "bad.anet" in done.err


def test_multi_label_data(tmp_path: Path) -> None:
    """mAP and wAP, a class without videos, videos without scores, no confusion matrix."""
    path = tmp_path / "p.jsonl"
    path.write_text(
        '{"schema": "anetdsl-predictions", "schema_version": 1, "classes": ["a", "b", "c"]}\n'
        '{"name": "v", "targets": [0, 1], "logits": [1, 2, 3]}\n'
        '{"name": "w", "targets": [], "logits": [1, null, 3]}\n'
        '{"name": "x", "targets": [0], "logits": null}\n'
    )
    done = anetc("eval", "--predictions", path)
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert ["mAP", "none"] in lines
    assert ["wAP,", "present", "classes", "88.89", "%"] in lines
    assert "1 class has no video, so the official mAP is undefined: c" in done.out
    assert "1 video has no scores and ranks after all other videos: x" in done.out
    assert "1 video has NaN scores and ranks after all other videos: w" in done.out
    assert ["a", "2", "83.33"] in lines
    document = json.loads(anetc("eval", "--predictions", path, "--json").out)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["measures"]["mAP"] is None
    refused = anetc("eval", "--predictions", path, "--confusion", "-")
    assert refused.code == 2
    assert "multi-label data have no confusion matrix" in refused.err


def test_many_classes_are_listed_on_request_only(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    names = ",".join(f"c{i}" for i in range(60))
    path.write_text(f"name,target,{names}\nv,3,{','.join(['0'] * 60)}\n")
    assert "most often predicted as" not in anetc("eval", "--predictions", path).out
    assert "most often predicted as" in anetc("eval", "--predictions", path, "--per-class").out


def test_predictions_are_scored_without_torch(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("name,target,a,b\nx,0,1,0\n")
    code = (
        "import sys; from anetc.cli.main import main; "
        f"main(['eval', '--predictions', {str(tmp_path / 'p.csv')!r}], standalone_mode=False); "
        "assert not {'torch', 'av', 'safetensors'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=dict(_paths()))
    assert done.returncode == 0


def _paths() -> Iterator[tuple[str, str]]:
    import os

    yield from os.environ.items()
    yield "PYTHONPATH", os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "compiler")])


# Charades without its videos


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Return a folder of lists: three classes, four test videos, one without actions."""
    (tmp_path / "Charades_v1_classes.txt").write_text("c000 Walk\nc001 Sit\nc002 Run\n")
    (tmp_path / "Charades_v1_test.csv").write_text(
        "id,actions\nAAAAA,c000 0.0 3.0;c001 1 2\nBBBBB,\nCCCCC,c002 5 4\nDDDDD,c000 1 2\n"
    )
    (tmp_path / "s.txt").write_text("AAAAA 1 2 3\nBBBBB 9 9 9\nCCCCC 0 0 4\n")
    return tmp_path


def test_a_submission_is_scored_without_the_videos(lists: Path) -> None:
    """AP of c000, by hand: (1/1 + 2/4) / 2, since DDDDD was not submitted and ranks last."""
    done = anetc("eval", "--predictions", lists / "s.txt", "--data", f"charades:{lists}", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["measures"]["mAP"] == pytest.approx(100 * (0.75 + 1 + 1) / 3)
    assert document["measures"]["wAP"] == pytest.approx(100 * (2 * 0.75 + 1 + 1) / 4)
    assert document["failed"] == ["DDDDD"]
    assert document["data"] == f"charades:{lists}"


def test_quarantined_videos_do_not_count(lists: Path) -> None:
    """With quarantine=no they do, as in the official script; a message reports the number."""
    (lists / "quarantine.txt").write_text("DDDDD\tdamaged\n")
    submission = ("eval", "--predictions", lists / "s.txt", "--json", "--data")
    done = anetc(*submission, f"charades:{lists}")
    assert "the quarantine list leaves out 1 video; the option quarantine=no uses all" in done.err
    assert json.loads(done.out)["videos"] == 3
    whole = anetc(*submission, f"charades:{lists}?quarantine=no")
    assert "quarantine list" not in whole.err
    assert json.loads(whole.out)["videos"] == 4
