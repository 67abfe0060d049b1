"""Optical flow: TV-L1, and the flow input of a network."""
