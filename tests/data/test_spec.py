"""The text that names data: read, guessed, written back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetc.data.spec import FORMATS, GENERATED, options_of, parse_spec, spec_text
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
def test_what_is_written_is_read_back(spec: DataSpec) -> None:
    """For any path and any values, file names that are no text among them."""
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
    ],
)
def test_texts_that_people_write(text: str, format: str | None, expected: DataSpec) -> None:
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
    ],
)
def test_formats_that_are_plain(tmp_path: Path, inside: list[str], expected: str) -> None:
    for name in inside:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert parse_spec(str(tmp_path)).format == expected


def test_an_archive_is_plain_and_a_question_mark_in_its_name_no_option(tmp_path: Path) -> None:
    for name in ("a.npz", "a.npz?x=y.npz"):
        (tmp_path / name).touch()
        assert parse_spec(str(tmp_path / name)) == DataSpec("arrays", str(tmp_path / name))
    asked = parse_spec(str(tmp_path / "a.npz") + "?train=1&test=2")
    assert asked == DataSpec("arrays", str(tmp_path / "a.npz"), (("train", "1"), ("test", "2")))


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        ("/nowhere/x", None, "no such file"),
        ("moment:/x", None, "did you mean moments?"),
        ("x", "moment", "did you mean moments?"),
        ("x", "avi", "there are moments, charades, "),
        ("moments:", None, "write moments:PATH"),
        ("moments:/x", "charades", "this is moments, but --format says charades"),
        ("/x", "motion", "motion has no place"),
        ("arrays:x?train", None, "`train` is no option; write NAME=VALUE"),
        ("motion:level=1,level=2", None, "`level` is given twice"),
    ],
)
def test_texts_that_cannot_be_read(text: str, format: str | None, message: str) -> None:
    with pytest.raises(CannotRun) as found:
        parse_spec(text, format)
    assert message in str(found.value)


def test_an_empty_folder_is_not_plain(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="name it with --format moments"):
        parse_spec(str(tmp_path))


def test_options_that_a_format_does_not_know() -> None:
    spec = parse_spec("arrays:x?trian=1")
    with pytest.raises(CannotRun, match="arrays has no option `trian`; did you mean `train`"):
        options_of(spec, ("train", "test"))
    assert options_of(parse_spec("arrays:x?train=1"), ("train",)) == {"train": "1"}
