"""Fully connected layers."""

from __future__ import annotations

import math

from ..creation import empty
from ..dtypes import device as Device
from ..dtypes import dtype as DType
from ..tensor import Tensor
from . import functional as F
from . import init
from ._functional_linear import linear_relu
from .module import Module
from .parameter import Parameter

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Returns its input; takes any arguments, so that it can stand in for another layer."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input``."""
        return input


class Linear(Module):
    """``input @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last dimension of the input (..., in_features) and of the output
        (..., out_features).
    bias : bool
        Whether there is a ``bias`` (out_features,) beside the ``weight``
        (out_features, in_features).
    device : str or device, optional
        The CPU.
    dtype : dtype, optional
        Of the parameters; the default floating type if left out.

    Notes
    -----
    Both are drawn from U(-1/sqrt(in_features), 1/sqrt(in_features)), as in PyTorch.
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | Device | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        return F.linear(input, self.weight, self.bias)

    def _forward_relu(self, input: Tensor) -> Tensor:
        return linear_relu(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return what the repr says between the parentheses."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
