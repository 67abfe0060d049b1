"""Evaluation of networks and of prediction files by the protocols of the paper."""
