"""`anetc import`: convert JSON to .anet text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs
import click

from anetc.cli.network_input import show_findings
from anetc.cli.streams import read_stdin
from anetdsl.checking import check_source
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.files import write_atomically
from anetdsl.interchange.document import SCHEMA, from_json
from anetdsl.interchange.json_value import MAX_JSON_CHARACTERS, parse_json
from anetdsl.interchange.structure_files import import_document
from anetdsl.ir import Attention, Network
from anetdsl.source import SourceFile, decode_text
from anetdsl.terminal import visible
from anetdsl.vocabulary import STATEMENTS


@attrs.frozen
class Choices:
    """Options that select from a structure document or add to it."""

    structure: str | None
    weights: str | None
    name: str | None
    classes: int | None
    widths: tuple[int, int, int, int] | None
    modules: tuple[int, int, int, int] | None
    edges: Literal["learned", "fixed"] | None
    attention: Attention | None
    object_classes: int | None


class _FourType(click.ParamType[tuple[int, int, int, int]]):
    """Four integers separated by commas, one for each of the levels 1 to 4."""

    name = "four numbers"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int, int]:
        parts = str(value).split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() and len(part) < 9 for part in parts):
            self.fail(
                f"{value!r} is not a list of four integers such as 64,128,256,512", param, ctx
            )
        a, b, c, d = map(int, parts)
        return a, b, c, d


def _choices(name: str) -> tuple[str, ...]:
    """Return the choices of an attribute of the network."""
    attribute = STATEMENTS["network"].attribute(name)
    assert attribute is not None
    return attribute.choices


@click.command("import")
@click.argument("file")
@click.option(
    "-o", "--output", metavar="PATH", help="The file to write; standard output by default."
)
@click.option("--structure", metavar="NAME", help="Name of the structure, if the file has several.")
@click.option("--weights", metavar="NAME", help="Name of the field with the learned weights.")
@click.option("--name", help="Name of the network.")
@click.option("--classes", type=click.IntRange(1, 1_000_000), help="Number of classes.")
@click.option("--widths", type=_FourType(), metavar="D1,..,D4", help="Widths D of levels 1 to 4.")
@click.option(
    "--modules",
    type=_FourType(),
    metavar="M1,..,M4",
    help="Residual modules per block at levels 1 to 4.",
)
@click.option(
    "--edges",
    type=click.Choice(_choices("edges")),
    help="Learned or fixed edge weights.",
)
@click.option(
    "--attention",
    type=click.Choice(_choices("attention")),
    help="Attention of the connections, which the lists do not hold.",
)
@click.option(
    "--object-classes", type=click.IntRange(1, 1024), help="Channels of the object input."
)
def command(file: str, output: str | None, **options: object) -> None:
    """Convert FILE to .anet text: structure lists of the AssembleNet authors, or `anetc dump` JSON.

    A structure is a list of stems [-1|-2|-3, dilation] (RGB, flow, objects) and blocks [level 0-3,
    [inputs], C, dilation, stride, 0], whose levels count from 0. With - standard input is read.
    """
    choices = Choices(**options)  # type: ignore[arg-type]
    network = _read(file, choices)
    text = str(network)
    checked = check_source(SourceFile(f"{network.name}.anet", text))
    if checked.network is None:
        show_findings(checked.source, checked.errors)
        raise CannotRun(f"{file}: the network has errors, see above")
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
        document = parse_json(decode_text(data))
        if isinstance(document, dict) and document.get("schema") == SCHEMA:
            given = [
                f"--{name.replace('_', '-')}"
                for name, value in attrs.asdict(choices).items()
                if value is not None
            ]
            if given:
                raise CannotRun(
                    f"{', '.join(given)} cannot be used with a document of `anetc dump`"
                )
            return from_json(document)
        return import_document(document, **attrs.asdict(choices))
    except UnicodeDecodeError as error:
        raise CannotRun(f"{file}: byte {error.start} is not UTF-8 text") from None
    except OSError as error:
        raise cannot_read(file, error) from None
    except CannotRun as error:
        raise CannotRun(f"{file}: {error}") from None
