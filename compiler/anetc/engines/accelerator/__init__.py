"""Run plans on an accelerator such as a GPU, by PyTorch's ordinary operations.

`accelerator_module` trains a network, `accelerator_plan` holds its operations, and `shared_norm`
computes batch statistics over several processes. `portable` runs inference plans.
"""

from anetc.engines.accelerator.accelerator_module import AcceleratorModule

__all__ = ["AcceleratorModule"]
