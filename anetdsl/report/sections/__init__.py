"""Sections of the report on one run."""
