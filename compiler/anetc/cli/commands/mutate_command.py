"""`anetc mutate`: make children of a network as the search does."""

from __future__ import annotations

import click

from anetc.cli.network_input import check_path, require_network
from anetdsl.errors import CannotRun
from anetdsl.evolve.propose.mutation import OPERATORS, Child, MutationRequest, children
from anetdsl.terminal import visible


@click.command("mutate")
@click.argument("file")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="The same seed gives the same children.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="Children to make.",
)
@click.option(
    "--op",
    "names",
    metavar="OP,...",
    help=f"Operators, in order: {', '.join(OPERATORS)}. Default: as the search, guided and then 0 "
    "to 4 of split, merge and resolution.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="B of equation 2: edges with a larger weight stay. Default: drawn for each edge.",
)
@click.option("--keep-weights", is_flag=True, help="Edges that stay keep their weights.")
@click.option(
    "-o", "--out", metavar="DIR", help="Write each child to DIR, as NAME_SEED_NUMBER.anet."
)
def command(
    file: str,
    seed: int,
    count: int,
    names: str | None,
    threshold: float | None,
    keep_weights: bool,
    out: str | None,
) -> None:
    """Make children of the network in FILE as a search does, and report the operations.

    A child keeps the comments of its parent, is formatted as by `anetc fmt`, and has the operations
    in its `origin`. It is printed, or written to a file with -o.
    """
    request = MutationRequest(_names(names), threshold, keep_weights)
    if count > 1 and out is None:
        raise CannotRun("a file holds one network; give a folder for the children with -o DIR")
    checked = check_path(file, search=True)
    network = require_network(checked)
    found = children(checked.source, network, request, seed, count)
    if out is None:
        _report(found[0], err=True)
        click.echo(found[0].text.encode(), nl=False)
    else:
        _write(found, out)


def _names(text: str | None) -> tuple[str, ...]:
    names = () if text is None else tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in OPERATORS:
            from anetdsl.diagnostics import did_you_mean

            guess = did_you_mean(name, list(OPERATORS))
            hint = f"did you mean {guess}?" if guess else f"there are {', '.join(OPERATORS)}"
            raise CannotRun(f"--op: there is no operator `{name}`; {hint}")
    return names


def _report(child: Child, *, err: bool = False) -> None:
    for operation in child.operations:
        click.echo(f"{visible(child.name)}: {visible(operation.sentence)}", err=err)


def _write(found: list[Child], out: str) -> None:
    from pathlib import Path

    from anetdsl.files import write_atomically

    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        paths = [Path(out, f"{child.name}.anet") for child in found]
        for path, child in zip(paths, found):
            if path.exists() and path.read_bytes() != child.text.encode():
                raise CannotRun(f"{path}: holds another text; give another --seed or folder")
    except FileExistsError:
        raise CannotRun(f"{out}: is a file; give a folder with -o") from None
    except OSError as error:
        raise CannotRun(f"{error.filename or out}: {error.strerror or error}") from None
    for path, child in zip(paths, found):
        write_atomically(path, child.text)
        click.echo(f"wrote {visible(str(path))}", err=True)
        _report(child)
