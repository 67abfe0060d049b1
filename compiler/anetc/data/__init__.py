"""Data sets: from videos on disk to batches that a network trains and is tested on."""
