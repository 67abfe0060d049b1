"""Search over `.anet` texts: connection-learning-guided evolution (paper 3.2 and 4.1).

The search works on texts and values and does not import torch: a trained candidate is a text with
its learned edge weights and its score.
"""
