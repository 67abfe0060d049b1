"""Convert networks to the authors' structure lists and to JSON, and back."""
