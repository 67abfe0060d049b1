"""Convert plans to text and back: `parse_plan(print_plan(plan)) == plan`."""

from __future__ import annotations

import re
from typing import cast, get_args

from anetc.plan.plan import Expr, Kind, Mode, Op, Option, Plan, check_op
from anetdsl.source import NOWHERE, Span

_HEAD = re.compile(r"plan (\S+) frames=(\d{1,9}) size=(\d{1,9})x(\d{1,9}) mode=(\w+)")
_LINE = re.compile(
    r"(?P<name>\S+)\s+(?P<shape>\d{1,9}(?:x\d{1,9})*)\s+(?P<kind>\w+)\((?P<args>[^()]*)\)"
    r"(?P<rest>.*?)(?:\s+@(?P<node>\w+)(?:\[(?P<start>\d{1,9}):(?P<end>\d{1,9})\])?)?"
)
_WORD = re.compile(r"[\w.]+")
_EXPR_ROLES = ("weight", "bias", "gates")
_MAX_DEPTH = 50


def print_plan(plan: Plan) -> str:
    """Return the plan as text, with names and shapes in columns."""
    head = (
        f"plan {plan.network} frames={plan.frames} size={plan.height}x{plan.width} mode={plan.mode}"
    )
    names = max((len(op.name) for op in plan.ops), default=0)
    shapes = max((len(_shape(op)) for op in plan.ops), default=0)
    lines = [f"{op.name:<{names}}  {_shape(op):<{shapes}}  {_operation(op)}" for op in plan.ops]
    return "\n".join([head, *lines]) + "\n"


def _shape(op: Op) -> str:
    return "x".join(map(str, op.shape))


def _operation(op: Op) -> str:
    words = [f"{op.kind}({', '.join(op.args)})"]
    for key, value in op.options.items():
        if value is True:
            words.append(key)
        elif value is not False:
            words.append(f"{key}={value}")
    for role in _EXPR_ROLES:
        if role in op.exprs:
            words.append(f"{role}={'; '.join(map(str, op.exprs[role]))}")
    if op.node:
        place = f"[{op.span.start}:{op.span.end}]" if op.span != NOWHERE else ""
        words.append(f"@{op.node}{place}")
    return " ".join(words)


def parse_plan(text: str) -> Plan:
    """Return the plan in a text. Raise ValueError, with the line number, for invalid text."""
    lines = text.splitlines()
    match = _HEAD.fullmatch(lines[0].strip()) if lines else None
    if match is None or match[5] not in get_args(Mode):
        raise ValueError("line 1: expected `plan NAME frames=T size=HxW mode=MODE`")
    ops: dict[str, Op] = {}
    for number, line in enumerate(lines[1:], 2):
        if line.strip():
            op = _parse_line(line, number)
            try:
                check_op(op, ops)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            ops[op.name] = op
    if not ops:
        raise ValueError("line 2: expected an operation")
    frames, height, width = map(int, match.group(2, 3, 4))
    return Plan(match[1], frames, height, width, tuple(ops.values()), cast(Mode, match[5]))


def _parse_line(line: str, number: int) -> Op:
    match = _LINE.fullmatch(line.strip())
    if match is None or match["kind"] not in get_args(Kind):
        raise ValueError(f"line {number}: expected `NAME SHAPE KIND(ARGUMENTS) ...`")
    options, exprs = _parse_rest(match["rest"], number)
    span = Span(int(match["start"]), int(match["end"])) if match["start"] else NOWHERE
    return Op(
        match["name"],
        cast(Kind, match["kind"]),
        tuple(arg.strip() for arg in match["args"].split(",") if arg.strip()),
        tuple(map(int, match["shape"].split("x"))),
        options,
        exprs,
        match["node"] or "",
        span,
    )


def _parse_rest(rest: str, number: int) -> tuple[dict[str, Option], dict[str, tuple[Expr, ...]]]:
    """Return the options and expressions after the parentheses of an operation."""
    pieces = re.split(rf"\s(?=(?:{'|'.join(_EXPR_ROLES)})=)", rest)
    options: dict[str, Option] = {}
    for word in pieces[0].split():
        key, equal, value = word.partition("=")
        options[key] = (int(value) if value.isdecimal() else value) if equal else True
    exprs: dict[str, tuple[Expr, ...]] = {}
    for piece in pieces[1:]:
        role, _, text = piece.partition("=")
        exprs[role] = tuple(_parse_expr(part.strip(), number) for part in text.split(";"))
    return options, exprs


def _parse_expr(text: str, number: int) -> Expr:
    expr, end = _expr_at(text, 0, number, 0)
    if end != len(text):
        raise ValueError(f"line {number}: unexpected {text[end:][:40]!r} after an expression")
    return expr


def _expr_at(text: str, start: int, number: int, depth: int) -> tuple[Expr, int]:
    word = _WORD.match(text, start)
    if word is None or depth > _MAX_DEPTH:
        raise ValueError(f"line {number}: expected an expression at {text[start:][:40]!r}")
    end = word.end()
    if end >= len(text) or text[end] != "(":
        return Expr(word[0]), end
    args: list[Expr] = []
    while text[end] != ")":
        arg, end = _expr_at(text, end + 1 if not args else end + 2, number, depth + 1)
        args.append(arg)
        if text[end : end + 2] != ", " and text[end : end + 1] != ")":
            raise ValueError(f"line {number}: expected `, ` or `)` at {text[end:][:40]!r}")
    return Expr(word[0], tuple(args)), end + 1
