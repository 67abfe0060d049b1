"""The format `folder`: one folder of videos for each class.

The layout is one of these, found by the names of the folders or given by the option `layout`:

    split         DIR/train/CLASS/...  DIR/validation/CLASS/...  DIR/test/CLASS/...
    class-split   DIR/CLASS/train/...  DIR/CLASS/validation/...  DIR/CLASS/test/...
    class         DIR/CLASS/...

`training`, `val`, `valid`, `dev`, `testing` and so on are also names of splits. One folder in DIR
that is named as a split and contains folders with videos decides for `split`. Folders without
videos decide nothing. Videos outside of the layout are not used, and a warning names their folder.

In the layout `class` hashes assign the videos to splits (`anetc.data.splits`), with the options
`test=10`, `validation=10` and `group=PATTERN`. In the other layouts, without a validation folder,
`validation=10` takes that percentage of the training videos in the same way.

With `group=PATTERN&folds=A,B,C` the training videos of these groups validate in turn
(`anetc.data.folds`).

Classes are numbered in the order of their names, over all splits. Names of folders that differ only
in their Unicode form (a letter with its accent as one or as two characters) are the same class.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, get_args

import attrs
import numpy as np

from anetc.data.folds import ALL, check_groups, rotated
from anetc.data.folds import OPTIONS as FOLD_OPTIONS
from anetc.data.formats.directory_scan import folders_in, is_video_name, videos_below
from anetc.data.formats.video_dataset import OPTIONS, VideoDataset, make_video_reader
from anetc.data.spec import checked_options, existing_path, spec_text
from anetc.data.split_names import split_of_name
from anetc.data.splits import OPTIONS as SPLIT_OPTIONS
from anetc.data.splits import group_of, hash_splits, split_options
from anetc.data.upkeep import quarantine
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe
from anetdsl.errors import CannotRun

Layout = Literal["split", "class-split", "class"]

_SHARE = 10
_SHOWN = 5

_log = logging.getLogger("anetc.data")


@attrs.frozen
class FolderVideo:
    """A video: its path relative to the data set's folder, its class and its split."""

    name: str
    label: str
    split: Split


def open_folder(
    spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, objects: int | None = None
) -> VideoDataset:
    """Open a split.

    Raises CannotRun for a missing folder, a missing or empty split, and wrong options.
    """
    root, listed = list_folder(spec)
    skipped = quarantine.quarantined_names(spec, root)
    classes = tuple(sorted({video.label for video in listed}))
    number = {label: place for place, label in enumerate(classes)}
    chosen = [video for video in listed if video.split == split and video.name not in skipped]
    if not chosen:
        found = ", ".join(dict.fromkeys(video.split for video in listed)) or "none"
        option = ", or use the option validation=10" if split == "validation" else ""
        advice = f"Make a folder {split}{option}."
        if split == "validation" and dict(spec.options).get("fold") == ALL:
            advice = "With fold=all no group validates; name one of the folds."
        raise CannotRun(
            f"--data {spec_text(spec)}: there are no {split} videos; splits with videos: {found}. "
            f"{advice}"
        )
    names = tuple(video.name for video in chosen)
    return VideoDataset(
        spec=spec,
        split=split,
        classes=classes,
        names=names,
        targets=np.array([number[video.label] for video in chosen], np.int64),
        reader=make_video_reader(spec, root, recipe, names, flow=flow, objects=objects),
        groups=_groups(spec, chosen),
    )


def _groups(spec: DataSpec, videos: list[FolderVideo]) -> tuple[str, ...] | None:
    """Return the group of each video, or None without the option `group`."""
    pattern = split_options(spec, validation=0, test=0).group
    if pattern is None:
        return None
    return tuple(group_of(spec, pattern, video.name) for video in videos)


def list_folder(spec: DataSpec) -> tuple[Path, list[FolderVideo]]:
    """Return the data set's folder and all its videos, sorted by folder and name."""
    options = checked_options(spec, ("layout", *SPLIT_OPTIONS, *FOLD_OPTIONS, *OPTIONS))
    root = existing_path(spec)
    if not root.is_dir():
        raise CannotRun(f"--data {spec_text(spec)}: not a folder")
    tops = _videos_by_folder(spec, root)
    layout = _layout(spec, tops)
    if layout == "class":
        listed = [
            FolderVideo(f"{top}/{path}", _normal(top), "train")
            for top, found in tops.items()
            for path in found
        ]
        listed = _rotated(spec, listed, _SHARE) or _drawn(spec, listed, _SHARE, _SHARE)
    else:
        listed = _in_split_folders(spec, layout, tops)
        if "test" in options or (
            "validation" in options and any(v.split == "validation" for v in listed)
        ):
            raise CannotRun(
                f"--data {spec_text(spec)}: the data have a folder for each split; the only "
                "percentage is validation=PERCENT, where there is no validation folder"
            )
        training = [video for video in listed if video.split == "train"]
        if (found := _rotated(spec, training, 0)) is not None:
            if any(video.split == "validation" for video in listed):
                raise CannotRun(
                    f"--data {spec_text(spec)}: the data have a validation folder; leave out folds="
                )
            listed = [*found, *(v for v in listed if v.split != "train")]
        elif "validation" in options:
            training = _drawn(spec, [v for v in listed if v.split == "train"], 0, 0)
            listed = [*training, *(v for v in listed if v.split != "train")]
    _warn_of_similar_classes(spec, {video.label for video in listed})
    return root, listed


def _videos_by_folder(spec: DataSpec, root: Path) -> dict[str, list[str]]:
    """Return the videos in each folder with videos; warn of files that may be videos."""
    found = {}
    unknown: list[str] = []
    for top in folders_in(root):
        files = videos_below(root / top, with_unknown_names=True)
        if videos := [path for path in files if is_video_name(path.rpartition("/")[2])]:
            found[top] = videos
        others = dict.fromkeys(files).keys() - dict.fromkeys(videos).keys()
        unknown.extend(f"{top}/{path}" for path in sorted(others))
    if unknown:
        count = "1 file has" if len(unknown) == 1 else f"{len(unknown)} files have"
        _log.warning(
            "%s: %s no ending of a video, or an unknown one, so not used: %s",
            spec_text(spec),
            count,
            _list(unknown),
        )
    return found


def _drawn(
    spec: DataSpec, listed: list[FolderVideo], validation: int, test: int
) -> list[FolderVideo]:
    """Return videos with splits by hash; the percentages are those of options not given."""
    how = split_options(spec, validation=validation, test=test)
    splits = hash_splits(spec, [v.name for v in listed], [(v.label,) for v in listed], how)
    return [attrs.evolve(video, split=split) for video, split in zip(listed, splits)]


def _rotated(spec: DataSpec, listed: list[FolderVideo], test: int) -> list[FolderVideo] | None:
    """Return training videos with splits by folds, or None without folds.

    Videos of other groups are for training, but for `test` per cent by hash (or the option).
    """
    splits = rotated(spec)
    if splits is None:
        return None
    pattern = split_options(spec, validation=0, test=test).group
    if pattern is None:
        raise CannotRun(
            f"--data {spec_text(spec)}: folds= needs group=PATTERN, which finds the group of a "
            "video in its name"
        )
    groups = [group_of(spec, pattern, video.name) for video in listed]
    check_groups(spec, splits, groups)
    inside = [
        attrs.evolve(video, split=splits[group])
        for video, group in zip(listed, groups)
        if group in splits
    ]
    others = [video for video, group in zip(listed, groups) if group not in splits]
    return [*inside, *(_drawn(spec, others, 0, test) if others and test else others)]


def _layout(spec: DataSpec, tops: Mapping[str, list[str]]) -> Layout:
    """Return the layout of the folders with videos. Raises CannotRun where it is not plain."""
    given = dict(spec.options).get("layout")
    for layout in get_args(Layout):
        if given == layout:
            return layout  # type: ignore[no-any-return]
    if given is not None:
        raise CannotRun(
            f"--data {spec_text(spec)}: layout must be one of {', '.join(get_args(Layout))}"
        )
    named = [top for top in tops if split_of_name(top)]
    if any(_folders(tops[top]) for top in named):
        return "split"
    if named and (len({split_of_name(top) for top in named}) > 1 or len(named) == len(tops)):
        raise CannotRun(
            f"--data {spec_text(spec)}: {_list(named)} must contain a folder of videos for each "
            "class, but there are only videos; use the option layout=class if these are classes"
        )
    if named:
        _log.warning(
            "%s: the folder %s is taken as a class, as it contains videos and no folders",
            spec_text(spec),
            named[0],
        )
    split_below = {
        top: [below for below in _folders(found) if split_of_name(below)]
        for top, found in tops.items()
    }
    deep = [
        top
        for top, splits in split_below.items()
        if splits and all(_folders(_below(tops[top], below)) for below in splits)
    ]
    if deep and not any(splits for top, splits in split_below.items() if top not in deep):
        places = _list([f"{spec.path}/{top}" for top in deep])
        raise CannotRun(
            f"--data {spec_text(spec)}: the folders of the splits are one level deeper; "
            f"use --data {places}, or the option layout=class-split if {_list(deep)} is a class"
        )
    if len(tops) == 1:
        ((top, found),) = tops.items()
        # A folder of folders, such as UCF-101 in the place where it was unpacked.
        if len(_folders(found)) > 1 and all("/" in path for path in found):
            raise CannotRun(
                f"--data {spec_text(spec)}: there is one class, {top}, whose videos are in the "
                f"folders {_list(_folders(found))}; use --data {spec.path}/{top} if these are the "
                "classes, or the option layout=class if they are not"
            )
    several = any(len({split_of_name(s) for s in splits}) > 1 for splits in split_below.values())
    return "class-split" if several or (tops and all(split_below.values())) else "class"


def _in_split_folders(
    spec: DataSpec, layout: Layout, tops: Mapping[str, list[str]]
) -> list[FolderVideo]:
    """Return the videos of the layouts with split folders; warn of all other videos."""
    listed = []
    unused: dict[str, int] = defaultdict(int)
    names: dict[Split, set[str]] = defaultdict(set)
    for top, found in tops.items():
        for path in found:
            parts = [top, *path.split("/")]
            # A class or a split is the name of a folder, not of the video itself.
            first, second = (parts[0], parts[1]) if len(parts) > 2 else (parts[0], "")
            folder, label = (first, second) if layout == "split" else (second, first)
            split = split_of_name(folder)
            if split is None or not label:
                unused[top if second == "" or layout == "split" else f"{top}/{second}"] += 1
                continue
            names[split].add(folder)
            listed.append(FolderVideo(f"{top}/{path}", _normal(label), split))
    for folder, count in list(unused.items())[:_SHOWN]:
        videos = "1 video" if count == 1 else f"{count} videos"
        beside = " beside the class folders" if split_of_name(folder) else ""
        text = "%s: there are folders for the splits; not used: %s in %s%s"
        _log.warning(text, spec_text(spec), videos, folder, beside)
    if len(unused) > _SHOWN:
        _log.warning("%s: and %d more folders", spec_text(spec), len(unused) - _SHOWN)
    for split, folders in names.items():
        if len(folders) > 1:
            _log.warning("%s: %s are one split, %s", spec_text(spec), _list(sorted(folders)), split)
    return listed


def _warn_of_similar_classes(spec: DataSpec, labels: Iterable[str]) -> None:
    similar: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        similar[" ".join(re.split(r"[\s_-]+", label.casefold().strip()))].append(label)
    for found in similar.values():
        if len(found) > 1:
            quoted = _list([f"`{label}`" for label in found])
            _log.warning("%s: %s are different classes", spec_text(spec), quoted)


def _folders(paths: Iterable[str]) -> list[str]:
    """Return the first folders of relative paths."""
    return list(dict.fromkeys(path.split("/")[0] for path in paths if "/" in path))


def _below(paths: Iterable[str], folder: str) -> list[str]:
    return [path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")]


def _normal(label: str) -> str:
    return unicodedata.normalize("NFC", label)


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
