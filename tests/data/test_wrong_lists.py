"""Lists with mistakes: an error with the line, or a warning; no row is lost or changed silently."""

from __future__ import annotations

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
    path.write_text('a/x.mp4,a,1,0\n\na/y.mp4,"a,1,0')
    with pytest.raises(CannotRun, match=r"l.csv:3: a cell begins with a quote"):
        list(csv_rows(path))
