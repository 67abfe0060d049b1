"""`anetc import`: JSON to .anet text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs
import click

from anetc.cli.network_input import read_stdin, rendered
from anetdsl.checking import check_source
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.files import write_atomically
from anetdsl.interchange.document import SCHEMA, from_json
from anetdsl.interchange.json_fields import MAX_JSON_CHARACTERS, parse_json
from anetdsl.interchange.structure_files import import_document
from anetdsl.ir import Network
from anetdsl.source import SourceFile
from anetdsl.terminal import visible
from anetdsl.vocabulary import STATEMENTS


@attrs.frozen
class Choices:
    """The options that choose among, or add to, what a structure document says."""

    structure: str | None
    weights: str | None
    name: str | None
    classes: int | None
    widths: tuple[int, int, int, int] | None
    modules: tuple[int, int, int, int] | None
    edges: Literal["learned", "fixed"] | None


class _FourType(click.ParamType[tuple[int, int, int, int]]):
    """Four whole numbers with commas between them, one for each of the levels 1 to 4."""

    name = "four numbers"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int, int]:
        parts = str(value).split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() and len(part) < 9 for part in parts):
            self.fail(f"{value!r} is not four whole numbers, such as 64,128,256,512", param, ctx)
        a, b, c, d = map(int, parts)
        return a, b, c, d


@click.command("import")
@click.argument("file")
@click.option("-o", "--output", metavar="PATH", help="Where to; standard output by default.")
@click.option("--structure", metavar="NAME", help="Which structure, in a file of several.")
@click.option("--weights", metavar="NAME", help="Which of its fields holds the learned weights.")
@click.option("--name", help="The network's name.")
@click.option("--classes", type=click.IntRange(1, 1_000_000), help="Number of classes.")
@click.option("--widths", type=_FourType(), metavar="D1,..,D4", help="Widths D of the levels.")
@click.option("--modules", type=_FourType(), metavar="M1,..,M4", help="Modules of the levels.")
@click.option("--edges", type=click.Choice(STATEMENTS["network"].attributes[2].choices))
def command(file: str, output: str | None, **options: object) -> None:
    """Make .anet text of FILE: structure lists of the AssembleNet authors, or `anetc dump` JSON.

    A structure has stems [-1|-2, dilation] (RGB, flow) and blocks [level 0-3, [inputs], C,
    dilation, stride, 0]; levels count from 0 there. - reads standard input.
    """
    choices = Choices(**options)  # type: ignore[arg-type]
    network = _read(file, choices)
    text = str(network)
    checked = check_source(SourceFile(f"{network.name}.anet", text))
    if checked.network is None:
        click.echo(rendered(checked.source, checked.errors, err=True), nl=False, err=True)
        raise CannotRun(f"{visible(file)}: the network breaks rules of the language, see above")
    if output is None or output == "-":
        click.echo(text, nl=False)
        return
    write_atomically(output, text)
    click.echo(f"wrote {visible(output)}", err=True)


def _read(file: str, choices: Choices) -> Network:
    try:
        if file == "-":
            data = read_stdin(MAX_JSON_CHARACTERS + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MAX_JSON_CHARACTERS + 1)
        document = parse_json(data.decode("utf-8"))
        if isinstance(document, dict) and document.get("schema") == SCHEMA:
            given = [
                f"--{name}" for name, value in attrs.asdict(choices).items() if value is not None
            ]
            if given:
                raise CannotRun(f"the file is a whole network: {', '.join(given)} cannot change it")
            return from_json(document)
        return import_document(document, **attrs.asdict(choices))
    except UnicodeDecodeError as error:
        raise CannotRun(f"{file}: byte {error.start} is not UTF-8 text") from None
    except OSError as error:
        raise cannot_read(file, error) from None
    except CannotRun as error:
        raise CannotRun(f"{file}: {error}") from None
