"""All kinds of findings: stable code, explanation, and an example.

`anetc explain CODE`, docs/errors.md and the golden files of the tests are made from these entries.
The meaning of a code never changes. A code that is no longer needed is not used again.
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
_LITE = (
    _HEAD.replace("demo", "demo blocks=lite")
    + """\
node s0 level=0 C=24 r=4 stride=2 inputs=[rgb]
node b1 level=1 C=[54, 54, 24] r=1 stride=2 inputs=[s0]
node b2 level=2 C=[108, 108, 48] r=1 stride=2 inputs=[b1]
node b3 level=3 C=[216, 216, 96] r=1 stride=2 inputs=[b2]
node b4 level=4 C=[432, 432, 192] r=1 stride=2 inputs=[b3]
sink inputs=[b4] classes=10
"""
)


@attrs.frozen
class Code:
    """One kind of finding."""

    code: str
    title: str
    text: str
    """Explanation, and what to do, as Markdown."""
    example: str
    """A text with this finding."""
    severity: Severity = Severity.ERROR
    for_search: bool = False
    """True for a warning that is an error in a search."""


_ENTRIES = (
    Code(
        "A101",
        "unexpected character",
        "The text has a character that the language does not use outside of strings and comments. "
        "Names consist of ASCII letters, digits and `_`, and do not start with a digit. Lists are "
        "written in `[ ]`, attributes as `name=value`, and comments start with `#`.",
        _HEAD.replace("demo", "two-stream") + _STEM + _LEVELS + _SINK,
    ),
    Code(
        "A102",
        "string without an end",
        'A "string" ends on the line where it starts. In a string, `\\"` is a quote, `\\\\` a '
        "backslash, `\\n` a line break, `\\t` a tab and `\\r` a carriage return; there are no "
        "other escapes.",
        _HEAD + 'origin parent="g0034 candidate=57\n' + _STEM + _LEVELS + _SINK,
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
        "A word or sign is not allowed at this place, or the statement is incomplete. The message "
        "says what was expected. The grammar is in docs/spec.md.",
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
        "cannot be names. A common mistake is `input=[...]` for `inputs=[...]`.",
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
        "A list has numbers, names or strings as items; lists cannot be nested.",
        _HEAD + _STEM + _LEVELS.replace("[a1]", "[[a1]]") + _SINK,
    ),
    Code(
        "A109",
        "not UTF-8 text",
        "A `.anet` file is UTF-8 text. The message gives the position of the first wrong byte. "
        "Save the file as UTF-8, or check that it is the right file.",
        "anet 1\nnetwork caf\udce9\n",
    ),
    Code(
        "A110",
        "file too large",
        "The text of a network has some kilobytes. Files above 1 MiB (1,048,576 bytes) are "
        "refused, so that a wrong path cannot exhaust the memory.",
        "",
    ),
    Code(
        "A201",
        "version missing or not first",
        "The first statement of a file is `anet 1`, the version of the language in which it is "
        "written.",
        (_HEAD + _STEM + _LEVELS + _SINK).removeprefix("anet 1\n"),
    ),
    Code(
        "A202",
        "unknown version",
        "This program reads version 1 of the language. For a higher version, install a newer "
        "AnetDSL. The version is a whole number, as in `anet 1`.",
        (_HEAD + _STEM + _LEVELS + _SINK).replace("anet 1", "anet 2"),
    ),
    Code(
        "A203",
        "statement missing",
        "A file has exactly one `network` and one `sink` statement, at least one `input` and at "
        "least one `node`.",
        _HEAD + _STEM + _LEVELS,
    ),
    Code(
        "A204",
        "statement repeated",
        "A file has one network: one `anet`, one `network`, one `sink`, and at most one `origin` "
        "and one `score`.",
        _HEAD + _STEM + _LEVELS + _SINK + "sink inputs=[a3] classes=10\n",
    ),
    Code(
        "A205",
        "too many nodes",
        "Networks with more than 10,000 nodes are refused. They cannot be trained, and the program "
        "that wrote the file probably has an error.",
        "",
    ),
    Code(
        "A301",
        "name defined twice",
        "Inputs and nodes share one set of names, and each name may be defined only once.",
        _HEAD + _STEM + _STEM.replace("r=4", "r=1") + _LEVELS + _SINK,
    ),
    Code(
        "A302",
        "unknown name",
        "A name in an `inputs` list is not defined by any `input` or `node` statement. The order "
        "of statements does not matter.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a3]", "inputs=[a33]") + _SINK,
    ),
    Code(
        "A303",
        "name of the wrong kind",
        "A stem (level 0) reads an input. Every other node and the sink read nodes.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2, rgb]") + _SINK,
    ),
    Code(
        "A401",
        "unknown attribute",
        "The statement has no attribute with this name. Names are those of the paper, and case "
        "matters: `C` is the number of channels, `r` the temporal resolution.",
        _HEAD + _STEM.replace("stride", "strides") + _LEVELS + _SINK,
    ),
    Code(
        "A402",
        "attribute repeated",
        "A statement has each attribute at most once.",
        _HEAD + _STEM + _LEVELS.replace("level=2 C=256", "level=2 C=128 C=256") + _SINK,
    ),
    Code(
        "A403",
        "attribute missing",
        "The statement needs this attribute. The attributes of a block have no defaults.",
        _HEAD + _STEM + _LEVELS.replace("level=3 C=512 r=1", "level=3 C=512") + _SINK,
    ),
    Code(
        "A404",
        "value of the wrong type",
        'A value is a number, a name, a "string" or a [list]. This attribute needs a value of '
        "another type.",
        _HEAD + _STEM + _LEVELS.replace("level=3 C=512", 'level=3 C="512"') + _SINK,
    ),
    Code(
        "A405",
        "number out of range",
        "The number is outside the bounds of the attribute. The bounds are wide; they stop a "
        "typing error such as `C=51200000` before it exhausts the memory.",
        _HEAD + _STEM + _LEVELS.replace("level=4 C=512", "level=4 C=51200000") + _SINK,
    ),
    Code(
        "A406",
        "unknown choice",
        "The value of this attribute is one of a few words, which the message lists.",
        _HEAD + _STEM + _LEVELS + _SINK.replace("classes=10", "classes=10 combine=avg"),
    ),
    Code(
        "A407",
        "weight out of place",
        "Only edges between nodes have a weight. Edges from an input to a stem, edges into the "
        "sink, and items of other lists have none.",
        _HEAD + _STEM.replace("[rgb]", "[rgb@0.9]") + _LEVELS + _SINK,
    ),
    Code(
        "A408",
        "edge weight outside of (0, 1)",
        "`@w` is the factor that the network uses, the sigmoid of the learned number, which never "
        "reaches 0 or 1. An untrained edge has no weight. To cut an edge, remove it from the list.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2@0.4, a1@1.0]") + _SINK,
    ),
    Code(
        "A409",
        "wrong number of items",
        "A list has too few or too many items. `D` and `modules` have four (levels 1 to 4), "
        "`inputs` has at least one, a stem reads exactly one input, and `C` of a lite block has "
        "three.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[]") + _SINK,
    ),
    Code(
        "A410",
        "attribute that a stem cannot have",
        "The stem of an object input (`kind=object`) is a max pool without weights. Its output has "
        "the channels of its input, so it has no `C`; its `r` is optional and has no effect. No "
        "stem has `peers`, because a stem reads one input without attention.",
        _HEAD
        + "input object channels=151 kind=object\n"
        + _STEM
        + "node s1 level=0 C=151 stride=4 inputs=[object]\n"
        + _LEVELS.replace("[s0]", "[s0, s1]")
        + _SINK,
    ),
    Code(
        "A411",
        "invalid peer",
        "`peers` lists nodes of lower levels, each once and with its share in the attention of "
        "this node: `peers=[s0@0.3, a1@0.7]`. Shares are above 0 and at most 1. They need not add "
        "up to 1: only their ratios matter. Nodes that are not listed start with the mean share.",
        _HEAD.replace("demo", "demo attention=peer")
        + _STEM
        + _LEVELS.replace("inputs=[a2]", "inputs=[a2] peers=[s0@0.25, a1@1.5, a2@0.5]")
        + _SINK,
    ),
    Code(
        "A501",
        "edge that does not lead upwards",
        "An edge leads from a lower level to a higher one (paper 3.1). Cycles and edges within a "
        "level are therefore impossible.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2, a4]") + _SINK,
    ),
    Code(
        "A502",
        "incompatible spatial strides",
        "The inputs of a node are max-pooled to the smallest of their sizes. The total stride of "
        "each input must therefore divide the largest total stride among them.",
        _HEAD
        + _STEM
        + "node b1 level=1 C=64 r=1 stride=3 inputs=[s0]\n"
        + _LEVELS.replace("C=128 r=1 stride=1", "C=64 r=1 stride=2").replace("[a1]", "[a1, b1]")
        + _SINK,
    ),
    Code(
        "A503",
        "sink inputs of unequal width",
        "`combine=mean` averages the vectors of the sink's inputs, which must have equal numbers "
        "of channels. Use `combine=concat`, or give the nodes the same C.",
        _HEAD + _STEM + _LEVELS + _SINK.replace("[a4]", "[a2, a4]"),
    ),
    Code(
        "A504",
        "stem with a wrong stride",
        "A stem halves the spatial size twice, in its 7x7 convolution and in its pooling (paper "
        "A.3). Its stride is therefore 4. With `blocks=lite`, a stem halves the size once, and its "
        "stride is 2. The stem of an object input has stride 4 in both cases.",
        _HEAD + _STEM.replace("stride=4", "stride=2") + _LEVELS + _SINK,
    ),
    Code(
        "A505",
        "C that does not fit the blocks",
        "C of a full block, and of a stem, is one number. With `blocks=lite` on the network, C of "
        "a block of levels 1 to 4 is a list of three widths: `C=[54, 54, 24]`.",
        _HEAD + _STEM + _LEVELS.replace("C=256", "C=[256, 256, 1024]") + _SINK,
    ),
    Code(
        "A506",
        "lite sink with several inputs",
        "With `blocks=lite`, the sink has two convolutions of its own, which read one node.",
        _LITE.replace("inputs=[b4]", "inputs=[b4, b3] combine=concat"),
    ),
    Code(
        "A601",
        "node that does not reach the sink",
        "No path leads from this node to the classifier. The compiler removes such a node. In a "
        "search (`--search`) this is an error. With `attention=peer`, a node of a lower level than "
        "one that reaches the sink reaches it as a peer.",
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
        "merges keep the sum. Networks with other sums are hard to compare with the paper's. Allow "
        "this code if the sum is intended.",
        _HEAD + _STEM + _LEVELS.replace("C=256", "C=64") + _SINK,
        Severity.WARNING,
    ),
    Code(
        "A603",
        "fewer than four levels",
        "The network has no block at one of the levels 1 to 4. The paper's networks have at least "
        "one at each level (paper 3.1, 4.1).",
        _HEAD + _STEM + _LEVELS.rsplit("node a4")[0] + _SINK.replace("a4", "a3"),
        Severity.WARNING,
    ),
    Code(
        "A604",
        "node listed twice as input",
        "An `inputs` list has the same node twice. Its output is added twice, each time with a "
        "separate weight.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2, a2]") + _SINK,
        Severity.WARNING,
        for_search=True,
    ),
    Code(
        "A605",
        "weight of a sole input",
        "The edge of a node's only input has no weight: the sum has one term, and batch "
        "normalisation removes its scale. The weight is ignored.",
        _HEAD + _STEM + _LEVELS.replace("inputs=[a2]", "inputs=[a2@0.7]") + _SINK,
        Severity.WARNING,
    ),
    Code(
        "A606",
        "unused input",
        "No stem reads this input. The network must still be called with a tensor for it.",
        _HEAD + "input flow channels=2\n" + _STEM + _LEVELS + _SINK,
        Severity.WARNING,
        for_search=True,
    ),
    Code(
        "A607",
        "allow comment that names no warning",
        "`# anetc: allow CODE` turns a warning off for the file. This code does not exist, or it "
        "is an error, which cannot be allowed.",
        "# anetc: allow A999\n" + _HEAD + _STEM + _LEVELS + _SINK,
        Severity.WARNING,
    ),
    Code(
        "A608",
        "too many findings",
        "At most 1,000 findings of a text are reported, errors before warnings. Correct these, and "
        "check again.",
        "",
        Severity.WARNING,
    ),
    Code(
        "A609",
        "attribute without effect",
        "`peers` are shares in the peer attention of a node. They have no effect unless the "
        "network has `attention=peer`. `D` has no effect with `blocks=lite`, because the widths of "
        "a lite block are its C.",
        _LITE.replace("blocks=lite", "blocks=lite D=[8, 16, 32, 64]"),
        Severity.WARNING,
    ),
)

CODES: dict[str, Code] = {entry.code: entry for entry in _ENTRIES}
WARNINGS = frozenset(code for code, entry in CODES.items() if entry.severity is Severity.WARNING)
