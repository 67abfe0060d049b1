"""The format `list`: lists of videos as they are published, and tables."""
