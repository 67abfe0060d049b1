"""How fast a network runs here, by each means of running it, beside what the machine can do."""
