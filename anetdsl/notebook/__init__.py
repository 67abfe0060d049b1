"""Displays in notebooks: networks with their costs, and runs that are followed."""
