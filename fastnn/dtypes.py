"""Element types, and PyTorch's rules for mixing them.

Nothing here knows tensors: the functions take :class:`dtype` objects or NumPy's dtypes.
The names ``bool``, ``int``, ``float``, ... of this module are element types, as in PyTorch;
Python's own are spelled ``builtins.bool`` etc. inside it.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._device import CPU, check_device, device
from ._size import Size

__all__ = [
    "ALL",
    "CPU",
    "NUMBER",
    "NumpyDType",
    "Size",
    "as_numpy_dtype",
    "bool",
    "can_cast",
    "check_device",
    "device",
    "double",
    "dtype",
    "finfo",
    "float",
    "float32",
    "float64",
    "from_numpy_dtype",
    "from_python_type",
    "get_default_dtype",
    "iinfo",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "long",
    "promote",
    "promote_numpy",
    "promote_types",
    "result_type",
    "set_default_dtype",
    "short",
    "to_numpy",
    "uint8",
]

NumpyDType = np.dtype[Any]

_BOOL, _INTEGER, _FLOATING = range(3)


class dtype:  # noqa: N801 - PyTorch's name
    """The type of a tensor's elements; one object per type, compared by identity.

    Attributes
    ----------
    name : str
        ``"float32"``; the attribute of this name in :mod:`fastnn` is the object itself.
    itemsize : int
        Bytes per element.
    is_floating_point, is_complex, is_signed : bool
        What kind of number it is.  No complex types exist.
    """

    __slots__ = ("_category", "_numpy", "is_floating_point", "is_signed", "itemsize", "name")

    name: str
    itemsize: builtins.int
    _category: builtins.int
    _numpy: NumpyDType
    is_floating_point: builtins.bool
    is_signed: builtins.bool

    def __new__(cls, *args: object, **kwargs: object) -> dtype:
        """Refuse: the objects of this module are all there are."""
        raise TypeError(f"cannot create '{cls.__module__}.dtype' instances")

    @property
    def is_complex(self) -> builtins.bool:
        """Always False."""
        return False

    def __repr__(self) -> str:
        return f"fastnn.{self.name}"

    def __reduce__(self) -> str:
        # A string makes pickle and copy look the singleton up by name in this module.
        return self.name


def _make(name: str, category: builtins.int) -> dtype:
    made = object.__new__(dtype)
    numpy = np.dtype(name)
    made.name = name
    made.itemsize = numpy.itemsize
    made.is_floating_point = category == _FLOATING
    made.is_signed = numpy.kind in "if"
    made._numpy = numpy
    made._category = category
    return made


bool = _make("bool", _BOOL)
uint8 = _make("uint8", _INTEGER)
int8 = _make("int8", _INTEGER)
int16 = short = _make("int16", _INTEGER)
int32 = int = _make("int32", _INTEGER)
int64 = long = _make("int64", _INTEGER)
float32 = float = _make("float32", _FLOATING)
float64 = double = _make("float64", _FLOATING)

#: Every element type, smallest category first.
ALL = (bool, uint8, int8, int16, int32, int64, float32, float64)

_FROM_NUMPY: dict[NumpyDType, dtype] = {each._numpy: each for each in ALL}
_FROM_PYTHON: dict[type, dtype] = {
    builtins.bool: bool,
    np.bool_: bool,
    builtins.int: int64,
    np.integer: int64,
}
_FLOATS = (builtins.float, np.floating)
_SUPPORTED = ", ".join(each.name for each in reversed(ALL))


# -- to and from NumPy ---------------------------------------------------------------------


def to_numpy(type_: dtype) -> NumpyDType:
    """NumPy's dtype for ``type_``.

    Raises
    ------
    TypeError
        If ``type_`` is not a :class:`dtype`.
    """
    try:
        return type_._numpy
    except AttributeError:
        raise TypeError(f"dtype must be a fastnn.dtype, not {type_!r}") from None


def from_numpy_dtype(numpy_dtype: NumpyDType) -> dtype:
    """Return the element type of arrays with ``numpy_dtype``.

    Raises
    ------
    ValueError
        If its byte order is not the machine's.
    TypeError
        If no tensor can hold it (objects, strings, complex, float16, ...).
    """
    try:
        return _FROM_NUMPY[numpy_dtype]
    except KeyError:
        pass
    if numpy_dtype.newbyteorder("=") in _FROM_NUMPY:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. "
            f"Conversion between byte orders is currently not supported: {numpy_dtype.str!r}"
        )
    raise TypeError(
        f"can't convert np.ndarray of type numpy.{numpy_dtype.type.__name__}. "
        f"The only supported types are: {_SUPPORTED}."
    )


def from_python_type(kind: type) -> dtype:
    """Return the element type of Python's bool, int (int64) or float (the default type).

    NumPy's scalars count as Python numbers, whatever their width.

    Raises
    ------
    TypeError
        For any other class.
    """
    for base in kind.__mro__:
        if base in _FLOATS:
            return _default
        if base in _FROM_PYTHON:
            return _FROM_PYTHON[base]
    raise TypeError(f"no element type for Python's {kind.__name__}")


# -- the default floating type -------------------------------------------------------------

_default: dtype = float32


def get_default_dtype() -> dtype:
    """Return the element type of tensors made from Python floats: float32 unless changed."""
    return _default


def set_default_dtype(type_: dtype) -> None:
    """Make ``type_`` the default floating type, for the whole process.

    Raises
    ------
    TypeError
        If ``type_`` is not float32 or float64.
    """
    global _default
    if not isinstance(type_, dtype) or not type_.is_floating_point:
        raise TypeError(
            "invalid dtype object: only floating-point types are supported as the default type, "
            f"got {type_!r}"
        )
    _default = type_


# -- promotion -----------------------------------------------------------------------------


def _promote_pair(a: dtype, b: dtype) -> dtype:
    if a._category != b._category:
        return a if a._category > b._category else b
    if a.is_signed != b.is_signed:  # uint8 beside a signed integer
        signed = a if a.is_signed else b
        return signed if signed.itemsize > 1 else int16
    return a if a.itemsize >= b.itemsize else b


_PROMOTED = {(a, b): _promote_pair(a, b) for a in ALL for b in ALL}

#: The rank that marks a Python number in :func:`promote` and :func:`promote_numpy`.
NUMBER = -1


def promote_types(a: dtype, b: dtype) -> dtype:
    """Return the smallest type of the higher category that holds both.

    As ``torch.promote_types``.  Unlike NumPy's rule, an integer never widens a floating
    type: int64 with float32 is float32.
    """
    try:
        return _PROMOTED[a, b]
    except KeyError:
        raise TypeError(f"promote_types() takes two dtypes, not {a!r} and {b!r}") from None


def promote(a: dtype, rank_a: builtins.int, b: dtype, rank_b: builtins.int) -> dtype:
    """Return the type of arithmetic on two operands, as ``torch.result_type``.

    Operands have one of three priorities: tensors with dimensions, tensors without, and
    Python numbers.  One of lower priority changes the result only if its category (bool,
    integer, floating) is higher.

    Parameters
    ----------
    a, b : dtype
        The operands' types; for a Python number see :func:`from_python_type`.
    rank_a, rank_b : int
        Their numbers of dimensions; :data:`NUMBER` (-1) for a Python number.
    """
    if a is b:
        return a
    priority_a = 1 if rank_a > 0 else rank_a
    priority_b = 1 if rank_b > 0 else rank_b
    if priority_a > priority_b:
        return a if a._category >= b._category else b
    if priority_b > priority_a:
        return b if b._category >= a._category else a
    return _PROMOTED[a, b]


def promote_numpy(
    a: NumpyDType, rank_a: builtins.int, b: NumpyDType, rank_b: builtins.int
) -> NumpyDType:
    """:func:`promote` over NumPy's dtypes."""
    return promote(from_numpy_dtype(a), rank_a, from_numpy_dtype(b), rank_b)._numpy


def result_type(a: object, b: object) -> dtype:
    """Return the type of arithmetic on ``a`` and ``b``: ndarrays or Python numbers."""
    return promote(*_type_and_rank(a), *_type_and_rank(b))


def _type_and_rank(operand: object) -> tuple[dtype, builtins.int]:
    if isinstance(operand, np.ndarray):
        return from_numpy_dtype(operand.dtype), operand.ndim
    return from_python_type(type(operand)), NUMBER


def can_cast(source: dtype, target: dtype) -> builtins.bool:
    """Whether PyTorch lets a ``source`` result be stored as ``target``: category may not fall."""
    return source._category <= target._category


# -- limits of the number types ------------------------------------------------------------


class finfo:  # noqa: N801 - PyTorch's name
    """Limits of a floating type (the default type if none is given).

    Attributes
    ----------
    bits : int
    eps, max, min, tiny, smallest_normal, resolution : float
        As ``numpy.finfo`` has them, as Python floats.
    dtype : str
        The type's name.

    Raises
    ------
    TypeError
        For a type that is not floating.
    """

    def __init__(self, type: dtype | None = None) -> None:
        chosen = _default if type is None else type
        if not isinstance(chosen, dtype) or not chosen.is_floating_point:
            raise TypeError(
                f"fastnn.finfo() requires a floating point input type. Got {chosen!r}; "
                "use fastnn.iinfo for integers"
            )
        limits = np.finfo(chosen._numpy)
        self.bits = chosen.itemsize * 8
        self.eps = builtins.float(limits.eps)
        self.max = builtins.float(limits.max)
        self.min = builtins.float(limits.min)
        self.tiny = self.smallest_normal = builtins.float(limits.tiny)
        self.resolution = builtins.float(str(limits.resolution))
        self.dtype = chosen.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:  # noqa: N801 - PyTorch's name
    """Limits of an integer type: ``bits``, ``min``, ``max`` and ``dtype`` (its name).

    Raises
    ------
    TypeError
        For a type that is not an integer.
    """

    def __init__(self, type: dtype) -> None:
        if not isinstance(type, dtype) or type._category != _INTEGER:
            raise TypeError(f"fastnn.iinfo() requires an integer input type. Got {type!r}")
        limits = np.iinfo(type._numpy)
        self.bits = type.itemsize * 8
        self.min = builtins.int(limits.min)
        self.max = builtins.int(limits.max)
        self.dtype = type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def as_numpy_dtype(type_: dtype | None, like: NDArray[Any] | None = None) -> NumpyDType:
    """``type_`` for NumPy; None means the type of ``like``, or the default type without it."""
    if type_ is not None:
        return to_numpy(type_)
    return _default._numpy if like is None else like.dtype
