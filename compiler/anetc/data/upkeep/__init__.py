"""Check a data set, list its videos, and compute its optical flow once."""
