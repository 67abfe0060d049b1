"""Drive a search: the driver, its database, and the files of a run directory."""
