"""Text out: one canonical layout, and edits that change a text by its smallest part."""
