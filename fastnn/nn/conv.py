"""Convolutional layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .._shapes_window import conv2d_pair
from ..creation import empty
from ..dtypes import device as Device
from ..dtypes import dtype as DType
from ..tensor import Tensor
from . import functional as F
from . import init
from ._functional_linear import convolve
from .module import Module
from .parameter import Parameter

__all__ = ["Conv2d"]

Pair = tuple[int, int]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Conv2d(Module):
    """Correlates images with a bank of learned filters.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K: (N, C, H, W) becomes (N, K, P, Q), and (C, H, W) becomes (K, P, Q).
    kernel_size, stride, dilation : int or (int, int)
    padding : int, (int, int), "same" or "valid"
        How many entries are added on each side; ``"same"`` keeps (H, W).
    groups : int
        Into how many independent convolutions the channels are cut.
    bias : bool
        Whether there is a ``bias`` (K,) beside the ``weight`` (K, C / groups, R, S).
    padding_mode : str
        What is added: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    device : str or device, optional
        The CPU.
    dtype : dtype, optional
        Of the parameters; the default floating type if left out.

    Raises
    ------
    ValueError
        For groups that do not divide the channels, or an unknown padding.

    Notes
    -----
    Both are drawn from U(-b, b) with b = 1/sqrt(C / groups * R * S), as in PyTorch.
    """

    weight: Parameter
    bias: Parameter | None
    padding: str | Pair

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | Device | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = conv2d_pair("kernel_size", kernel_size)
        self.stride = conv2d_pair("stride", stride)
        self.padding = padding if isinstance(padding, str) else conv2d_pair("padding", padding)
        self.dilation = conv2d_pair("dilation", dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        self._margins = self._margins_of_padding()
        sizes = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(empty(sizes, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check(self) -> None:
        if self.groups <= 0:
            raise ValueError(f"groups must be a positive integer, but got groups={self.groups}")
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(
                    f"{name} must be divisible by groups, "
                    f"but got {name}={getattr(self, name)} and groups={self.groups}"
                )
        if isinstance(self.padding, str):
            if self.padding not in ("valid", "same"):
                raise ValueError(
                    f"Invalid padding string {self.padding!r}, should be one of {{'valid', 'same'}}"
                )
            if self.padding == "same" and self.stride != (1, 1):
                raise ValueError(
                    "padding='same' is not supported for strided convolutions, "
                    f"but got stride={self.stride}"
                )
        if self.padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {_PADDING_MODES}, "
                f"but got padding_mode={self.padding_mode!r}"
            )

    def _margins_of_padding(self) -> tuple[int, ...]:
        """Give the padding as F.pad takes it: (left, right, top, bottom)."""
        if not isinstance(self.padding, str):
            vertical, horizontal = self.padding
            return horizontal, horizontal, vertical, vertical
        if self.padding == "valid":
            return 0, 0, 0, 0
        margins: list[int] = []
        for kernel, dilation in zip(self.kernel_size[::-1], self.dilation[::-1], strict=True):
            total = dilation * (kernel - 1)
            margins += (total // 2, total - total // 2)
        return tuple(margins)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, K, P, Q), or both without N."""
        return self._convolve(input, False)

    def _forward_relu(self, input: Tensor) -> Tensor:
        return self._convolve(input, True)

    def _convolve(self, input: Tensor, relu: bool) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._margins, mode=self.padding_mode)
            padding = (0, 0)
        how = (self.stride, padding, self.dilation, self.groups)
        return convolve(input, self.weight, self.bias, how, relu)

    def extra_repr(self) -> str:
        """Return what the repr says between the parentheses."""
        text = (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text
