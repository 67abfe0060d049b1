"""A trial without training, in a few milliseconds: `python synthetic_trial.py [OPTIONS] FOLDER`.

Learned weights are a function of the network's text, the fitness also of the training's seed.

Options: `SECONDS` is how long the trial takes. `SECONDS NAME FILE`: a candidate whose name is NAME
or comes after it also waits until FILE exists.
"""

import hashlib
import json
import re
import sys
import time
from pathlib import Path

ORIGIN = re.compile(r'(?m)^origin\b(?:"(?:\\.|[^"\\])*"|[^"\n]|\n(?=[ \]]))*\n')
"""An `origin`, on one line or on several."""


def digest(text: str) -> int:
    """Return a number that is a function of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def network_of(text: str) -> str:
    """Return the text without what does not change the network: name, origin, score, weights."""
    lines = ORIGIN.sub("", text).splitlines()
    kept = "\n".join(line for line in lines if not line.startswith(("score", "#")))
    return re.sub(r"@[\d.]+", "", re.sub(r"(?m)^network \S+", "network x", kept))


def trained(text: str, seed: int = 0) -> str:
    """Return the text with a weight at each edge that has one, and the score of a training."""
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
    reached = fitness(text, seed)
    score = f"score top1={reached / 2} top5={reached / 2} fitness={reached}"
    if re.search(r"(?m)^score", found):
        return re.sub(r"(?m)^score.*$", score, found)
    header = ORIGIN.search(found) or re.search(r"(?m)^network .*\n", found)
    assert header is not None
    return f"{found[: header.end()]}{score}\n{found[header.end() :]}"


def fitness(text: str, seed: int) -> float:
    """Return a fitness between 0 and 220. The seed changes it by up to 20."""
    network = network_of(text)
    return digest(network) % 2_000_000 / 10_000 + digest(f"{network}{seed}") % 200_000 / 10_000


def result_of(text: str, seed: int = 0) -> dict[str, object]:
    """Return the content of `result.json`."""
    found = fitness(text, seed)
    half = found / 2
    return {
        "schema": "anetdsl-trial-result",
        "schema_version": 1,
        "status": "done",
        "fitness": found,
        "standard_error": 3.0,
        "measures": {"top1": half, "top5": half, "loss": 1.0},
        "edges": {},
        "parameters": digest(network_of(text)) % 10**6,
        "multiply_adds": digest(network_of(text)) % 10**9,
        "seconds": 0.5,
        "peak_memory": 10**8,
        "versions": {},
        "seed": seed,
    }


def wait(options: list[str], candidate: str) -> None:
    if options:
        time.sleep(float(options[0]))
    if len(options) == 3 and candidate >= options[1]:
        while not Path(options[2]).exists():
            time.sleep(0.01)


def main() -> None:
    *options, last = sys.argv[1:]
    folder = Path(last)
    text = (folder / "candidate.anet").read_text(encoding="utf-8")
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    assert job["schema"] == "anetdsl-trial-job"
    wait(options, folder.parent.name)
    seed = job["settings"]["seed"]
    (folder / "trained.anet").write_text(trained(text, seed), encoding="utf-8")
    (folder / "result.part").write_text(json.dumps(result_of(text, seed)), encoding="utf-8")
    (folder / "result.part").replace(folder / "result.json")


if __name__ == "__main__":
    main()
