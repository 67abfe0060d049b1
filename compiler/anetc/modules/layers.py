"""The layers of blocks: (2+1)D convolutions, batch normalisation, "same" pooling."""

from __future__ import annotations

from torch import Tensor, nn


def spatial_conv(in_channels: int, out_channels: int, size: int, stride: int = 1) -> nn.Conv3d:
    """Return a `size` x `size` convolution of each frame.

    `size` must be odd. The padding is equal on all sides.
    (N, in, T, H, W) -> (N, out, T, ceil(H / stride), ceil(W / stride)) (semantics 6).
    """
    pad = size // 2
    return nn.Conv3d(
        in_channels,
        out_channels,
        (1, size, size),
        stride=(1, stride, stride),
        padding=(0, pad, pad),
        bias=False,
    )


def temporal_conv(in_channels: int, out_channels: int, size: int, dilation: int) -> nn.Conv3d:
    """Return a convolution over `size` frames that are `dilation` frames apart.

    `size` must be odd. Zeros pad both ends of the clip.
    (N, in, T, H, W) -> (N, out, T, H, W) (semantics 6).
    """
    return nn.Conv3d(
        in_channels,
        out_channels,
        (size, 1, 1),
        dilation=(dilation, 1, 1),
        padding=(dilation * (size // 2), 0, 0),
        bias=False,
    )


def batch_norm(channels: int) -> nn.BatchNorm3d:
    """Return a batch normalisation with the authors' epsilon and decay of 0.99 (semantics 6)."""
    return nn.BatchNorm3d(channels, eps=1e-5, momentum=0.01)


def max_pool(x: Tensor, window: int, stride: int) -> Tensor:
    """Return the maximum over `window` x `window` cells of each frame, with TensorFlow's "same".

    (N, C, T, H, W) -> (N, C, T, ceil(H / stride), ceil(W / stride)). If the padding of an axis is
    an odd number of cells, the additional cell is at the bottom or at the right. For example, 3x3
    windows with stride 2 pad an even size only there, unlike `MaxPool2d(3, 2, 1)`. Padding is
    never the maximum. `window` must be at least `stride` (semantics 6).
    """
    height, width = x.shape[-2:]
    return nn.functional.max_pool3d(
        x,
        (1, window, window),
        stride=(1, stride, stride),
        padding=(0, same_padding(height, window, stride), same_padding(width, window, stride)),
        ceil_mode=True,  # adds the padding at the bottom and at the right, without a copy
    )


def same_padding(size: int, window: int, stride: int) -> int:
    """Return the padding at the top or at the left, as in TensorFlow's "same" pooling."""
    windows = -(-size // stride)
    return max((windows - 1) * stride + window - size, 0) // 2
