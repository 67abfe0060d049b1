"""`anetc dump`: print a network as JSON."""

from __future__ import annotations

import json

import click

from anetc.cli.network_input import load_network
from anetdsl.interchange.document import to_json


@click.command("dump")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, default=True, help="Print JSON (the default).")
def command(file: str, as_json: bool) -> None:  # noqa: ARG001 - there is no other format yet
    """Print the network in FILE as JSON, which `anetc import` can read."""
    click.echo(json.dumps(to_json(load_network(file)), indent=2, ensure_ascii=False))
