"""Write a network as one readable Python file for inference, which imports torch only.

The file has a class for each kind of block, copied from `anetc.export.standalone`, and a class for
the network with one line per node. Batch normalisations and edge weights are folded into the
tensors, which are in a second file.
"""

from __future__ import annotations

import keyword
import textwrap
from pathlib import Path

import torch
from torch import Tensor, nn

from anetc.engines.constants import State, evaluate
from anetc.export import standalone
from anetc.export.about import PYTHON_MARK
from anetc.modules.names import module_key
from anetc.plan.plan import call
from anetc.weights.trained_on import TrainedOn
from anetdsl.ir import Network, Node
from anetdsl.terminal import visible

WIDTH = 88
_COPIED_FROM = "# --- copied from here\n"
_TAKEN = {*dir(nn.Module()), "self", "inputs", "frames", "torch", "as_frames", "sink", "dtype"}


def python_source(network: Network, dtype: torch.dtype, trained_on: TrainedOn | None = None) -> str:
    """Return the text of the file. Its weights are `python_weights`, in a file of the same stem.

    The docstring and the constant `CLASSES` name the classes of a trained network.
    """
    template = Path(standalone.__file__).read_text(encoding="utf-8")
    parts = template.partition(_COPIED_FROM)[2].replace("  # type: ignore[override]", "")
    nodes = _needed(network)
    return "\n".join(
        [
            *_head(network, trained_on),
            *_class(network, nodes, dtype),
            parts.strip("\n"),
            *_main(network),
        ]
    )


def python_weights(network: Network, state: State, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the tensors for the source, by the names of its state dict."""
    weights: dict[str, Tensor] = {}

    def conv(target: str, stored: str, *, norm: bool = True) -> None:
        kernel = call(f"{stored}.weight")
        if norm:
            bn = call(f"{stored}_bn")
            kernel = call("fold", kernel, bn)
            weights[f"{target}.bias"] = evaluate(call("shift", bn), state).to(dtype)
        weight = evaluate(kernel, state).to(dtype)
        flat = weight[..., 0] if weight.shape[2] > 1 else weight[:, :, 0]
        weights[f"{target}.weight"] = flat.contiguous()

    for node in _needed(network):
        name, stored = _safe(node.name), f"nodes.{module_key(node.name)}"
        if node.is_stem:
            conv(f"{name}.conv", f"{stored}.conv")
            if network.input(node.inputs[0].source).kind == "rgb":
                conv(f"{name}.tconv", f"{stored}.tconv")
            continue
        sources = [channels for channels, _ in _sources(network, node)]
        for channels in set(sources) - {max(sources)}:
            adapter = f"{stored}.fuse.adapt{channels}to{max(sources)}"
            conv(f"{name}.adapt.{channels}", adapter, norm=False)
        gates = torch.ones(1)
        if len(sources) > 1:
            gates = torch.sigmoid(evaluate(call(f"{stored}.fuse.w"), state)).float()
        weights[f"{name}.gates"] = gates
        for index in range(network.modules[node.level - 1]):
            first = ("proj", "conv1") if index == 0 else ("tconv" if index % 2 else "conv1",)
            for role in (*first, "conv2", "conv3"):
                conv(f"{name}.modules_.{index}.{role}", f"{stored}.m{index}.{role}")
    for leaf in ("weight", "bias"):
        weights[f"sink.fc.{leaf}"] = evaluate(call(f"sink.fc.{leaf}"), state).float()
    return weights


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


def _class(network: Network, nodes: list[Node], dtype: torch.dtype) -> list[str]:
    name = _class_name(network.name)
    sink = network.sink
    channels_of = network.out_channels()
    widths = [channels_of[edge.source] for edge in sink.inputs]
    channels = sum(widths) if sink.combine == "concat" else widths[0]
    values = ", ".join(f"{value.name} {value.channels}" for value in network.inputs)
    used = {edge.source for node in nodes if node.is_stem for edge in node.inputs}
    lines = [
        f"class {name}(nn.Module):",
        '    """The network. Its input is a dict of tensors (N, channels, T, H, W).',
        "",
        f"    Inputs and their channels: {values}. RGB is in [0, 1], flow in [-1, 1].",
        '    """',
        "",
        f"    dtype = {dtype}",
        "",
        "    def __init__(self):",
        "        super().__init__()",
    ]
    for node in nodes:
        lines += _construction(network, node)
    call_ = f"Sink({channels}, {sink.classes}, {_quoted(sink.combine)}, {_quoted(sink.head)})"
    lines += [
        f"        self.sink = {call_}",
        "",
        "    def forward(self, inputs: dict[str, Tensor]) -> Tensor:",
        f'        """Return the logits, (N, {sink.classes})."""',
        f"        frames = inputs[{_quoted(network.inputs[0].name)}].shape[2]",
    ]
    for value in network.inputs:
        if value.name in used:
            given = f"inputs[{_quoted(value.name)}]"
            lines.append(f"        {_safe(value.name)} = as_frames({given}, self.dtype)")
    for node in nodes:
        variable = _safe(node.name)
        if node.is_stem:
            source = _safe(node.inputs[0].source)
            lines.append(f"        {variable} = self.{variable}({source}, frames)")
        else:
            sources = [_safe(edge.source) for edge in node.inputs]
            lines += _wrapped(f"        {variable} = self.{variable}(", sources, ", frames)")
    sources = [_safe(edge.source) for edge in sink.inputs]
    return [*lines, *_wrapped("        return self.sink(", sources, ", frames)"), "", ""]


def _construction(network: Network, node: Node) -> list[str]:
    start = f"        self.{_safe(node.name)} = "
    if node.is_stem:
        source = network.input(node.inputs[0].source)
        dilation = f", dilation={node.dilation}" if source.kind == "rgb" else ""
        return [f"{start}Stem({source.channels}, {node.channels}{dilation})"]
    level = node.level - 1
    end = (
        f", {node.channels}, width={network.widths[level]}, modules={network.modules[level]}, "
        f"dilation={node.dilation}, stride={node.stride})"
    )
    sources = [f"({channels}, {ratio})" for channels, ratio in _sources(network, node)]
    one = f"{start}Block([{', '.join(sources)}]{end}"
    if len(one) <= WIDTH:
        return [one]
    inner = " " * 12
    listed = f"{inner}[{', '.join(sources)}],"
    rest = [f"{inner}{word}," for word in end[2:-1].split(", ")]
    joined = f"{inner}[{', '.join(sources)}]{end[:-1]}"
    if len(joined) <= WIDTH:
        return [f"{start}Block(", joined, "        )"]
    if len(listed) > WIDTH:
        listed = "\n".join(
            [f"{inner}[", *(f"{inner}    {source}," for source in sources), f"{inner}],"]
        )
    return [f"{start}Block(", listed, *rest, "        )"]


def _wrapped(start: str, names: list[str], end: str) -> list[str]:
    """Return a call with a list of names, wrapped as formatters do."""
    one = f"{start}[{', '.join(names)}]{end}"
    if len(one) <= WIDTH:
        return [one]
    inner = " " * 12
    joined = f"{inner}[{', '.join(names)}]{end[:-1]}"
    if len(joined) <= WIDTH:
        return [start, joined, "        )"]
    listed = f"{inner}[{', '.join(names)}],"
    if len(listed) > WIDTH:
        listed = "\n".join([f"{inner}[", *(f"{inner}    {name}," for name in names), f"{inner}],"])
    return [start, listed, f"{inner}frames,", "        )"]


def _main(network: Network) -> list[str]:
    name = _class_name(network.name)
    clips = [
        f"        {_quoted(value.name)}: torch.zeros(1, {value.channels}, 16, 112, 112),"
        for value in network.inputs
    ]
    return [
        "",
        "",
        f"def load(weights: str | Path | None = None) -> {name}:",
        '    """Return the network with weights, by default from the file next to this one."""',
        '    state = read_safetensors(weights or Path(__file__).with_suffix(".safetensors"))',
        '    with torch.device("meta"):',
        f"        model = {name}()",
        "    model.load_state_dict(state, assign=True)",
        "    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)",
        "",
        "",
        'if __name__ == "__main__":',
        "    clip = {",
        *(line for line in clips),
        "    }",
        "    with torch.inference_mode():",
        "        print(load()(clip))",
        "",
    ]


def _needed(network: Network) -> list[Node]:
    """Return the nodes that the sink depends on, in topological order."""
    needed = network.needed_by_sink()
    return [node for node in network.topological_nodes() if node.name in needed]


def _sources(network: Network, node: Node) -> list[tuple[int, int]]:
    """Return, for each input, its channels and the ratio of its map size to the smallest one."""
    strides, channels = network.total_strides(), network.out_channels()
    largest = max(strides[edge.source] for edge in node.inputs)
    return [(channels[edge.source], largest // strides[edge.source]) for edge in node.inputs]


def _safe(name: str) -> str:
    """Return a name that neither Python nor torch.nn uses. Distinct names stay distinct.

    >>> [_safe(name) for name in ("n7", "class", "class_", "__n7")]
    ['n7', 'class_', 'class__', '__n7___']
    """
    if name.startswith("__"):  # else Python prefixes it with the name of the class
        return f"{name}___"
    taken = keyword.iskeyword(name) or name in _TAKEN or name.endswith("_")
    return f"{name}_" if taken else name


def _class_name(name: str) -> str:
    """Return a class name that the file does not use otherwise.

    >>> [_class_name(name) for name in ("small_assemblenet", "_00", "stem", "true")]
    ['SmallAssemblenet', 'Network00', 'StemNetwork', 'TrueNetwork']
    """
    words = "".join(word.capitalize() for word in name.split("_"))
    if not words[:1].isalpha():
        return f"Network{words}"
    taken = words in ("TimeConv", "Stem", "ResidualModule", "Block", "Sink", "Tensor", "Path", "F")
    return f"{words}Network" if taken or keyword.iskeyword(words) else words


def _quoted(text: str) -> str:
    return f'"{text}"'
