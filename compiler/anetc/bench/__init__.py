"""Measure a network's speed on this machine, with several backends, and the machine's limits."""
