"""Run the authors' TensorFlow code on request. `compare_authors.py` starts it in another Python.

It reads a job, one line of JSON, builds the network by the authors' functions, draws weights, and
writes them and the first result to an archive. For each further line it does one step and writes
the processor seconds, and the peak of resident memory beyond that of the imports, in bytes. The
optical flow is an input: `rep_flow` is replaced.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # TensorFlow may print
    job = json.loads(sys.stdin.readline())
    import tensorflow  # noqa: F401 - its memory is not that of the steps

    base = peak_memory()
    step, names, variables = build(job)
    arrays = {f"var/{name}": value.numpy() for name, value in zip(names, variables)}
    arrays["result"] = step()
    np.savez(job["archive"], **arrays)
    answers.write("ready\n")
    answers.flush()
    for _ in sys.stdin:
        start = time.process_time()
        step()
        seconds = time.process_time() - start
        answers.write(json.dumps({"seconds": seconds, "memory": peak_memory() - base}) + "\n")
        answers.flush()


def peak_memory() -> int:
    """Return the peak of the resident memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def build(job: dict[str, Any]) -> tuple[Callable[[], Any], list[str], list[Any]]:
    """Return a function that does one step, and the variables with the names of our archives."""
    import tensorflow as tf

    v1 = tf.compat.v1
    network = authors_network(job)
    created: list[Any] = []

    def forward(rgb: Any, flow: Any, labels: Any) -> Any:
        created.clear()
        if job["precision"] == "bfloat16":
            with v1.tpu.bfloat16_scope():
                half = network(tf.cast(rgb, tf.bfloat16), tf.cast(flow, tf.bfloat16))
            logits = tf.cast(half, tf.float32)
        else:
            logits = network(rgb, flow)
        created.extend(v1.global_variables())
        if not job["training"]:
            return logits
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            loss = tf.identity(tf.reduce_mean(losses))
        return [loss, *tf.gradients(loss, v1.trainable_variables())]

    with np.load(job["inputs"]) as archive:
        given = [tf.constant(archive[name]) for name in ("rgb", "flow", "labels")]
    function = v1.wrap_function(forward, [tf.TensorSpec(x.shape, x.dtype) for x in given])
    names = list(variable_names(job))
    if len(names) != len(created):
        raise SystemExit(f"{len(created)} variables were created, {len(names)} were expected")
    rng = np.random.default_rng(0)
    for name, variable in zip(names, created):
        if (leaf := name.rpartition("/")[2]) in NORM:
            low, high = (-0.5, 0.5) if leaf in ("beta", "moving_mean") else (0.5, 1.5)
            variable.assign(rng.uniform(low, high, variable.shape).astype(np.float32))

    def step() -> Any:
        result = function(*given)
        return result[0].numpy() if job["training"] else result.numpy()

    return step, names, created


def authors_network(job: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Return the authors' network as a function of RGB and flow (N*T, H, W, channels)."""
    sys.path.insert(0, job["authors"])
    from absl import flags
    from assemblenet import assemblenet  # type: ignore[import-not-found]

    values = {
        "model_structure": json.dumps(job["structure"]),
        "model_edge_weights": "[]",
        "precision": job["precision"],
        "num_frames": job["frames"],
        "max_pool_preditions": False,  # the authors' spelling
    }
    for name, value in values.items():
        if name not in flags.FLAGS:
            kind = {str: "string", int: "integer", bool: "bool"}[type(value)]
            getattr(flags, f"DEFINE_{kind}")(name, value, "")
    flags.FLAGS(["authors_process"])
    for name, value in values.items():
        setattr(flags.FLAGS, name, value)
    assemblenet.intermediate_channel_size[:] = job["widths"]
    rgb_stem, flow_stem = assemblenet.rgb_conv_stem, assemblenet.flow_conv_stem
    # The authors' stems always have 128 channels together.
    assemblenet.rgb_conv_stem = lambda x, frames, _, *rest: rgb_stem(x, frames, job["stem"], *rest)
    assemblenet.flow_conv_stem = lambda x, _, *rest: flow_stem(x, job["stem"], *rest)
    model = assemblenet.assemblenet_v1_generator(
        assemblenet.bottleneck_block_interleave, job["modules"], job["classes"]
    )

    def network(rgb: Any, flow: Any) -> Any:
        assemblenet.rf.rep_flow = lambda *_, **__: flow
        return model(rgb, job["training"])

    return network


def variable_names(job: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the variables in the order in which the authors' code creates them."""
    channels: list[int] = []
    for index, row in enumerate(job["structure"]):
        node = f"node{index:02}"
        if row[0] < 0:
            yield from layer(f"{node}/stem.conv")
            if row[0] == -1:
                yield from layer(f"{node}/stem.tconv")
            channels.append(job["stem"])
            continue
        inputs = [channels[number] for number in row[1]]
        if len(inputs) > 1:
            yield f"{node}/fuse.edge/agg_weights"
        for count in dict.fromkeys(inputs):
            if count < max(inputs):
                yield f"{node}/fuse.adapt{count}to{max(inputs)}/kernel"
        for module in range(job["modules"][row[0]]):
            if module == 0:
                yield from layer(f"{node}/m0.proj")
            yield from layer(f"{node}/m{module}.{'tconv' if module % 2 else 'conv1'}")
            yield from layer(f"{node}/m{module}.conv2")
            yield from layer(f"{node}/m{module}.conv3")
        channels.append(4 * row[2])
    yield "head/fc/kernel"
    yield "head/fc/bias"


def layer(role: str) -> Iterator[str]:
    """Yield the names of a convolution's kernel and of its batch normalisation."""
    for leaf in ("kernel", *NORM):
        yield f"{role}/{leaf}"


if __name__ == "__main__":
    main()
