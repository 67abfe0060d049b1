"""Settings files: read back as they were written, and each mistake named with its line."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.run_settings import (
    EMPTY,
    Running,
    RunSettings,
    check_asked,
    read_run_settings,
    settings_of,
    settings_text,
)
from anetdsl.evolve.settings.search_settings import Limits, SearchSettings, Space
from anetdsl.evolve.settings.toml import parse_document, read_document, toml_text
from tests.evolve.method import run_settings


def read(text: str, default: RunSettings = EMPTY) -> RunSettings:
    return settings_of(parse_document("search.toml", text), default)


FULL = RunSettings(
    SearchSettings(
        Space(classes=339, stems=(4,), edge_probability=0.25),
        method="aging",
        seed=2**40,
        threshold=0.3,
        order="arrival",
        limits=Limits(10**7, 10**11, 60, 16, (112, 128)),
    ),
    {"data": 'folder:/a "b"\\c\x7f\n', "recipe": {"frames": 16, "size": [32, 32]}, "settings": {}},
    Running("dask:tcp://host:8786", ("0", "1"), 1.5, 3, True, 4, True),
)


@pytest.mark.parametrize("value", [EMPTY, FULL, run_settings()])
def test_settings_are_read_back(value: RunSettings) -> None:
    assert read(settings_text(value)) == value


def test_what_is_not_said_is_the_defaults() -> None:
    found = read("[search]\nrounds = 7\n[trial]\nrecipe.frames = 8\n", FULL)
    assert found.search == attrs.evolve(FULL.search, rounds=7)
    assert found.trial == {**FULL.trial, "recipe": {"frames": 8, "size": [32, 32]}}
    assert found.running == FULL.running


_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
_TABLES = st.recursive(
    st.dictionaries(st.text(), _VALUES, max_size=3),
    lambda inner: st.dictionaries(st.text(), _VALUES | inner, max_size=3),
    max_leaves=5,
)


@given(_TABLES)
def test_any_tables_are_read_back(tables: dict[str, object]) -> None:
    """Whatever stands in their strings and keys; a surrogate is no text."""
    try:
        text = toml_text(tables)
        text.encode()
    except UnicodeEncodeError:
        return
    assert parse_document("x", text).tables == tables


MISTAKES = {
    "[search]\nrouns = 3": "search.toml:2: no setting `rouns` in [search]; did you mean `rounds`?",
    "[serch]\nrounds = 3": "search.toml:1: no setting `serch` at the top; did you mean `search`?",
    "rounds = 3": "search.toml:1: no setting `rounds` at the top; there are search, trial, running",
    "[search]\n\nrounds = 'many'": "search.toml:3: `rounds` is a whole number, not 'many'",
    "[search]\nrounds = true": "search.toml:2: `rounds` is a whole number, not True",
    "[search]\nrounds = 0": "search.toml:2: `rounds` is at least 1",
    "[search]\nseed = 9223372036854775808": "search.toml:2: `seed` is at most 9223372036854775807",
    "[search]\nmethod = 'guide'": (
        'search.toml:2: `method` is one of "guided", "standard", "random", "aging", '
        "not 'guide'; did you mean `guided`?"
    ),
    "[search]\nthreshold = 1": ("search.toml:2: `threshold` lies between 0 and 1, both excluded"),
    "[search]\nthreshold = nan": "search.toml:2: `threshold` is a number, not nan",
    "[search.space]\nchannels = [1, 2, 3]": (
        "search.toml:2: `channels` is a list of 4 whole numbers, not [1, 2, 3]"
    ),
    "[search.space]\nstems = ['two']": (
        "search.toml:2: `stems` is a list of whole numbers, not ['two']"
    ),
    "[search.space]\nstems = []": "search.toml:2: `stems` is empty",
    "[search.space]\nresolutions = [1, 0]": "search.toml:2: each of `resolutions` is at least 1",
    "[search.space]\nnodes = [1, -1, 1, 1]": "search.toml:2: each of `nodes` is at least 0",
    "[search.space]\nnodes = [1, 1, 1, 0]": (
        "search.toml:2: `nodes` has none at level 4, which the classifier reads"
    ),
    "[search.space]\nstem_channels = 2": (
        "search.toml:2: `stem_channels` is at least 4, one for each stem"
    ),
    "[search.space]\nedge_probability = 2": "search.toml:2: `edge_probability` is a probability",
    "[search]\nspace = 3": "search.toml:2: `search.space` is a table",
    "search = 3": "search.toml:1: `search` is a table",
    "[search.limits]\nparameters = -1": "search.toml:2: `parameters` is at least 1",
    "[search.limits]\nsomething = 1": (
        "search.toml:2: no setting `something` in [search.limits]; "
        "there are parameters, multiply_adds, depth, frames, size"
    ),
    "search.limits.depht = 1": "search.toml: no setting `depht` in [search.limits]; did you mean "
    "`depth`?",
    "[running]\ntimeout = 0": "search.toml:2: `timeout` is above 0",
    "[running]\nexecutor = 4": "search.toml:2: `executor` is a string, not 4",
    "[running]\ninherit = 1": "search.toml:2: `inherit` is true or false, not 1",
    "[search\nrounds = 3": "search.toml: is not TOML: Expected ']' at the end of a table "
    "declaration (at line 1, column 8)",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_named_with_their_place(text: str) -> None:
    with pytest.raises(CannotRun) as found:
        read(text)
    assert str(found.value) == MISTAKES[text]


def test_what_a_runs_file_leaves_out_is_as_it_was(tmp_path: Path) -> None:
    """But for what is optional: where its table is there without it, it is asked for no more."""
    path = tmp_path / "settings.toml"
    for text, expected in (
        ("[search]\nrounds = 9", attrs.evolve(FULL.search, rounds=9, threshold=None)),
        ("[search.limits]\nframes = 4", attrs.evolve(FULL.search, threshold=None)),
        ("[running]\nretries = 2", FULL.search),
    ):
        path.write_text(text)
        found = read_run_settings(str(path), FULL)
        limits = found.search.limits if "[search" in text else FULL.search.limits
        assert found.search == attrs.evolve(expected, limits=limits)
        assert found.trial == FULL.trial
    assert (found.running.retries, found.running.timeout) == (2, None)
    path.write_text(settings_text(FULL))
    assert read_run_settings(str(path), EMPTY) == FULL
    path.write_text("")
    with pytest.raises(CannotRun, match="is empty; remove it"):
        read_run_settings(str(path), FULL)


def test_settings_made_elsewhere_are_checked_too() -> None:
    with pytest.raises(CannotRun, match=r"search.window: `window` is at least 0"):
        check_asked(run_settings(window=-1))
    check_asked(FULL)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="no such file"):
        read_document(tmp_path / "no.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(CannotRun, match="is not UTF-8 text"):
        read_document(tmp_path / "bytes.toml")
