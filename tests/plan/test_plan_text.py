"""Plans as text: printed plans can be parsed, and errors in the text name the line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anetdsl
from anetc.plan.lower import lower
from anetc.plan.passes import optimise
from anetc.plan.plan import Expr, Plan, call
from anetc.plan.plan_text import parse_plan, print_plan
from anetdsl.ir import Network
from tests.networks import networks, table_4
from tests.plan.cases import EVERY_PASS, WildCase, wild_cases


def check_round_trip(plan: Plan) -> None:
    parsed = parse_plan(print_plan(plan))
    assert parsed == plan
    assert [op.span for op in parsed.ops] == [op.span for op in plan.ops]
    assert print_plan(parsed) == print_plan(plan)


def test_plans_of_all_examples_round_trip(examples: list[Path]) -> None:
    """Lowered and optimised plans are equal after printing and parsing, including spans."""
    for path in examples:
        plan = lower(anetdsl.load(path))
        check_round_trip(plan)
        check_round_trip(optimise(plan))


@settings(max_examples=50)
@given(networks(), st.integers(1, 64), st.integers(1, 300), st.integers(1, 300))
def test_plans_of_random_networks_round_trip(
    network: Network, frames: int, height: int, width: int
) -> None:
    plan = lower(network, frames=frames, size=(height, width))
    check_round_trip(plan)
    check_round_trip(optimise(plan))


@given(wild_cases())
def test_any_plan_round_trips(case: WildCase) -> None:
    check_round_trip(case.plan)


def test_operations_keep_their_node_and_its_span() -> None:
    """So an error in `n4` can show the line of `n4`. Inputs and the sink have no node."""
    text = (Path(__file__).parents[2] / "examples" / "assemblenet.anet").read_text("utf-8")
    network = anetdsl.parse(text)
    for op in optimise(lower(network)).ops:
        if op.kind == "input" or op.name.startswith("sink."):
            assert op.node == ""
        else:
            assert op.name.partition(".")[0] == op.node
            assert text[op.span.start : op.span.end].startswith(f"node {op.node} ")


def test_columns_blank_lines_and_indentation_do_not_matter() -> None:
    plan = optimise(lower(EVERY_PASS))
    head, *lines = print_plan(plan).splitlines()
    loose = [head, *(f"\n  {' '.join(line.split())}  " for line in lines)]
    assert parse_plan("\n".join(loose)) == plan


def test_expressions_of_all_functions_round_trip() -> None:
    """The expressions are nested, several have one role, and one is a literal."""
    inner = call("scale", call("fold", "a.b.weight", "a.b_bn"), call("gate", "c", 1))
    gates = (
        call("1"),
        call("ratio", call("gate", "w", 1), call("gate", "w", 0)),
        call("share", "h", 2, 1),
    )
    plan = lower(table_4(), frames=2, size=(32, 32))
    op = attrs.evolve(
        plan.ops[-1],
        exprs={
            "weight": (call("join", inner, "d"),),
            "bias": (call("shift", "e"),),
            "gates": gates,
        },
    )
    check_round_trip(attrs.evolve(plan, ops=(*plan.ops[:-1], op)))


def stored_names(plan: Plan) -> set[str]:
    """Return the names of stored tensors and batch normalisations in a plan's expressions."""

    def names(expr: Expr) -> Iterator[str]:
        if not expr.args and not expr.head.isdecimal():
            yield expr.head
        for arg in expr.args:
            yield from names(arg)

    exprs = (expr for op in plan.ops for values in op.exprs.values() for expr in values)
    return {name for expr in exprs for name in names(expr)}


def test_plans_use_the_names_of_the_state_dict() -> None:
    """The tensors of a batch normalisation have one common name."""
    names = stored_names(lower(EVERY_PASS))
    assert {"nodes.s0.conv.weight", "nodes.s0.conv_bn", "nodes.n2.fuse.w"} <= set(names)
    assert {"sink.fc.weight", "sink.fc.bias"} <= set(names)
    assert not any(
        name.startswith("nodes.n5") for name in stored_names(optimise(lower(EVERY_PASS)))
    )


HEAD = "plan p frames=4 size=8x8 mode=inference\n"
INPUT = "x 3x4x8x8 input()\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected `plan NAME"),
        ("x 3x4x8x8 input()", "line 1: expected `plan NAME"),
        ("plan p frames=4 size=8x8 mode=other\n" + INPUT, "line 1: expected `plan NAME"),
        (HEAD, "line 2: expected an operation"),
        (HEAD + INPUT + "y 3x4 spin(x)", "line 3: expected `NAME SHAPE KIND"),
        (HEAD + INPUT + "y 3xx4 relu(x)", "line 3: expected `NAME SHAPE KIND"),
        (HEAD + INPUT + "y 3x4x8x8 relu x", "line 3: expected `NAME SHAPE KIND"),
        (HEAD + INPUT + "\ny 3x4x8x8 relu(z)", "line 4: y reads z, which is not a result above it"),
        (HEAD + INPUT + "y 3x4x8x8 relu(y)", "line 3: y reads y, which is not a result above it"),
        (HEAD + INPUT + INPUT, "line 3: two operations have the name x"),
        (HEAD + INPUT + "y 1 conv(x) weight=", "line 3: expected an expression at ''"),
        (HEAD + INPUT + "y 1 conv(x) weight=f(", "line 3: expected an expression at ''"),
        (HEAD + INPUT + "y 1 conv(x) weight=f()", "line 3: expected an expression at ')'"),
        (HEAD + INPUT + "y 1 conv(x) weight=f(a,b)", "line 3: expected `, ` or `)` at ',b)'"),
        (HEAD + INPUT + "y 1 conv(x) weight=f(a) b", "line 3: unexpected ' b' after an expression"),
        (HEAD + INPUT + "y 1 conv(x) weight=" + 99 * "f(", "line 3: expected an expression at"),
    ],
)
def test_errors_in_plans_name_the_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^line \d+: ") as error:
        parse_plan(text)
    assert str(error.value).startswith(message)


@given(st.data())
def test_any_text_is_a_plan_or_an_error_with_its_line(data: st.DataObject) -> None:
    """A random part of a plan's text is replaced or deleted."""
    text = print_plan(optimise(lower(EVERY_PASS)))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    patch = data.draw(st.text("()x=;@[]:, \n0123459abcn.*²", max_size=12))
    error = ""
    try:
        parse_plan(text[:start] + patch + text[end:])
    except ValueError as found:
        error = str(found)
    assert error == "" or error.startswith("line ")
