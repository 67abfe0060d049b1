"""Diagnostics as text with carets, as single lines, and as JSON in the shape of the LSP."""
