"""Sections of the report pages."""
