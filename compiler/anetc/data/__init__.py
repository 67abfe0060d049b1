"""Data sets: from files on disk to batches for training and testing."""
