"""Converting a module's floating parameters and buffers to another dtype."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import Array
from ..dtypes import check_device, device, dtype, to_numpy
from ..tensor import Tensor, wrap

if TYPE_CHECKING:
    from .module import Module

__all__ = ["conversion", "convert"]


def conversion(*args: Any, **kwargs: Any) -> np.dtype[Any] | None:
    """Read the arguments of ``Module.to``: the dtype to convert to, None for no change.

    Raises
    ------
    TypeError
        For a dtype that is not floating, or arguments that are neither dtype, device nor
        tensor.
    RuntimeError
        If the device is not the CPU.
    """
    chosen: dtype | None = kwargs.pop("dtype", None)
    check_device(kwargs.pop("device", None))
    kwargs.pop("non_blocking", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    for arg in args:
        if isinstance(arg, dtype):
            chosen = arg
        elif isinstance(arg, Tensor):
            chosen = arg.dtype
        elif isinstance(arg, (str, device)):
            check_device(arg)
        elif arg is not None and not isinstance(arg, bool):
            raise TypeError(f"to() takes a dtype, a device or a tensor, not {arg!r}")
    if chosen is None:
        return None
    target = to_numpy(chosen)
    if target.kind != "f":
        raise TypeError(
            "nn.Module.to only accepts floating point or complex dtypes, "
            f"but got desired dtype={chosen!r}"
        )
    return target


def convert(modules: Iterable[Module], target: np.dtype[Any] | None) -> None:
    """Convert what is floating in ``modules``; parameters stay the same objects."""
    if target is None:
        return
    for module in modules:
        for parameter in module._parameters.values():
            if parameter is not None and _differs(parameter._data, target):
                parameter._data = parameter._data.astype(target)
                parameter._version = [0]
                if parameter._grad is not None:
                    parameter._grad = wrap(parameter._grad._data.astype(target))
        for name, buffer in list(module._buffers.items()):
            if buffer is not None and _differs(buffer._data, target):
                module._buffers[name] = wrap(buffer._data.astype(target))


def _differs(array: Array, target: np.dtype[Any]) -> bool:
    return array.dtype.kind == "f" and array.dtype != target
