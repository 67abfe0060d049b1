"""Object inputs: no data provides them, and RGB never takes their place."""

import pytest
import torch

import anetdsl
from anetc.data.batches.loader import named_inputs
from anetc.evaluation.one_video import check_inputs
from anetdsl.errors import CannotRun


@pytest.mark.parametrize("channels", [1, 2, 3, 16])
def test_object_inputs_are_refused_whatever_their_channels(channels: int) -> None:
    """With 3 channels, a map has the shape of RGB."""
    network = anetdsl.parse(f"""anet 1
network n
input object channels={channels} kind=object
node s0 level=0 stride=4 inputs=[object]
node n1 level=1 C=2 r=1 stride=1 inputs=[s0]
sink inputs=[n1] classes=2
""")
    with pytest.raises(CannotRun, match="input `object` of kind `object`"):
        check_inputs(network)
    with pytest.raises(CannotRun, match="can provide object maps"):
        named_inputs(network, {"rgb": torch.zeros(1, 3, 1, 8, 8)})
