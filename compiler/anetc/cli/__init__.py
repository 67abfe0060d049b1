"""The `anetc` command: wiring only. Functions of the library do each command's work."""
