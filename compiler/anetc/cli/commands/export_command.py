"""`anetc export`: write a network as the authors' structure lists."""

from __future__ import annotations

import json

import click

from anetc.cli.network_input import load_network
from anetdsl.errors import CannotRun
from anetdsl.files import check_not_input, write_atomically
from anetdsl.interchange.structure_files import export_document
from anetdsl.terminal import visible


@click.command("export")
@click.argument("file")
@click.option(
    "-o", "--output", metavar="PATH", help="The file to write; standard output by default."
)
@click.option(
    "--bare", is_flag=True, help="Write the structure list only, without weights and names."
)
def command(file: str, output: str | None, bare: bool) -> None:
    """Write the network in FILE as the structure lists of the AssembleNet authors (JSON).

    The authors' code reads the fields `structure` and `weights`. The field `anet` holds the rest,
    so that `anetc import` restores the same network.
    """
    network = load_network(file)
    try:
        document = export_document(network)
    except CannotRun as error:
        raise CannotRun(f"{file}: {error}") from None
    text = _lines(document["structure"] if bare else document)
    if output is None or output == "-":
        click.echo(text, nl=False)
        return
    check_not_input(output, file)
    write_atomically(output, text)
    click.echo(f"wrote {visible(output)}", err=True)


def _lines(document: object) -> str:
    """Return JSON with one block per line, as in the authors' files."""
    if isinstance(document, list):
        return "[\n" + ",\n".join("  " + json.dumps(row) for row in document) + "\n]\n"
    assert isinstance(document, dict)
    fields = []
    for key, value in document.items():
        if isinstance(value, list):
            rows = ",\n".join("    " + json.dumps(row) for row in value)
            fields.append(f"  {json.dumps(key)}: [\n{rows}\n  ]")
        else:
            fields.append(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(fields) + "\n}\n"
