r"""The official splits of UCF101 and HMDB51; the option `split=1`, 2 or 3 selects one.

UCF101:  classInd.txt          `1 ApplyEyeMakeup`
         trainlist01.txt       `ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1`
         testlist01.txt        `ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi`
HMDB51:  CLASS_test_split1.txt `NAME.avi 1`, where 1 is training, 2 is test and 0 is neither

Neither has a validation split. The groups g01 to g25 of UCF101 are scenes: a validation split by
hash keeps them together with `group=g(\d+)`, which is the default.
"""

from __future__ import annotations

import re
from pathlib import Path

from anetc.data.formats.lists.class_names import read_numbered_names
from anetc.data.formats.lists.list_rows import ListRow, VideoList, whole_number
from anetc.data.formats.text_files import line_error, lines
from anetc.data.values import Split
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun

UCF101_CLASSES = "classInd.txt"
UCF101_GROUP = r"_g(\d+)_"
HMDB51_LIST = re.compile(r"(.+)_test_split([123])\.txt", re.IGNORECASE)


def read_ucf101(folder: Path, number: int) -> VideoList:
    """Read a split of UCF101. Raises CannotRun for missing files and other lines."""
    numbered = read_numbered_names(folder / UCF101_CLASSES)
    classes = tuple(numbered[place] for place in sorted(numbered))
    by_name = {name.casefold(): name for name in classes}
    found: dict[Split, Path] = {
        "train": folder / f"trainlist{number:02d}.txt",
        "test": folder / f"testlist{number:02d}.txt",
    }
    rows = []
    for split, path in found.items():
        for line, text in lines(path):
            name, *digits = text.rsplit(maxsplit=1)
            if (given := whole_number(digits[0]) if digits else None) is None:
                name = text
            name = name.replace("\\", "/")
            label = by_name.get(Path(name).parent.name.casefold())
            if label is None:
                guess = did_you_mean(Path(name).parent.name, classes)
                hint = f"; did you mean `{guess}`?" if guess else ""
                raise line_error(
                    path, line, f"`{name}` is in no folder of a class of {UCF101_CLASSES}{hint}"
                )
            if given is not None and numbered.get(given) != label:
                raise line_error(
                    path, line, f"the class {given} of {UCF101_CLASSES} is not {label}"
                )
            stems = (Path(name).stem,)
            rows.append(ListRow(path, line, (name, Path(name).name), stems, (label,), split))
    return VideoList(rows, classes)


def read_hmdb51(folder: Path, number: int) -> VideoList:
    """Read a split of HMDB51. Raises CannotRun if there are no lists, and for other lines."""
    found = []
    for path in folder.iterdir():
        match = HMDB51_LIST.fullmatch(path.name)
        if match and int(match[2]) == number and not path.name.startswith("."):
            found.append((match[1], path))
    if not found:
        raise CannotRun(f"{folder}: there is no list CLASS_test_split{number}.txt")
    rows = []
    for label, path in sorted(found):
        for line, text in lines(path):
            name, *marks = text.rsplit(maxsplit=1)
            mark = marks[0] if marks else ""
            if mark not in ("0", "1", "2"):
                raise line_error(path, line, f"expected `NAME 0`, 1 or 2, not `{text[:80]}`")
            if mark == "0":
                continue
            paths = (f"{label}/{name}", name)
            split: Split = "train" if mark == "1" else "test"
            rows.append(ListRow(path, line, paths, (Path(name).stem,), (label,), split))
    return VideoList(rows, tuple(sorted(label for label, _ in found)))
