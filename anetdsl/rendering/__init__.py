"""Diagnostics as people and programs read them: caret text, one-liners, JSON in the LSP shape."""
