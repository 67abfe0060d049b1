"""A trial without training: `python synthetic_trial.py [SECONDS] FOLDER`, in a few milliseconds.

Fitness and learned weights are functions of the network's text alone. How it goes can be set by
words in a comment of the candidate, or by a file `hang`, `fail` beside the run's settings.
"""

import hashlib
import json
import re
import sys
import time
from pathlib import Path


def digest(text: str) -> int:
    """A number that stands for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def network_of(text: str) -> str:
    """The text without what changes nothing about the network: name, origin, score, weights."""
    lines = [line for line in text.splitlines() if not line.startswith(("origin", "score", "#"))]
    return re.sub(r"@[\d.]+", "", re.sub(r"(?m)^network \S+", "network x", "\n".join(lines)))


def trained(text: str) -> str:
    """The text with a weight at each edge that has one, and a score."""
    key = network_of(text)

    def weighted(match: re.Match[str]) -> str:
        names = [name.partition("@")[0].strip() for name in match[2].split(",")]
        names = [name for name in names if name]
        if len(names) == 1:
            return match[0]
        items = [
            f"{name}@{0.01 + digest(key + match[1] + name) % 980 / 1000:.3f}" for name in names
        ]
        return f"{match[1]}inputs=[{', '.join(items)}]"

    found = re.sub(r"(?m)^(node .*level=[1-4].*)inputs=\[([^\]]*)\]", weighted, text)
    score = f"score top1={fitness(text) / 2} top5={fitness(text) / 2} fitness={fitness(text)}"
    if re.search(r"(?m)^score", found):
        return re.sub(r"(?m)^score.*$", score, found)
    return re.sub(
        r"(?m)^((?:origin|network).*)$(?![\s\S]*^origin)", rf"\1\n{score}", found, count=1
    )


def fitness(text: str) -> float:
    """Between 0 and 200."""
    return digest(network_of(text)) % 2_000_000 / 10_000


def result_of(text: str) -> dict[str, object]:
    """`result.json`."""
    half = fitness(text) / 2
    return {
        "schema": "anetdsl-trial-result",
        "schema_version": 1,
        "status": "done",
        "fitness": fitness(text),
        "measures": {"top1": half, "top5": half, "loss": 1.0},
        "edges": {},
        "parameters": digest(network_of(text)) % 10**6,
        "multiply_adds": digest(network_of(text)) % 10**9,
        "seconds": 0.5,
        "peak_memory": 10**8,
        "versions": {},
        "seed": 0,
    }


def main() -> int:
    folder = Path(sys.argv[-1])
    text = (folder / "candidate.anet").read_text(encoding="utf-8")
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    assert job["schema"] == "anetdsl-trial-job"
    time.sleep(float(sys.argv[1]) if len(sys.argv) > 2 else 0)
    result = result_of(text)
    if "hang" in text:
        time.sleep(600)
    if "nan" in text:
        result = {**result, "status": "failed", "failure": "nan", "message": "the loss is NaN"}
    (folder / "trained.anet").write_text(trained(text), encoding="utf-8")
    (folder / "result.part").write_text(json.dumps(result), encoding="utf-8")
    (folder / "result.part").replace(folder / "result.json")
    return 0 if result["status"] == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
