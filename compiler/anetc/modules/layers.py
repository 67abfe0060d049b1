"""The layers that blocks are made of: (2+1)D convolutions, batch normalisation, "same" pooling."""

from __future__ import annotations

from torch import Tensor, nn


def spatial_conv(in_channels: int, out_channels: int, size: int, stride: int = 1) -> nn.Conv3d:
    """A `size` x `size` convolution of each frame. `size` is odd; padding is the same on all sides.

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
    """A convolution of `size` frames (odd) that stand `dilation` apart, zeros beyond the ends.

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
    """Batch normalisation with the authors' epsilon and their decay of 0.99 (semantics 6)."""
    return nn.BatchNorm3d(channels, eps=1e-5, momentum=0.01)


def max_pool(x: Tensor, window: int, stride: int) -> Tensor:
    """The largest of `window` x `window` cells of each frame, padded as TensorFlow's "same".

    (N, C, T, H, W) -> (N, C, T, ceil(H / stride), ceil(W / stride)). Where the windows reach over
    the edge by an odd number of cells, the bottom and the right have the odd one; so an even size
    under 3x3 windows at stride 2 is padded there alone, unlike `MaxPool2d(3, 2, 1)`. Cells beyond
    the edge never win. `window` is at least `stride` (semantics 6).
    """
    height, width = x.shape[-2:]
    return nn.functional.max_pool3d(
        x,
        (1, window, window),
        stride=(1, stride, stride),
        padding=(0, same_padding(height, window, stride), same_padding(width, window, stride)),
        ceil_mode=True,  # pads the far side with what "same" wants there, without a copy
    )


def same_padding(size: int, window: int, stride: int) -> int:
    """Cells of padding above or left of an axis, as TensorFlow's "same" pools have them."""
    windows = -(-size // stride)
    return max((windows - 1) * stride + window - size, 0) // 2
