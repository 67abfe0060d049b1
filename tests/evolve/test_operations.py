"""Operations of the search: their sentences, and their JSON form."""

from __future__ import annotations

import json

import pytest

from anetdsl.evolve.operations import (
    AddedByHand,
    ChangeResolution,
    Described,
    DrawnAtRandom,
    Merge,
    Operation,
    Repair,
    Rewire,
    Split,
    TrainedAgain,
    are_known,
    operations_from_json,
    operations_to_json,
    sentences,
)

OPERATIONS: dict[str, Operation] = {
    "drawn at random": DrawnAtRandom(),
    "second training of g0005": TrainedAgain("g0005"),
    "edges: kept 12, dropped s0->n6 n5->n9, added s1->n7": Rewire(
        12, (("s0", "n6"), ("n5", "n9")), (("s1", "n7"),)
    ),
    "edges: kept 3": Rewire(3, (), ()),
    "split n4 -> n4a n4b": Split("n4", ("n4a", "n4b")),
    "merge n4a n4b -> n4": Merge(("n4a", "n4b"), "n4"),
    "r n7: 8 -> 2": ChangeResolution("n7", 8, 2),
    "repair: added s0->n6": Repair((("s0", "n6"),)),
    "added by hand: mine.anet": AddedByHand("mine.anet"),
    "anything": Described("anything"),
}


def test_sentences() -> None:
    assert sentences(OPERATIONS.values()) == tuple(OPERATIONS)


def test_operations_are_read_back_from_json() -> None:
    operations = tuple(OPERATIONS.values())
    document = json.loads(json.dumps(operations_to_json(operations)))
    assert operations_from_json(document) == operations
    assert document[4] == {"operation": "split", "node": "n4", "halves": ["n4a", "n4b"]}


@pytest.mark.parametrize(
    "document",
    [
        "split n4 -> n4a n4b",
        {"operation": "drawn"},
        ["split n4 -> n4a n4b"],
        [{"operation": "cut"}],
        [{"operation": "split", "node": "n4"}],
        [{"operation": "split", "node": "n4", "halves": ["a"]}],
        [{"operation": "split", "node": 4, "halves": ["a", "b"]}],
        [{"operation": "drawn", "node": "n4"}],
        [{"operation": ["split"]}],
        [None],
    ],
)
def test_other_json_is_an_error(document: object) -> None:
    with pytest.raises(ValueError, match=r"must be a list|not an operation|has the keys|type"):
        operations_from_json(document)


def test_operations_of_people_are_not_known() -> None:
    known = OPERATIONS["split n4 -> n4a n4b"]
    assert are_known([known])
    assert not are_known([])
    assert not are_known([known, AddedByHand("mine.anet")])
    assert not are_known([Described("split n4 -> n4a n4b")])
