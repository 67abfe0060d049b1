"""Weights files: round trips, and errors that name the tensors that do not fit."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import attrs
import pytest
import torch
from safetensors.torch import load_file, save_file

import anetdsl
from anetc import build_network
from anetc.modules.network import NetworkModule
from anetc.weights.files import (
    WeightsError,
    WeightsInfo,
    load_weights,
    read_weights,
    save_weights,
    text_hash,
)
from anetc.weights.metadata import info_of_metadata
from anetc.weights.network_structure import structure_hash, structure_warning
from anetdsl.errors import CannotRun
from tests.modules.networks import SMALL, clip

NETWORK = anetdsl.parse(SMALL)


@pytest.fixture
def model() -> NetworkModule:
    """Return a model whose weights and statistics differ from the initial ones of seed 0."""
    model = build_network(NETWORK, seed=1)
    model(clip(NETWORK, batch=2))
    return model


@pytest.fixture
def saved(model: NetworkModule, tmp_path: Path) -> Path:
    path = tmp_path / "w.safetensors"
    save_weights(model, path)
    return path


def refused(path: Path) -> str:
    """Return the one-line message for a file. Assert that the model does not change."""
    model = build_network(NETWORK)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_weights(model, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_weights_files_round_trip(model: NetworkModule, saved: Path) -> None:
    """Parameters, statistics, edge weights and logits are equal, bit for bit."""
    other = build_network(NETWORK)
    info = load_weights(other, saved)
    hashes = {"text_sha256": text_hash(NETWORK), "structure_sha256": structure_hash(NETWORK)}
    assert info == WeightsInfo("small", **hashes)
    for name, tensor in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, other.state_dict()[name]), name
    inputs = clip(NETWORK)
    assert torch.equal(model.eval()(inputs), other.eval()(inputs))


def test_equal_models_give_equal_files(model: NetworkModule, saved: Path, tmp_path: Path) -> None:
    """The memory layout has no influence."""
    again = tmp_path / "again.safetensors"
    save_weights(model.to(memory_format=torch.channels_last_3d), again)
    assert again.read_bytes() == saved.read_bytes()


def test_the_file_holds_an_ordinary_state_dict(saved: Path) -> None:
    """PyTorch can load it without our code. It has no counters."""
    tensors = load_file(saved)
    assert not any(name.endswith("num_batches_tracked") for name in tensors)
    build_network(NETWORK).load_state_dict(tensors)


def test_other_state_dicts_can_be_loaded(model: NetworkModule, tmp_path: Path) -> None:
    """The file has no metadata of ours, but counters, and half precision."""
    path = tmp_path / "other.safetensors"
    halves = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    save_file(halves, path)
    other = build_network(NETWORK)
    assert load_weights(other, path) == WeightsInfo()
    weight = other.nodes["n2"].m0.conv1.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, halves["nodes.n2.m0.conv1.weight"].float())


def test_weights_fit_the_text_with_other_edge_weights(saved: Path) -> None:
    """The hash in the file is for information only: learned edge weights change the text."""
    trained = anetdsl.parse(SMALL.replace("n2@0.75", "n2@0.5"))
    info = load_weights(build_network(trained), saved)
    assert info.text_sha256 != text_hash(trained)


def test_writing_leaves_no_temporary_file(saved: Path, model: NetworkModule) -> None:
    """The folder holds only the file, with default permissions. Writing again replaces it."""
    save_weights(model, saved)
    assert list(saved.parent.iterdir()) == [saved]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o666 & ~umask


def test_a_failed_write_keeps_the_old_file(
    saved: Path, model: NetworkModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No part of the new file is visible."""
    before = saved.read_bytes()

    def fail(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(CannotRun, match=r"w\.safetensors: .*No space left on device"):
        save_weights(model, saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_errors_name_a_missing_folder(model: NetworkModule, tmp_path: Path) -> None:
    """The message is one line, with the path and the reason."""
    with pytest.raises(CannotRun, match=r"nowhere.w\.safetensors: .*No such file or directory"):
        save_weights(model, tmp_path / "nowhere" / "w.safetensors")


def test_missing_and_other_files_are_refused(tmp_path: Path) -> None:
    """Examples: a missing file, a folder, an empty file, a text, an archive of pickles."""
    assert refused(tmp_path / "none") == "no such file"
    assert refused(tmp_path) == "a folder, not a weights file"
    for index, content in enumerate(
        [b"", b"\0", b"anet 1\nnetwork x\n", b"PK\x03\x04" + bytes(100), b"\xff" * 64]
    ):
        path = tmp_path / str(index)
        path.write_bytes(content)
        assert refused(path).startswith("not a readable safetensors file: ")


@pytest.mark.parametrize("keep", [4, 8, 100, 0.5, -1])
def test_truncated_files_are_refused(saved: Path, keep: float) -> None:
    """Files are truncated in the header, in the data, and by one byte."""
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * keep) if keep == 0.5 else int(keep)])
    assert refused(saved).startswith("not a readable safetensors file: ")


def rewrite(
    path: Path, change: dict[str, torch.Tensor | None], metadata: str | None = None
) -> None:
    tensors = load_file(path)
    for name, tensor in change.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, path, {"anet": metadata} if metadata is not None else None)


def test_errors_list_misfits_by_node(saved: Path) -> None:
    """One message has missing and unknown tensors, and wrong shapes and types."""
    rewrite(
        saved,
        {
            "nodes.n5.m0.conv1.weight": None,
            "nodes.n5.m0.conv2.weight": None,
            "sink.fc.bias": None,
            "nodes.n9.fuse.w": torch.zeros(2),
            "stray": torch.zeros(1),
            "nodes.n2.fuse.w": torch.zeros(3),
            "nodes.n3.m0.conv1.weight": torch.zeros(1, 4, 1, 1, 1, dtype=torch.int64),
        },
    )
    assert refused(saved) == (
        "weights do not fit network small: "
        "missing: n5 (m0.conv1.weight, m0.conv2.weight), sink (fc.bias); "
        "not in the network: n9 (fuse.w), stray; "
        "of another shape or type: n2 (fuse.w float32 [3] instead of float32 [2]), "
        "n3 (m0.conv1.weight int64 [1, 4, 1, 1, 1] instead of float32 [1, 4, 1, 1, 1]); "
        "use the text that the weights were trained with"
    )


def test_long_lists_are_shortened(saved: Path) -> None:
    """The message for another network's file is short."""
    empty = {name: None for name in load_file(saved) if not name.startswith("sink")}
    rewrite(saved, dict(empty))
    message = refused(saved)
    assert "s1 (" in message
    assert "and 4 more" in message
    assert re.search(r"n2 \(fuse\.w, [^)]* and \d+ more\)", message)
    assert len(message) < 600


def test_hostile_names_are_escaped_and_shortened(saved: Path) -> None:
    """Names in a file may have line breaks, terminal escapes, and a size of a megabyte."""
    rewrite(saved, {"nodes.n2.a\nb\x1b[31m": torch.zeros(1), "x" * 10**6: torch.zeros(1)})
    message = refused(saved)
    assert r"n2 (a\nb\x1b[31m)" in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ('{"version": 2, "network": "x", "text_sha256": ""}', "unknown weights format 2"),
        ("not json", "the metadata entry 'anet' is damaged"),
        ("[]", "the metadata entry 'anet' is damaged"),
        ('{"version": 1}', "the metadata entry 'anet' is damaged"),
    ],
)
def test_unknown_formats_and_damaged_metadata_are_refused(
    saved: Path, metadata: str, message: str
) -> None:
    """The message has the number of a newer format."""
    rewrite(saved, {}, metadata)
    assert refused(saved).startswith(message)


def test_files_can_be_read_without_a_network(saved: Path) -> None:
    """`read_weights` returns the description in the file and the tensors."""
    info, tensors = read_weights(saved)
    assert info.network == "small"
    assert tensors["nodes.n2.fuse.w"].shape == (2,)


def test_messages_have_the_names_in_the_text(tmp_path: Path) -> None:
    """Messages have the name of the node, not its key."""
    network = anetdsl.parse(SMALL.replace("n3", "keys"))
    path = tmp_path / "w.safetensors"
    save_weights(build_network(network), path)
    assert "nodes.keys_.m0.conv1.weight" in load_file(path)
    message = refused(path)
    assert "missing: n3 (m0.proj.weight, " in message
    assert "not in the network: keys (m0.conv1.weight, " in message
    assert "keys_" not in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n2 level=1 C=2 r=8", "n2 level=1 C=2 r=4"),
        ("n2 level=1 C=2 r=8 stride=1", "n2 level=1 C=2 r=8 stride=2"),
        ("sink inputs=[n6, n7] classes=5", "sink inputs=[n6, n7] classes=5 head=maxpool"),
    ],
)
def test_weights_of_another_structure_are_reported(saved: Path, old: str, new: str) -> None:
    """The tensors have the same shapes, but the network computes something else."""
    network = anetdsl.parse(SMALL.replace(old, new))
    warning = structure_warning(network, load_weights(build_network(network), saved), saved)
    assert warning is not None
    assert warning.startswith(f"{saved}: the weights were trained with another network text (")


def test_the_structure_is_without_what_training_learns(saved: Path) -> None:
    """Name, origin, score, edge weights, layout and the order of the nodes have no effect."""
    lines = SMALL.splitlines()
    lines[6], lines[7] = lines[7], lines[6]
    text = "\n".join(lines).replace("n2@0.75", "n2@0.5").replace("network small", "network  other")
    origin = 'origin parent="p" candidate=3 seed=1\nscore top1=50\ninput rgb'
    network = anetdsl.parse(text.replace("input rgb", origin, 1))
    assert structure_warning(network, read_weights(saved)[0], saved) is None


def test_files_without_a_structure_are_silent(saved: Path) -> None:
    info = attrs.evolve(read_weights(saved)[0], structure_sha256=None)
    again = info_of_metadata(saved, info.to_metadata())
    assert again == info
    assert structure_warning(anetdsl.parse(SMALL.replace("r=8", "r=4")), again, saved) is None


def test_the_hash_depends_on_the_canonical_text_only() -> None:
    """Layout and comments have no influence."""
    assert text_hash(anetdsl.parse("# c\n" + SMALL.replace("  ", " "))) == text_hash(NETWORK)
    assert text_hash(attrs.evolve(NETWORK, name="other")) != text_hash(NETWORK)
    assert json.dumps(text_hash(NETWORK)).strip('"').isalnum()
