"""Weight inheritance: a network starts from the weights of its parent."""
