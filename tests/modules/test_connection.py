"""Connections: sizes, edge weights, sums and adapters, compared with independent references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anetc.modules.connection import Connection, Source, edge_logits, pool_ratio
from anetc.modules.layers import max_pool

Array = NDArray[np.float64]


def same_max_pool(x: Array, window: int, stride: int) -> Array:
    """Return the max pool of (..., H, W) by TensorFlow's definition of "same", cell by cell."""
    sizes = [math.ceil(n / stride) for n in x.shape[-2:]]
    starts = []
    for n, out in zip(x.shape[-2:], sizes, strict=True):
        if n % stride == 0:
            total = max(window - stride, 0)
        else:
            total = max(window - n % stride, 0)
        starts.append([index * stride - total // 2 for index in range(out)])
    result = np.empty((*x.shape[:-2], *sizes))
    for row, top in enumerate(starts[0]):
        for column, left in enumerate(starts[1]):
            part = x[..., max(top, 0) : top + window, max(left, 0) : left + window]
            result[..., row, column] = part.max(axis=(-2, -1))
    return result


def authors_ratio(size: tuple[int, int], smallest: tuple[int, int]) -> int | None:
    """Return the pooling ratio of the authors' code; None where their code raises an error."""
    ratio = (size[0] + 1) // smallest[0]
    pooled = tuple(math.ceil(n / ratio) for n in size)
    return ratio if pooled == smallest else None


def fuse(features: list[Array], strides: list[int], connection: Connection) -> Array:
    """Return the input of the node, computed in float64 NumPy with the connection's weights."""
    height = min(x.shape[-2] for x in features)
    width = min(x.shape[-1] for x in features)
    most = max(x.shape[1] for x in features)
    w = connection.w.detach().numpy()
    total = np.zeros((features[0].shape[0], most, features[0].shape[2], height, width))
    for index, x in enumerate(features):
        size = (x.shape[-2], x.shape[-1])
        if size != (height, width):
            ratio = authors_ratio(size, (height, width)) or max(strides) // strides[index]
            x = same_max_pool(x, ratio, ratio)
        x = x / (1 + np.exp(-w[index]))
        if x.shape[1] != most:
            adapter = connection.get_submodule(f"adapt{x.shape[1]}to{most}").weight
            kernel = adapter.detach().numpy()[:, :, 0, 0, 0]
            x = np.einsum("oi,nithw->nothw", kernel, x)
        total += x
    return total


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    sources=st.lists(
        st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 4, 8])),
        min_size=2,
        max_size=5,
    ),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_connections_equal_a_float64_reference(
    size: tuple[int, int], sources: list[tuple[int, int]], seed: int
) -> None:
    """The results are equal at any size, also odd and non-square sizes."""
    random = np.random.default_rng(seed)
    features = [
        random.standard_normal((1, c, 2, math.ceil(size[0] / s), math.ceil(size[1] / s)))
        for c, s in sources
    ]
    connection = Connection([Source(c, s) for c, s in sources], learned=True).double()
    with torch.no_grad():
        connection.w.copy_(torch.from_numpy(random.standard_normal(len(sources))))
        got = connection([torch.from_numpy(x) for x in features]).numpy()
    expected = fuse(features, [s for _, s in sources], connection)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@given(
    shape=st.tuples(st.integers(1, 17), st.integers(1, 17)),
    pool=st.sampled_from([(3, 2), (2, 2), (3, 3), (4, 4), (5, 5), (8, 8), (1, 1)]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_max_pool_equals_tensorflows_same(
    shape: tuple[int, int], pool: tuple[int, int], seed: int
) -> None:
    """Every window reads the cells that TensorFlow reads, and padding is never the maximum."""
    x = np.random.default_rng(seed).standard_normal((1, 2, 2, *shape)) - 10
    got = max_pool(torch.from_numpy(x), *pool).numpy()
    np.testing.assert_array_equal(got, same_max_pool(x, *pool))


@given(
    size=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    low=st.sampled_from([1, 2, 4, 8, 12, 16]),
    factor=st.integers(1, 32),
)
@settings(max_examples=500, deadline=None)
def test_the_pool_ratio_always_gives_the_smallest_size(
    size: tuple[int, int], low: int, factor: int
) -> None:
    """The ratio of total strides fits wherever the authors' ratio does not."""
    large = (math.ceil(size[0] / low), math.ceil(size[1] / low))
    small = (math.ceil(size[0] / (low * factor)), math.ceil(size[1] / (low * factor)))
    ratio = pool_ratio(large, small, factor)
    assert tuple(math.ceil(n / ratio) for n in large) == small
    assert ratio == (authors_ratio(large, small) or factor)


@pytest.mark.parametrize(
    ("size", "smallest", "expected"),
    [
        ((16, 12), (4, 3), 4),
        ((11, 9), (6, 5), 2),
        # Both the authors' ratio and the ratio of strides, 4, fit: the authors' ratio is used.
        ((9, 9), (3, 3), 3),
        ((6, 6), (2, 2), 3),
        ((5, 5), (2, 2), 3),
        # The authors' ratio uses the height only and does not fit: the ratio of strides is used.
        ((9, 16), (3, 4), 4),
        ((13, 13), (4, 4), 4),
        # The map has one row before and after pooling.
        ((1, 4), (1, 1), 4),
    ],
)
def test_pool_ratio(size: tuple[int, int], smallest: tuple[int, int], expected: int) -> None:
    """The result is the authors' ratio where it fits, else the ratio of strides."""
    assert pool_ratio(size, smallest, 4) == expected


def test_a_sole_input_is_returned_unchanged() -> None:
    """It has no adapter, and no edge weight, even if the text has one."""
    connection = Connection([Source(3, 4, weight=0.25)], learned=True)
    x = torch.ones(1, 3, 1, 2, 2)
    assert connection([x]) is x
    assert not connection.state_dict()


def test_a_source_listed_twice_is_added_twice() -> None:
    """Each of the two edges has its own weight."""
    connection = Connection([Source(2, 4, weight=0.25), Source(2, 4, weight=0.5)], learned=False)
    x = torch.full((1, 2, 1, 2, 2), 4.0)
    assert torch.equal(connection([x, x]), torch.full_like(x, 3.0))


def test_equal_channels_share_one_adapter() -> None:
    """Each smaller number of channels has one adapter without bias; the largest has none."""
    sources = [Source(c, 4) for c in (2, 8, 2, 4, 8, 4)]
    names = set(Connection(sources, learned=True).state_dict())
    assert names == {"w", "adapt2to8.weight", "adapt4to8.weight"}


@pytest.mark.parametrize("learned", [True, False])
def test_gates_equal_the_weights_in_the_text(learned: bool) -> None:
    """The sigmoid of the logits is the weight in the text; the gate of an untrained edge is 0.5."""
    weights = [0.25, None, 0.9987731575965881, 1e-6, 0.028569204732775688]
    gates = torch.sigmoid(edge_logits(weights, learned=learned))
    expected = torch.tensor([0.25, 0.5, 0.9987731575965881, 1e-6, 0.028569204732775688])
    torch.testing.assert_close(gates, expected, rtol=1e-6, atol=1e-8)


def test_fixed_weights_are_converted_in_single_precision() -> None:
    """The authors compute -log(1 / w - 1) in single precision."""
    weights = [0.13810564577579498, 0.8465337157249451, 0.9892204403877258]
    single = np.asarray(weights).astype("float32")
    expected = -np.log(1.0 / single - 1.0)
    np.testing.assert_allclose(edge_logits(weights, learned=False), expected, rtol=2e-7)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("weight", [1 - 1e-12, 1e-300, 5e-324, 1 - 2**-53])
def test_extreme_weights_have_finite_logits(weight: float, learned: bool) -> None:
    """Single precision rounds these weights to 0 or 1."""
    assert edge_logits([weight], learned=learned).isfinite().all()


def test_fixed_weights_are_buffers() -> None:
    """With `edges=fixed`, the state dict has the weights, but the optimiser does not."""
    connection = Connection([Source(2, 4, 0.3), Source(2, 4, 0.6)], learned=False)
    assert list(connection.parameters()) == []
    assert set(connection.state_dict()) == {"w"}
