"""The layers of blocks: (2+1)D convolutions, batch normalisation, "same" pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Conv(nn.Conv3d):
    """A convolution of (N, C, T, H, W) without bias.

    On a CPU, a convolution in bfloat16 whose kernel `exceeds` its input is in single precision.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int, int],
        *,
        stride: int = 1,
        dilation: int = 1,
        same: bool = True,
    ) -> None:
        """Make a convolution with a stride over space and a dilation of time.

        With `same` each side of an axis is padded by half of the kernel, else by nothing.
        """
        time, height, width = kernel
        pads = (dilation * (time // 2), height // 2, width // 2) if same else 0
        super().__init__(
            in_channels,
            out_channels,
            kernel,
            stride=(1, stride, stride),
            padding=pads,
            dilation=(dilation, 1, 1),
            bias=False,
        )

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of (N, in, T, H, W), (N, out, T, H', W')."""
        autocast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if autocast else input.dtype
        unsafe = dtype == torch.bfloat16 and exceeds(self.kernel_size, input.shape[2:])
        if not unsafe or input.device.type != "cpu":
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            result: Tensor = self._conv_forward(input.float(), self.weight.float(), None)
        return result.to(dtype)


def exceeds(kernel: Sequence[int], sizes: Sequence[int]) -> bool:
    """Return whether a kernel is larger than its input on an axis.

    Such a convolution in bfloat16 on a CPU must be computed in float32: oneDNN of PyTorch 2.13
    reads uninitialised memory, in the convolution of one channel and one frame and in gradients of
    weights, or writes outside of its memory.
    """
    return any(taps > size for taps, size in zip(kernel, sizes))


def spatial_conv(in_channels: int, out_channels: int, size: int, stride: int = 1) -> Conv:
    """Return a `size` x `size` convolution of each frame.

    `size` must be odd. The padding is equal on all sides.
    (N, in, T, H, W) -> (N, out, T, ceil(H / stride), ceil(W / stride)) (semantics 6).
    """
    return Conv(in_channels, out_channels, (1, size, size), stride=stride)


def temporal_conv(in_channels: int, out_channels: int, size: int, dilation: int) -> Conv:
    """Return a convolution over `size` frames that are `dilation` frames apart.

    `size` must be odd. Zeros pad both ends of the clip.
    (N, in, T, H, W) -> (N, out, T, H, W) (semantics 6).
    """
    return Conv(in_channels, out_channels, (size, 1, 1), dilation=dilation)


MOMENTUM = "momentum_tensor"
"""Name of the buffer that holds the momentum of a `BatchNorm`."""


class BatchNorm(nn.BatchNorm3d):
    """Batch normalisation of (N, C, T, H, W) whose momentum is a tensor.

    The momentum changes in the first batches of a training. As a tensor it can change without
    waiting for a GPU, and torch.compile does not compile the module anew. The buffer is not part of
    the state dict. With the momentum None, all batches since the start count equally.
    """

    momentum_tensor: Tensor
    """Momentum in float64, a scalar; -1 for None."""

    @property
    def momentum(self) -> float | None:
        """Weight of the last batch in the running averages. To read it waits for the device."""
        value = float(self.momentum_tensor)
        return None if value < 0 else value

    @momentum.setter
    def momentum(self, value: float | None) -> None:
        self.counts_equally = value is None
        number = -1.0 if value is None else value
        if MOMENTUM in self._buffers:
            self.momentum_tensor.fill_(number)
        else:
            start = torch.tensor(number, dtype=torch.float64)
            self.register_buffer(MOMENTUM, start, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> BatchNorm:
        """Apply a function to all tensors, as `to` does. Apple's GPUs have no float64."""
        try:
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        except TypeError:
            self._buffers[MOMENTUM] = self.momentum_tensor.float()
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def extra_repr(self) -> str:
        """Return the arguments for `repr`; the momentum is no attribute of its own."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, T, H, W); the result has the same shape."""
        average, spread, count = self.running_mean, self.running_var, self.num_batches_tracked
        if not self.training or average is None or spread is None or count is None:
            return nn.functional.batch_norm(
                input, average, spread, self.weight, self.bias, self.training, 0.0, self.eps
            )
        # The library writes the statistics of the batch: their momentum is 1.
        batch = torch.zeros_like(average), torch.zeros_like(spread)
        result = nn.functional.batch_norm(
            input, *batch, self.weight, self.bias, True, 1.0, self.eps
        )
        with torch.no_grad():
            count.add_(1)
            momentum = 1 / count if self.counts_equally else self.momentum_tensor
            momentum = momentum.to(average.dtype)
            average.lerp_(batch[0], momentum)
            spread.lerp_(batch[1], momentum)
        return result


def batch_norm(channels: int) -> BatchNorm:
    """Return a batch normalisation with the authors' epsilon and decay of 0.99 (semantics 6)."""
    return BatchNorm(channels, eps=1e-5, momentum=0.01)


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
