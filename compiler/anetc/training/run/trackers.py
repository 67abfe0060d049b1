"""Log a run's metrics to MLflow or Weights & Biases, through the trackers of accelerate.

The services find their server and project by their own environment variables, such as
MLFLOW_TRACKING_URI and WANDB_MODE. A resumed run continues the same run of the service, whose name
is in `RUN/trackers.json`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

Service = Literal["mlflow", "wandb"]
TRACKERS = "trackers.json"
"""File in the run folder: for each service, the name of its run."""

_PROJECT = "anetdsl"
_NAMES = {"mlflow": "MLflow", "wandb": "Weights & Biases"}


class Tracking:
    """The run of one service. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        service: Service,
        folder: Path,
        settings: Mapping[str, Any],
        warn: Callable[[str], None],
    ) -> None:
        """Start the run of a service, or continue the run that `folder` names.

        `settings` become its parameters. Raises CannotRun if the package of the service is not
        installed, or the service cannot start the run.
        """
        self._service = service
        self._warn = warn
        self._failed = False
        names = _run_names(folder / TRACKERS)
        try:
            self._tracker = _start(service, folder, names.get(service))
            self._tracker.store_init_configuration(_flat(settings))
        except ImportError:
            raise CannotRun(
                f"--log {service} needs {_NAMES[service]}: pip install 'anetdsl[{service}]'"
            ) from None
        except Exception as error:
            reason = str(error).strip().rstrip(".")
            raise CannotRun(
                f"--log {service}: the run cannot be started: {reason}{_advice(service)}"
            ) from None
        names[service] = _name_of(service, self._tracker)
        write_atomically(folder / TRACKERS, json.dumps(names, indent=2) + "\n")

    def write(self, *lines: Mapping[str, Any]) -> None:
        """Log lines of metrics.jsonl. If the service fails, warn once and log nothing more."""
        for line in lines:
            if self._failed:
                return
            values = {
                f"validation/{name}": value
                for name, value in line.get("validation", {}).items()
                if value is not None
            }
            values |= {
                f"training/{name}": value
                for name, value in line.items()
                if name not in ("iteration", "validation") and value is not None
            }
            try:
                self._tracker.log(values, step=line["iteration"])
            except Exception as error:
                self._failed = True
                self._warn(f"warning: --log {self._service}: {error}; the training goes on")

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._tracker.finish()
        except Exception as error:
            self._warn(f"warning: --log {self._service}: {error}")


def _start(service: Service, folder: Path, name: str | None) -> Any:
    """Start a tracker of accelerate. Raise ImportError if its package is not installed."""
    from accelerate.tracking import MLflowTracker, WandBTracker

    importlib.import_module(service)  # accelerate would fail later, without a reason
    tracker: Any
    if service == "mlflow":
        if _is_folder(os.environ.get("MLFLOW_TRACKING_URI", "")):
            # New versions refuse a folder without this variable. The user has asked for a folder.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        tracker = MLflowTracker(experiment_name=_PROJECT, run_name=_title(folder), run_id=name)
    else:
        tracker = WandBTracker(
            os.environ.get("WANDB_PROJECT", _PROJECT),
            name=_title(folder),
            dir=str(folder),
            id=name,
            resume="allow",
        )
    tracker.start()
    return tracker


def _is_folder(address: str) -> bool:
    """Return whether a tracking address of MLflow names a folder."""
    return address.startswith("file:") or (address != "" and ":" not in address)


def _advice(service: Service) -> str:
    """Return what a user can do if the run of a service cannot be started."""
    if service == "mlflow" and importlib.util.find_spec("sqlalchemy") is None:
        return (
            "; MLflow writes into a database only with its whole package (pip install mlflow); "
            "without it, name a server or a folder: MLFLOW_TRACKING_URI=file:mlruns"
        )
    return ""


def _name_of(service: Service, tracker: Any) -> str:
    """Return the name by which the service continues the run."""
    run = tracker.tracker
    return str(run.info.run_id if service == "mlflow" else run.id)


def _title(folder: Path) -> str:
    return folder.absolute().name


def _run_names(path: Path) -> dict[str, str]:
    """Return the names of earlier runs of the services, by service."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in values.items()} if values else {}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted names, without empty ones."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            flat[f"{prefix}{key}"] = ", ".join(map(str, value))
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat
