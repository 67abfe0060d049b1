"""Engines: run a network by its plan, for inference or for training."""
