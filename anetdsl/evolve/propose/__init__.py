"""Propose candidates: selection, operators, rewiring, and the text of a child."""
