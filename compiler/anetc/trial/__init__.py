"""Trial of a search: train a candidate, evaluate it and write the result."""
