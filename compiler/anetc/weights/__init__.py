"""Weights in and out: files, the weights of the authors, learned edge weights, inheritance."""
