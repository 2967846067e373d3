"""Ways out of a tensor: NumPy's and Python's protocols, numbers and text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _dlpack
from .._formatting import format_tensor
from ..backends import Array
from ..dtypes import NumpyDType
from ..tensor import Tensor, wrap
from ._operands import is_number
from .compare import eq_operator
from .joining import unbind

__all__ = ["item", "numpy", "tolist"]


def numpy(self: Tensor, *, force: bool = False) -> Array:
    """Return the tensor's memory as an ndarray, without a copy.

    Parameters
    ----------
    force : bool
        Detach first, if need be.

    Raises
    ------
    RuntimeError
        If the tensor requires grad, unless ``force``.
    """
    if self.requires_grad and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    return self._data


def __array__(  # noqa: N807 - the protocol's name
    self: Tensor, dtype: NumpyDType | None = None, copy: bool | None = None
) -> Array:
    """Let NumPy read the tensor; errors as ``numpy``."""
    array = numpy(self)
    if dtype is not None and dtype != array.dtype:
        if copy is False:
            raise ValueError(f"cannot convert {array.dtype} to {dtype} without a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


def array_wrap(self: Tensor, array: Array, context: Any = None, return_scalar: bool = False) -> Any:
    """Make a tensor of what a NumPy function computed from one."""
    return wrap(np.asarray(array))


def dlpack(self: Tensor, **options: Any) -> Any:
    """Export the memory by the DLPack protocol, whose arguments it takes.

    Raises
    ------
    BufferError
        If the tensor requires grad.
    """
    return _dlpack.to_capsule(self._data, requires_grad=self.requires_grad, **options)


def dlpack_device(self: Tensor) -> tuple[int, int]:
    """Say that the memory is the CPU's."""
    return _dlpack.CPU_DEVICE


def item(self: Tensor) -> Any:
    """Return the only element as a Python number.

    Raises
    ------
    RuntimeError
        If there are more, or none.
    """
    if self._data.size != 1:
        raise RuntimeError(
            f"a Tensor with {self._data.size} elements cannot be converted to Scalar"
        )
    return self._data.item()


def tolist(self: Tensor) -> Any:
    """Return the elements as nested lists of Python numbers; a scalar as a number."""
    return self._data.tolist()


def to_bool(self: Tensor) -> bool:
    """``bool(tensor)``, of one element.

    Raises
    ------
    RuntimeError
        If there are more, or none.
    """
    data = self._data
    if data.size != 1:
        what = "more than one value" if data.size else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(data.item())


def _only(self: Tensor) -> Any:
    if self._data.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return self._data.item()


def to_float(self: Tensor) -> float:
    """``float(tensor)``, of one element; else ValueError."""
    return float(_only(self))


def to_int(self: Tensor) -> int:
    """``int(tensor)``, of one element; else ValueError."""
    return int(_only(self))


def to_index(self: Tensor) -> int:
    """Let an integer tensor of one element count as an integer.

    Raises
    ------
    TypeError
        For any other.
    """
    if self._data.size != 1 or self._data.dtype.kind == "f":
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self._data.item())


def length(self: Tensor) -> int:
    """Size of the first dimension.

    Raises
    ------
    TypeError
        For a scalar.
    """
    if self._data.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    size: int = self._data.shape[0]
    return size


def iterate(self: Tensor) -> Iterator[Tensor]:
    """Slices along the first dimension; TypeError for a scalar."""
    if self._data.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind(self, 0))


def contains(self: Tensor, element: Any) -> bool:
    """Whether some element equals ``element``.

    Raises
    ------
    RuntimeError
        If that is neither a number nor a tensor.
    """
    if not isinstance(element, Tensor) and not is_number(element):
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element)}."
        )
    return bool(eq_operator(self, element)._data.any())


def to_repr(self: Tensor) -> str:
    """Text of the tensor, as PyTorch prints it."""
    node = self.grad_fn
    return format_tensor(
        self._data,
        requires_grad=self._requires_grad,
        grad_fn_name=None if node is None else node.name(),
    )


def to_format(self: Tensor, spec: str) -> str:
    """Format a scalar as its number, anything else as its text."""
    return format(self._data.item(), spec) if self._data.ndim == 0 else format(repr(self), spec)
