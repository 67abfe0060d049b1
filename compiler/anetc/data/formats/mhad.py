"""The format `utd-mhad`: the depth files of UTD-MHAD, converted once to an archive of `arrays`.

C. Chen, R. Jafari, N. Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action Recognition
Utilizing a Depth Camera and a Wearable Inertial Sensor", ICIP 2015: 27 actions of 8 subjects, 861
clips. The files `aA_sS_tT_depth.mat` are in the data set's folder or its sub-folder `Depth`. Each
holds `d_depth`, uint16 millimetres (240, 320, frames) at 30 frames a second, 0 outside the person.

A clip becomes 16 grey frames of 64 x 64 pixels at 7.5 a second: the middle of the recording, cut to
a square around the person; nearer parts are brighter. The archive is kept in the user's cache
folder, so that files are read and flow is computed once. Options assign the subjects to splits.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.folds import OPTIONS as FOLD_OPTIONS
from anetc.data.formats.arrays import ArrayDataset, open_arrays
from anetc.data.formats.mhad_depth import grey_clip
from anetc.data.formats.quantised_flow import compute_flow8
from anetc.data.spec import checked_options, existing_path, spec_text
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe
from anetdsl.cache import cache_folder, make_cache_folder
from anetdsl.errors import CannotRun
from anetdsl.files import remove_unfinished, replacing
from anetdsl.locks import locked_if_possible

log = logging.getLogger("anetc.data")

ACTIONS = (
    *("swipe left", "swipe right", "wave", "clap", "throw", "cross arms", "basketball shoot"),
    *("draw x", "draw circle clockwise", "draw circle counter-clockwise", "draw triangle"),
    *("bowling", "boxing", "baseball swing", "tennis swing", "arm curl", "tennis serve", "push"),
    *("knock", "catch", "pick up and throw", "jog", "walk", "sit to stand", "stand to sit"),
    *("lunge", "squat"),
)
"""The 27 actions in the order of their numbers in file names, which count from 1."""

SPLITS = {"train": "1,3,5", "validation": "7", "test": "2,4,6,8"}
"""The standard protocol trains on the odd subjects; subject 7 is taken for validation."""
MOST_UNREADABLE = 0.05
"""Largest fraction of damaged files that are left out of the archive without an error."""

_FOLDER = "utd-mhad"
_NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_depth\.mat", re.ASCII)


@attrs.frozen
class Recording:
    """One file, with its action and subject, both counted from 1."""

    path: Path
    action: int
    subject: int

    @property
    def name(self) -> str:
        """Name of the recording, such as `a1_s2_t3`."""
        return self.path.name.removesuffix("_depth.mat")


def open_mhad(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> ArrayDataset:
    """Open a split. The files are converted to an archive if the cache has none.

    The options `train`, `validation` and `test` name subjects, such as `train=1,3,5,7`; the default
    is SPLITS. `validation=none` without other splits also trains on subject 7. `swap=yes` exchanges
    subjects 1 and 2, 3 and 4, 5 and 6, 7 and 8. With `folds=1,3,5,7` each of these subjects
    validates in turn (`anetc.data.folds`). Raises the errors of `open_arrays`, and CannotRun where
    the files cannot be read.
    """
    subjects = _subjects(spec)
    archive = _archive(spec, flow)
    inner = DataSpec("arrays", str(archive), subjects)
    opened = open_arrays(inner, split, recipe, flow=flow)
    return attrs.evolve(opened, spec=spec)


def recordings(spec: DataSpec) -> tuple[Recording, ...]:
    """Return the files of the data set, sorted by action, subject and trial.

    Raises CannotRun if there are none, and for an unknown action.
    """
    root = existing_path(spec)
    found: dict[tuple[int, int, int], Recording] = {}
    for folder in (root, root / "Depth"):
        for path in folder.glob("*_depth.mat") if folder.is_dir() else ():
            if parts := _NAME.fullmatch(path.name):
                action, subject, trial = map(int, parts.groups())
                if not 1 <= action <= len(ACTIONS):
                    raise CannotRun(f"{path}: the actions are numbered from 1 to {len(ACTIONS)}")
                found[action, subject, trial] = Recording(path, action, subject)
    if not found:
        raise CannotRun(
            f"--data {spec_text(spec)}: there are no files such as a1_s1_t1_depth.mat or "
            "Depth/a1_s1_t1_depth.mat"
        )
    return tuple(found[key] for key in sorted(found))


def _subjects(spec: DataSpec) -> tuple[tuple[str, str], ...]:
    """Return the options of the archive: the subjects of each split."""
    options = checked_options(spec, (*SPLITS, *FOLD_OPTIONS, "swap"))
    swap = options.pop("swap", "no")
    if swap not in ("yes", "no"):
        raise CannotRun(f"--data {spec_text(spec)}: swap={swap}: must be yes or no")
    if "folds" in options:
        if swap == "yes":
            raise CannotRun(f"--data {spec_text(spec)}: swap=yes cannot be used with folds=")
        chosen = {"test": SPLITS["test"], **options}
        if chosen["test"] == "none":
            del chosen["test"]
        return tuple(chosen.items())
    if not options or options == {"validation": "none"}:
        chosen = dict(SPLITS)
        if options:
            chosen["train"] += "," + chosen.pop("validation")
        if swap == "yes":
            chosen = {split: text.translate(_SWAPPED) for split, text in chosen.items()}
        return tuple(chosen.items())
    if swap == "yes":
        raise CannotRun(
            f"--data {spec_text(spec)}: swap=yes cannot be used with train, validation and test"
        )
    return tuple((split, text) for split, text in options.items() if text != "none")


_SWAPPED = str.maketrans("12345678", "21436587")


def _archive(spec: DataSpec, flow: bool) -> Path:
    """Return the cached archive of the files, with or without flow; write it if missing."""
    files = recordings(spec)
    key = _key(files)
    folder = Path(cache_folder()) / _FOLDER
    plain, with_flow = folder / f"{key}.npz", folder / f"{key}-flow.npz"
    if with_flow.is_file():
        return with_flow
    if plain.is_file() and not flow:
        return plain
    try:
        remove_unfinished(Path(make_cache_folder(_FOLDER)))
    except OSError as error:
        raise CannotRun(
            f"{folder}: cannot be created: {error.strerror}; set ANETDSL_CACHE to another folder"
        ) from None
    # Of several processes that need the archive, one makes it and the others wait.
    with locked_if_possible(folder / f"{key}.lock", _report_wait):
        return _make_archive(spec, files, plain, with_flow if flow else None)


def _report_wait(holder: str) -> None:
    log.info("waiting for %s, which prepares the same data", holder)


def _make_archive(
    spec: DataSpec, files: tuple[Recording, ...], plain: Path, with_flow: Path | None
) -> Path:
    if not plain.is_file():
        _save(plain, _convert(spec, files))
    if with_flow is None:
        return plain
    if with_flow.is_file():
        return with_flow
    with np.load(plain, allow_pickle=False) as archive:
        arrays = dict(archive)
    log.info("computing the optical flow of %d clips; this is done once", len(arrays["x"]))
    _save(with_flow, {**arrays, "flow8": compute_flow8(arrays["x"])})
    return with_flow


def _save(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _key(files: tuple[Recording, ...]) -> str:
    """Return a hash of the files and of the code that converts them."""
    digest = hashlib.sha256()
    for file in files:
        status = file.path.stat()
        digest.update(f"{file.path.resolve()} {status.st_size} {status.st_mtime_ns}\n".encode())
    for module in ("mhad.py", "mhad_depth.py", "quantised_flow.py"):
        digest.update((Path(__file__).parent / module).read_bytes())
    return digest.hexdigest()[:32]


def _convert(spec: DataSpec, files: tuple[Recording, ...]) -> dict[str, NDArray[Any]]:
    """Return the arrays of the archive. Damaged files are left out; the log names them."""
    log.info("reading %d depth files; this is done once", len(files))
    clips, kept, damaged = [], [], 0
    for file in files:
        try:
            clips.append(grey_clip(_depth(file.path)))
            kept.append(file)
        except ValueError as error:
            damaged += 1
            log.warning("%s: left out: %s", file.path, error)
    if damaged > MOST_UNREADABLE * len(files):
        raise CannotRun(
            f"--data {spec_text(spec)}: {damaged} of {len(files)} files cannot be read; "
            f"at most {MOST_UNREADABLE:.0%} may be damaged"
        )
    return {
        "x": np.stack(clips),
        "y": np.array([file.action - 1 for file in kept], np.int16),
        "subj": np.array([file.subject for file in kept], np.int16),
        "names": np.array([file.name for file in kept]),
        "classes": np.array(ACTIONS),
    }


def _depth(path: Path) -> NDArray[np.uint16]:
    """Read the depth (H, W, frames) of a file, in mm. Raises ValueError for a damaged file."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise CannotRun(
            "reading the .mat files of UTD-MHAD needs scipy: pip install 'anetdsl[mhad]'"
        ) from None
    try:
        variables = loadmat(path, variable_names=["d_depth"])
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except Exception as error:  # for a damaged file loadmat raises many kinds of errors
        raise ValueError(f"not a MATLAB file, or damaged ({type(error).__name__})") from None
    depth = variables.get("d_depth")
    if depth is None or depth.ndim != 3 or depth.dtype.kind not in "iu" or 0 in depth.shape:
        raise ValueError("it holds no d_depth (height, width, frames)")
    return np.asarray(depth).astype(np.uint16)
