"""Layers whose weights are packed once, for inference."""

from __future__ import annotations

import copy
from typing import Any, cast

from .._engine import grad_enabled
from ..backends import is_linear, settings
from ..tensor import Tensor, wrap
from . import functional as F
from .linear import Linear
from .module import Module

__all__ = ["PackedLinear", "prepack"]


class PackedLinear(Linear):
    """A Linear layer with its weight laid out as the product reads it.

    It shares its parameters, hooks and name with the layer it was made of.

    Parameters
    ----------
    linear : Linear
        The layer.
    """

    def __init__(self, linear: Linear) -> None:
        self.__setstate__(linear.__dict__)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is packed: copies and unpickled layers pack their own weight."""
        return {name: value for name, value in self.__dict__.items() if name != "_prepared"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        backend, source = settings().backend, self.weight._data
        packed, version = backend.pack_linear(source), self.weight._version[0]
        # together, for each look into the layer's dict takes as long as a test
        self._prepared = backend.linear_packed, packed, source, version

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features).

        Raises
        ------
        RuntimeError
            If it would have to be recorded, and after a change of the weight; else as
            ``functional.linear``.
        """
        weight, bias = self.weight, self.bias
        multiply, packed, source, version = self._prepared
        is_tensor = isinstance(input, Tensor)
        if (
            weight._requires_grad
            or (bias is not None and bias._requires_grad)
            or (is_tensor and input._requires_grad)
        ) and grad_enabled():
            raise RuntimeError(
                f"{self} is prepacked for inference and records nothing: call it inside "
                "no_grad() or inference_mode(), or use the module that was given to prepack()"
            )
        if weight._data is not source or weight._version[0] != version:
            raise RuntimeError(
                f"the weight of {self} has changed since it was packed: it is at version "
                f"{weight._version[0]}, packed was version {version}"
                f"{'' if weight._data is source else ' of other memory'}. "
                "Call prepack() again"
            )
        if is_tensor:
            x, b = input._data, None if bias is None else bias._data
            if is_linear(x, source, b):
                return wrap(multiply(x, packed, b))
            if x.ndim != 2 and x.shape[-1:] == (self.in_features,) and self.in_features:
                rows = x.reshape(-1, self.in_features)
                if is_linear(rows, source, b):
                    y = multiply(rows, packed, b)
                    return wrap(y.reshape(*x.shape[:-1], self.out_features))
        return F.linear(input, weight, bias)  # which knows what is wrong


def prepack(module: Module) -> Module:
    """Make a copy of a module for inference, with the weights of its Linear layers packed.

    A product with a packed weight is spared the rearrangement of the weight that others make
    every time.  The copy shares all parameters and buffers with ``module``, which stays as it
    is.  Its Linear layers record nothing: they are called inside ``no_grad()`` or
    ``inference_mode()``, or where neither the input nor their parameters require grad.  It is
    good until a weight changes; then it raises, and has to be made anew.  A change through
    ``weight.data``, or through an array that shares the weight's memory, goes unnoticed.

    Parameters
    ----------
    module : Module
        A Linear layer, or any module with Linear layers somewhere inside.

    Returns
    -------
    Module
        Of the same type, but for Linear layers, which become :class:`PackedLinear`.

    Raises
    ------
    TypeError
        If ``module`` is no Module.
    """
    if not isinstance(module, Module):
        raise TypeError(f"prepack() expects a Module, but got {type(module).__name__}")
    return _twin(module, {})


def _twin(module: Module, known: dict[Module, Module]) -> Module:
    """Copy a module and what is below it, each once."""
    twin = known.get(module)
    if twin is None:
        # a subclass with a forward of its own may do anything with its weight
        if type(module) in (Linear, PackedLinear):
            twin = PackedLinear(cast(Linear, module))
        else:
            twin = copy.copy(module)
        known[module] = twin
        for name, child in module._modules.items():
            twin._modules[name] = None if child is None else _twin(child, known)
    return twin
