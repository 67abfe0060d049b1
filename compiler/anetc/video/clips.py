"""Cut clips from a video: choose their frames, crop them, and convert them to tensors.

A `Recipe` describes how. `MOMENTS_TRAIN`, `CHARADES_TRAIN` and so on are the recipes of the paper
(appendix; semantics 11). Random numbers come from a private generator seeded with (seed, epoch,
sample), so a clip does not depend on the number of loader workers, the order of the samples or the
machine.

A video that is shorter than the clip is repeated from its start, and a random clip may start
anywhere in it, as in `sample_sequence` of the authors' pipeline (tensorflow/models,
official/vision/ops/preprocess_ops_3d.py). `fill="last"` holds the last frame instead.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.video.augment import (
    OFF,
    Augmentation,
    Region,
    crop_and_resize,
    crop_and_resize_flow,
    draw_region,
    jitter,
)
from anetc.video.decode import BASE_FPS, Size, VideoInfo, decode, grid_length, probe
from anetc.video.flow.fields import Fill, fill_flow, mirror_flow
from anetc.video.object_maps import ObjectMaps, nearest_part

if TYPE_CHECKING:
    import torch

_T = TypeVar("_T", bound=np.generic)
_F = TypeVar("_F", np.int8, np.float32)


@attrs.frozen
class MirroredClasses:
    """Classes that exchange their places when a clip is mirrored. It is false if there are none."""

    words: tuple[str, str] | None = None
    """Two words, such as left and right. Classes that differ only in them exchange their places."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Pairs of names of classes."""

    def __bool__(self) -> bool:
        return self.words is not None or bool(self.pairs)


@attrs.frozen
class Recipe:
    """Parameters of clips: `frames` frames at `fps`, of `size` (height, width) pixels.

    `when` places the clip in time. `where` places the crop in the frame, after the short side of
    the frame is resized to `short_side`. If `short_side` is None, the whole frame is resized to
    `size` without keeping its proportions. With `when="even"` the `clips` clips are spread from the
    start of the video to its end. `flip` mirrors half of the clips left to right; it must be off
    for classes that distinguish left and right, unless `mirror` names the classes that exchange
    their places. `augment` changes clips at random; see `anetc.video.augment`.
    """

    frames: int = attrs.field(validator=attrs.validators.ge(1))
    size: tuple[int, int]
    short_side: int | None = 256
    fps: float = attrs.field(default=BASE_FPS, validator=attrs.validators.gt(0))
    when: Literal["centre", "random", "even"] = "centre"
    where: Literal["centre", "random"] = "centre"
    clips: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    flip: bool = False
    fill: Fill = "loop"
    augment: Augmentation = OFF
    mirror: MirroredClasses = MirroredClasses()

    def __attrs_post_init__(self) -> None:
        if min(self.size) < 1:
            raise ValueError(f"size must be at least 1 pixel, not {self.size}")
        if self.short_side is not None and self.short_side < max(self.size):
            raise ValueError(f"short_side {self.short_side} is smaller than the crop {self.size}")
        if self.when == "centre" and self.clips > 1:
            raise ValueError(f'{self.clips} clips need when="random" or when="even"')
        if self.mirror and self.clips > 1:
            raise ValueError("mirrored classes need one clip per video")


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Return the parameters by name, for JSON. Augmentation and mirrored classes only if given."""
    values = attrs.asdict(recipe)
    if not recipe.augment.is_on:
        del values["augment"]
    if not recipe.mirror:
        del values["mirror"]
    return values


MOMENTS_TRAIN = Recipe(frames=32, size=(224, 224), when="random", where="random", flip=True)
MOMENTS_TEST = Recipe(frames=36, size=(256, 256))
CHARADES_TRAIN = Recipe(frames=128, size=(224, 224), when="random", where="random", flip=True)
CHARADES_TEST = Recipe(frames=64, size=(256, 256), when="random", clips=5)


@attrs.frozen
class Cut:
    """The place of a clip: its `start` on the grid, the place `at` of its `crop`, its mirroring.

    `seed` is that of its augmentation.
    """

    start: int
    at: tuple[float, float]
    flipped: bool
    seed: int = 0


@attrs.frozen(eq=False)
class Clip:
    """A clip: `pixels` uint8 RGB (T, H, W, 3), and the place where it was cut.

    `flow` int8 (T, H, W, 2) is the flow of `pixels`, quantised as in `fields`, or None if not
    requested. It is computed from whole frames, then cropped and mirrored like the pixels.
    `objects` are the object maps of `pixels`, (T, H, W) or (T, H, W, K), or None. `start`
    is the number of the first frame on the grid of `fps` frames a second; `corner` is the top left
    pixel of the crop in the resized frame. `damage` is that of `decode.Frames`. `whole` is True if
    the video is shorter than the clip, which then contains all of it.
    """

    pixels: NDArray[np.uint8]
    start: int
    corner: tuple[int, int]
    flipped: bool
    damage: str | None
    flow: NDArray[np.int8] | None = None
    whole: bool = False
    objects: ObjectMaps | None = None


Flow = Callable[[NDArray[np.uint8]], NDArray[np.int8]]
"""A function from whole frames uint8 (T, H, W, 3) to their fields int8 (T, H, W, 2)."""


class StoredFlow(Protocol):
    """Cached flow of a video's whole frames."""

    def read(self, start: int, stop: int) -> NDArray[np.int8]:
        """Return the fields int8 (stop - start, H, W, 2) of grid frames start to stop - 1."""
        ...


class StoredMaps(Protocol):
    """Object maps of a video's whole frames."""

    def read(self, start: int, stop: int) -> ObjectMaps:
        """Return the maps (stop - start, h, w, ...) of grid frames start to stop - 1."""
        ...


def generator(seed: int, epoch: int, sample: int | str) -> random.Random:
    """Return the private generator of one sample (its index, or a video's name) in one epoch.

    Python guarantees that its `random()` gives the same numbers in every version.
    """
    key = sample if isinstance(sample, str) else int(sample)
    text = f"{int(seed)} {int(epoch)} {key!r}"
    return random.Random(hashlib.blake2b(text.encode("utf-8", "backslashreplace")).digest())


def sample_clips(
    video: str | os.PathLike[str] | VideoInfo,
    recipe: Recipe,
    *,
    seed: int,
    sample: int | str,
    epoch: int = 0,
    threads: int = 1,
    strict: bool = True,
    flow: Flow | None = None,
    stored: StoredFlow | None = None,
    objects: StoredMaps | None = None,
    part: tuple[int, int] | None = None,
) -> list[Clip]:
    """Cut `recipe.clips` clips of (recipe.frames, *recipe.size, 3) from a video.

    `part` is the first grid frame and the number of grid frames of a segment: the clips are cut
    from it as if it were the whole video.

    With `flow`, usually `fields.whole_flow`, the clips have optical flow: that of `stored` if
    given, or the same flow computed by `flow` from whole frames. With `objects` they have object
    maps.

    Raises the VideoErrors of `decode`; if not `strict`, the clips of a damaged video are cut from
    its readable frames.
    """
    info = video if isinstance(video, VideoInfo) else probe(video)
    origin, length = part or (0, grid_length(info, recipe.fps))
    clips = []
    for cut in draw_cuts(recipe, length, generator(seed, epoch, sample)):
        wraps = length < recipe.frames
        begin = origin if wraps else origin + cut.start
        decoded = decode(
            info,
            fps=recipe.fps,
            start=begin / recipe.fps,
            frames=min(recipe.frames, length),
            size=resized(recipe),
            threads=threads,
            strict=strict,
        )
        first = cut.start if wraps else 0
        pixels = fill(decoded.pixels, recipe.frames, first, recipe.fill)
        pixels, corner = cut_pixels(pixels, recipe, cut)
        end = begin + len(decoded.pixels)
        fields, maps = None, None
        if flow is not None:
            whole = flow(decoded.pixels) if stored is None else stored.read(begin, end)
            if part is not None:
                # The stored last field leads out of the segment.
                whole = fill_flow(whole, len(whole))
            fields = cut_flow(fill_flow(whole, recipe.frames, first, recipe.fill), recipe, cut)
        if objects is not None:
            held = fill(objects.read(begin, end), recipe.frames, first, recipe.fill)
            maps = cut_maps(held, decoded.pixels.shape[1:3], recipe, cut)
        start = origin + cut.start
        clips.append(Clip(pixels, start, corner, cut.flipped, decoded.damage, fields, wraps, maps))
    return clips


def resized(recipe: Recipe) -> Size:
    """Return the size of whole frames before they are cropped, in the form that `decode` takes."""
    return recipe.size if recipe.short_side is None else recipe.short_side


def draw_cuts(recipe: Recipe, length: int, rng: random.Random) -> list[Cut]:
    """Draw the places of the clips of a video of `length` grid frames."""
    cuts = []
    for start in clip_starts(recipe, length, rng):
        # All recipes draw the same numbers: the start of a clip does not depend on its crop.
        across, down, mirror = rng.random(), rng.random(), rng.random()
        at = (0.5, 0.5) if recipe.where == "centre" else (down, across)
        cuts.append(Cut(start, at, recipe.flip and mirror < 0.5))
    if recipe.augment.is_on:
        # Drawn last: places and mirroring of the clips are those without augmentation.
        cuts = [attrs.evolve(cut, seed=int(rng.random() * 2**53)) for cut in cuts]
    return cuts


def cut_pixels(
    pixels: NDArray[np.uint8], recipe: Recipe, cut: Cut
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Cut the frames (T, H, W, 3) of a clip to the recipe's size, mirror and augment them.

    Return the clip, contiguous, and the top left corner of its part of the frame.
    """
    augment = recipe.augment
    if augment.crop_area is None:
        pixels, corner = crop(pixels, recipe.size, cut.at)
    else:
        region = draw_region(augment, cut.seed, pixels.shape[1:3], recipe.size)
        pixels, corner = crop_and_resize(pixels, region, recipe.size), (region.top, region.left)
    pixels = np.ascontiguousarray(pixels[:, :, ::-1] if cut.flipped else pixels)
    return (jitter(augment, cut.seed, pixels) if augment.changes_colours else pixels), corner


def cut_flow(fields: NDArray[_F], recipe: Recipe, cut: Cut) -> NDArray[_F]:
    """Cut the flow (T, H, W, 2) of a clip's frames as `cut_pixels` cuts these."""
    if recipe.augment.crop_area is None:
        fields, _ = crop(fields, recipe.size, cut.at)
    else:
        region = draw_region(recipe.augment, cut.seed, fields.shape[1:3], recipe.size)
        fields = crop_and_resize_flow(fields, region, recipe.size)
    return mirror_flow(fields) if cut.flipped else np.ascontiguousarray(fields)


def cut_maps(
    maps: NDArray[_T],
    frame: tuple[int, int],
    recipe: Recipe,
    cut: Cut,
    extent: tuple[float, float] | None = None,
) -> NDArray[_T]:
    """Cut the object maps (T, h, w, ...) of a clip's frames as `cut_pixels` cuts these.

    `frame` is the height and width of the frames. The maps cover `extent` pixels of them, by
    default the frame.
    """
    if recipe.augment.crop_area is None:
        region = Region(*_corner(frame, recipe.size, cut.at), *recipe.size)
    else:
        region = draw_region(recipe.augment, cut.seed, frame, recipe.size)
    return nearest_part(maps, region, recipe.size, extent or frame, cut.flipped)


def clip_starts(recipe: Recipe, length: int, rng: random.Random) -> list[int]:
    """Return the start on the grid of `recipe.clips` clips of a video of `length` grid frames.

    Random starts are uniform and independent; even ones go from 0 to the last possible start.
    """
    room = max(length - recipe.frames, 0)
    match recipe.when:
        case "centre":
            return [room // 2]
        case "even":
            steps = max(recipe.clips - 1, 1)
            return [room * k // steps for k in range(recipe.clips)]
        case "random":
            looped = length < recipe.frames and recipe.fill == "loop"
            choices = length if looped else room + 1
            return [int(rng.random() * choices) for _ in range(recipe.clips)]


def fill(pixels: NDArray[_T], frames: int, start: int = 0, how: Fill = "loop") -> NDArray[_T]:
    """Extend a clip (T, H, W, ...) to `frames` frames from `start`: repeat it or its last frame.

    A clip that is long enough is cut, without a copy.
    """
    places = start + np.arange(frames)
    last = len(pixels) - 1
    if places[-1] <= last:
        return pixels[start : start + frames]
    return pixels[places % (last + 1) if how == "loop" else np.minimum(places, last)]


def crop(
    pixels: NDArray[_T], size: tuple[int, int], at: tuple[float, float] = (0.5, 0.5)
) -> tuple[NDArray[_T], tuple[int, int]]:
    """Crop (T, H, W, C) to (T, height, width, C); return the crop, a view, and its top left corner.

    `at` is its place, down and across, as fractions of the free space: (0, 0) is the top left,
    (0.5, 0.5) the centre. Raises ValueError if the frame is smaller than the crop.
    """
    height, width = size
    top, left = _corner(pixels.shape[1:3], size, at)
    return pixels[:, top : top + height, left : left + width], (top, left)


def _corner(
    frame: tuple[int, ...], size: tuple[int, int], at: tuple[float, float]
) -> tuple[int, int]:
    """Return the top left corner of a crop. Raises ValueError if it is larger than the frame."""
    room = (frame[0] - size[0], frame[1] - size[1])
    if min(room) < 0:
        raise ValueError(f"a crop of {size} does not fit into {frame}")
    top, left = (min(int(f * (free + 1)), free) for f, free in zip(at, room, strict=True))
    return top, left


def to_tensor(pixels: NDArray[np.uint8], *, raw: bool = False) -> torch.Tensor:
    """Convert uint8 RGB (T, H, W, 3) to float32 (1, 3, T, H, W), in [0, 1]; `raw`: 0..255.

    The authors' networks had inputs in [0, 1]: google-research `assemblenet/run_asn.py` feeds
    `np.random.rand`, and the TensorFlow port (tensorflow/models,
    `official/projects/assemblenet/configs/assemblenet.py`) leaves `zero_centering_image` of
    `official/vision/configs/video_classification.py` False, so that `normalize_image` of
    `official/vision/ops/preprocess_ops_3d.py` divides by 255. No mean is subtracted. Raw values are
    for optical flow, whose parameters assume 0..255.
    """
    import torch

    # torch warns of read-only arrays; decoded pixels are writable.
    tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)))[None].float()
    return tensor if raw else tensor / 255
