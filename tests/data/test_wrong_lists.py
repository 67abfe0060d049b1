"""Lists with mistakes: an error with the line, or a warning; no row is lost or changed silently."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from anetc.data.formats.text_files import csv_rows
from anetdsl.errors import CannotRun
from tests.data.test_lists import labels, opened, touch, write

# Quotes


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # Without an end, at once or in the last row; with an end in a later row.
        ('path,label\na.mp4,"run\nb.mp4,run\nc.mp4,run\n', 2),
        ('path,label\na.mp4,run\nb.mp4,run\nc.mp4,"run\n', 4),
        ('path,label\na.mp4,run\n\nb.mp4,"run\nc.mp4,run"\n', 4),
        ('path,label\n"a.mp4,run\nb.mp4,"run"\nc.mp4,run\n', 2),
        ('path,label,note\na.mp4,run,\nb.mp4,run,"good\nc.mp4,run,bad"\n', 3),
        ('path\tlabel\r\na.mp4\t"run\r\nb.mp4\trun\r\n', 2),
        ('path,"label\na.mp4,run\n', 1),
    ],
)
def test_an_open_quote_is_refused_where_it_begins(tmp_path: Path, text: str, line: int) -> None:
    write(tmp_path, t_0csv=text)
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    with pytest.raises(CannotRun, match=rf"t.csv:{line}: a cell begins with a quote that does not"):
        opened(tmp_path)


def test_text_after_a_quoted_cell_is_refused(tmp_path: Path) -> None:
    write(tmp_path, t_0csv='path,label\na.mp4,run\nb.mp4,"run" fast\n')
    with pytest.raises(CannotRun, match=r"t.csv:3: not valid CSV"):
        opened(tmp_path)


def test_quotes_in_a_cell(tmp_path: Path) -> None:
    write(tmp_path, t_0csv='path,label,split\na.mp4,"say ""hi"", go",train\nb.mp4,5" disk,train\n')
    touch(tmp_path, "a.mp4", "b.mp4")
    assert labels(opened(tmp_path)) == ['say "hi", go', '5" disk']


def test_an_open_quote_in_the_rows_of_charades_and_moments(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text('id,actions\nA,"c000 0 1\nB,c000 0 1\nC,"\n')
    with pytest.raises(CannotRun, match=r"l.csv:2: a cell begins with a quote"):
        list(csv_rows(path))
    # The scripts of Charades are free text, which may span lines.
    path.write_text('id,script\nA,"one\ntwo"\nB,three\n')
    rows = [(1, ["id", "script"]), (2, ["A", "one\ntwo"]), (4, ["B", "three"])]
    assert list(csv_rows(path, free_text=True)) == rows
    path.write_text('id,script\nA,"one\ntwo\nB,three\n')
    with pytest.raises(CannotRun, match=r"l.csv:2: a cell begins with a quote"):
        list(csv_rows(path, free_text=True))
    path.write_text('a/x.mp4,a,1,0\n\na/y.mp4,"a,1,0')
    with pytest.raises(CannotRun, match=r"l.csv:3: a cell begins with a quote"):
        list(csv_rows(path))


# Labels


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("-1", r"the label -1 means that there is no label; remove this row"),
        ("-1.0", r"the label -1.0 means that there is no label"),
        ("-7", r"the label -7 is negative; classes are numbered from 0 or 1"),
        ("l", r"the label `l` is not a number, but 9 of the 10 labels are; .* classes=FILE"),
        ("1.5", r"the label `1.5` is not a number"),
        ("999999999", r"the label 999999999 is too large .* only 10 rows"),
        ("20190101", r"the label 20190101 is too large"),
        ("99999999999999999999", r"the label 9{20} is too large"),
        ("1101", r"the label 1101 is too large"),
    ],
)
@pytest.mark.parametrize("header", ["", "path,label\n", "path,labels\n"])
def test_a_wrong_label_among_numbers(tmp_path: Path, header: str, label: str, message: str) -> None:
    """All rows would become names because of one, or there would be as many classes."""
    given = ["0", "1", "2", "0", label, "2", "0", "1", "2", "0"]
    rows = "".join(f"{n}.mp4,{number}\n" for n, number in enumerate(given))
    write(tmp_path, train_0csv=header + rows)
    touch(tmp_path, *(f"{n}.mp4" for n in range(10)))
    with pytest.raises(CannotRun, match=rf"train.csv:{6 if header else 5}: {message}"):
        opened(tmp_path)


@pytest.mark.parametrize("header", ["", "path,label\n", "path,labels\n"])
def test_numbers_as_pandas_writes_them(tmp_path: Path, header: str) -> None:
    write(tmp_path, train_0csv=f"{header}a.mp4,0\nb.mp4,1.0\nc.mp4,2.00\n")
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    data = opened(tmp_path, "train", "?labels=one")
    assert data.classes == ("class 0", "class 1", "class 2")
    assert [data.target(index) for index in range(3)] == [0, 1, 2]


def test_names_that_look_like_numbers(tmp_path: Path) -> None:
    """Names stay names where they are many, or where the option `classes` lists them."""
    given = ["3", "three", "four", "five", "six", "1.0"]
    write(tmp_path, train_0txt="".join(f"{n}.mp4 {label}\n" for n, label in enumerate(given)))
    touch(tmp_path, *(f"{n}.mp4" for n in range(6)))
    assert opened(tmp_path).classes == ("1.0", "3", "five", "four", "six", "three")
    write(tmp_path, train_0txt="0.mp4 1.0\n1.mp4 1.5\n2.mp4 -1\n", names="-1\n1.0\n1.5\n")
    data = opened(tmp_path, "train", "?classes=names")
    assert [data.target(index) for index in range(3)] == [1, 2, 0]


def test_numbers_of_many_rows_may_be_large(tmp_path: Path) -> None:
    write(tmp_path, train_0txt="".join(f"{n}.mp4 1100\n" for n in range(10)))
    touch(tmp_path, *(f"{n}.mp4" for n in range(10)))
    assert len(opened(tmp_path).classes) == 1101


# Comments


def test_paths_that_begin_with_a_hash_are_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        tmp_path,
        train_0txt="# path label\n#\n#1 day.mp4 0\n#path label\nb.mp4 1\n# b.mp4 0\n#no 3\n",
    )
    touch(tmp_path, "#1 day.mp4", "b.mp4")
    with caplog.at_level(logging.WARNING, "anetc.data"):
        data = opened(tmp_path)
    assert [data.name(index) for index in range(len(data))] == ["#1 day.mp4", "b.mp4"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'train.txt'}:4: taken as a comment: #path label and 1 more"
    ]


# Files


@pytest.mark.parametrize("options", ["", "?kind=ucf101", "?split=1"])
def test_ucf101_without_its_classes(tmp_path: Path, options: str) -> None:
    rows = "Archery/v_Archery_g08_c01.avi"
    write(tmp_path, l__trainlist01_0txt=f"{rows} 1\n", l__testlist01_0txt=f"{rows}\n")
    for place in (tmp_path, tmp_path / "l", tmp_path / "l/trainlist01.txt"):
        with pytest.raises(CannotRun, match=r"l/classInd.txt is missing, .* trainlist01.txt"):
            opened(f"list:{place}", "train", options)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"val_0csv": "clip,what\nb.mp4,1\n"}, "val.csv"),
        ({"val_0txt": "nothing known\n", "more_0csv": "a,b\n"}, "more.csv, val.txt"),
        ({"val_0txt": "b.mp4 run\n"}, "val.txt"),
        ({"all_0csv": "path,label\nb.mp4,run\n"}, "all.csv"),
        ({"README_0txt": "a train list\n", "classes_0csv": "a,b\n", "quarantine_0txt": "x\n"}, ""),
    ],
)
def test_lists_that_are_not_used_are_named(
    tmp_path: Path, files: dict[str, str], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A list of unknown columns, of no kind, of another kind, and one of no split."""
    write(tmp_path, train_0csv="path,label\na.mp4,run\n", **files)
    touch(tmp_path, "a.mp4", "b.mp4")
    with caplog.at_level(logging.WARNING, "anetc.data"):
        assert len(opened(f"list:{tmp_path}")) == 1
    assert (f"table with a split in its name: {named}; name" in caplog.text) == bool(named)
    assert bool(caplog.records) == bool(named)
