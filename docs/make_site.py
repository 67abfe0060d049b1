"""Assemble the pages of the documentation site, and their table of contents. `make site` runs it.

The pages are the documents of the repository, the tour notebook, the source files that documents
link to, and API pages that mkdocstrings fills from docstrings. Links between documents become
links between pages.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import anetc
import anetdsl

REPOSITORY = Path(__file__).resolve().parent.parent

NAVIGATION: Mapping[str, tuple[str, ...]] = {
    "Start": (
        "README.md",
        "docs/first_steps.md",
        "docs/own_videos.md",
        "examples/tour.ipynb",
    ),
    "Language": ("docs/spec.md", "docs/semantics.md", "docs/errors.md", "docs/authors.md"),
    "Tools": ("docs/cli.md", "docs/python.md", "docs/notebooks.md", "editors/README.md"),
    "Compiler": ("docs/compile.md", "docs/passes.md", "docs/gpu.md", "benchmarks/RESULTS.md"),
    "Data and training": (
        "docs/data.md",
        "docs/motion.md",
        "docs/mhad.md",
        "docs/training.md",
        "docs/evaluation.md",
    ),
    "Search": ("docs/search.md", "docs/report.md", "docs/study.md"),
    "Project": ("CONTRIBUTING.md", "CHANGELOG.md", "NOTICE"),
}
"""Documents by chapter, in the order of the site."""

API_CHAPTER = "API"
_SPECIAL_NAMES = {"README.md": "index.md", "editors/README.md": "editors.md"}
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_FENCE = re.compile(r"(?m)^(\s*```\w+) .*$")
_RUN = re.compile(r"(?m)^<!-- run: .*? -->\n")
_IMPORTS = re.compile(r"from (anet(?:dsl|c)\.[\w.]+) import ([\w, ]+)")
_LANGUAGES = {".py": "python", ".js": "javascript", ".json": "json", ".lua": "lua", ".toml": "toml"}
_PICTURES = (".svg", ".png")
_LARGEST_SOURCE = 200_000
"""Largest source file that becomes a page, in bytes."""


def page_name(path: str) -> str:
    """Return the name of the page of a document or a source file.

    >>> page_name("docs/search.md"), page_name("anetdsl/checking.py")
    ('search.md', 'files/anetdsl/checking.py.md')
    """
    if path in _SPECIAL_NAMES:
        return _SPECIAL_NAMES[path]
    if any(path in documents for documents in NAVIGATION.values()):
        return f"{Path(path).stem.lower()}.md"
    if path.startswith("docs/pictures/"):
        return path.removeprefix("docs/")
    return f"files/{path}" if path.endswith(_PICTURES) else f"files/{path}.md"


def assemble(folder: Path) -> dict[str, object]:
    """Write all pages into a folder and return the configuration of MkDocs.

    Raises ValueError if a document links to a file that does not exist, or is in no chapter.
    """
    documents = [path for chapter in NAVIGATION.values() for path in chapter]
    present = {f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")}
    if missing := present - set(documents):
        raise ValueError(f"in no chapter of the site: {', '.join(sorted(missing))}")
    waiting, written = list(documents), set()
    while waiting:
        path = waiting.pop()
        if path in written:
            continue
        written.add(path)
        waiting += _write(folder, path)
    api = list(_api_pages(folder))
    navigation = [
        {chapter: [page_name(path) for path in paths]} for chapter, paths in NAVIGATION.items()
    ]
    return configuration(folder, [*navigation, {API_CHAPTER: api}])


def _write(folder: Path, path: str) -> list[str]:
    """Write the page of a file. Return the files to which it links."""
    source, target = REPOSITORY / path, folder / page_name(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.endswith(_PICTURES):
        shutil.copyfile(source, target)
        return []
    if source.is_dir():
        text, links = _listing(path)
    elif path.endswith(".ipynb"):
        text, links = _linked(path, _notebook(source))
    elif path.endswith(".md"):
        text, links = _linked(path, source.read_text(encoding="utf-8"))
    else:
        text, links = _source(path), []
    target.write_text(text, encoding="utf-8")
    return links


def _linked(path: str, text: str) -> tuple[str, list[str]]:
    """Return a document with links to pages, and the files to which it links."""
    found: list[str] = []

    def replace(match: re.Match[str]) -> str:
        link = match[2]
        if "://" in link or link.startswith("mailto:"):
            return match[0]
        resolved = (REPOSITORY / path).parent.joinpath(link).resolve()
        try:
            inside = resolved.relative_to(REPOSITORY).as_posix()
        except ValueError:
            raise ValueError(f"{path}: {link} is outside the repository") from None
        if not resolved.exists():
            raise ValueError(f"{path}: there is no {link}")
        found.append(inside)
        depth = page_name(path).count("/")
        return f"{match[1]}{'../' * depth}{page_name(inside)}{match[3]}"

    return _LINK.sub(replace, _FENCE.sub(r"\1", _RUN.sub("", text))), found


def _notebook(source: Path) -> str:
    """Return the cells of a notebook as a document."""
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _source(path: str) -> str:
    """Return a page that shows a source file."""
    data = (REPOSITORY / path).read_bytes()
    if len(data) > _LARGEST_SOURCE:
        return f"# {path}\n\nThis file of {len(data):,} bytes is in the repository.\n"
    language = _LANGUAGES.get(Path(path).suffix, "text")
    fence = "`" * 5
    return f"# {path}\n\n{fence}{language}\n{data.decode('utf-8')}\n{fence}\n"


def _listing(path: str) -> tuple[str, list[str]]:
    """Return a page that lists the text files of a folder, and these files."""
    files = sorted(
        entry.relative_to(REPOSITORY).as_posix()
        for entry in (REPOSITORY / path).iterdir()
        if entry.is_file() and entry.suffix in (".anet", ".py", ".lua", ".js", ".sh", ".ipynb")
    )
    depth = page_name(path).count("/")
    lines = [f"- [{Path(file).name}]({'../' * depth}{page_name(file)})" for file in files]
    return f"# {path}\n\n" + "\n".join(lines) + "\n", files


def _api_pages(folder: Path) -> Iterator[str]:
    """Write a page for each public module; yield the names of the pages."""
    (folder / "api").mkdir(parents=True, exist_ok=True)
    for module, names in sorted(public_names().items()):
        lines = [f"# {module}", ""]
        for name in sorted(names):
            lines += [f"::: {module}.{name}", ""]
        page = f"api/{module}.md"
        (folder / page).write_text("\n".join(lines), encoding="utf-8")
        yield page


def public_names() -> dict[str, set[str]]:
    """Return the public names by module: those of the packages, and those in docs/python.md."""
    found: dict[str, set[str]] = {}
    for homes in (anetdsl._MODULES, anetc._HOMES):
        for name, module in homes.items():
            found.setdefault(module, set()).add(name)
    text = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    for module, names in _IMPORTS.findall(text):
        found.setdefault(module, set()).update(name.strip() for name in names.split(","))
    return found


def configuration(folder: Path, navigation: list[dict[str, list[str]]]) -> dict[str, object]:
    """Return the configuration of MkDocs. The site loads nothing from other servers."""
    return {
        "site_name": "AnetDSL",
        "docs_dir": str(folder),
        "site_dir": str(REPOSITORY / "build" / "site"),
        "use_directory_urls": False,
        "theme": {
            "name": "material",
            "font": False,
            "features": [
                "navigation.tabs",
                "navigation.top",
                "content.code.copy",
                "search.suggest",
            ],
            "palette": [
                {
                    "media": f"(prefers-color-scheme: {scheme})",
                    "scheme": colours,
                    "primary": "indigo",
                    "toggle": {"icon": icon, "name": f"change to the {other} scheme"},
                }
                for scheme, colours, icon, other in (
                    ("light", "default", "material/weather-sunny", "dark"),
                    ("dark", "slate", "material/weather-night", "light"),
                )
            ],
        },
        "plugins": [
            "search",
            {
                "mkdocstrings": {
                    "handlers": {
                        "python": {
                            "paths": [str(REPOSITORY), str(REPOSITORY / "compiler")],
                            "options": {
                                "docstring_style": "google",
                                "show_root_heading": True,
                                "show_source": False,
                                "show_signature_annotations": True,
                                "separate_signature": True,
                                "members_order": "source",
                            },
                        }
                    }
                }
            },
        ],
        "markdown_extensions": [
            "tables",
            "attr_list",
            {"toc": {"permalink": True}},
            "pymdownx.superfences",
            "pymdownx.highlight",
        ],
        "validation": {
            "nav": {"omitted_files": "info", "not_found": "warn"},
            "links": {"not_found": "warn", "anchors": "warn", "unrecognized_links": "warn"},
        },
        "nav": navigation,
    }


def main() -> None:
    """Write the pages and the configuration into build/."""
    build = REPOSITORY / "build"
    shutil.rmtree(build / "pages", ignore_errors=True)
    try:
        settings = assemble(build / "pages")
    except ValueError as error:
        sys.exit(f"the site cannot be made: {error}")
    # JSON is YAML.
    (build / "mkdocs.yml").write_text(json.dumps(settings, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
