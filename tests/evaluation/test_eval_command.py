"""`anetc eval`: protocols, tables and pictures, predictions that are scored alone, mistakes."""

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

from anetc.data.values import DataSpec
from anetc.evaluation.protocols import protocol_recipe, reported_split
from anetc.evaluation.scores import Evaluation
from anetc.evaluation.summary import class_rows, confusions, standard_errors
from anetc.modules.network import build_network
from anetc.video.clips import CHARADES_TEST, MOMENTS_TEST
from anetc.weights.files import save_weights
from anetdsl.errors import CannotRun
from tests.command_line import anetc
from tests.training.toys import network

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((REPOSITORY / "docs" / "schemas" / "eval.schema.json").read_text("utf-8"))


@attrs.frozen
class Case:
    """A network with weights, and the spec of its data."""

    network: str
    other: str
    """With another number of classes."""
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


def evaluated(case: Case, *options: object, code: int = 0) -> str:
    size = ("--frames", 4, "--size", 16, "--split", "validation")
    done = anetc(
        "eval", case.network, "--weights", case.weights, "--data", case.data, *size, *options
    )
    assert done.code == code, done.err
    return done.out if code == 0 else done.err


def test_measures_and_classes_are_shown(case: Case) -> None:
    lines = evaluated(case, "--confusion", "-").splitlines()
    assert lines[0].startswith("toy; arrays:")
    assert lines[0].endswith("validation split; 9 videos of 3 classes")
    assert lines[1] == "one clip of 4 frames of 16 x 16 pixels"
    assert [line.split()[0] for line in lines[3:6]] == ["top-1", "top-3", "loss"]
    assert lines[4].split()[1:3] == ["100.00", "%"]
    heads = [line.split() for line in lines if line.startswith(("class ", "is "))]
    assert heads[0] == ["class", "videos", "top-1", "top-3", "most", "mistaken", "for"]
    counts = [line.split()[-3:] for line in lines[-3:]]
    assert sum(int(count) for row in counts for count in row) == 9


def test_json_follows_its_schema(case: Case) -> None:
    document = json.loads(evaluated(case, "--json"))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert sum(map(sum, document["confusion"])) == document["videos"] == 9
    assert document["recipe"]["frames"] == 4


def test_saved_predictions_score_the_same(case: Case, tmp_path: Path) -> None:
    """Alone, and by the data; from JSON lines to the last bit."""
    saved = tmp_path / "p.jsonl"
    document = json.loads(evaluated(case, "--json", "--save", saved))
    alone = anetc("eval", "--predictions", saved, "--json")
    assert json.loads(alone.out) == document
    by_data = anetc(
        *("eval", "--predictions", saved, "--data", case.data, "--split", "validation"),
        *("--frames", 4, "--size", 16, "--json"),
    )
    assert json.loads(by_data.out) == document
    table = tmp_path / "p.csv"
    evaluated(case, "--save", table)
    from_csv = json.loads(anetc("eval", "--predictions", table, "--json").out)
    assert from_csv["confusion"] == document["confusion"]
    assert from_csv["measures"] == {**document["measures"], "loss": None}


def test_equal_seeds_give_equal_scores(case: Case, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for file, seed in zip(files, (5, 5, 6)):
        random = ("--protocol", "charades", "--frames", 2, "--seed", seed)
        out = evaluated(case, *random, "--save", file)
        assert f"5 clips of 2 frames of 16 x 16 pixels, at random places (seed {seed})" in out
    first, again, other = (file.read_text() for file in files)
    assert first == again
    assert first.splitlines()[1:] != other.splitlines()[1:]


def test_confusions_as_a_table_and_as_a_picture(case: Case, tmp_path: Path) -> None:
    evaluated(case, "--confusion", tmp_path / "c.csv", "--no-per-class")
    rows = list(csv.reader((tmp_path / "c.csv").read_text().splitlines()))
    assert rows[0][0] == "is \\ taken for"
    assert rows[0][1:] == [row[0] for row in rows[1:]]
    assert sum(int(cell) for row in rows[1:] for cell in row[1:]) == 9
    evaluated(case, "--confusion", tmp_path / "c.svg")
    root = ElementTree.parse(tmp_path / "c.svg").getroot()
    assert root.tag.endswith("svg")
    assert "Confusions of toy" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{network}",), "name a network, --weights and --data; or a file of --predictions"),
        (("{network}", "--predictions", "p.csv"), "leave out FILE and --weights"),
        (("{network}", "--weights", "no.safetensors", "--data", "{data}"), "no.safetensors: no such file"),
        (("{network}", "--weights", "{weights}", "--data", "nowhere"), "nowhere: no such file"),
        (("--predictions", "p.csv", "--save", "p.npz"), "predictions are .jsonl or .csv"),
        (("--predictions", "p.csv", "--confusion", "c.png"), "write .svg, .csv, or - to print it"),
        (("--predictions", "p.json"), "predictions are .jsonl or .csv"),
        (("--predictions", "p.csv", "--data", "motion", "--fps", "nan"), "clips: "),
        (
            ("{other}", "--weights", "{weights}", "--data", "{data}"),
            "network toy has 4 classes, the data 3: write `classes=3` in its `sink`",
        ),
        (
            ("{network}", "--weights", "{weights}", "--data", "{data}", "--device", "nowhere"),
            "--device nowhere: ",
        ),
    ],
)
def test_what_cannot_be_run(
    case: Case, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
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


def test_a_network_with_errors_is_shown(case: Case, tmp_path: Path) -> None:
    (tmp_path / "bad.anet").write_text("anet 1\nnetwork n\n")
    done = anetc(
        *("eval", tmp_path / "bad.anet", "--weights", case.weights, "--data", case.data),
    )
    assert done.code == 1
    assert "bad.anet" in done.err


def test_several_labels(tmp_path: Path) -> None:
    """mAP and wAP, a class without videos by name, videos without scores; no confusions."""
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
    assert "1 class has no video, so that the official mAP has no value: c" in done.out
    assert "1 video has no scores; such stand behind all others: x" in done.out
    assert "1 video has scores that are no numbers (NaN); such stand behind all" in done.out
    assert ["a", "2", "83.33"] in lines
    document = json.loads(anetc("eval", "--predictions", path, "--json").out)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["measures"]["mAP"] is None
    refused = anetc("eval", "--predictions", path, "--confusion", "-")
    assert refused.code == 2
    assert "may have several classes" in refused.err


def test_many_classes_have_a_table_only_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    names = ",".join(f"c{i}" for i in range(60))
    path.write_text(f"name,target,{names}\nv,3,{','.join(['0'] * 60)}\n")
    assert "most mistaken" not in anetc("eval", "--predictions", path).out
    assert "most mistaken" in anetc("eval", "--predictions", path, "--per-class").out


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


# Summaries


def test_classes_one_by_one() -> None:
    scores = np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 2.0, 1.0]])
    found = Evaluation(("x", "y", "z"), scores, np.array([0, 0, 1]), ("a", "b", "c"))
    a, b, c = class_rows(found)
    assert (a.videos, a.measures["top1"], a.mistaken_for) == (2, 50, ("b", 1))
    assert (b.videos, b.measures["top1"], b.mistaken_for) == (1, 100, None)
    assert (c.videos, c.measures["top1"], c.measures["top5"]) == (0, None, None)
    assert confusions(found).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert standard_errors(found)["top1"] == pytest.approx(100 * (2 / 9 / 3) ** 0.5)


# Protocols


def spec(format: str) -> DataSpec:
    return DataSpec(format, None if format == "motion" else "somewhere")  # type: ignore[arg-type]


def test_protocols_are_the_paper_s() -> None:
    """Semantics 11."""
    assert protocol_recipe(spec("moments")) == MOMENTS_TEST
    assert protocol_recipe(spec("folder")) == MOMENTS_TEST
    assert protocol_recipe(spec("charades")) == CHARADES_TEST
    assert protocol_recipe(spec("folder"), "charades") == CHARADES_TEST
    assert protocol_recipe(spec("charades"), "moments") == MOMENTS_TEST
    assert (MOMENTS_TEST.frames, MOMENTS_TEST.size, MOMENTS_TEST.clips) == (36, (256, 256), 1)
    assert (CHARADES_TEST.frames, CHARADES_TEST.clips, CHARADES_TEST.when) == (64, 5, "random")
    assert reported_split(spec("moments")) == "validation"
    assert reported_split(spec("charades")) == reported_split(spec("motion")) == "test"


def test_one_number_of_a_protocol_is_changed() -> None:
    several = protocol_recipe(spec("moments"), clips=4)
    assert several == attrs.evolve(MOMENTS_TEST, clips=4, when="even")
    assert protocol_recipe(spec("charades"), clips=2) == attrs.evolve(CHARADES_TEST, clips=2)
    assert protocol_recipe(spec("charades"), frames=32).frames == 32
    assert protocol_recipe(spec("moments"), fps=25).fps == 25
    small = protocol_recipe(spec("motion"), "charades", frames=8)
    assert (small.frames, small.clips, small.when, small.short_side) == (8, 5, "random", None)
    with pytest.raises(CannotRun, match="clips: "):
        protocol_recipe(spec("moments"), fps=float("nan"))


# Charades, by its lists alone


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Three classes and four videos of a test list, one without actions; no videos."""
    (tmp_path / "Charades_v1_classes.txt").write_text("c000 Walk\nc001 Sit\nc002 Run\n")
    (tmp_path / "Charades_v1_test.csv").write_text(
        "id,actions\nAAAAA,c000 0.0 3.0;c001 1 2\nBBBBB,\nCCCCC,c002 5 4\nDDDDD,c000 1 2\n"
    )
    (tmp_path / "s.txt").write_text("AAAAA 1 2 3\nBBBBB 9 9 9\nCCCCC 0 0 4\n")
    return tmp_path


def test_a_submission_is_scored_without_the_videos(lists: Path) -> None:
    """AP by hand: c000 (1/1 + 2/4) / 2 since DDDDD, not submitted, is behind BBBBB."""
    done = anetc("eval", "--predictions", lists / "s.txt", "--data", f"charades:{lists}", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["measures"]["mAP"] == pytest.approx(100 * (0.75 + 1 + 1) / 3)
    assert document["measures"]["wAP"] == pytest.approx(100 * (2 * 0.75 + 1 + 1) / 4)
    assert document["failed"] == ["DDDDD"]
    assert document["data"] == f"charades:{lists}"


def test_a_quarantine_is_told(lists: Path) -> None:
    """Its videos do not count, unless asked for: with them the official script's number."""
    (lists / "quarantine.txt").write_text("DDDDD\tdamaged\n")
    submission = ("eval", "--predictions", lists / "s.txt", "--json", "--data")
    done = anetc(*submission, f"charades:{lists}")
    assert "its quarantine list leaves out 1 video; with the option quarantine=no" in done.err
    assert json.loads(done.out)["videos"] == 3
    whole = anetc(*submission, f"charades:{lists}?quarantine=no")
    assert "quarantine list" not in whole.err
    assert json.loads(whole.out)["videos"] == 4
