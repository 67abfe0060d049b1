"""Training and evaluation by the paper's protocols."""
