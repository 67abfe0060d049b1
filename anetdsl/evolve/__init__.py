"""The search over `.anet` texts: connection-learning-guided evolution (paper 3.2, 4.1).

Everything here works on text and values, without torch: a trained candidate is a text with its
learned edge weights and its score.
"""
