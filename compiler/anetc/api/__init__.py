"""The functions `anetc.train`, `anetc.evaluate` and `anetc.search`, which the commands call."""
