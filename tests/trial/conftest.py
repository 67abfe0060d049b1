"""Fixtures of the tests of trials, some of them shared with the tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from anetc.data.values import DataSpec
from anetc.trial.trial import run_trial
from anetdsl.evolve.contract import TrialFolder
from tests.training.conftest import _one_thread, clips
from tests.trial.folders import job

__all__ = ["_one_thread", "clips"]


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Path:
    """Return the folder of a trial that has ended."""
    folder = job(tmp_path_factory.mktemp("trial") / "g0001", clips)
    assert run_trial(TrialFolder(folder)) == "done"
    return folder
