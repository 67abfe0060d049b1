"""A training run in a folder: checkpoints, metrics, resume."""
