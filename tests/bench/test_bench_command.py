"""`anetc bench`: consistent measurements, as a table, as JSON and as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import torch
from click.testing import CliRunner, Result

import anetdsl
from anetc.bench import roofline
from anetc.bench.allocation import allocated
from anetc.bench.backends import BACKENDS
from anetc.bench.ceiling import Ceiling, Copy
from anetc.bench.measure import bench
from anetc.bench.results import BackendResult, Bench, NodeTime
from anetc.bench.traffic import node_shares, traffic
from anetc.cli.commands.bench_command import command
from anetc.plan.plan_text import parse_plan
from anetdsl.cost import cost
from anetdsl.errors import CannotRun

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "small_two_stream_level4.anet"
SCHEMA = REPOSITORY / "docs" / "schemas" / "bench.schema.json"
SMALL = ["--frames", "4", "--size", "32", "--threads", "1", "--repeats", "2"]
HALF = torch.ops.mkldnn._is_mkldnn_bf16_supported()


def run(*options: str) -> Result:
    return CliRunner().invoke(command, [str(EXAMPLE), *SMALL, *options], catch_exceptions=False)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """JSON of one run, shared by several tests."""
    names = "plain,plan,plan-bf16" if HALF else "plain,plan"
    result = run("--backends", names, "--batch", "2", "--json")
    assert result.exit_code == 0
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_json_follows_its_schema(found: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(found)
    assert schema["$defs"]["result"]["properties"]["backend"]["enum"] == list(BACKENDS)


def test_the_measured_clip_and_rounds_are_those_of_the_options(found: dict[str, Any]) -> None:
    keys = ("network", "frames", "height", "width", "batch", "threads", "repeats")
    assert [found[key] for key in keys] == ["small_two_stream_level4", 4, 32, 32, 2, 1, 2]
    assert all(len(result["seconds"]) == 2 for result in found["results"])


def test_multiply_adds_equal_those_of_stats(found: dict[str, Any]) -> None:
    """For every backend, each node counts both clips of the batch."""
    expected = cost(anetdsl.load(EXAMPLE), frames=4, size=32)
    rows = {row.name: 2 * row.multiply_adds for row in (*expected.nodes, expected.sink)}
    for result in found["results"]:
        assert result["multiply_adds"] == 2 * expected.multiply_adds
        assert {n["name"]: n["multiply_adds"] for n in result["nodes"]} == {**rows, "rest": 0}


def test_times_of_nodes_add_up_to_the_total(found: dict[str, Any]) -> None:
    """Every node takes time. A sum of medians may differ from the median of the sum."""
    for result in found["results"]:
        *nodes, _ = result["nodes"]
        assert all(node["seconds"] > 0 for node in nodes)
        assert sum(node["seconds"] for node in result["nodes"]) < 2 * max(result["seconds"])
        assert sum(node["moved_bytes"] for node in nodes) == result["moved_bytes"]


def test_backends_compute_the_same_logits(found: dict[str, Any]) -> None:
    errors = {result["backend"]: result["error"] for result in found["results"]}
    assert errors["plain"] == 0
    assert errors["plan"] < 1e-5
    assert errors.get("plan-bf16", 0) < 2e-2


def test_a_plan_moves_fewer_bytes_in_less_memory_than_the_reference(found: dict[str, Any]) -> None:
    plain, plan, *_ = found["results"]
    assert plan["moved_bytes"] < 0.6 * plain["moved_bytes"]
    assert plan["peak_bytes"] < plain["peak_bytes"]
    assert plain["weight_bytes"] >= 4 * cost(anetdsl.load(EXAMPLE)).parameters


def test_the_table_has_columns_for_each_backend() -> None:
    result = run("--backends", "plan,plain")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "small_two_stream_level4: batch 1, 4 frames, 32 x 32 pixels; 1 thread, 2 rounds"
    )
    assert next(line for line in lines if line.startswith("node")).split() == (
        ["node", "GFLOP", "plan", "ms", "GFLOP/s", "plain", "ms", "GFLOP/s"]
    )
    for name in ("stem_rgb", "fused4", "sink", "rest", "total", "plan", "plain"):
        assert sum(line.split(" ")[0] == name for line in lines) == 1, name
    assert lines[-1].startswith("Ceiling: a large convolution ")
    assert "measuring, 2 rounds" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backends", "plan,fast"], "--backends: no backend fast; choose from plain, plan, "),
        (["--backends", ","], "--backends: no backend is named; choose from plain"),
        (["--roofline", "out.gif"], "--roofline out.gif: the name must end in .svg"),
        (["--roofline", "no/out.svg"], "--roofline no/out.svg: there is no folder no"),
    ],
)
def test_wrong_options_are_reported_before_anything_runs(options: list[str], message: str) -> None:
    with pytest.raises(CannotRun) as error:
        run(*options)
    assert str(error.value).startswith(message)


def test_a_processor_without_bfloat16_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(CannotRun, match="plan-bf16: this processor has no bfloat16"):
        run("--backends", "plan-bf16")


def test_a_failure_of_torch_compile_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_nothing(*_: object, **__: object) -> Any:
        def fail(_: object) -> None:
            raise RuntimeError("no C++ compiler\nand more")

        return fail

    monkeypatch.setattr(torch, "compile", compile_nothing)
    with pytest.raises(CannotRun, match=r"^frozen: torch.compile failed: no C\+\+ compiler$"):
        run("--backends", "frozen")


@pytest.mark.slow
def test_frozen_and_compile_share_no_cached_code() -> None:
    """Only frozen folds batch normalisations, which rounds differently."""
    found = json.loads(run("--backends", "plain,compile,frozen", "--json").stdout)
    plain, compiled, frozen = found["results"]
    assert compiled["error"] < 1e-5
    assert 0 < frozen["error"] < 1e-5
    assert frozen["peak_bytes"] < plain["peak_bytes"]
    assert compiled["nodes"] == frozen["nodes"] == []


def test_the_roofline_shows_nodes_and_ceilings(tmp_path: Path) -> None:
    """No other file is left in the folder."""
    path = tmp_path / "out.svg"
    nodes = (NodeTime("n7", 0.001, 10**6, 10**5), NodeTime("sink", 0.001, 10**3, 10**5))
    result = BackendResult(
        "plan", "float32", (0.01,), 1, 10**7, 10**6, 100.0, 1, 1, 0.1, None, nodes
    )
    machine = "processor", "2.9"
    roofline.write_roofline(Bench("net", 4, 8, 8, 1, 1, 1, *machine, 1e10, (result,)), str(path))
    assert list(tmp_path.iterdir()) == [path]
    drawing = path.read_text("utf-8")
    ElementTree.fromstring(drawing)
    for text in (
        ">n7<",
        "plan: 10 ms, 2 GFLOP/s",
        "convolution, float32: 100 GFLOP/s",
        "10.0 GB/s",
    ):
        assert text in drawing
    assert ">sink<" not in drawing


def test_the_number_of_threads_is_restored() -> None:
    """The benchmark runs with the given number."""
    before = torch.get_num_threads()
    other = 2 if before == 1 else 1
    found = bench(anetdsl.load(EXAMPLE), frames=2, size=(16, 16), repeats=1, threads=other)
    assert found.threads == other
    assert torch.get_num_threads() == before


def test_allocated_bytes_are_counted() -> None:
    """Three tensors of 1 MiB exist at once; one of them stays."""
    kept: list[torch.Tensor] = []

    def work() -> None:
        kept.append(torch.ones(1 << 18) + torch.ones(1 << 18))

    found = allocated(work)
    assert found.peak >> 20 == 3
    assert found.remaining >> 20 == 1


def test_traffic_counts_arguments_weights_and_result_of_each_operation() -> None:
    plan = parse_plan(
        "plan p frames=2 size=4x4 mode=inference\n"
        "x 3x2x4x4 input()\n"
        "a 5x2x4x4 conv(x) kernel=1x3x3 weight=w @a\n"
        "b 5x2x4x4 add(a, a) @b\n"
        "s 5x2 space_mean(b)\n"
        "t 5 time_mean(s)\n"
        "z 7 linear(t) weight=v bias=u"
    )
    assert traffic(plan, 1, 4) == {
        "a": 4 * (3 * 32 + 5 * 32 + 3 * 5 * 9),
        "b": 4 * (3 * 5 * 32),
        "sink": 4 * ((160 + 10) + (10 + 5) + (5 + 7 + 35)),
    }


def test_a_joined_operation_is_shared_by_its_nodes() -> None:
    """In proportion to their channels; the same holds for the convolution before a joined pool."""
    plan = parse_plan(
        "plan p frames=1 size=4x4 mode=inference\n"
        "x 3x1x4x4 input()\n"
        "c 8x1x4x4 conv(x) kernel=1x1x1 weight=join(v, w) @a\n"
        "p 8x1x2x2 pool(c) window=2 stride=2 @a\n"
        "a 2x1x2x2 part(p) first=0 @a\n"
        "b 6x1x2x2 part(p) first=2 @b\n"
        "s 2x1 space_mean(a)\n"
    )
    shares = node_shares(plan)
    assert shares["c"] == shares["p"] == {"a": 0.25, "b": 0.75}
    assert (shares["a"], shares["b"], shares["s"]) == ({"a": 1}, {"b": 1}, {"sink": 1})
    moved = traffic(plan, 1, 4)
    assert moved["a"] == 4 * ((3 * 16 + 8 * 16 + 24 + 8 * 16 + 8 * 4) // 4 + 8 * 4 + 2 * 4)


def test_ceilings_are_positive() -> None:
    assert Ceiling.of(torch.float32).gflops() > 0.1
    assert Copy.of(1 << 16).bytes_per_second() > 1e6
