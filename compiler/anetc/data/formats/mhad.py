"""`utd-mhad`: the depth files of UTD-MHAD, turned once into an archive of `arrays`.

C. Chen, R. Jafari, N. Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action Recognition
Utilizing a Depth Camera and a Wearable Inertial Sensor", ICIP 2015: 27 actions of 8 subjects, 861
clips, from the data set's authors. The files `aA_sS_tT_depth.mat` lie in the folder, or in its
sub-folder `Depth`; each holds `d_depth`, uint16 millimetres (240, 320, frames), 30 a second, 0
where there is no person.

A clip becomes 16 grey frames of 64 x 64 pixels at 7.5 a second: the middle of the recording, cut
to a square around the person, the nearer the brighter. Such an archive is kept in the user's cache
folder, so that the files are read, and their flow is computed, once. How the subjects are split is
an option.
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

from anetc.data.formats.arrays import Arrays, open_arrays
from anetc.data.formats.mhad_depth import grey_clip
from anetc.data.formats.quantised_flow import flow_in_eighths
from anetc.data.spec import options_of, place_of, shown
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe
from anetdsl.errors import CannotRun
from anetdsl.files import replacing
from anetdsl.syntax.grammar import cache_folder
from anetdsl.terminal import visible

log = logging.getLogger("anetc.data")

ACTIONS = (
    *("swipe left", "swipe right", "wave", "clap", "throw", "cross arms", "basketball shoot"),
    *("draw x", "draw circle clockwise", "draw circle counter-clockwise", "draw triangle"),
    *("bowling", "boxing", "baseball swing", "tennis swing", "arm curl", "tennis serve", "push"),
    *("knock", "catch", "pick up and throw", "jog", "walk", "sit to stand", "stand to sit"),
    *("lunge", "squat"),
)
"""The 27 actions by their number in file names, which counts from 1."""

SPLITS = {"train": "1,3,5", "validation": "7", "test": "2,4,6,8"}
"""The standard protocol, which trains on odd subjects, with one of them held out to choose by."""
MOST_UNREADABLE = 0.05
"""The largest share of files that may be missing from the archive because they are damaged."""

_NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_depth\.mat", re.ASCII)


@attrs.frozen
class Recording:
    """One file: its action and subject, both counted from 1."""

    path: Path
    action: int
    subject: int

    @property
    def name(self) -> str:
        """Such as `a1_s2_t3`."""
        return self.path.name.removesuffix("_depth.mat")


def open_mhad(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> Arrays:
    """Open a split, turning the files into an archive where that has not been done yet.

    The options `train`, `validation` and `test` name subjects, such as `train=1,3,5,7`. Without
    any of them, see SPLITS; `validation=none` alone trains on subject 7 as well, and `swap=yes`
    takes subjects 2, 4, 6 for 1, 3, 5, then 8 for 7 and the odd ones for the even ones.
    Raises CannotRun as `open_arrays` does, and where the files cannot be read.
    """
    subjects = _subjects(spec)
    archive = _archive(spec, flow)
    inner = DataSpec("arrays", str(archive), subjects)
    opened = open_arrays(inner, split, recipe, flow=flow)
    return attrs.evolve(opened, spec=spec)


def recordings(spec: DataSpec) -> tuple[Recording, ...]:
    """The files of the data set, by action, subject and trial. Raises CannotRun without any."""
    root = place_of(spec)
    found: dict[tuple[int, int, int], Recording] = {}
    for folder in (root, root / "Depth"):
        for path in folder.glob("*_depth.mat") if folder.is_dir() else ():
            if parts := _NAME.fullmatch(path.name):
                action, subject, trial = map(int, parts.groups())
                if not 1 <= action <= len(ACTIONS):
                    raise CannotRun(f"{visible(str(path))}: there are {len(ACTIONS)} actions")
                found[action, subject, trial] = Recording(path, action, subject)
    if not found:
        raise CannotRun(
            f"--data {shown(spec)}: there are no files such as a1_s1_t1_depth.mat, nor in Depth/"
        )
    return tuple(found[key] for key in sorted(found))


def _subjects(spec: DataSpec) -> tuple[tuple[str, str], ...]:
    """The options of the archive: which subjects are in which split."""
    options = options_of(spec, (*SPLITS, "swap"))
    swap = options.pop("swap", "no")
    if swap not in ("yes", "no"):
        raise CannotRun(f"--data {shown(spec)}: swap={visible(swap)}: must be yes or no")
    if not options or options == {"validation": "none"}:
        chosen = dict(SPLITS)
        if options:
            chosen["train"] += "," + chosen.pop("validation")
        if swap == "yes":
            chosen = {split: text.translate(_OTHER) for split, text in chosen.items()}
        return tuple(chosen.items())
    if swap == "yes":
        raise CannotRun(f"--data {shown(spec)}: swap=yes goes without train, validation and test")
    return tuple((split, text) for split, text in options.items() if text != "none")


_OTHER = str.maketrans("12345678", "21436587")


def _archive(spec: DataSpec, flow: bool) -> Path:
    """The archive of the files, in the cache, with flow or without; made where it is not there."""
    files = recordings(spec)
    key = _key(files)
    folder = Path(cache_folder()) / "utd-mhad"
    plain, whole = folder / f"{key}.npz", folder / f"{key}-flow.npz"
    if whole.is_file():
        return whole
    if not plain.is_file():
        _keep(plain, _convert(spec, files))
    if not flow:
        return plain
    with np.load(plain, allow_pickle=False) as archive:
        held = dict(archive)
    log.info("computing the optical flow of %d clips; this is done once", len(held["x"]))
    _keep(whole, {**held, "flow8": flow_in_eighths(held["x"])})
    return whole


def _keep(path: Path, held: dict[str, NDArray[Any]]) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"{path.parent}: cannot be made: {error.strerror}") from None
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **held)  # type: ignore[arg-type]


def _key(files: tuple[Recording, ...]) -> str:
    """Of the files as they are now and of the code that turns them into an archive."""
    digest = hashlib.sha256()
    for file in files:
        status = file.path.stat()
        digest.update(f"{file.path.resolve()} {status.st_size} {status.st_mtime_ns}\n".encode())
    for module in ("mhad.py", "mhad_depth.py", "quantised_flow.py"):
        digest.update((Path(__file__).parent / module).read_bytes())
    return digest.hexdigest()[:32]


def _convert(spec: DataSpec, files: tuple[Recording, ...]) -> dict[str, NDArray[Any]]:
    """The arrays of the archive. Damaged files are named in the log and left out."""
    log.info("reading %d depth files; this is done once", len(files))
    clips, kept, damaged = [], [], 0
    for file in files:
        try:
            clips.append(grey_clip(_depth(file.path)))
            kept.append(file)
        except ValueError as error:
            damaged += 1
            log.warning("%s: left out: %s", visible(str(file.path)), error)
    if damaged > MOST_UNREADABLE * len(files):
        raise CannotRun(
            f"--data {shown(spec)}: {damaged} of {len(files)} files cannot be read; "
            f"up to {MOST_UNREADABLE:.0%} would be left out"
        )
    return {
        "x": np.stack(clips),
        "y": np.array([file.action - 1 for file in kept], np.int16),
        "subj": np.array([file.subject for file in kept], np.int16),
        "names": np.array([file.name for file in kept]),
        "classes": np.array(ACTIONS),
    }


def _depth(path: Path) -> NDArray[np.uint16]:
    """The depth (H, W, frames) in a file, mm. Raises ValueError for what is damaged."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise CannotRun(
            "reading the .mat files of UTD-MHAD needs scipy: pip install 'anetdsl[mhad]'"
        ) from None
    try:
        held = loadmat(path, variable_names=["d_depth"])
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except Exception as error:  # the reader raises whatever a damaged file leads it into
        raise ValueError(f"no MATLAB file, or damaged ({type(error).__name__})") from None
    depth = held.get("d_depth")
    if depth is None or depth.ndim != 3 or depth.dtype.kind not in "iu" or 0 in depth.shape:
        raise ValueError("there is no d_depth (height, width, frames) in it")
    return np.asarray(depth).astype(np.uint16)
