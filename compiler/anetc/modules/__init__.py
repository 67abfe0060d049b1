"""The network as plain `torch.nn` modules, one readable module a block: the reference lowering.

Tensors are (N, C, T, H, W). Each file holds one part of the paper's Figure 1: `stem`, `residual`,
`connection` (a node's weighted inputs), `sink`; `network` puts them together and `initial` draws
their first weights. `names` says how parameters are called, which is also the format of weights
files.
"""
