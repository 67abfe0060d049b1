"""Write texts: the canonical layout, the formatter, and minimal edits of a text."""
