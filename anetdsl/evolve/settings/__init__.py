"""Settings of a search: values, presets, and `settings.toml`."""
