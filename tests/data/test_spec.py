"""Specs: parsing, guessing the format, and writing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetc.data.spec import FORMATS, GENERATED, checked_options, parse_spec, spec_text
from anetc.data.values import DataSpec
from anetdsl.errors import CannotRun

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
values = st.text(st.characters(blacklist_characters="\0"), max_size=12)
options = st.dictionaries(names, values, max_size=3).map(lambda d: tuple(d.items()))
specs = st.one_of(
    st.builds(
        DataSpec,
        st.sampled_from([name for name in FORMATS if name not in GENERATED]),
        st.text(st.characters(blacklist_characters="\0", codec=None), min_size=1, max_size=20),
        options,
    ),
    st.builds(DataSpec, st.sampled_from(sorted(GENERATED)), st.none(), options),
)


@given(specs)
def test_the_text_of_a_spec_is_parsed_to_the_spec(spec: DataSpec) -> None:
    """For all paths and values, including file names that are not UTF-8."""
    text = spec_text(spec)
    assert parse_spec(text) == spec
    assert spec_text(parse_spec(text)) == text
    assert parse_spec(text, spec.format) == spec


@pytest.mark.parametrize(
    ("text", "format", "expected"),
    [
        ("motion", None, DataSpec("motion")),
        ("motion", "motion", DataSpec("motion")),
        (
            "motion:level=2,frames=32",
            None,
            DataSpec("motion", None, (("level", "2"), ("frames", "32"))),
        ),
        ("moments:/data/mit", None, DataSpec("moments", "/data/mit")),
        ("/data/a?b", "moments", DataSpec("moments", "/data/a?b")),
        (
            "arrays:a%3Fb.npz?train=1,3&test=2",
            None,
            DataSpec("arrays", "a?b.npz", (("train", "1,3"), ("test", "2"))),
        ),
        ("x.npz?train=1,3", "arrays", DataSpec("arrays", "x.npz", (("train", "1,3"),))),
        ("C:x", "folder", DataSpec("folder", "C:x")),
        (
            r"a?group=s(\d)?_(\d+)&test=20",
            "folder",
            DataSpec("folder", "a", (("group", r"s(\d)?_(\d+)"), ("test", "20"))),
        ),
    ],
)
def test_typical_specs(text: str, format: str | None, expected: DataSpec) -> None:
    assert parse_spec(text, format) == expected


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (["moments_categories.txt"], "moments"),
        (["validationSet.csv"], "moments"),
        (["Charades/Charades_v1_train.csv"], "charades"),
        (["Charades_v1_classes.txt", "Charades_v1_480/x.mp4"], "charades"),
        (["a1_s1_t1_depth.mat"], "utd-mhad"),
        (["train/jump/1.mp4"], "folder"),
        (["jump/1.mp4"], "folder"),
        (["ucfTrainTestlist/classInd.txt", "ucfTrainTestlist/trainlist01.txt"], "list"),
        (["lists/jump_test_split1.txt", "jump/1.avi"], "list"),
        (["labels/labels.json", "labels/train.json"], "list"),
        (["train/jump/1.mp4", "classInd.txt", "trainlist01.txt"], "folder"),
    ],
)
def test_guessed_formats(tmp_path: Path, inside: list[str], expected: str) -> None:
    for name in inside:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert parse_spec(str(tmp_path)).format == expected


def test_a_question_mark_in_the_name_of_an_archive(tmp_path: Path) -> None:
    for name in ("a.npz", "a.npz?x=y.npz"):
        (tmp_path / name).touch()
        assert parse_spec(str(tmp_path / name)) == DataSpec("arrays", str(tmp_path / name))
    spec = parse_spec(str(tmp_path / "a.npz") + "?train=1&test=2")
    assert spec == DataSpec("arrays", str(tmp_path / "a.npz"), (("train", "1"), ("test", "2")))


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        ("/nowhere/x", None, "no such file"),
        ("moment:/x", None, "did you mean moments?"),
        ("x", "moment", "did you mean moments?"),
        ("x", "avi", "there are moments, charades, "),
        ("moments:", None, "write moments:PATH"),
        ("moments:/x", "charades", "the format is moments, but --format is charades"),
        ("/x", "motion", "motion has no path"),
        ("arrays:x?train", None, "`train` is not an option; write NAME=VALUE"),
        ("motion:level=1,level=2", None, "`level` is given twice"),
    ],
)
def test_wrong_specs_are_errors(text: str, format: str | None, message: str) -> None:
    with pytest.raises(CannotRun) as found:
        parse_spec(text, format)
    assert message in str(found.value)


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ([], ""),
        (["notes.txt"], ""),
        (
            ["1.mp4", "notes.txt"],
            "; it has videos, but no folder for each class and no list of their labels",
        ),
    ],
)
def test_the_format_of_other_folders_cannot_be_guessed(
    tmp_path: Path, files: list[str], hint: str
) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(CannotRun) as found:
        parse_spec(str(tmp_path))
    assert str(found.value) == (
        f"cannot tell the format of {tmp_path}{hint}; name it with "
        "--format moments|charades|folder|list|utd-mhad|arrays"
    )


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.mp4,run\n",
        "label,youtube_id,time_start,time_end,split\nrun,x,0,10,train\n",
        "a.mp4 3\n",
    ],
)
def test_a_list_is_guessed_by_its_first_line(tmp_path: Path, text: str) -> None:
    for name in ("train.csv", "train.txt"):
        (tmp_path / name).write_text(text)
        assert parse_spec(str(tmp_path / name)).format == "list"
        assert parse_spec(str(tmp_path)).format == "list"
        (tmp_path / name).write_text("some notes\nabout something\n")
        with pytest.raises(CannotRun, match="cannot tell the format of"):
            parse_spec(str(tmp_path / name))
        (tmp_path / name).unlink()


def test_unknown_options_are_errors() -> None:
    spec = parse_spec("arrays:x?trian=1")
    with pytest.raises(
        CannotRun,
        match=r"--data arrays:x\?trian=1: there is no setting `trian`; did you mean `train`",
    ):
        checked_options(spec, ("train", "test"))
    assert checked_options(parse_spec("arrays:x?train=1"), ("train",)) == {"train": "1"}
