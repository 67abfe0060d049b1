"""A run that cannot be resumed with other options names each of them, with both values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anetc.data.recipes import ClipSettings, recipes_of, recipes_to_json
from anetc.data.spec import parse_spec
from anetc.training.run.differences import differences


def description(**changes: Any) -> dict[str, Any]:
    data = changes.pop("data", "folder:videos")
    values = {
        "network_sha256": "a",
        "data": data,
        "init_from": None,
        "recipes": recipes_to_json(
            recipes_of(parse_spec(data), ClipSettings(**changes.pop("clips", {})))
        ),
        "seed": 0,
        "learning_rate": None,
    }
    return dict(json.loads(json.dumps(values | changes)))


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"clips": {"frames": 4}}, ["--frames: 16 in this run, 4 now"]),
        ({"clips": {"size": (64, 96)}}, ["--size: 112x112 in this run, 64x96 now"]),
        (
            {"clips": {"frames": 4, "flip": True}, "seed": 3},
            [
                "--seed: 0 in this run, 3 now",
                "--frames: 16 in this run, 4 now",
                "--flip: off in this run, on now",
            ],
        ),
        (
            {"clips": {"crop_area": (0.35, 1.0)}},
            ["--crop-area: not given in this run, 0.35,1 now"],
        ),
        ({"clips": {"hue": 0.1}}, ["--hue: not given in this run, 0.1 now"]),
        (
            {"clips": {"mirror_words": ("left", "right")}},
            [
                "--flip: off in this run, on now",
                "--mirror-words: not given in this run, left,right now",
            ],
        ),
        ({"learning_rate": 0.5}, ["--learning-rate: not given in this run, 0.5 now"]),
        (
            {"init_from": ["a.safetensors", "None", "new head"]},
            [
                "--init-from: not given in this run, a.safetensors now",
                "--new-head: not given in this run, on now",
            ],
        ),
        (
            {"data": "folder:" + 30 * "long/"},
            [f"--data: folder:videos in this run, folder:{30 * 'long/'} now"],
        ),
        ({"network_sha256": "b"}, ["FILE: another text of the network now"]),
    ],
)
def test_each_option_is_named_with_both_values(changes: dict[str, Any], lines: list[str]) -> None:
    assert differences(description(), description(**changes)) == lines
