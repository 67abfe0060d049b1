"""Settings files of searches: written and read back; mistakes are reported with their lines."""

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
    read_run_settings,
    settings_of,
    settings_text,
)
from anetdsl.evolve.settings.search_settings import Limits, SearchSettings, Space
from anetdsl.evolve.settings.toml_text import toml_text
from anetdsl.settings_reader import InvalidSetting, parse_toml, read_toml
from tests.evolve.method import run_settings


def read(text: str, default: RunSettings = EMPTY) -> RunSettings:
    return settings_of(parse_toml("search.toml", text), default)


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
    Running("dask:tcp://host:8786", ("0", "1"), 2, 1.5, 3, True, 4, True),
)


@pytest.mark.parametrize("value", [EMPTY, FULL, run_settings()])
def test_settings_are_read_back(value: RunSettings) -> None:
    assert read(settings_text(value)) == value


def test_settings_that_are_left_out_keep_their_defaults() -> None:
    found = read("[search]\ncandidates = 7\n[trial]\nrecipe.frames = 8\n", FULL)
    assert found.search == attrs.evolve(FULL.search, candidates=7)
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
    """Strings and keys are arbitrary texts, except for surrogates."""
    try:
        text = toml_text(tables)
        text.encode()
    except UnicodeEncodeError:
        return
    assert parse_toml("x", text).values == tables


MISTAKES = {
    "[search]\ncandidats = 3": (
        "search.toml:2: there is no setting `candidats` in [search]; did you mean `candidates`?"
    ),
    "[serch]\ncandidates = 3": "search.toml:1: there is no setting `serch`; did you mean `search`?",
    "candidates = 3": (
        "search.toml:1: there is no setting `candidates`; there are search, trial, running, finals"
    ),
    "[search]\n\nrounds = 'x'": 'search.toml:3: `candidates` must be a whole number, not "x"',
    "[search]\ncandidates = 3\nrounds = 3": (
        "search.toml:3: `rounds` is the old name of `candidates`; leave out one of them"
    ),
    "[search]\n\ncandidates = 'x'": 'search.toml:3: `candidates` must be a whole number, not "x"',
    "[search]\ncandidates = true": "search.toml:2: `candidates` must be a whole number, not true",
    "[search]\ncandidates = 0": "search.toml:2: `candidates` must be at least 1, not 0",
    "[search]\nseed = 9223372036854775808": (
        "search.toml:2: `seed` must be from 0 to 9223372036854775807, not 9223372036854775808"
    ),
    "[search]\nmethod = 'guide'": (
        'search.toml:2: `method` must be one of "guided", "standard", "random", "aging", '
        '"oneshot", not "guide"; did you mean `guided`?'
    ),
    "[search]\nthreshold = 1": (
        "search.toml:2: `threshold` must be between 0 and 1, both excluded, not 1.0"
    ),
    "[search]\nthreshold = nan": "search.toml:2: `threshold` must be a number, not NaN",
    "[search.space]\nchannels = [1, 2, 3]": (
        "search.toml:2: `channels` must be a list of 4 whole numbers, not [1, 2, 3]"
    ),
    "[search.space]\nstems = ['two']": (
        'search.toml:2: `stems` must be a list of whole numbers, not ["two"]'
    ),
    "[search.space]\nstems = []": "search.toml:2: `stems` must not be empty",
    "[search.space]\nresolutions = [1, 0]": (
        "search.toml:2: each value of `resolutions` must be at least 1, not 0"
    ),
    "[search.space]\nnodes = [1, -1, 1, 1]": (
        "search.toml:2: each value of `nodes` must be at least 0, not -1"
    ),
    "[search.space]\nnodes = [1, 1, 1, 0]": (
        "search.toml:2: `nodes` must have a node at level 4, which the classifier reads"
    ),
    "[search.space]\nstem_channels = 2": (
        "search.toml:2: `stem_channels` must be at least 4, one for each stem"
    ),
    "[search.space]\nstems = [129]": (
        "search.toml:1: `stem_channels` must be at least 129, one for each stem"
    ),
    "[search.space]\nedge_probability = 2": (
        "search.toml:2: `edge_probability` must be from 0 to 1, not 2.0"
    ),
    "[search]\nspace = 3": "search.toml:2: `search.space` must hold settings by name, not 3",
    "search = 3": "search.toml:1: `search` must hold settings by name, not 3",
    "[search.limits]\nparameters = -1": "search.toml:2: `parameters` must be at least 1, not -1",
    "[search.limits]\nsomething = 1": (
        "search.toml:2: there is no setting `something` in [search.limits]; "
        "there are parameters, multiply_adds, depth, frames, size"
    ),
    "search.limits.depht = 1": (
        "search.toml:1: there is no setting `depht` in [search.limits]; did you mean `depth`?"
    ),
    "[trial]\ndatta = 'motion'": (
        "search.toml:2: there is no setting `datta` in [trial]; did you mean `data`?"
    ),
    "[trial]\ndata = 3": "search.toml:2: `data` must be a string, not 3",
    "[trial]\nsplit = 'dev'": (
        'search.toml:2: `split` must be one of "train", "validation", "test", not "dev"'
    ),
    "[trial]\nrecipe = 3": "search.toml:2: `recipe` must hold settings by name, not 3",
    "[running]\ntimeout = 0": "search.toml:2: `timeout` must be above 0, not 0.0",
    "[running]\nexecutor = 4": "search.toml:2: `executor` must be a string, not 4",
    "[running]\ninherit = 1": "search.toml:2: `inherit` must be true or false, not 1",
    "[search\ncandidates = 3": "search.toml: not TOML: Expected ']' at the end of a table "
    "declaration (at line 1, column 8)",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_reported_with_their_place(text: str) -> None:
    with pytest.raises(CannotRun) as found:
        read(text)
    assert str(found.value) == MISTAKES[text]


def test_settings_that_a_runs_file_leaves_out_stay(tmp_path: Path) -> None:
    """An optional setting is removed if its table is in the file without it."""
    path = tmp_path / "settings.toml"
    for text, expected in (
        ("[search]\ncandidates = 9", attrs.evolve(FULL.search, candidates=9, threshold=None)),
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
    with pytest.raises(CannotRun, match="the file is empty; delete it"):
        read_run_settings(str(path), FULL)


def test_settings_out_of_range_cannot_be_made() -> None:
    with pytest.raises(InvalidSetting, match="`window` must be at least 0, not -1"):
        run_settings(window=-1)
    with pytest.raises(InvalidSetting, match="`timeout` must be above 0, not Infinity"):
        Running(timeout=float("inf"))


def test_files_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="no such file"):
        read_toml(tmp_path / "no.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(CannotRun, match="not UTF-8 text"):
        read_toml(tmp_path / "bytes.toml")
