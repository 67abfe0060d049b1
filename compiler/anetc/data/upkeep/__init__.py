"""Check a data set, list its videos, and cache its optical flow."""
