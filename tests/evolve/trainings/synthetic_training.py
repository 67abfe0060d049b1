"""A training without training: `python synthetic_training.py [--kill NAME FILE] FOLDER`.

The fitness is a function of the network, the number of steps, the learning rate and the seed. With
`--kill` the first start of the training NAME makes FILE and waits to be killed.
"""

import json
import random
import sys
import time
from pathlib import Path

from tests.evolve.synthetic_trial import network_of, result_of, trained


def fitness_of(text: str, job: dict[str, object]) -> float:
    """Return a fitness: better with more steps, best at a learning rate of 0.1."""
    settings = job["settings"]
    assert isinstance(settings, dict)
    draw = random.Random(network_of(text))
    base = draw.uniform(60, 140) + min(settings.get("iterations", 0), 1000) / 50
    base -= 100 * abs(settings.get("learning_rate", 0.05) - 0.1)
    noise = random.Random(f"{settings.get('seed')}{network_of(text)}{job['split']}").uniform(-5, 5)
    return round(base + noise, 4)


def write_result(folder: Path) -> None:
    """Write the files of a trial."""
    text = (folder / "candidate.anet").read_text(encoding="utf-8")
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    fitness = fitness_of(text, job)
    result = result_of(text) | {
        "fitness": fitness,
        "measures": {"top1": fitness / 2, "top5": fitness / 2, "loss": 1.0},
        "seed": job["settings"].get("seed"),
    }
    (folder / "trained.anet").write_text(trained(text), encoding="utf-8")
    if "evaluate" not in job:
        (folder / "weights.safetensors").write_bytes(f"weights {fitness}".encode())
    else:
        assert Path(job["evaluate"]).exists(), "the weights to evaluate are missing"
    (folder / "result.part").write_text(json.dumps(result), encoding="utf-8")
    (folder / "result.part").replace(folder / "result.json")


def main() -> None:
    *options, last = sys.argv[1:]
    folder = Path(last)
    if options and folder.parent.name == options[1] and folder.name == "1":
        Path(options[2]).touch()
        time.sleep(600)
    write_result(folder)


if __name__ == "__main__":
    main()
