"""Propose candidates: selection, operators, rewiring, canonical forms and the child's text."""
