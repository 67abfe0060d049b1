"""The plan: a network as a list of tensor operations, and the passes that optimise it."""
