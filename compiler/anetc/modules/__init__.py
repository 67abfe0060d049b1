"""The reference module: the network as plain `torch.nn` modules, one readable module per block.

Tensors are (N, C, T, H, W). Each file holds one part of the paper's Figure 1: `stem`, `residual`,
`connection` (the weighted inputs of a node) and `sink`. `network` puts the parts together, and
`initial` draws the initial weights. `names` defines the names of parameters, which are also the
names in weights files.
"""
