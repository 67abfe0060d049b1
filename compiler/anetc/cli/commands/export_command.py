"""`anetc export`: the authors' structure lists."""

from __future__ import annotations

import json

import click

from anetc.cli.network_input import load_network
from anetdsl.errors import CannotRun
from anetdsl.files import check_spared, write_atomically
from anetdsl.interchange.structure_files import export_document
from anetdsl.terminal import visible


@click.command("export")
@click.argument("file")
@click.option("-o", "--output", metavar="PATH", help="Where to; standard output by default.")
@click.option(
    "--bare", is_flag=True, help="Print the structure list alone, without weights and names."
)
def command(file: str, output: str | None, bare: bool) -> None:
    """Write the network in FILE as the structure lists of the AssembleNet authors (JSON).

    `structure` and `weights` are what their code reads. `anet` holds what the lists cannot say, so
    that `anetc import` gives the same network again.
    """
    network = load_network(file)
    try:
        document = export_document(network)
    except CannotRun as error:
        raise CannotRun(f"{visible(file)}: {error}") from None
    text = _lines(document["structure"] if bare else document)
    if output is None or output == "-":
        click.echo(text, nl=False)
        return
    check_spared(output, file)
    write_atomically(output, text)
    click.echo(f"wrote {visible(output)}", err=True)


def _lines(document: object) -> str:
    """JSON with one block a line, as the authors set theirs."""
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
