"""Networks made to train: the plain module's parameters, run by a plan with gradients by hand.

`module` is what is called, `nodes` makes each node one autograd Function, `tape` and `steps` are
what happens within it, `convs` and `norms` the arithmetic.
"""

from anetc.engines.training.training_module import TrainingModule, training_module

__all__ = ["TrainingModule", "training_module"]
