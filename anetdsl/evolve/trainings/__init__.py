"""Trainings of given networks with several seeds: for the finals of a search, and for studies."""
