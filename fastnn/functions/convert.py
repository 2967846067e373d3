"""Sizes and strides, copies, other element types."""

from __future__ import annotations

import copy
from typing import Any, SupportsIndex

import numpy as np

from .. import dtypes
from ..backends import Array
from ..dtypes import NumpyDType, Size, as_numpy_dtype, check_device, to_numpy
from ..dtypes import device as Device
from ..dtypes import dtype as DType
from ..ops import convert as ops
from ..tensor import Tensor, apply, wrap
from ._dims import one_axis, sizes_of
from ._operands import cast, require_tensor, unwrap

__all__ = ["clone", "detach", "is_floating_point", "is_tensor", "numel", "result_type"]


def is_tensor(value: object) -> bool:
    """Whether ``value`` is a Tensor."""
    return isinstance(value, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating numbers."""
    return require_tensor(input, "is_floating_point")._data.dtype.kind == "f"


def numel(input: Tensor) -> int:
    """Count the elements."""
    return require_tensor(input, "numel")._data.size


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """Return the element type of arithmetic on two tensors or numbers."""
    return dtypes.result_type(unwrap(tensor1), unwrap(tensor2))


def dim(self: Tensor) -> int:
    """Count the dimensions."""
    return self._data.ndim


def size(self: Tensor, dim: int | None = None) -> Any:
    """All sizes, or that of one dimension.

    Raises
    ------
    IndexError
        If there is no such dimension.
    """
    shape = self._data.shape
    return Size(shape) if dim is None else shape[_axis(dim, len(shape))]


def stride(self: Tensor, dim: int | None = None) -> Any:
    """All strides, or that of one dimension, in elements; errors as ``size``."""
    strides = tuple([step // self._data.itemsize for step in self._data.strides])
    return strides if dim is None else strides[_axis(dim, len(strides))]


def _axis(dim: int, ndim: int) -> int:
    if ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return one_axis(dim, ndim)


def element_size(self: Tensor) -> int:
    """Bytes per element."""
    return self._data.itemsize


def data_ptr(self: Tensor) -> int:
    """Address of the first element."""
    return self._data.ctypes.data


def is_contiguous(self: Tensor) -> bool:
    """Whether the elements lie in memory in order, without gaps."""
    return self._data.flags.c_contiguous


# -- copies ----------------------------------------------------------------------------------


def set_data(self: Tensor, value: Tensor) -> None:
    """Let the tensor use the memory of another, whatever the graph says.

    Raises
    ------
    TypeError
        If ``value`` is no tensor.
    RuntimeError
        If the tensor requires grad and ``value`` holds integers.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
    if self._requires_grad and value._data.dtype.kind != "f":
        raise RuntimeError(
            "data set to a tensor that requires gradients must be floating point, "
            f"not {value._data.dtype.name}"
        )
    self._data = value._data


def clone(input: Tensor) -> Tensor:
    """Copy, as part of the graph."""
    return apply(ops.CLONE, (require_tensor(input, "clone"),))


def contiguous(self: Tensor) -> Tensor:
    """Return the tensor itself if it is contiguous, else a copy that is."""
    return self if self._data.flags.c_contiguous else apply(ops.CLONE, (self,))


def detach(input: Tensor) -> Tensor:
    """Return the same memory outside the graph; in-place changes are still noticed."""
    result = wrap(require_tensor(input, "detach")._data)
    result._version = input._version
    return result


def detach_(self: Tensor) -> Tensor:
    """Take this tensor out of the graph; return it.

    Raises
    ------
    RuntimeError
        For a view.
    """
    if self._view is not None and self.requires_grad:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using "
            "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as "
            "True, gradients are views of DDP buckets, and hence detach_() cannot be called on "
            "these gradients."
        )
    self._edge = None
    self._requires_grad = False
    return self


def _rebuild(cls: type[Tensor], array: Array, requires_grad: bool, state: dict[str, Any]) -> Tensor:
    t = cls.__new__(cls)
    Tensor.__init__(t, array)
    t._requires_grad = requires_grad
    if state:
        t.__dict__.update(state)
    return t


def reduce_ex(self: Tensor, protocol: SupportsIndex) -> tuple[Any, ...]:
    """Pickle the elements, ``requires_grad`` and own attributes; the graph stays behind."""
    return _rebuild, (type(self), self._data, self.requires_grad, self.__dict__)


def deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """Copy a leaf with its ``grad``.

    Raises
    ------
    RuntimeError
        For a tensor that was computed.
    """
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment."
        )
    if id(self) in memo:
        return memo[id(self)]  # type: ignore[no-any-return]
    result = _rebuild(type(self), self._data.copy(), self._requires_grad, {})
    memo[id(self)] = result
    result._grad = copy.deepcopy(self._grad, memo)
    if self.__dict__:
        result.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return result


# -- other types -----------------------------------------------------------------------------


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Convert: ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other_tensor)``.

    Parameters
    ----------
    dtype : dtype, optional
        The new element type.
    device : str or device, optional
        The CPU.
    non_blocking : bool
        Ignored.
    copy : bool
        Copy even if nothing changes; otherwise the tensor itself is returned then.

    Raises
    ------
    RuntimeError
        For another device.
    TypeError
        For arguments that are none of these.
    """
    dtype: NumpyDType | None = None
    for value in (*args, *[kwargs.pop(name, None) for name in ("dtype", "device", "other")]):
        if isinstance(value, DType):
            dtype = to_numpy(value)
        elif isinstance(value, Tensor):
            dtype = value._data.dtype
        elif isinstance(value, (str, Device)):
            check_device(value)
        elif value is not None and not isinstance(value, bool):
            raise TypeError(f"to() takes a dtype, a device or a tensor, not {value!r}")
    must_copy = kwargs.pop("copy", len(args) > 2 and args[-1] is True)
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument {next(iter(kwargs))!r}")
    result = self if dtype is None else cast(self, dtype)
    return clone(self) if must_copy and result is self else result


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Convert to the element type of ``other``."""
    return cast(self, other._data.dtype)


def cpu(self: Tensor) -> Tensor:
    """Return the tensor itself: it is on the CPU."""
    return self


def cuda(self: Tensor, device: str | int | Device | None = None) -> Tensor:
    """Raise RuntimeError: there is no such device."""
    return to(self, "cuda")


def double(self: Tensor) -> Tensor:
    """Convert to float64."""
    return cast(self, np.dtype(np.float64))


def as_float(self: Tensor) -> Tensor:
    """Convert to float32."""
    return cast(self, np.dtype(np.float32))


def long(self: Tensor) -> Tensor:
    """Convert to int64."""
    return cast(self, np.dtype(np.int64))


def as_int(self: Tensor) -> Tensor:
    """Convert to int32."""
    return cast(self, np.dtype(np.int32))


def byte(self: Tensor) -> Tensor:
    """Convert to uint8."""
    return cast(self, np.dtype(np.uint8))


def as_bool(self: Tensor) -> Tensor:
    """Convert to bool: True for what is not zero."""
    return cast(self, np.dtype(np.bool_))


_TYPE_NAMES = {
    "float32": "FloatTensor",
    "float64": "DoubleTensor",
    "bool": "BoolTensor",
    "uint8": "ByteTensor",
    "int8": "CharTensor",
    "int16": "ShortTensor",
    "int32": "IntTensor",
    "int64": "LongTensor",
}


def type_(self: Tensor, dtype: DType | None = None) -> Any:
    """Convert to ``dtype``; without one, return the name of the present type."""
    if dtype is None:
        return f"fastnn.{_TYPE_NAMES[self._data.dtype.name]}"
    return cast(self, to_numpy(dtype))


# -- new tensors like this one ---------------------------------------------------------------


def _new(self: Tensor, sizes: tuple[Any, ...], fill: Any, dtype: DType | None) -> Tensor:
    return wrap(np.full(sizes_of(sizes), fill, as_numpy_dtype(dtype, self._data)))


def new_zeros(self: Tensor, *size: Any, dtype: DType | None = None) -> Tensor:
    """Zeros of ``size``, in this tensor's type unless ``dtype`` is given."""
    return _new(self, size, 0, dtype)


def new_ones(self: Tensor, *size: Any, dtype: DType | None = None) -> Tensor:
    """Ones of ``size``, in this tensor's type unless ``dtype`` is given."""
    return _new(self, size, 1, dtype)


def new_full(self: Tensor, size: Any, fill_value: Any, *, dtype: DType | None = None) -> Tensor:
    """``fill_value`` in ``size``, in this tensor's type unless ``dtype`` is given."""
    return _new(self, (size,), fill_value, dtype)


def new_tensor(self: Tensor, data: Any, *, dtype: DType | None = None) -> Tensor:
    """Copy ``data`` into a tensor of this one's type unless ``dtype`` is given."""
    array = np.array(data._data if isinstance(data, Tensor) else data)
    return wrap(array.astype(as_numpy_dtype(dtype, self._data)))
