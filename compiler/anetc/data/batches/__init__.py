"""Batches of a data set."""
