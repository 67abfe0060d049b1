"""Attention of connections: channel-wise, for each frame (AssembleNet++; semantics 3).

Source: Ryoo, Piergiovanni, Kangaspunta, Angelova, "AssembleNet++: Assembling Modality
Representations via Attention Connections", ECCV 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anetc.modules.names import module_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SelfAttention(nn.Module):
    """The attention of each connection by its own features.

    `scales` holds one linear layer C_i -> C_i for each of the node's inputs.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.scales = nn.ModuleList(nn.Linear(width, width) for width in channels)

    def forward(self, terms: Sequence[Tensor], peers: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the terms (N, C_i, T, H, W), each multiplied by its attention.

        The terms are the inputs of the node after pooling and weighting. `peers` is not used.
        """
        return [
            _scaled(term, scale(frame_vectors(term)))
            for term, scale in zip(terms, self.scales, strict=True)
        ]


class PeerAttention(nn.Module):
    """The attention of each connection by the nodes of lower levels, the peers.

    `peers` holds for each peer k a linear layer C_k -> M, where M is the largest number of channels
    among the peers, and `scales` for each connection i a linear layer M -> C_i. `h` (inputs, peers)
    holds the mixture of the peers before the softmax; its columns have the order of `peers`, its
    rows the order of the node's `inputs`. `shares` holds the shares in the text by peer, from which
    `h` starts.
    """

    def __init__(
        self,
        channels: Sequence[int],
        peers: Mapping[str, int],
        shares: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.names = tuple(peers)
        self.shares = dict(shares or {})
        largest = max(peers.values())
        self.peers = nn.ModuleDict(
            {module_key(name): nn.Linear(width, largest) for name, width in peers.items()}
        )
        self.scales = nn.ModuleList(nn.Linear(largest, width) for width in channels)
        self.h = nn.Parameter(torch.zeros(len(channels), len(peers)))

    def forward(self, terms: Sequence[Tensor], peers: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the terms (N, C_i, T, H, W), each multiplied by its attention.

        The terms are the inputs of the node after pooling and weighting. `peers` holds the spatial
        means (N, T, C_k) of all peers by name (`frame_vectors`).
        """
        vectors = torch.stack(
            [
                layer(peers[name])
                for name, layer in zip(self.names, self.peers.values(), strict=True)
            ],
            dim=-2,
        )  # (N, T, peers, M)
        mixed = torch.softmax(self.h, dim=1) @ vectors  # (N, T, inputs, M)
        return [
            _scaled(term, scale(mixed[..., index, :]))
            for index, (term, scale) in enumerate(zip(terms, self.scales, strict=True))
        ]


def frame_vectors(x: Tensor) -> Tensor:
    """Return the mean over space of (N, C, T, H, W) as (N, T, C)."""
    return x.mean(dim=(3, 4)).transpose(1, 2)


def _scaled(term: Tensor, logits: Tensor) -> Tensor:
    """Return (N, C, T, H, W) with each channel of each frame times the sigmoid of (N, T, C)."""
    return term * torch.sigmoid(logits).transpose(1, 2)[..., None, None]
