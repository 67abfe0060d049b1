"""Rules of the code base: imports, sizes of modules, packaging."""

from __future__ import annotations

import ast
import functools
import graphlib
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from anetdsl.syntax import grammar

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


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_bytes())


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Return every imported module, also those imported in functions."""
    found: list[str] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if name in modules() else node.module for name in names]
    return tuple(found)


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


def points_down(module: str, imported: str) -> bool:
    """Return whether a module may import another one."""
    if imported.partition(".")[0] not in LAYERS or imported in LAYERS:
        return True
    (package, room, rank), (other, other_room, other_rank) = room_of(module), room_of(imported)
    if (other, other_room) == (package, room):
        return True
    below = list(LAYERS).index(other) < list(LAYERS).index(package)
    return below or (other == package and other_rank < rank)


def test_imports_point_down() -> None:
    """A module imports from lower layers only; the `__init__` of a package is above all layers."""
    upward = [
        f"{module} imports {imported}"
        for module, path in modules().items()
        if "." in module
        for imported in imports(path)
        if not points_down(module, imported)
    ]
    assert upward == []


def test_there_is_no_import_circle() -> None:
    """Imports within functions and for type checkers count, too."""
    graph = {
        name: {found for found in imports(path) if found in modules() and found != name}
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
        if path.stem not in ("standalone", "standalone_plus")  # the text of Python artifacts
        for node in tree(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not [name for name, count in (files + classes).items() if count > 1]


def test_language_does_not_import_tensor_libraries() -> None:
    refused = {"torch", "anetc", "av", "safetensors", "torchvision", "pickle"}
    found = [
        f"{module} imports {name}"
        for module, path in modules().items()
        if module.startswith("anetdsl")
        for name in imports(path)
        if name.partition(".")[0] in refused
    ]
    assert found == []


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


def test_modules_have_at_most_400_lines() -> None:
    lines = {name: path.read_bytes().count(b"\n") for name, path in modules().items()}
    assert {name: count for name, count in lines.items() if count > 400} == {}


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


# Safety


def test_no_module_executes_data() -> None:
    """No module unpickles, unmarshals or evaluates.

    The one exception loads a Python source that `anetc compile` wrote and that the user names;
    docs/compile.md says that it is code.
    """
    forbidden: set[Any] = {"pickle", "marshal", "shelve", "dill", "eval", "exec"}
    for name, path in modules().items():
        if name == "anetc.export.load":
            continue
        calls = (node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call))
        called = {function.id for function in calls if isinstance(function, ast.Name)}
        assert not forbidden & {*called, *imports(path)}
