"""Functions over tensors, by family; the same objects are the methods of Tensor."""

from . import methods as methods
