"""Evaluate a network, or a file of predictions, by the protocols of the paper."""
