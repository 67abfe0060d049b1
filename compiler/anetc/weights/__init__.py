"""Weights: files, the authors' weights, learned edge weights, and inheritance."""
