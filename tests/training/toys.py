"""Generated data sets and small networks for tests of training and evaluation."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

import anetdsl
from anetc.data.values import DataSpec, Sample, Split
from anetc.video.source import VideoError
from anetdsl.ir import Network

SIZE = (8, 8)
TOY = DataSpec("folder", "toy")


@attrs.frozen(eq=False)
class Toy:
    """Videos of noise, three frames of 8 x 8, functions of (seed, epoch, index).

    The videos with the indices `broken` cannot be read.
    """

    count: int = 7
    clips: int = 1
    multi_label: bool = False
    broken: tuple[int, ...] = ()
    spec: DataSpec = TOY
    split: Split = "test"
    classes: tuple[str, ...] = ("walk", "jog", "sit down")

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"video {index}.mp4"

    def target(self, index: int) -> int | NDArray[np.float32]:
        if not self.multi_label:
            return index % 3
        return np.array([index % 2, index % 3 == 0, index == 1], np.float32) * (index != 4)

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        if index in self.broken:
            raise VideoError(self.name(index), "is noise")
        rng = np.random.default_rng((seed, epoch, index))
        shape = (self.clips, 3, *SIZE)
        rgb = rng.integers(0, 256, (*shape, 3), np.uint8)
        flow = rng.uniform(-1, 1, (*shape, 2)).astype(np.float32)
        return Sample(self.name(index), rgb, flow, self.target(index))


NETWORK = """\
anet 1
network toy D=[4, 4, 4, 4] modules=[1, 1, 1, 1]
input rgb channels=3
input flow channels=2
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node s1 level=0 C=4 r=1 stride=4 inputs=[flow]
node n2 level=1 C=2 r=1 stride=1 inputs=[s0, s1]
sink inputs=[n2] classes=3
"""


def network(classes: int = 3) -> Network:
    return anetdsl.parse(NETWORK.replace("classes=3", f"classes={classes}"))
