"""Prediction files: scores of each video, saved and scored again without a network."""
