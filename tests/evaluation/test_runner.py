"""Evaluation of a network on a split: all videos, clips, failures, several processes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from anetc.data.batches.loader import network_inputs, test_batches
from anetc.engines.training import TrainingModule
from anetc.evaluation.runner import evaluate
from anetc.evaluation.scores import Evaluation
from anetc.modules.network import NetworkModule, build_network
from anetdsl.errors import CannotRun
from tests.training.toys import Toy, network


def model(classes: int = 3) -> NetworkModule:
    """Build a model with random parameters.

    A new model has zeros in the last batch normalisation of each module.
    """
    made = build_network(network(classes))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in made.state_dict().values():
            if value.is_floating_point():
                value += 0.2 * torch.rand(value.shape, generator=generator)
    return made


def alone(dataset: Toy, made: torch.nn.Module) -> torch.Tensor:
    """Compute the logits (videos, clips, classes), one clip at a time."""
    made.eval()
    rows = []
    for batch in test_batches(dataset, batch=1, max_failures=1):
        inputs = network_inputs(network(), batch)
        clips = [{k: x[i : i + 1] for k, x in inputs.items()} for i in range(batch.clips)]
        with torch.no_grad():
            rows.append(torch.cat([made(clip) for clip in clips]))
    return torch.stack(rows).double()


@pytest.mark.parametrize("clips", [1, 3])
@pytest.mark.parametrize("multi_label", [False, True])
def test_every_video_is_scored_in_order(clips: int, multi_label: bool) -> None:
    """Scores are the mean over the clips of a video and do not depend on the batches."""
    dataset = Toy(clips=clips, multi_label=multi_label)
    made = model()
    logits = alone(dataset, made)
    turned = logits.sigmoid() if multi_label else logits.softmax(-1)
    done: list[int] = []
    found = evaluate(made, network(), dataset, batch=2, progress=done.append)
    assert found.names == tuple(f"video {i}.mp4" for i in range(7))
    assert found.classes == dataset.classes
    assert found.multi_label == multi_label
    assert found.targets.tolist() == [np.array(dataset.target(i)).tolist() for i in range(7)]
    np.testing.assert_allclose(found.probabilities(), turned.mean(1), rtol=1e-5)
    assert done == ([2, 4, 6, 7] if clips == 1 else [1, 2, 3, 4, 5, 6, 7])


def test_batch_limits_the_number_of_clips() -> None:
    """A batch holds whole videos; a video with more clips than a batch is split."""

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.counts: list[int] = []

        def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
            self.counts.append(len(inputs["rgb"]))
            return torch.zeros(len(inputs["rgb"]), 3)

    for clips, batch, counts in ((5, 8, [5] * 7), (3, 8, [6, 6, 6, 3]), (5, 2, [2, 2, 1] * 7)):
        counting = Counting()
        evaluate(counting, network(), Toy(clips=clips), batch=batch)
        assert counting.counts == counts


def test_the_model_is_unchanged_by_evaluation() -> None:
    made = TrainingModule(model())
    made.train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    evaluate(made, network(), Toy())
    assert made.training
    assert all((before[name] == value).all() for name, value in made.state_dict().items())


def test_training_module_and_reference_give_equal_scores() -> None:
    plain = evaluate(model(), network(), Toy())
    trained = evaluate(TrainingModule(model()), network(), Toy())
    np.testing.assert_allclose(trained.logits, plain.logits, rtol=1e-5, atol=1e-6)


def test_equal_seeds_give_equal_scores() -> None:
    made = model()
    first, again, other = (evaluate(made, network(), Toy(), seed=seed) for seed in (3, 3, 4))
    assert (first.logits == again.logits).all()
    assert (first.logits != other.logits).any()


def test_bfloat16_is_close_to_float32() -> None:
    made = model()
    exact, near = (evaluate(made, network(), Toy(), precision=p) for p in ("float32", "bfloat16"))
    assert (exact.logits != near.logits).any()
    np.testing.assert_allclose(near.logits, exact.logits, atol=0.1)


def test_unreadable_videos_are_reported_and_wrong(caplog: pytest.LogCaptureFixture) -> None:
    dataset = Toy(broken=(0, 5), clips=2)
    with caplog.at_level(logging.WARNING, "anetc.data"):
        found = evaluate(model(), network(), dataset, max_failures=0.5)
    assert found.failed == ("video 0.mp4", "video 5.mp4")
    assert found.unranked.tolist() == [i in (0, 5) for i in range(7)]
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("dataset", "classes", "message"),
    [
        (Toy(), 4, r"has 4 classes, but the data have 3: write `classes=3` in its `sink`"),
        (Toy(count=0), 3, "has no videos"),
        (Toy(broken=(1,)), 3, "1 of the 7 videos of the test split cannot be read"),
        (Toy(broken=tuple(range(7))), 3, "cannot be read"),
    ],
)
def test_errors(dataset: Toy, classes: int, message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        evaluate(model(classes), network(classes), dataset)


def test_no_readable_video_is_an_error() -> None:
    with pytest.raises(CannotRun, match="none of the 2 videos"):
        evaluate(model(), network(), Toy(count=2, broken=(0, 1)), max_failures=1)


def _process(rank: int, folder: Path) -> None:
    """Evaluate twice in one of two processes; the second time the unreadable video is an error."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    made = model()
    found = evaluate(made, network(), Toy(broken=(6,)), batch=2, max_failures=0.5)
    np.save(folder / f"{rank}.npy", found.logits)
    try:
        evaluate(made, network(), Toy(broken=(6,)), max_failures=0)
    except CannotRun as error:
        (folder / f"{rank}.txt").write_text(str(error))
    dist.destroy_process_group()


@pytest.mark.integration
def test_two_processes_share_the_videos(tmp_path: Path) -> None:
    """Both processes get the result of a single one; if one fails, both raise its error."""
    mp.spawn(_process, (tmp_path,), nprocs=2)
    expected: Evaluation = evaluate(model(), network(), Toy(broken=(6,)), batch=2, max_failures=0.5)
    for rank in range(2):
        np.testing.assert_allclose(np.load(tmp_path / f"{rank}.npy"), expected.logits, rtol=1e-5)
        assert "1 of the 7 videos" in (tmp_path / f"{rank}.txt").read_text()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
        MemoryError(),
    ],
)
def test_batch_is_halved_while_memory_does_not_suffice(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    class Large(torch.nn.Module):
        def __init__(self, most: int) -> None:
            super().__init__()
            self.most, self.counts = most, list[int]()

        def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
            self.counts.append(len(inputs["rgb"]))
            if self.counts[-1] > self.most:
                raise error
            return torch.ones(len(inputs["rgb"]), 3)

    large = Large(2)
    found = evaluate(large, network(), Toy(clips=4), batch=8)
    assert large.counts == [8, 4, *[2] * 14]
    assert np.isfinite(found.logits).all()
    assert "not enough memory to evaluate 4 clips at once; going on with 2" in caplog.text
    with pytest.raises(type(error)):
        evaluate(Large(0), network(), Toy(), batch=8)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    class Wrong(torch.nn.Module):
        def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        evaluate(Wrong(), network(), Toy(), batch=8)
