"""How parameters are called, in a state dict and in a weights file.

A name is the node's, the role of the layer within the node, and the leaf:

    nodes.s0.conv.weight              a stem's 7x7 convolution         (C, channels, 1, 7, 7)
    nodes.s0.tconv.weight             its temporal convolution         (C, C, 5, 1, 1)
    nodes.n7.fuse.w                   edge weights before the sigmoid  (inputs,)
    nodes.n7.fuse.adapt32to64.weight  1x1 for inputs of 32 channels    (64, 32, 1, 1, 1)
    nodes.n7.m0.proj.weight           projection of the first module   (4C, in, 1, 1, 1)
    nodes.n7.m0.conv1.weight          first 1x1 of a 2D module         (C, in, 1, 1, 1)
    nodes.n7.m1.tconv.weight          temporal, of a (2+1)D module     (C, 4C, 3, 1, 1)
    nodes.n7.m0.conv2.weight          3x3                              (D, C, 1, 3, 3)
    nodes.n7.m0.conv3.weight          last 1x1                         (4C, D, 1, 1, 1)
    sink.fc.weight                    the classifier                   (classes, in)
    sink.fc.bias                                                       (classes,)

`m0`, `m1`, ... are a block's residual modules, the odd ones (2+1)D. Edge weights stand in the order
of the node's `inputs`; a node with a sole input has none. The batch normalisation after a
convolution bears its role and `_bn`, as `nodes.n7.m0.conv2_bn` does, and has `weight`, `bias`,
`running_mean` and `running_var`.

A node may bear any name of the language, `train` or `keys` too, which `torch.nn` needs for itself.
So a node whose name is an attribute of `torch.nn.ModuleDict`, or ends in an underscore, is called
by its name and one more underscore.
"""

from __future__ import annotations

from torch import nn

NODES = "nodes"
SINK = "sink"
EDGES = "fuse.w"
"""What the edge weights of a node are called."""
_TAKEN = nn.ModuleDict()


def module_key(node: str) -> str:
    """The key of a node in `nodes`. Distinct names have distinct keys.

    >>> module_key("n7"), module_key("train"), module_key("train_")
    ('n7', 'train_', 'train__')
    """
    return f"{node}_" if node.endswith("_") or hasattr(_TAKEN, node) else node


def node_name(key: str) -> str:
    """The name of the node that `module_key` gave this key.

    >>> node_name("n7"), node_name("train_")
    ('n7', 'train')
    """
    return key.removesuffix("_")


def split_name(name: str) -> tuple[str, str]:
    """A parameter's node (or `sink`) and the rest of its name.

    >>> split_name("nodes.train_.m0.conv1.weight"), split_name("sink.fc.bias")
    (('train', 'm0.conv1.weight'), ('sink', 'fc.bias'))
    """
    part, _, rest = name.partition(".")
    if part != NODES:
        return part, rest
    key, _, rest = rest.partition(".")
    return node_name(key), rest
