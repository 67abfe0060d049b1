"""Every kind of finding: its stable code, what it means, and a text that shows it.

`anetc explain CODE`, docs/errors.md and the golden files of the tests are made from these entries.
A code is never given another meaning; one that is no longer needed stays retired.
"""

from __future__ import annotations

import attrs

from anetdsl.diagnostics import Severity

_HEAD = "anet 1\nnetwork demo\ninput rgb channels=3\n"
_STEM = "node s0 level=0 C=32 r=4 stride=4 inputs=[rgb]\n"
_LEVELS = """\
node a1 level=1 C=128 r=1 stride=1 inputs=[s0]
node a2 level=2 C=256 r=1 stride=2 inputs=[a1]
node a3 level=3 C=512 r=1 stride=2 inputs=[a2]
node a4 level=4 C=512 r=1 stride=2 inputs=[a3]
"""
_SINK = "sink inputs=[a4] classes=10\n"


@attrs.frozen
class Code:
    """One kind of finding."""

    code: str
    title: str
    text: str
    """What it means and what to do, as Markdown."""
    example: str
    """A text that has this finding."""
    severity: Severity = Severity.ERROR
    for_search: bool = False
    """A warning that is an error for the search."""


_ENTRIES = (
    Code(
        "A101",
        "unexpected character",
        "The text has a character that the language does not use outside of strings and comments. "
        "Names are made of ASCII letters, digits and `_`, and do not start with a digit.",
        _HEAD.replace("demo", "two-stream") + _STEM + _LEVELS + _SINK,
    ),
    Code(
        "A102",
        "string without an end",
        'A "string" ends on the line where it starts. Within it, `\\"` is a quote, `\\\\` a '
        "backslash, `\\n` a line break, `\\t` a tab and `\\r` a carriage return; no other escape "
        "exists.",
        _HEAD + 'origin parent="g0034 round=57\n' + _STEM + _LEVELS + _SINK,
    ),
    Code(
        "A103",
        "malformed number or name",
        "A word that starts with a digit must be a number: `32`, `0.41`, `1e-3`. A name starts "
        "with a letter or `_`.",
        _HEAD + _STEM + _LEVELS.replace("C=128", "C=128k") + _SINK,
    ),
    Code(
        "A104",
        "unexpected word or sign",
        "Something stands where the grammar has no place for it, or the statement stops too early. "
        "The message says what would have fitted. See the grammar in the language's manual.",
        _HEAD + _STEM + _LEVELS.replace("level=2", "level 2") + _SINK,
    ),
    Code(
        "A105",
        "list without an end",
        "A `[` has no `]` before the next attribute or statement.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a1]", "inputs=[a1") + _SINK,
    ),
    Code(
        "A106",
        "reserved word",
        "`anet`, `network`, `input`, `node`, `sink`, `origin` and `score` start statements and "
        "cannot be names. A common slip is `input=[...]` for `inputs=[...]`.",
        _HEAD + _STEM.replace("inputs", "input") + _LEVELS + _SINK,
    ),
    Code(
        "A107",
        "unknown statement",
        "Every statement starts with one of `anet`, `network`, `input`, `node`, `sink`, `origin` "
        "and `score`.",
        _HEAD + _STEM + _LEVELS.replace("node a3", "nodee a3") + _SINK,
    ),
    Code(
        "A108",
        "list within a list",
        "Lists hold numbers, names and strings; they do not nest.",
        _HEAD + _STEM + _LEVELS.replace("[a1]", "[[a1]]") + _SINK,
    ),
    Code(
        "A109",
        "not UTF-8 text",
        "A `.anet` file is UTF-8 text. The message says at which byte reading stopped. Save the "
        "file as UTF-8 again, or check that it is the file you meant.",
        "anet 1\nnetwork caf\udce9\n",
    ),
    Code(
        "A110",
        "file too large",
        "A network is text of some kilobytes; files above 1 MiB (1,048,576 bytes) are refused, so "
        "that a wrong path cannot exhaust the machine.",
        "",
    ),
    Code(
        "A201",
        "version missing or not first",
        "The first statement of a file is `anet 1`: the version of the language that it is "
        "written in.",
        (_HEAD + _STEM + _LEVELS + _SINK).removeprefix("anet 1\n"),
    ),
    Code(
        "A202",
        "unknown version",
        "This program reads version 1 of the language. A higher number is a newer language (get a "
        "newer AnetDSL); the number is whole, such as `anet 1`.",
        (_HEAD + _STEM + _LEVELS + _SINK).replace("anet 1", "anet 2"),
    ),
    Code(
        "A203",
        "statement missing",
        "A file holds exactly one `network` and one `sink` statement, at least one `input` and at "
        "least one `node`.",
        _HEAD + _STEM + _LEVELS,
    ),
    Code(
        "A204",
        "statement repeated",
        "A file holds one network: one `anet`, one `network`, one `sink`, and at most one `origin` "
        "and one `score`.",
        _HEAD + _STEM + _LEVELS + _SINK + "sink inputs=[a3] classes=10\n",
    ),
    Code(
        "A205",
        "too many nodes",
        "More than 10,000 nodes are refused: no machine trains them, and a generator has probably "
        "run away.",
        "",
    ),
    Code(
        "A301",
        "name defined twice",
        "Inputs and nodes share one set of names, and each name is defined once.",
        _HEAD + _STEM + _STEM.replace("r=4", "r=1") + _LEVELS + _SINK,
    ),
    Code(
        "A302",
        "unknown name",
        "An `inputs` list names something that no `input` or `node` statement defines. The order "
        "of statements does not matter.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a3]", "inputs=[a33]") + _SINK,
    ),
    Code(
        "A303",
        "name of the wrong kind",
        "A stem (level 0) reads an input; every other node, and the sink, read nodes.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2, rgb]") + _SINK,
    ),
    Code(
        "A401",
        "unknown attribute",
        "The statement has no attribute of this name. Names are as in the paper and matter in "
        "case: `C` is the channels, `r` the temporal resolution.",
        _HEAD + _STEM.replace("stride", "strides") + _LEVELS + _SINK,
    ),
    Code(
        "A402",
        "attribute repeated",
        "An attribute stands once in a statement.",
        _HEAD + _STEM + _LEVELS.replace("level=2 C=256", "level=2 C=128 C=256") + _SINK,
    ),
    Code(
        "A403",
        "attribute missing",
        "The statement needs this attribute; nothing about a block is implied.",
        _HEAD + _STEM + _LEVELS.replace("level=3 C=512 r=1", "level=3 C=512") + _SINK,
    ),
    Code(
        "A404",
        "value of the wrong type",
        'A value is a number, a name, a "string" or a [list]; this attribute takes another of '
        "them.",
        _HEAD + _STEM + _LEVELS.replace("level=3 C=512", 'level=3 C="512"') + _SINK,
    ),
    Code(
        "A405",
        "number out of range",
        "The number lies outside of what the attribute can be. Bounds are wide; a typo such as "
        "`C=51200000` is stopped here rather than by the machine's memory.",
        _HEAD + _STEM + _LEVELS.replace("level=4 C=512", "level=4 C=51200000") + _SINK,
    ),
    Code(
        "A406",
        "unknown choice",
        "The attribute takes one of a few words.",
        _HEAD + _STEM + _LEVELS + _SINK.replace("classes=10", "classes=10 combine=avg"),
    ),
    Code(
        "A407",
        "weight out of place",
        "Only edges between nodes carry a weight: not the edge from an input to a stem, not the "
        "edges into the sink, and no item of another list.",
        _HEAD + _STEM.replace("[rgb]", "[rgb@0.9]") + _LEVELS + _SINK,
    ),
    Code(
        "A408",
        "edge weight outside of (0, 1)",
        "`@w` is the weight as the network uses it, sigmoid of the learned number, which never "
        "reaches 0 or 1. Leave it out for an untrained edge; to cut an edge, remove it.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2@0.4, a1@1.0]") + _SINK,
    ),
    Code(
        "A409",
        "wrong number of items",
        "A list has too few or too many items: `D` and `modules` have four (levels 1 to 4), "
        "`inputs` has at least one, and a stem reads exactly one input.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[]") + _SINK,
    ),
    Code(
        "A501",
        "edge that does not lead upwards",
        "An edge leads from a lower level to a higher one (paper 3.1), which rules out cycles and "
        "edges within a level.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2, a4]") + _SINK,
    ),
    Code(
        "A502",
        "spatial strides that do not meet",
        "Inputs of a node are max-pooled to the smallest of their sizes, so the total stride of "
        "each must divide the largest among them.",
        _HEAD
        + _STEM
        + "node b1 level=1 C=64 r=1 stride=3 inputs=[s0]\n"
        + _LEVELS.replace("C=128 r=1 stride=1", "C=64 r=1 stride=2").replace("[a1]", "[a1, b1]")
        + _SINK,
    ),
    Code(
        "A503",
        "sink inputs of unequal width",
        "`combine=mean` averages the vectors of the sink's inputs, which needs equal channel "
        "counts. Use `combine=concat`, or give the nodes the same C.",
        _HEAD + _STEM + _LEVELS + _SINK.replace("[a4]", "[a2, a4]"),
    ),
    Code(
        "A504",
        "stem with another stride than 4",
        "A stem halves the spatial size twice, in its 7x7 convolution and in its pooling (paper "
        "A.3): its stride is 4.",
        _HEAD + _STEM.replace("stride=4", "stride=2") + _LEVELS + _SINK,
    ),
    Code(
        "A601",
        "node that does not reach the sink",
        "Nothing that this node computes arrives at the classifier. The compiler drops such a "
        "node. In a search (`--search`) this is an error.",
        _HEAD
        + _STEM
        + _LEVELS.replace("C=512 r=1 stride=2 inputs=[a2]", "C=256 r=1 stride=2 inputs=[a2]")
        + "node b3 level=3 C=256 r=1 stride=2 inputs=[a2]\n"
        + _SINK,
        Severity.WARNING,
        for_search=True,
    ),
    Code(
        "A602",
        "channel sum differs from the paper's",
        "The paper keeps the sum of C at each level constant: 128, 256, 512 and 512 at levels 1 to "
        "4 for D = 64, 128, 256, 512 (paper 3.1, 4.1), that is 2, 2, 2 and 1 times D_v. Splits and "
        "merges keep it. Another sum makes networks hard to compare; allow this code where it is "
        "meant.",
        _HEAD + _STEM + _LEVELS.replace("C=256", "C=64") + _SINK,
        Severity.WARNING,
    ),
    Code(
        "A603",
        "fewer than four levels",
        "The network has no block at one of the levels 1 to 4, where the paper's networks have at "
        "least one each (paper 3.1, 4.1).",
        _HEAD + _STEM + _LEVELS.rsplit("node a4")[0] + _SINK.replace("a4", "a3"),
        Severity.WARNING,
    ),
    Code(
        "A604",
        "node listed twice as input",
        "The same node stands twice in one `inputs` list: its output is added twice, each time "
        "with a weight of its own.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2, a2]") + _SINK,
        Severity.WARNING,
        for_search=True,
    ),
    Code(
        "A605",
        "weight of a sole input",
        "An edge that is a node's only input carries no weight: the sum has one term, and batch "
        "normalisation removes its scale. The weight is ignored.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2@0.7]") + _SINK,
        Severity.WARNING,
    ),
    Code(
        "A606",
        "input that nothing reads",
        "No stem reads this input. It still has to be given when the network runs.",
        _HEAD + "input flow channels=2\n" + _STEM + _LEVELS + _SINK,
        Severity.WARNING,
        for_search=True,
    ),
    Code(
        "A607",
        "allow comment that names no warning",
        "`# anetc: allow CODE` turns a warning off for the file. This code does not exist, or is "
        "an error, which cannot be allowed.",
        "# anetc: allow A999\n" + _HEAD + _STEM + _LEVELS + _SINK,
        Severity.WARNING,
    ),
    Code(
        "A608",
        "more findings than are told",
        "Of a text with very many findings the first 1,000 are told, errors before warnings. Mend "
        "those, and check again.",
        "",
        Severity.WARNING,
    ),
)

CODES: dict[str, Code] = {entry.code: entry for entry in _ENTRIES}
WARNINGS = frozenset(code for code, entry in CODES.items() if entry.severity is Severity.WARNING)
