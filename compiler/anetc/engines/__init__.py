"""Engines: run the plan of a network, for inference or for training."""
