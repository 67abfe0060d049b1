"""Networks in other forms: the structure lists of the paper's authors, and JSON."""
