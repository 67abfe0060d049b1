"""Rules of the code base: imports, module sizes, packaging, cached tables of the parser."""

from __future__ import annotations

import ast
import functools
import graphlib
import json
import logging
import os
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lark
import pytest

from anetdsl.source import SourceFile
from anetdsl.syntax import grammar, parser
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax

REPOSITORY = Path(__file__).resolve().parent.parent
ROOTS = {"anetdsl": REPOSITORY, "anetc": REPOSITORY / "compiler"}

# From the bottom up, one line per layer. A room is a module or a folder; a longer name takes
# precedence over a shorter one. A module imports from lower layers and from its own room.
LAYERS: dict[str, tuple[str, ...]] = {
    "anetdsl": (
        "cache displays source vocabulary",
        "diagnostics",
        "codes errors terminal",
        "confidence files locks rendering settings_reader report.charts",
        "syntax result_tables",
        "ir",
        "rules",
        "checking",
        "text.layout interchange cost_formulas",
        "text.printing text.formatting cost",
        "text.edits diff",
        "drawing api pruning language_server",
        "evolve.settings",
        "evolve.operations",
        "evolve.contract",
        "evolve.candidates",
        "evolve.fitness_values",
        "evolve.propose evolve.workers",
        "evolve.drive",
        "evolve.trainings",
        "evolve.finals",
        "report",
        "web",
        "notebook",
    ),
    "anetc": (
        "process_start",
        "arguments devices memory native process_reaper worker_processes",
        "local_processes modules forkserver_preload process_family",
        "weights",
        "plan",
        "engines",
        "export",
        "video",
        "data",
        "evaluation",
        "training",
        "trial bench",
        "api",
        "study",
        "cli",
        "__main__",
    ),
}


@functools.cache
def modules() -> dict[str, Path]:
    """Return the paths of all modules of the two packages, by name."""
    found = {}
    for package, root in ROOTS.items():
        for path in sorted((root / package).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield every imported module, and whether the import is in a function."""

    def visit(node: ast.AST, lazy: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                assert child.module is not None
                for alias in child.names:
                    full = f"{child.module}.{alias.name}"
                    yield (full if full in modules() else child.module), lazy
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from visit(child, lazy or is_function)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), False)


def room_of(module: str) -> tuple[str, str, int]:
    """Return the package of a module, its room, and the rank of its layer."""
    package, _, path = module.partition(".")
    rooms = {room: rank for rank, line in enumerate(LAYERS[package]) for room in line.split()}
    inside = [room for room in rooms if path == room or path.startswith(f"{room}.")]
    if not inside:
        # The rooms of this folder are listed separately: its __init__ is in the highest layer.
        below = [rank for room, rank in rooms.items() if room.startswith(f"{path}.")]
        assert below, f"{module} has no place in LAYERS"
        return package, path, max(below)
    room = max(inside, key=len)
    return package, room, rooms[room]


@pytest.mark.parametrize("module", [name for name in modules() if "." in name])
def test_imports_point_down(module: str) -> None:
    """A module imports from lower layers only; the `__init__` of a package is above all layers."""
    package, room, rank = room_of(module)
    for imported, _ in imports(modules()[module]):
        if imported.partition(".")[0] not in LAYERS or imported in LAYERS:
            continue
        other_package, other_room, other_rank = room_of(imported)
        if (other_package, other_room) == (package, room):
            continue
        below = list(LAYERS).index(other_package) < list(LAYERS).index(package)
        assert below or (other_package == package and other_rank < rank), (
            f"{module} imports {imported}"
        )


def test_there_is_no_import_circle() -> None:
    """Imports within functions and for type checkers count, too."""
    graph = {
        name: {found for found, _ in imports(path) if found in modules() and found != name}
        for name, path in modules().items()
    }
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", LAYERS)
def test_names_are_unique(package: str) -> None:
    """A file name and the name of a public class occur once in a package."""
    paths = [path for name, path in modules().items() if name.startswith(f"{package}.")]
    files = Counter(path.name for path in paths if path.name != "__init__.py")
    classes = Counter(
        node.name
        for path in paths
        if path.name != "standalone.py"  # the text of a Python artifact
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not [name for name, count in (files + classes).items() if count > 1]


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("anetdsl")])
def test_language_does_not_import_tensor_libraries(module: str) -> None:
    names = {name.partition(".")[0] for name, _ in imports(modules()[module])}
    assert not names & {"torch", "anetc", "av", "safetensors", "torchvision", "pickle"}


def test_language_imports_no_large_libraries() -> None:
    """Importing all of its modules loads neither torch nor numpy nor graphviz nor rich."""
    names = [name for name in modules() if name.startswith("anetdsl")]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    path = os.pathsep.join(map(str, ROOTS.values()))
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert not {"torch", "numpy", "graphviz", "graphviz_pure", "rich"} & set(loaded)


@pytest.mark.parametrize("module", modules())
def test_modules_have_at_most_400_lines(module: str) -> None:
    assert len(modules()[module].read_text(encoding="utf-8").splitlines()) <= 400


# Packaging


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel of this checkout."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_has_two_packages_and_the_grammar(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    tops = {name.partition("/")[0] for name in names}
    (about,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"anetdsl", "anetc", about}
    assert "anetdsl/grammar/anet.lark" in names
    assert wheel.read("anetdsl/grammar/anet.lark").decode() == grammar.grammar_text()
    held = {name for name in names if name.endswith(".py")}
    assert held == {
        str(path.relative_to(ROOTS[name.partition(".")[0]])) for name, path in modules().items()
    }
    assert {name for name in names if not name.startswith(about)} - held == {
        "anetdsl/docs/errors.md",
        "anetdsl/grammar/anet.lark",
        "anetdsl/py.typed",
        "anetdsl/report/page.css",
        "anetdsl/report/sort.js",
        "anetdsl/web/live.css",
        "anetdsl/web/live.js",
        "anetc/py.typed",
        "anetc/native/source/convolution.h",
        "anetc/native/source/normalisation.h",
        "anetc/native/source/program.cpp",
        "anetc/native/source/sums.h",
        "anetc/native/source/vectors.h",
        "anetc/data/formats/motion/motion_assets.npz",
        "anetc/data/formats/motion/motion_assets.txt",
    }
    assert b"anetc = anetc.cli.entry_point:run" in wheel.read(f"{about}/entry_points.txt")


def test_wheel_works_without_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """The wheel is unpacked into an empty folder, with an empty cache."""
    wheel.extractall(tmp_path / "site")
    network = tmp_path / "a.anet"
    example = (REPOSITORY / "examples" / "assemblenet.anet").read_text(encoding="utf-8")
    for text, code in ((example, 0), (example.replace("sink", "snik"), 1)):
        network.write_text(text, encoding="utf-8")
        variables = {
            "PYTHONPATH": str(tmp_path / "site"),
            "ANETDSL_CACHE": str(tmp_path / "cache"),
        }
        done = subprocess.run(
            [sys.executable, "-P", "-m", "anetc", "check", "a.anet"],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
    assert "did you mean `sink`" in done.stdout
    assert any((tmp_path / "cache").iterdir())


# The grammar and its tables


def test_grammar_is_unambiguous() -> None:
    """Lark's strict mode finds no conflicts between rules or between terminals of one priority."""
    pytest.importorskip("interegular")
    logging.getLogger("interegular").setLevel(logging.ERROR)
    strict = lark.Lark(
        grammar.grammar_text(),
        start=grammar.START_RULES,
        parser="lalr",
        lexer="basic",
        maybe_placeholders=False,
        strict=True,
    )
    assert strict.parse("anet 1 network n", start="file").data == "file"


def test_grammar_starts_with_the_version() -> None:
    text = grammar.grammar_text()
    assert "version 1" in text.splitlines()[0]
    rules = text.index("file:"), text.index("ANET:")
    assert rules[0] < rules[1], "rules come before terminals"


TEXTS = [
    "",
    "anet 1\nnetwork n\nnode [ = @\r\nsink inputs=[a@0.5, b] # c",
    'origin parent="a\\n" ops=["x",]\nnode n inputs=[[a]] 12x "no end\n\ufeff é',
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a separate cache folder; the parser is loaded again before and after it."""
    monkeypatch.setenv("ANETDSL_CACHE", str(tmp_path / "cache"))
    parser._lark.cache_clear()
    yield tmp_path / "cache"
    monkeypatch.undo()
    parser._lark.cache_clear()


def trees(examples: list[Path]) -> list[SyntaxTree]:
    """Load the parser again, and parse all texts with it."""
    parser._lark.cache_clear()
    texts = [*TEXTS, *(path.read_text(encoding="utf-8") for path in examples[:3])]
    return [parse_syntax(SourceFile("x", text)) for text in texts]


def test_tables_from_the_cache_parse_the_same(cache: Path, examples: list[Path]) -> None:
    """The first parse builds the tables and writes them; the second reads them."""
    built = trees(examples)
    (file,) = cache.iterdir()
    before = file.stat()
    assert trees(examples) == built
    after = file.stat()
    for field in ("st_ino", "st_size", "st_mtime_ns"):
        assert getattr(after, field) == getattr(before, field)
    assert json.loads(file.read_bytes().partition(b"\n")[2])


def hostile(data: bytes) -> Iterator[bytes]:
    """Yield damaged and manipulated contents of the file with the tables."""
    yield b""
    yield data[: len(data) // 2]
    yield data[:-1]
    yield data + b" "
    yield data.replace(b"STRING", b"STRONG")
    yield data.replace(b"1", b"2")
    yield bytes(range(256)) * 50
    for text in (
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"data": {}, "memo": {}}',
        b'{"__pairs__": 3}',
        b"9" * 10_000,
        b'{"data": {"parser": {"lexer_conf": {}}}, "memo": {"1": {"__type__": "Rule"}}}',
    ):
        yield text
        yield b"%08x\n%s" % (zlib.crc32(text), text)


def test_damaged_cache_is_replaced(cache: Path, examples: list[Path]) -> None:
    """Texts are parsed correctly with every content of the file, which is then written again."""
    built = trees(examples)
    (file,) = cache.iterdir()
    good = file.read_bytes()
    for data in hostile(good):
        file.write_bytes(data)
        assert trees(examples[:1]) == built[: len(TEXTS) + 1]
        assert list(cache.iterdir()) == [file]
        assert file.read_bytes() != data
        assert grammar._read_cache(str(file))


@pytest.mark.parametrize(
    "place", ["file", "file/below", "folder", "/dev/null/x", "\udcff\n", "x" * 999]
)
def test_parser_works_without_a_writable_cache(
    place: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache folder is a file, the cache file is a folder, or the path is impossible."""
    (tmp_path / "file").write_text("in the way")
    expected = trees([])
    monkeypatch.setenv("ANETDSL_CACHE", os.path.join(tmp_path, place))  # noqa: PTH118
    if place == "folder":
        Path(grammar._cache_path()).mkdir(parents=True)
    for _ in range(2):
        assert trees([]) == expected
    assert (tmp_path / "file").read_text() == "in the way"


def test_path_of_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in ANETDSL_CACHE, else in the user's cache folder; a new grammar has a new file."""
    name = os.path.basename(grammar._cache_path())  # noqa: PTH119
    monkeypatch.delenv("ANETDSL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "elsewhere")
    if sys.platform.startswith("linux"):
        assert Path(grammar._cache_path()) == Path("elsewhere", "anetdsl", name)
    monkeypatch.setattr(grammar, "grammar_text", lambda: "other")
    assert Path(grammar._cache_path()).name != name


def test_no_module_executes_data() -> None:
    """No module unpickles, unmarshals or evaluates.

    The one exception loads a Python source that `anetc compile` wrote and that the user names;
    docs/compile.md says that it is code.
    """
    forbidden: set[Any] = {"pickle", "marshal", "shelve", "dill", "eval", "exec"}
    for name, path in modules().items():
        if name == "anetc.export.load":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
        called = {function.id for function in calls if isinstance(function, ast.Name)}
        assert not forbidden & {*called, *(imported for imported, _ in imports(path))}
