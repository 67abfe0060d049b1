"""Run plans for inference on a CPU."""
