"""How ``dim`` and ``keepdim`` arguments, and their NumPy names, are read."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from .._shapes import wrap_dim, wrap_dims

__all__ = ["ALL_AXES", "alias", "axes_of", "integer", "one_axis", "sizes_of"]

#: All axes of an array, by its number of dimensions.
ALL_AXES = tuple(tuple(range(ndim)) for ndim in range(65))


def alias(value: Any, other: Any, default: Any, name: str, other_name: str) -> Any:
    """Return the argument ``name``, which may be given as ``other_name`` instead.

    Raises
    ------
    TypeError
        If both are given.
    """
    if other is None:
        return value
    if value is not default:
        raise TypeError(f"got both {name}={value!r} and {other_name}={other!r}; they are the same")
    return other


def axes_of(dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Turn ``dim`` into ascending axes; None and an empty sequence mean all.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If one is named twice.
    """
    if dim is None:
        return ALL_AXES[ndim]
    if isinstance(dim, int):
        return wrap_dims((dim,), ndim)
    return wrap_dims(tuple(dim), ndim) if len(dim) else ALL_AXES[ndim]


def integer(dim: Any) -> int:
    """Read one ``dim``.

    Raises
    ------
    TypeError
        If it is not an integer.
    """
    try:
        return index(dim)
    except TypeError:
        raise TypeError(f"a dimension must be an integer, got {dim!r}") from None


def one_axis(dim: int, ndim: int) -> int:
    """Bring one ``dim`` into [0, ndim); 0 for a scalar.

    Raises
    ------
    IndexError
        If there is no such dimension.
    TypeError
        If it is not an integer.
    """
    return wrap_dim(integer(dim), ndim)


def sizes_of(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Read sizes given as ``(2, 3)`` or as ``((2, 3),)``.

    Raises
    ------
    TypeError
        If one is not an integer.
    """
    if len(args) == 1 and isinstance(args[0], Sequence):
        args = tuple(args[0])
    try:
        return tuple([size.__index__() for size in args])
    except AttributeError:
        raise TypeError(f"sizes and dimensions must be integers, got {args!r}") from None
