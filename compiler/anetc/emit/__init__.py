"""Plans made to run: as modules, as files."""

PYTHON_MARK = "Written by `anetc compile --emit python`"
