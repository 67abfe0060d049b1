"""The formatter: its results, and its errors for texts that it cannot format."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from anetdsl import AnetError, Origin, check, format_text, parse
from anetdsl.source import SourceFile
from anetdsl.text import formatting
from anetdsl.text.formatting import FormatterBug, format_source
from anetdsl.text.layout import Cell, Comment, Row, render
from tests.networks import table_4

BEFORE = sorted(
    path
    for path in (Path(__file__).parents[1] / "golden" / "fmt").glob("*.anet")
    if not path.name.endswith(".out.anet")
)


@pytest.mark.parametrize("path", BEFORE, ids=lambda path: path.stem)
def test_texts_before_and_after(path, golden):
    """Format each text of tests/golden/fmt. Formatting the result changes nothing."""
    formatted = format_text(path.read_bytes().decode())
    golden(f"fmt/{path.stem}.out.anet", formatted)
    assert format_text(formatted) == formatted


def test_the_sample_of_the_manual_is_in_canonical_layout():
    """The layout in the manual is the formatter's layout."""
    sample = BEFORE[[path.stem for path in BEFORE].index("sample")].read_text()
    assert format_text(sample) == sample


def test_formatted_examples_are_stable(examples):
    """The formatter's own check passes, and formatting the result changes nothing."""
    for path in examples:
        formatted = format_text(path.read_bytes().decode())
        assert format_text(formatted) == formatted


def test_a_printed_network_is_in_canonical_layout():
    """`str(network)` and the formatter have the same layout."""
    text = str(table_4())
    assert format_text(text) == text


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_all_line_ends_become_the_first_one(newline):
    """A file with mixed line ends gets one kind."""
    text = f"anet 1{newline}network a\r\n\n\rinput b channels=3"
    expected = ["anet 1", "network a", "", "input b  channels=3", ""]
    assert format_text(text).split(newline) == expected


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("", ""),
        (" \n\t\n", ""),
        ("\ufeff", ""),
        ("\ufeffanet 1", "anet 1\n"),
        ("#", "#\n"),
        ("\n\n# a\n\n\n\n# b\n\n", "# a\n\n# b\n"),
        ("\ufeff # a \t\f", "# a\n"),
        ("anet 1 # a\u00a0\u2028", "anet 1  # a\u00a0\u2028\n"),
        ("anet 1\f\f\nnetwork\ta", "anet 1\nnetwork a\n"),
    ],
)
def test_texts_without_statements_and_special_characters(text, formatted):
    """Empty, white space, a byte order mark, and characters that look like line ends."""
    assert format_text(text) == formatted


def test_an_old_name_of_an_attribute_is_read():
    """Earlier versions wrote the number of a candidate as `round`."""
    network = attrs.evolve(table_4(), origin=Origin("g1", candidate=7))
    new = str(network)
    old = new.replace("candidate=7", "round=7")
    assert old != new
    assert parse(old) == network
    assert str(parse(old)) == new
    both = new.replace("candidate=7", "candidate=7 round=7")
    assert [finding.code for finding in check(both)] == ["A402"]


def test_numbers_and_strings_stay_as_written():
    """The formatter changes the layout only, not the notation of values."""
    text = 'score top1=+1.50e01 top5=.5 loss=-0.\norigin parent="a\\\\ \\" \\n#"'
    formatted = format_text(text)
    assert formatted.split() == [
        *["score", "top1=+1.50e01", "top5=.5", "loss=-0."],
        *["origin", 'parent="a\\\\', '\\"', '\\n#"'],
    ]


def test_all_syntax_errors_are_reported_and_nothing_is_formatted():
    """The exception's text has each error with its place. Other errors are not reported."""
    with pytest.raises(AnetError) as raised:
        format_text("anet 1\nnode a level=\nnode b C==3\nsink nothing=here")
    assert [d.code for d in raised.value.diagnostics] == ["A104", "A104"]
    assert "<text>:2:" in str(raised.value)
    assert "<text>:3:" in str(raised.value)


def test_a_too_large_text_is_refused():
    """`check` refuses it, too."""
    with pytest.raises(AnetError) as raised:
        format_text("#" * (1 << 20) + "#")
    assert [d.code for d in raised.value.diagnostics] == ["A110"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("anet 1\nsink  classes=3\n", "statement 2 was ('sink', None, (('classes', '2'),))"),
        ("anet 1\nsink  classes=2  # c\nsink", "statement 3 was None, would be ('sink', None, ())"),
        ("anet 1\nsink  classes=2  # c\nfoo bar", "unknown statement `foo`"),
        ("anet 1\nsink  classes=2  # d\n", "comment '# c' is no longer in statement 2"),
        ("anet 1  # c\nsink  classes=2\n", "comment '# c' is no longer in statement 1"),
        ("anet 1\nsink   classes=2  # c\n", "line 2 of the result would change if formatted again"),
    ],
)
def test_the_formatter_checks_its_result(monkeypatch, wrong, message):
    """The error names what the result loses, adds or does not finish."""
    right, wrong_once = formatting.render, iter([wrong])
    monkeypatch.setattr(
        formatting, "render", lambda *arguments: next(wrong_once, "") or right(*arguments)
    )
    with pytest.raises(FormatterBug, match="internal error: formatting would change") as raised:
        format_source(SourceFile("x.anet", "anet 1 sink classes=2 # c"))
    assert message in str(raised.value)


def test_wide_cells_do_not_widen_the_table():
    """A column has at most 40 characters, so one long name does not pad 10,000 rows."""
    rows = [
        Row((Cell("name", "n" * width), Cell("C", "C=1"), Cell("r", "r=1")), "node")
        for width in (1, 40, 41, 1000)
    ]
    columns = [line.index("C=1") for line in render(rows).splitlines()]
    assert columns == [42, 42, 43, 1002]


def test_comments_of_neighbouring_rows_are_aligned():
    """Rows of one line with comments are aligned until a row without a comment."""
    rows = [Row((Cell("a", "a" * n),), "node", comment) for n, comment in [(1, "# 1"), (3, "# 2")]]
    other = Row((Cell("a", "aaaaa"),), "node")
    text = render([*rows, other, rows[0], Comment("#"), rows[0], None, rows[1]])
    assert text.splitlines() == [
        *["a    # 1", "aaa  # 2", "aaaaa", "a  # 1", "#", "a  # 1", "", "aaa  # 2"]
    ]


def test_a_text_of_many_nodes_is_formatted():
    """Each node is on a line, and all comments are in one column."""
    rows = [f"node n{i} level=1 C=1 r=1 stride=1 inputs=[a] # {i}" for i in range(1000)]
    first, *lines = format_text("\n".join(["anet 1", *rows])).splitlines()
    assert (first, len(lines)) == ("anet 1", 1000)
    assert len({line.index("#") for line in lines}) == 1
