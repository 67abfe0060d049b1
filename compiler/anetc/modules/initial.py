"""Draw initial weights as the authors do (semantics 6).

Each tensor has its own random stream, seeded with the seed and the name of the tensor. So two
networks with common nodes get equal initial weights in these nodes, even if the rest differs.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn

from anetc.modules.attention import PeerAttention, SelfAttention
from anetc.modules.connection import Connection
from anetc.modules.lite import LiteModule
from anetc.modules.residual import ResidualModule

_TRUNCATED_SD = 0.87962566103423978
"""Standard deviation of a standard normal variable truncated at -2 and 2."""
_EDGE_SD = 0.01
_LINEAR_SD = 0.01


@torch.no_grad()
def initialise(model: nn.Module, seed: int) -> None:
    """Draw all weights of a model in place. The global random state does not change."""
    for name, module in model.named_modules():
        match module:
            case nn.Conv3d():
                _truncated_normal(module.weight, conv_sd(module), seed, f"{name}.weight")
            case nn.BatchNorm3d():
                module.reset_parameters()
            case nn.Linear():
                module.weight.normal_(0, _LINEAR_SD, generator=_stream(seed, f"{name}.weight"))
                nn.init.zeros_(module.bias)
            case Connection() if module.learned and len(module.weights) > 1:
                drawn = _truncated_normal(torch.empty_like(module.w), _EDGE_SD, seed, f"{name}.w")
                untrained = torch.tensor([weight is None for weight in module.weights])
                module.w.copy_(torch.where(untrained, drawn, module.w))
            case PeerAttention():
                _start_mixture(module, seed, f"{name}.h")
    for module in model.modules():
        if isinstance(module, ResidualModule | LiteModule):
            # The module starts as relu(shortcut).
            nn.init.zeros_(module.conv3_bn.weight)


def _start_mixture(attention: PeerAttention, seed: int, name: str) -> None:
    """Draw `h` of a peer attention; peers with a share in the text start from it.

    A share p starts as log(p / mean share), so that a peer without a share starts as a mean one.
    Each row has its own stream, and each peer its own place in it.
    """
    shares = attention.shares
    mean = sum(shares.values()) / len(shares) if shares else 1.0
    drawn = _truncated_normal(torch.empty_like(attention.h), _EDGE_SD, seed, name)
    for column, peer in enumerate(attention.names):
        if peer in shares:
            drawn[:, column] = math.log(shares[peer] / mean)
    attention.h.copy_(drawn)


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> None:
    """Draw batch normalisations and attention at random, in place, as if they had been trained.

    Tests and verification need this. With the initial values, errors stay hidden: the residual
    branches are multiplied by 0, the means and biases are 0, and the attention of all channels is
    almost 0.5, with equal shares of all peers.
    """
    for name, module in model.named_modules():
        if isinstance(module, PeerAttention | SelfAttention):
            for leaf, parameter in module.named_parameters():
                # The logits of the attention are then neither all near 0 nor all large.
                sd = parameter.shape[-1] ** -0.5 if leaf.endswith(".weight") else 1
                parameter.normal_(0, sd, generator=_stream(seed, f"{name}.{leaf}"))
        if isinstance(module, nn.BatchNorm3d):
            for leaf, low in (
                ("weight", 0.5),
                ("bias", -0.5),
                ("running_mean", -0.5),
                ("running_var", 0.5),
            ):
                tensor: Tensor = getattr(module, leaf)
                tensor.uniform_(low, low + 1, generator=_stream(seed, f"{name}.{leaf}"))


def conv_sd(conv: nn.Conv3d) -> float:
    """Return the standard deviation of a convolution's weights before truncation.

    The truncation is at twice this value. The variance after truncation is 1/fan_in, with one
    exception: the authors draw dilated temporal convolutions with sqrt(2/fan_in) before truncation
    and do not correct for the truncation.
    """
    fan_in = conv.in_channels * math.prod(conv.kernel_size)
    if conv.dilation[0] > 1:
        return math.sqrt(2 / fan_in)
    return math.sqrt(1 / fan_in) / _TRUNCATED_SD


def _truncated_normal(tensor: Tensor, sd: float, seed: int, name: str) -> Tensor:
    return nn.init.trunc_normal_(tensor, std=sd, a=-2 * sd, b=2 * sd, generator=_stream(seed, name))


def _stream(seed: int, name: str) -> torch.Generator:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))
