"""Very large and repetitive texts give findings in bounded time, memory and output.

Every case runs in a separate process with limits of time and memory; exceeding a limit fails the
test. The limits are generous, so that only growth faster than that of the text exceeds them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from anetdsl.api import parse
from anetdsl.interchange.document import from_json, to_json
from anetdsl.vocabulary import MAX_FILE_BYTES, MAX_NODES

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
MEMORY = 3 << 30
OUTPUT = 2 << 20

HEAD = "anet 1\nnetwork n\ninput rgb channels=3\n"
STEM = "node s0 level=0 C=1 r=1 stride=4 inputs=[rgb]\n"
SINK = "sink inputs=[s0] classes=2\n"


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def anetc(
    *arguments: str, stdin: str | bytes = "", texts: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run a command on standard input, or on files with several texts, with the limits."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "compiler")])
    done = subprocess.run(
        [sys.executable, "-m", "anetc", *arguments],
        input=stdin if isinstance(stdin, bytes) else stdin.encode("utf-8", "surrogatepass"),
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=False,
        timeout=SECONDS * texts,
        preexec_fn=limited,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "internal error" not in err, err
    assert "Traceback" not in err, err
    assert len(out) + len(err) < OUTPUT * texts
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def codes(text: str | bytes) -> set[str]:
    """Return the codes in the JSON output of `check`."""
    done = anetc("check", "--format", "json", "-", stdin=text)
    (file,) = json.loads(done.stdout)["files"]
    found = {finding["code"] for finding in file["diagnostics"]}
    assert done.returncode == bool(found)
    return found


def codes_of(texts: Mapping[str, str], folder: Path) -> dict[str, set[str]]:
    """Return the codes of several texts by name, which one process checks."""
    paths = [folder / f"{number}.anet" for number in range(len(texts))]
    for path, text in zip(paths, texts.values()):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
    done = anetc("check", "--format", "json", *map(str, paths), texts=len(texts))
    files = json.loads(done.stdout)["files"]
    assert all(len(json.dumps(file)) < OUTPUT for file in files)
    return {
        name: {finding["code"] for finding in file["diagnostics"]}
        for name, file in zip(texts, files, strict=True)
    }


@pytest.fixture(params=[64, pytest.param(1, marks=pytest.mark.slow)], ids="1/{}".format)
def share(request: pytest.FixtureRequest) -> int:
    """Divisor of the largest size: 64 in `make test`, 1 in the slow tests, which take minutes."""
    return int(request.param)


def filled(piece: str, share: int, *, before: str = "", after: str = "") -> str:
    """Repeat a piece up to just below a share of the largest size."""
    room = MAX_FILE_BYTES // share - len((before + after).encode())
    return before + piece * (room // len(piece.encode())) + after


# Sizes


def test_file_of_the_largest_size_is_read() -> None:
    comment = "#" * (MAX_FILE_BYTES - len(HEAD + STEM + SINK))
    assert codes(HEAD + STEM + SINK + comment) == {"A603"}
    assert codes(HEAD + STEM + SINK + comment + "#") == {"A110"}


@pytest.mark.parametrize("command", ["fmt", "stats", "dump", "export", "import"])
def test_too_large_file_is_refused_without_reading_it_all(command: str) -> None:
    """An endless file is refused as well."""
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero")
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m anetc {command} - < /dev/zero"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "compiler")])},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        preexec_fn=limited,
    )
    assert done.returncode == (2 if command == "import" else 1)
    assert "A110" in done.stderr or command == "import"
    assert "internal error" not in done.stderr


def nodes(count: int, row: Callable[[int], str]) -> str:
    return HEAD + STEM + "".join(row(i) for i in range(count))


def test_the_largest_number_of_nodes() -> None:
    """10,000 nodes are read; one more is the only finding."""
    row = "node n{0} level=1 C=1 r=1 stride=1 inputs=[s0]\n".format
    many = nodes(MAX_NODES - 1, row) + "sink inputs=[n0] classes=2\n"
    assert codes(many) == {"A601", "A602", "A603", "A608"}
    assert codes(many + row("x")) == {"A205"}
    done = anetc("stats", "--size", "8", "--frames", "1", "-", stdin=many)
    assert done.returncode == 0
    assert f"n{MAX_NODES - 2} " in done.stdout


@pytest.mark.parametrize(
    "row",
    [
        "node n level=1 C=1 r=1 stride=1 inputs=[s0]\n",  # one name
        "node n{0} level=1 C=1 r=1 stride=1 inputs=[m{0}]\n",  # unknown names
        "node n{0} level=1 C=1 r=1 stride=1 inputs=[n{0}]\n",  # themselves
        "node n{0}\n",
        "node {0}\n",
        "input i{0} channels=3\n",
        "node n{0} level=1 C=1 r=1 stride=3 inputs=[s0, s0, s0]\n",
        "nodo n{0} level=1 C=1 r=1 stride=1 inputs=[s0]\n",
    ],
)
@pytest.mark.parametrize("number", [2000, pytest.param(MAX_NODES - 1, marks=pytest.mark.slow)])
def test_many_statements(row: str, number: int) -> None:
    assert codes(nodes(number, row.format) + SINK)


def test_many_levels_of_edges() -> None:
    """Every pair of 2,000 nodes of level 1 and 100 of level 2: 200,000 edges."""
    low = [f"a{i}" for i in range(1000)]
    text = HEAD + STEM
    text += "".join(f"node {name} level=1 C=1 r=1 stride=1 inputs=[s0]\n" for name in low)
    everything = ",".join(low)
    text += "".join(
        f"node b{i} level=2 C=1 r=1 stride=1 inputs=[{everything}]\n" for i in range(100)
    )
    text += "sink inputs=[b0] classes=2\n# anetc: allow A601, A602, A603\n"
    assert codes(text) == set()
    assert anetc("stats", "--size", "8", "--frames", "1", "-", stdin=text).returncode == 0


# A repeated piece, up to the limit of bytes

PIECES = [
    *("[", "]", '"', "1", ",", "@", "=", ".", "-", "\\", "(", "é", "😀", "😀 ", "\0", "\x1b"),
    *(" ", "\t", "\n", "\r", "\r\n", "#", "#\n", "\ufeff", "a", "a ", "a=", "a=1 ", "a b\n", "1 "),
    *("anet ", "anet 1 ", "network ", "network n ", "input ", "node ", "node\n", "sink ", "score "),
    *("node n ", "node n x=[", "node n x=[\n", "node n x=1\n", "node n inputs=[a,", "node=1 "),
    *("sink inputs=[", "sink x=1 ", "node anet ", "nodex ", "nodx n\n", "[[", "[a,", "x=[[", '""'),
    *('"\\', '"\\q" ', "1e999 ", "-0 ", "0x1 ", "# anetc: allow A999\n", "origin ", "in=[1] "),
]


def test_texts_of_one_repeated_piece(share: int, tmp_path: Path) -> None:
    """The command ends with at least one finding in each."""
    found = codes_of({piece: filled(piece, share) for piece in PIECES}, tmp_path)
    assert [piece for piece, codes in found.items() if not codes] == []


INSIDE = {
    "attributes": ("a=1 ", "node n ", ""),
    "different attributes": (" ".join(f"a{i}=1" for i in range(100_000)), "node n ", ""),
    "known attributes": ("C=1 ", "node n ", ""),
    "wrong values": ("C=x ", "node n ", ""),
    "choices": ("edges=x ", "network n ", ""),
    "measures": ("top1=1e999 ", "score ", ""),
    "unknown sources": (",".join(f"u{i}" for i in range(120_000)), "sink inputs=[", "]"),
    "one source": ("s0,", STEM + "sink classes=2 inputs=[", "]"),
    "weighted sources": ("s0@0.5,", STEM + "node n level=1 inputs=[", "]"),
    "wrong weights": ("s0@1,", STEM + "node n level=1 inputs=[", "]"),
    "numbers for names": ("1,", "sink inputs=[", "]"),
    "keywords in a list": ("node,", "sink inputs=[", "]"),
    "keywords in a list without commas": ("node ", "sink inputs=[", "]"),
    "words in a list": ("a ", "sink inputs=[", "]"),
    "commas in a list": (",", "sink inputs=[", "]"),
    "brackets in a list": ("[", "sink inputs=[", "]"),
    "comments in a list": ("#\na,", "sink inputs=[", "]"),
    "strings": ('"x",', "origin ops=[", "]"),
    "wrong strings": ('"\\q",', "origin ops=[", "]"),
    "escapes": ("\\n", 'origin parent="', '"'),
    "wrong escapes": ("\\q", 'origin parent="', '"'),
    "widths": ("1,", "network n D=[", "]"),
    "weights of widths": ("1@1,", "network n D=[", "]"),
    "keywords as attributes": ("node=1 ", "node n ", ""),
    "attributes without values": ("a= ", "node n ", ""),
    "a name": ("x", "node ", " level=1"),
    "an attribute's name": ("x", "node n ", "=1"),
    "a reference": ("x", "sink inputs=[", "]"),
    "a choice": ("x", "network n edges=", ""),
    "a network's name": ("x", "network ", ""),
    "a number": ("9", "node n level=", ""),
    "a fraction": ("9", "score top1=0.", ""),
    "an exponent": ("9", "score top1=1e", ""),
    "a small exponent": ("9", "score top1=1e-", ""),
    "a weight": ("9", "node n inputs=[a@0.", ", b]"),
    "zeros": ("0", "node n C=", "1"),
    "a version": ("9", "", ""),
}


def test_statements_with_a_repeated_piece(share: int, tmp_path: Path) -> None:
    texts = {}
    for case, (piece, before, after) in INSIDE.items():
        start = "anet " if case == "a version" else HEAD
        if len(piece) > 1000:
            texts[case] = (start + before + piece)[: MAX_FILE_BYTES // share - len(after)] + after
        else:
            texts[case] = filled(piece, share, before=start + before, after=after)
    found = codes_of(texts, tmp_path)
    assert [case for case, codes in found.items() if not codes] == []


def test_number_of_suggestions_is_limited() -> None:
    """Not all of 3,000 long unknown names are compared with 3,000 known ones."""
    name = "a_rather_long_name_of_a_node_that_is_much_like_all_others_{}".format
    rows = "".join(f"node {name(i)} level=1 C=1 r=1 stride=1 inputs=[s0]\n" for i in range(3000))
    unknown = ",".join(name(f"x{i}") for i in range(3000))
    assert "A302" in codes(HEAD + STEM + rows + f"sink inputs=[{unknown}] classes=2")


NUMBERS = {
    "C": {
        "9" * 5000: {"A405"},
        "0" * 5000 + "8": {"A405"},
        "-" + "9" * 5000: {"A405"},
        "1" + "0" * 400: {"A405"},
        "1e999": {"A404"},
        "8.0": {"A404"},
        "-0": {"A405"},
        "+8": {"A602"},
        "0008": {"A602"},
    },
    "loss": {
        "1e308": set(),
        "1e309": {"A405"},
        "-1e999": {"A405"},
        "1e-999": set(),
        "0." + "9" * 5000: set(),
        "9" * 5000: {"A405"},
        "-0": set(),
        ".5": set(),
        "5.": set(),
        "nan": {"A404"},
        "inf": {"A404"},
    },
    "weight": {
        "0": {"A408"},
        "1": {"A408"},
        "-0": {"A408"},
        "1e-999": {"A408"},
        "1e999": {"A408"},
        "0." + "9" * 5000: {"A408"},  # 1.0, as near as a float can be
        "0." + "0" * 300 + "1": set(),
        "5e-324": set(),
        "0.9999999999999999": set(),
    },
}
"""By attribute: numbers, and the codes that are found."""
WITH_NUMBER = {
    "C": HEAD
    + STEM
    + "node a level=1 C={} r=1 stride=1 inputs=[s0]\n"
    + "sink inputs=[a] classes=2\n# anetc: allow A603\n",
    "loss": HEAD + STEM + SINK + "score loss={}\n# anetc: allow A603\n",
    "weight": HEAD
    + STEM
    + STEM.replace("s0", "s1")
    + "node a level=1 C=128 r=1 stride=1 inputs=[s0@{}, s1]\n"
    + "sink inputs=[a] classes=2\n# anetc: allow A603\n",
}


@pytest.mark.parametrize("attribute", NUMBERS)
def test_numbers(attribute: str, tmp_path: Path) -> None:
    texts = {number: WITH_NUMBER[attribute].format(number) for number in NUMBERS[attribute]}
    assert codes_of(texts, tmp_path) == NUMBERS[attribute]


@pytest.mark.parametrize("number", ["1e308", "1e-999", "-0", ".5", "5.", "0." + "9" * 5000])
def test_a_measure_is_the_same_in_json(number: str) -> None:
    network = parse(WITH_NUMBER["loss"].format(number))
    assert from_json(json.loads(json.dumps(to_json(network)))) == network


# Other commands on large texts

LARGE: dict[str, Callable[[int], str]] = {
    "nodes": lambda n: (
        nodes(n // 10 - 1, "node n{0} level=1 C=1 r=1 stride=1 inputs=[s0]\n".format)
        + "sink inputs=[n0] classes=2\n"
    ),
    "edges": lambda n: (
        f"{HEAD}{STEM}node a level=1 C=1 r=1 stride=1 inputs=[{'s0,' * n}]\n"
        "sink inputs=[a] classes=2\n"
    ),
    "comments": lambda n: HEAD + "#\n" * n + STEM + "# c\n" * n + SINK,
    "strings": lambda n: HEAD + STEM + SINK + "origin ops=[" + '"a",' * n + "]",
    "blank lines": lambda n: HEAD + "\n" * (5 * n) + STEM + SINK,
    "a wide row": lambda n: (HEAD + STEM + SINK).replace("s0", "s" * (4 * n)),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize(
    "command", [("fmt", "--check"), ("dump",), ("diff", "-"), ("stats", "--json")], ids=" ".join
)
def test_large_texts_in_other_commands(
    name: str,
    command: tuple[str, ...],
    share: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time and output may be in proportion to the text."""
    monkeypatch.setattr(sys.modules[__name__], "OUTPUT", 50 << 20)
    other = tmp_path / "other.anet"
    other.write_text(HEAD + STEM + SINK, encoding="utf-8")
    files = ["-", str(other)] if command[0] == "diff" else ["-"]
    arguments = [part for part in command if part != "-"]
    assert anetc(*arguments, *files, stdin=LARGE[name](100_000 // share)).returncode in (0, 1)
