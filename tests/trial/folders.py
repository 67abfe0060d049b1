"""Make the folders of trials, and read their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from anetc.data.values import DataSpec
from tests.training.running import TEXT

ITERATIONS = 12


def job(folder: Path, data: DataSpec, text: str = TEXT, /, **changes: Any) -> Path:
    """Make the folder of a trial."""
    settings = {"iterations": ITERATIONS, "batch": 8, "learning_rate": 0.05}
    document = {
        "schema": "anetdsl-trial-job",
        "schema_version": 1,
        "data": f"arrays:{data.path}",
        "settings": settings | changes.pop("settings", {}),
        "recipe": {"frames": 4, "size": [16, 16]},
        "split": "validation",
        "init_from": None,
        "timeout": None,
        "device": "cpu",
        **changes,
    }
    folder.mkdir()
    (folder / "candidate.anet").write_text(text)
    (folder / "job.json").write_text(json.dumps(document))
    return folder


def validate(name: str, document: object) -> None:
    path = Path(__file__).resolve().parents[2] / "docs" / "schemas" / f"{name}.schema.json"
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


def result(folder: Path) -> dict[str, Any]:
    """Return the result of a trial; check that it follows its schema."""
    found = json.loads((folder / "result.json").read_text())
    validate("trial-result", found)
    return dict(found)
