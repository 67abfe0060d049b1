"""One trial of a search: train a candidate, evaluate it, write the result."""
