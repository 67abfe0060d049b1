"""Train networks on a CPU: the reference module's parameters, run by a plan, with manual gradients.

`training_module` is the module to call. `nodes` makes each node one autograd Function. `tape` and
`steps` run the operations of a node forward and backward, and `convs` and `norms` compute them.
`native_nodes` is the same by native kernels: `native_steps` and `node_writer` write a node's
program, and `native_program` lays out its memory. `shared_statistics` exchanges the statistics of a
batch between processes.
"""

from anetc.engines.training.training_module import TrainingModule, training_module

__all__ = ["TrainingModule", "training_module"]
