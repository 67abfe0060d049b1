"""The generated data set `motion`."""
