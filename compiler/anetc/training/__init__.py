"""Training by the paper's protocol."""
