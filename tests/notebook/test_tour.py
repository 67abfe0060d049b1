"""The tour notebook, executed by a Jupyter kernel, and its live displays."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from anetdsl.errors import CannotRun
from anetdsl.notebook.run_view import RunView
from tests.documents import REPOSITORY

TOUR = REPOSITORY / "examples" / "tour.ipynb"
SECONDS = 600


def outputs(cell: Any) -> str:
    """Return everything that a cell displays, as one text."""
    return json.dumps(cell["outputs"])


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the tour after its execution with few steps."""
    client = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("tour")
    for network in TOUR.parent.glob("small_*.anet"):
        shutil.copy(network, folder)
    kernel = folder / "jupyter" / "kernels" / "tour"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "compiler")])
    spec = {"argv": command, "display_name": "tour", "language": "python"}
    spec["env"] = {
        "TOUR_STEPS": "4",
        "TOUR_CANDIDATES": "1",
        "PYTHONPATH": path,
        "IPYTHONDIR": str(folder / "ipython"),
    }
    (kernel / "kernel.json").write_text(json.dumps(spec))
    notebook = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        client.NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="tour",
            resources={"metadata": {"path": str(folder)}},
        ).execute()
    return notebook


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_tour_runs_and_shows_what_it_says(executed: Any) -> None:
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    by_source = {cell.source.splitlines()[-1]: cell for cell in cells}
    shown = outputs(by_source["network"])
    assert "image/svg+xml" in shown
    assert "text/html" in shown
    assert "multiply-adds" in outputs(by_source["network.stats(frames=16, size=(32, 32))"])
    assert "A401 `node` has no attribute `levle`" in outputs(
        by_source["    print(finding.code, finding.message, finding.help)"]
    )
    assert "torch.Size([1, 12])" in outputs(by_source["model(clip).shape"])
    assert "top1" in outputs(by_source["result.measures"])
    assert "image/svg+xml" in outputs(by_source["anetdsl.load(found.best)"])


@pytest.mark.integration
def test_a_run_view_follows_the_run_that_the_next_cell_trains(executed: Any) -> None:
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    training = next(cell for cell in cells if "RunView" in cell.source and "steps" in cell.source)
    assert "This training is complete after 4 steps." in outputs(training)
    search = next(cell for cell in cells if cell.source.endswith("\nview"))
    assert "1 done, 0 failed" in outputs(search)


def test_a_view_of_a_missing_run_waits_for_it(tmp_path: Path) -> None:
    view = RunView(tmp_path / "later")
    assert "there is no run yet" in view.html()
    (tmp_path / "later").mkdir()
    run = {"schema": "anetdsl-training-run", "schema_version": 1, "settings": {"iterations": 7}}
    (tmp_path / "later" / "run.json").write_text(json.dumps(run))
    assert "Training: 0 of 7 steps are done." in view.html()
    assert repr(view) == f"RunView({str(tmp_path / 'later')!r})"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun):
        RunView(tmp_path)


def test_the_tour_is_stored_without_outputs() -> None:
    stored = json.loads(TOUR.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in stored["cells"])
