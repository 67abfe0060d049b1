"""The text of a network with the weights of one's own training loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import anetc
import anetdsl
from anetc.engines.training.training_module import training_module
from anetdsl.errors import AnetError, CannotRun
from anetdsl.source import SourceFile
from tests.training.running import TEXT

SCORED = TEXT.replace("input rgb ", "score top1=1\ninput rgb ", 1)


@pytest.fixture
def model() -> nn.Module:
    """The network with edge weights sigmoid(1) and sigmoid(-1) at n2."""
    made = anetc.build_network(anetdsl.parse(TEXT))
    with torch.no_grad():
        made.get_parameter("nodes.n2.fuse.w").copy_(torch.tensor([1.0, -1.0]))
    return made


def test_edge_weights_are_brought_back(model: nn.Module) -> None:
    """0.731059 is the sigmoid of 1. Comments and layout stay; n4, which no node reads, too."""
    text = anetc.learned_text(model, TEXT)
    assert "  s0@0.731059,       # of the picture\n" in text
    assert "  s1@0.268941,  # of the motion\n" in text
    network = anetdsl.parse(text)
    assert [edge.weight for edge in network.node("n2").inputs] == [0.731059, 0.268941]
    assert network.score is None
    again = anetc.build_network(network).get_parameter("nodes.n2.fuse.w")
    assert again.tolist() == pytest.approx([1, -1], abs=1e-5)


def test_the_source_is_a_path_a_text_or_a_source_file(model: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "toy.anet"
    path.write_text(TEXT)
    for source in (path, str(path), SourceFile("toy.anet", TEXT)):
        assert anetc.learned_text(model, source) == anetc.learned_text(model, TEXT)
    assert path.read_text() == TEXT


def test_values_that_a_text_cannot_hold_are_refused(model: nn.Module) -> None:
    for value in (float("nan"), float("inf"), "61"):
        with pytest.raises(CannotRun, match="`top1` must be a finite number, not"):
            anetc.learned_text(model, TEXT, score={"top1": value})  # type: ignore[dict-item]
    with torch.no_grad():
        model.get_parameter("nodes.n2.fuse.w")[0] = float("nan")
    with pytest.raises(CannotRun, match="the edge weights of node n2 are not finite"):
        anetc.learned_text(model, TEXT)


def test_wrong_arguments_are_named(model: nn.Module) -> None:
    with pytest.raises(CannotRun, match="`module` must be Module, not str"):
        anetc.learned_text(TEXT, model)  # type: ignore[arg-type]
    with pytest.raises(CannotRun, match="`source` must be str or a path or SourceFile, not Netw"):
        anetc.learned_text(model, anetdsl.parse(TEXT))  # type: ignore[arg-type]
    with pytest.raises(CannotRun, match="`score` must be Mapping or None, not float"):
        anetc.learned_text(model, TEXT, score=61.5)  # type: ignore[arg-type]


class Own(nn.Module):
    """A module of one's own that holds the network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.extra = nn.Linear(2, 2)


def test_the_module_may_be_wrapped(model: nn.Module) -> None:
    expected = anetc.learned_text(model, TEXT)
    for wrapped in (nn.DataParallel(model), Own(model), nn.Sequential(Own(model))):
        assert anetc.learned_text(wrapped, TEXT) == expected
    fast = training_module(anetdsl.parse(TEXT))
    fast.load_state_dict(model.state_dict())
    assert anetc.learned_text(fast, TEXT) == expected


def test_a_score_is_written_and_an_old_one_is_not_kept(model: nn.Module) -> None:
    text = anetc.learned_text(model, SCORED, score={"top1": 61.53125, "loss": 1.5})
    assert dict(anetdsl.parse(text).score.values) == {"top1": 61.5312, "loss": 1.5}  # type: ignore[union-attr]
    assert anetdsl.parse(anetc.learned_text(model, SCORED)).score is None


def test_an_old_weight_in_the_text_is_replaced(model: nn.Module) -> None:
    assert anetc.learned_text(model, TEXT.replace("@0.25", "@0.9")) == anetc.learned_text(
        model, TEXT
    )


@pytest.mark.parametrize(
    ("source", "score", "message"),
    [
        (TEXT.replace("C=2", "C=3"), None, "of another network than the module, toy"),
        (TEXT.replace("classes=3", "classes=4"), None, "of another network"),
        ("nowhere.anet", None, "nowhere.anet: no such file"),
        (TEXT, {"accuracy": 1.0}, "no measure 'accuracy'; there are top1"),
    ],
)
def test_what_does_not_fit_is_refused(
    source: str, score: dict[str, float] | None, message: str, model: nn.Module
) -> None:
    with pytest.raises(CannotRun, match=message):
        anetc.learned_text(model, source, score=score)


def test_a_text_with_errors_is_refused(model: nn.Module) -> None:
    with pytest.raises(AnetError, match="A302"):
        anetc.learned_text(model, TEXT.replace("[n2]", "[n9]"))


def test_other_modules_are_refused(model: nn.Module) -> None:
    with pytest.raises(CannotRun, match="Linear holds no module of a network"):
        anetc.learned_text(nn.Linear(2, 2), TEXT)
    both = nn.ModuleList([model, anetc.build_network(anetdsl.parse(TEXT))])
    with pytest.raises(CannotRun, match="ModuleList holds 2 modules"):
        anetc.learned_text(both, TEXT)
