"""Write a network as one readable Python file for inference, which imports torch only.

The file has a class for the network, with one statement per node, and the classes of its blocks.
Batch normalisations, edge weights and shares of peers are folded into the tensors, which are in a
second file (`anetc.export.python.python_weights`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

import torch

from anetc.export.about import PYTHON_MARK
from anetc.export.python.python_parts import (
    WIDTH,
    Brackets,
    call,
    class_name,
    listing,
    needed_definitions,
    safe_name,
    wrapped,
)
from anetc.weights.trained_on import TrainedOn
from anetdsl.ir import Network, Node
from anetdsl.terminal import visible
from anetdsl.vocabulary import LITE_SINK_WIDTHS, OBJECT_STEM_STRIDE

_BODY = 8
"""Indent of the statements of a method."""
_RANGES = {
    "rgb": "RGB is in [0, 1]",
    "flow": "flow is in [-1, 1]",
    "object": "objects have one channel for each class",
}
"""Values of each kind of input."""


def python_source(network: Network, dtype: torch.dtype, trained_on: TrainedOn | None = None) -> str:
    """Return the text of the file. Its weights are `python_weights`, in a file of the same stem.

    The docstring and the constant `CLASSES` name the classes of a trained network.
    """
    network_class = "\n".join(_class(network, dtype))
    main = "\n".join(_main(network))
    blocks = needed_definitions(f"{network_class}\n{main}")
    code = "\n\n\n".join([network_class, *blocks, main])
    return "\n".join([*_head(network, trained_on), code, ""])


def _head(network: Network, trained_on: TrainedOn | None) -> list[str]:
    lines = str(network).rstrip().split("\n")
    text = "\n".join(f"#     {visible(line)}".rstrip() for line in lines)
    return [
        f'"""Network {network.name} in PyTorch, for inference.',
        "",
        f"{PYTHON_MARK}; needs only torch. The weights are",
        "in the `.safetensors` file of the same name; batch normalisations and edge weights",
        "are folded into them. Inside the network, clips of T frames are (N*T, C, H, W),",
        "channels last in memory.",
        *_training(trained_on),
        '"""',
        "",
        "# The network in the language of .anet files:",
        "#",
        text,
        "",
        "from __future__ import annotations",
        "",
        "import json",
        "from pathlib import Path",
        "",
        "import torch",
        "from torch import Tensor, nn",
        "from torch.nn import functional as F  # noqa: N812 - common in PyTorch code",
        "",
        *_constants(trained_on),
    ]


def _training(trained_on: TrainedOn | None) -> list[str]:
    """Return the lines of the docstring about the training."""
    if trained_on is None:
        return []
    clip = trained_on.validation
    text = f"Trained on data of the format {trained_on.data_format}, for clips of {clip}"
    if clip.fps is not None:
        text += f" at {clip.fps:g} frames per second"
    if clip.short_side is None:
        text += ", the whole frame resized"
    else:
        text += f", cut from frames whose short side is {clip.short_side} pixels"
    kind = (
        "A video has any number of classes: take the sigmoid of the logits."
        if trained_on.multi_label
        else "A video has one class: take the softmax of the logits."
    )
    lines = textwrap.wrap(f"{text}. {kind}", WIDTH)
    head = "The classes, by the number of their logit:"
    names = [f"{number:4}  {_in_docstring(name)}" for number, name in enumerate(trained_on.classes)]
    return ["", *lines, "", head, "", *names]


def _in_docstring(text: str) -> str:
    shown = visible(text).replace("\\", "\\\\").replace('"""', '""\\"')
    return shown.rstrip()


def _constants(trained_on: TrainedOn | None) -> list[str]:
    if trained_on is None:
        return [""]
    names = [f"    {_literal(name)}," for name in trained_on.classes]
    return [
        "CLASSES = (",
        *names,
        ")",
        '"""Names of the classes, in the order of the logits."""',
        "",
        "",
    ]


def _literal(text: str) -> str:
    """Return a string literal as formatters write it: with the quotes that need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = [repr(char)[1:-1] if char not in "'\"" else char for char in text]
    return quote + "".join(f"\\{char}" if char == quote else char for char in escaped) + quote


def _class(network: Network, dtype: torch.dtype) -> list[str]:
    values = ", ".join(f"{value.name} {value.channels}" for value in network.inputs)
    kinds = {value.kind for value in network.inputs}
    ranges = ", ".join(text for kind, text in _RANGES.items() if kind in kinds)
    text = f"Inputs and their channels: {values}. {ranges[:1].upper()}{ranges[1:]}."
    return [
        f"class {class_name(network.name)}(nn.Module):",
        '    """The network. Its input is a dict of tensors (N, channels, T, H, W).',
        "",
        *textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    "),
        '    """',
        "",
        f"    dtype = {dtype}",
        "",
        "    def __init__(self):",
        "        super().__init__()",
        *(line for code in _constructions(network) for line in wrapped(code, _BODY)),
        "",
        "    def forward(self, inputs: dict[str, Tensor]) -> Tensor:",
        f'        """Return the logits, (N, {network.sink.classes})."""',
        *(line for code in _computations(network) for line in wrapped(code, _BODY)),
    ]


def _nodes(network: Network) -> Iterator[tuple[Node, str, list[Node]]]:
    """Yield the nodes that the sink depends on, each with the start of a statement and new peers.

    With peer attention, the statement before the first block of each level adds the peers of that
    level, which are then in the order of the parameters. Other nodes have no new peers.
    """
    needed, listed = network.needed_by_sink(), 0
    peers = network.peers_by_level() if network.attention == "peer" else {}
    for node in network.topological_nodes():
        if node.name in needed:
            new = peers.get(node.level, ())[listed:]
            yield node, "peers += " if listed else "peers = ", list(new)
            listed += len(new)


def _constructions(network: Network) -> Iterator[Brackets]:
    """Yield the statements that make the blocks."""
    channels = network.out_channels()
    for node, start, peers in _nodes(network):
        if peers:
            yield listing(*(str(channels[peer.name]) for peer in peers), to=start)
        to = f"self.{safe_name(node.name)} = "
        if not node.is_stem:
            yield _block(network, node, to)
        elif network.input(node.inputs[0].source).kind != "object":
            yield _stem(network, node, to)
    sink = network.sink
    widths = [channels[edge.source] for edge in sink.inputs]
    classes, head = str(sink.classes), _quoted(sink.head)
    to = "self.sink = "
    if network.blocks == "lite":
        yield call("LiteSink", str(widths[0]), str(LITE_SINK_WIDTHS), classes, head, to=to)
    else:
        width = sum(widths) if sink.combine == "concat" else widths[0]
        yield call("Sink", str(width), classes, _quoted(sink.combine), head, to=to)


def _stem(network: Network, node: Node, to: str) -> Brackets:
    source, lite = network.input(node.inputs[0].source), network.blocks == "lite"
    arguments = [str(source.channels), str(node.width)]
    if network.uses_rate(node):
        arguments.append(f"dilation={node.rate}")
    return call("LiteStem" if lite else "Stem", *arguments, to=to)


def _block(network: Network, node: Node, to: str) -> Brackets:
    level = node.level - 1
    common = (
        f"modules={network.modules[level]}",
        f"dilation={node.rate}",
        f"stride={node.stride}",
    )
    fuse = _connection(network, node)
    if network.blocks == "lite":
        return call("LiteBlock", fuse, f"widths={node.triple}", *common, to=to)
    widths = str(node.width), f"width={network.widths[level]}"
    return call("Block", fuse, *widths, *common, to=to)


def _connection(network: Network, node: Node) -> Brackets:
    """Return the connection of a block. The ratio of an input is that of its map size."""
    strides, channels = network.total_strides(), network.out_channels()
    largest = max(strides[edge.source] for edge in node.inputs)
    sources = [
        f"({channels[edge.source]}, {largest // strides[edge.source]})" for edge in node.inputs
    ]
    width = network.fused_channels()[node.name]
    widest = max(channels[edge.source] for edge in node.inputs)
    rest = [] if width == widest else [f"width={width}"]  # objects may be wider
    match network.attention:
        case "self":
            return call("SelfConnection", listing(*sources), *rest)
        case "peer":
            return call("PeerConnection", listing(*sources), "peers", *rest)
    return call("Connection", listing(*sources), *rest)


def _computations(network: Network) -> Iterator[str | Brackets]:
    """Yield the statements of the forward pass."""
    yield f"frames = inputs[{_quoted(network.inputs[0].name)}].shape[2]"
    needed = network.needed_by_sink()
    for value in network.inputs:
        if value.name in needed:
            given = f"inputs[{_quoted(value.name)}]"
            yield call("as_frames", given, "self.dtype", to=f"{safe_name(value.name)} = ")
    for node, start, peers in _nodes(network):
        if peers:
            yield call("frame_means", _names(peer.name for peer in peers), to=start)
        name = safe_name(node.name)
        sources = [edge.source for edge in node.inputs]
        if not node.is_stem:
            more = ["*peers"] if network.attention == "peer" else []
            yield call(f"self.{name}", _names(sources), "frames", *more, to=f"{name} = ")
        elif network.input(sources[0]).kind == "object":
            size = str(OBJECT_STEM_STRIDE)
            yield call("max_pool", safe_name(sources[0]), size, size, to=f"{name} = ")
        else:
            yield call(f"self.{name}", safe_name(sources[0]), "frames", to=f"{name} = ")
    sources = [edge.source for edge in network.sink.inputs]
    yield call("self.sink", _names(sources), "frames", to="return ")


def _names(names: Iterable[str]) -> Brackets:
    return listing(*map(safe_name, names))


def _main(network: Network) -> list[str]:
    name = class_name(network.name)
    clips = [
        f"        {_quoted(value.name)}: torch.zeros(1, {value.channels}, 16, 112, 112),"
        for value in network.inputs
    ]
    return [
        f"def load(weights: str | Path | None = None) -> {name}:",
        '    """Return the network with weights, by default from the file next to this one."""',
        '    state = read_safetensors(weights or Path(__file__).with_suffix(".safetensors"))',
        '    with torch.device("meta"):',
        f"        model = {name}()",
        "    model.load_state_dict(state, assign=True)",
        "    for layer in model.modules():",
        "        if isinstance(layer, nn.Conv2d):",
        "            layer.to(memory_format=torch.channels_last)",
        "    return model.eval().requires_grad_(False)",
        "",
        "",
        'if __name__ == "__main__":',
        "    clip = {",
        *clips,
        "    }",
        "    with torch.inference_mode():",
        "        print(load()(clip))",
    ]


def _quoted(text: str) -> str:
    return f'"{text}"'
