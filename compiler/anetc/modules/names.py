"""The names of parameters in state dicts and in weights files.

A name consists of the node, the role of the layer within the node, and the leaf:

    nodes.s0.conv.weight              a stem's 7x7 convolution         (C, channels, 1, 7, 7)
    nodes.s0.tconv.weight             its temporal convolution         (C, C, 5, 1, 1)
    nodes.n7.fuse.w                   edge weights before the sigmoid  (inputs,)
    nodes.n7.fuse.adapt32to64.weight  1x1 for inputs of 32 channels    (64, 32, 1, 1, 1)
    nodes.n7.fuse.attention.h                  mixture of the peers        (inputs, peers)
    nodes.n7.fuse.attention.peers.s0.weight    linear layer of a peer      (M, C of the peer)
    nodes.n7.fuse.attention.scales.0.weight    that of the first input     (C of the input, M)
    nodes.n7.m0.proj.weight           projection of the first module   (4C, in, 1, 1, 1)
    nodes.n7.m0.conv1.weight          first 1x1 of a 2D module         (C, in, 1, 1, 1)
    nodes.n7.m1.tconv.weight          temporal, of a (2+1)D module     (C, 4C, 3, 1, 1)
    nodes.n7.m0.conv2.weight          3x3                              (D, C, 1, 3, 3)
    nodes.n7.m0.conv3.weight          last 1x1                         (4C, D, 1, 1, 1)
    sink.conv1.weight                 first convolution of a lite sink (432, in, 1, 1, 1)
    sink.conv2.weight                 second one                       (2048, 432, 1, 1, 1)
    sink.fc.weight                    the classifier                   (classes, in)
    sink.fc.bias                                                       (classes,)

`m0`, `m1`, ... are the residual modules of a block; those with odd numbers are (2+1)D. In a lite
block `conv2` is (f1, f0, 3, 3, 3), or (f1, f0, 1, 3, 3) with a `tconv` (f1, f1, 3, 1, 1) after it
in a first module with a stride. The linear layers of the attention have a `bias`; the rows of `h`
have the order of the node's `inputs`, its columns that of `Network.peers_by_level`. Edge weights
have the order of the node's `inputs`; a node with a sole input has no edge weights. The batch
normalisation after a convolution has the convolution's role and `_bn` (`nodes.n7.m0.conv2_bn`),
with the leaves `weight`, `bias`, `running_mean` and `running_var`.

A node may have any name that the language permits, even a name that `torch.nn` uses, such as
`train` or `keys`. If the name of a node is an attribute of `torch.nn.ModuleDict`, or if it ends in
an underscore, one more underscore is appended to it.
"""

from __future__ import annotations

from torch import nn

NODES = "nodes"
SINK = "sink"
EDGES = "fuse.w"
"""Name of a node's edge weights within the node."""
ATTENTION = "fuse.attention."
"""Beginning of the names of a node's attention within the node."""
MIXTURE = f"{ATTENTION}h"
"""Name of the mixture of a node's peers within the node."""
PEERS = f"{ATTENTION}peers."
"""Beginning of the names of the linear layers of peers, before the key of the peer."""
SCALES = f"{ATTENTION}scales."
"""Beginning of the names of the linear layers of inputs, before the index of the input."""
_TAKEN = nn.ModuleDict()


def module_key(node: str) -> str:
    """Return the key of a node in `nodes`. Distinct names have distinct keys.

    >>> module_key("n7"), module_key("train"), module_key("train_")
    ('n7', 'train_', 'train__')
    """
    return f"{node}_" if node.endswith("_") or hasattr(_TAKEN, node) else node


def node_name(key: str) -> str:
    """Return the name of the node with this key: the inverse of `module_key`.

    >>> node_name("n7"), node_name("train_")
    ('n7', 'train')
    """
    return key.removesuffix("_")


def full_name(node: str, part: str) -> str:
    """Return the full name of a tensor from its node and its name within the node.

    >>> full_name("train", "m0.conv1.weight")
    'nodes.train_.m0.conv1.weight'
    """
    return f"{NODES}.{module_key(node)}.{part}"


def split_name(name: str) -> tuple[str, str]:
    """Return the node (or `sink`) of a parameter, and the rest of the parameter's name.

    >>> split_name("nodes.train_.m0.conv1.weight"), split_name("sink.fc.bias")
    (('train', 'm0.conv1.weight'), ('sink', 'fc.bias'))
    """
    part, _, rest = name.partition(".")
    if part != NODES:
        return part, rest
    key, _, rest = rest.partition(".")
    return node_name(key), rest


def is_counter(name: str) -> bool:
    """Return whether a tensor is a batch normalisation's counter, which no weights file holds.

    >>> is_counter("nodes.n7.m0.conv2_bn.num_batches_tracked")
    True
    """
    return name.endswith(".num_batches_tracked")
