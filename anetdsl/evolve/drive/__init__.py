"""Driver of a search and the run directory that it keeps."""
