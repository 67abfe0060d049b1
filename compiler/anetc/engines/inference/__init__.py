"""Run a plan for inference on a CPU."""
