"""Changes in place, and what they do to the graph.

A recorded change is computed out of place, written to the tensor's memory, and the tensor
then takes the result's place in the graph.  If it is a view, its base does too: the base
becomes "what it was, with this part replaced", and the view is read from it anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import random
from .._engine import Node, grad_enabled
from .._shapes import broadcast, expand_shape
from ..backends import settings
from ..dtypes import can_cast, from_numpy_dtype
from ..ops import convert as convert_ops
from ..ops import index as index_ops
from ..ops._arrays import quiet
from ..ops.view import COPY_SLICES, Geometry, overlaps
from ..tensor import Tensor, apply, bump, record, wrap
from . import arithmetic, index, math
from ._operands import cast, convert, is_number, number, require_tensor, scalar_name

__all__ = ["copy_", "fill_", "in_place", "setitem", "writable", "zero_"]


def writable(t: Tensor, through_view: bool = False) -> bool:
    """Check that ``t`` may be changed in place; return whether changes are recorded now.

    Parameters
    ----------
    through_view : bool
        Whether only a part is changed, which PyTorch does through a view.

    Raises
    ------
    RuntimeError
        If it is a leaf that requires grad, or a view of one, while operations are recorded; or
        if its memory is read-only or shared among its own elements.
    """
    recording = grad_enabled()
    if recording:
        view = t._view
        through_view = through_view or view is not None
        base = t if view is None else view[0]
        if base._requires_grad and base._edge is None:
            raise RuntimeError(
                f"a {'view of a ' if through_view else ''}leaf Variable that requires grad is "
                "being used in an in-place operation."
            )
    data = t._data
    if not data.flags.writeable:
        raise RuntimeError(f"the memory of this tensor of shape {list(data.shape)} is read-only")
    if overlaps(data):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )
    return recording


def adopt(t: Tensor, edge: Any) -> None:
    """Give ``t``, just written to, the place in the graph that ``edge`` stands for."""
    if t._view is None:
        t._edge = edge
        t._requires_grad = True
        return
    base = t._view[0]
    part = wrap(t._data)
    part._edge = edge
    part._requires_grad = True
    base._edge = record(COPY_SLICES, (base, part), Geometry(base._data, t._data), part, settings())
    base._requires_grad = True
    t._view = (base, -1)  # read from the base when next used


def in_place(t: Tensor, function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """Set ``t`` to ``function(t, *args, **kwargs)``.

    Raises
    ------
    RuntimeError
        If ``t`` may not be changed (see :func:`writable`), or the result has another shape or
        a type of a higher category.
    """
    old = t
    if writable(t) and _any_requires_grad(t, *args, *kwargs.values()):
        # what ops save must survive the change: they see a copy, at t's place in the graph
        old = wrap(t._data.copy())
        old._requires_grad, old._edge = t.requires_grad, t._edge
    result = function(old, *[old if arg is t else arg for arg in args], **kwargs)
    if result._requires_grad and result._data.dtype != t._data.dtype and t._data.dtype.kind == "f":
        result = cast(result, t._data.dtype)
    store(t, result)
    if result._requires_grad:
        adopt(t, result._edge)
    return t


def _any_requires_grad(*values: Any) -> bool:
    return any(isinstance(value, Tensor) and value.requires_grad for value in values)


def store(t: Tensor, result: Tensor) -> None:
    """Write the elements of ``result`` to ``t``."""
    data, new = t._data, result._data
    if new.shape != data.shape:
        raise RuntimeError(
            f"output with shape {list(data.shape)} doesn't match the broadcast shape "
            f"{list(new.shape)}"
        )
    if new.dtype != data.dtype:
        source, target = from_numpy_dtype(new.dtype), from_numpy_dtype(data.dtype)
        if not can_cast(source, target):
            raise RuntimeError(
                f"result type {scalar_name(new.dtype)} can't be cast to the desired output type "
                f"{scalar_name(data.dtype)}"
            )
        new = convert(new, data.dtype)
    data[...] = new
    bump(t)


# -- arithmetic ------------------------------------------------------------------------------


def _changing(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    """Make the in-place form of ``function``."""

    def changed(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return in_place(self, function, *args, **kwargs)

    changed.__name__ = changed.__qualname__ = name
    changed.__doc__ = f":func:`{function.__name__}` in place; returns the tensor itself."
    return changed


def _operator(function: Callable[..., Tensor], ufunc: np.ufunc, name: str) -> Callable[..., Tensor]:
    """Make the in-place form of an operation, short where nothing is recorded."""

    def changed(self: Tensor, other: Any, **kwargs: Any) -> Tensor:
        data = self._data
        # a dense array: writable, and no element stands for several
        if data.dtype.kind == "f" and data.flags.carray and not kwargs and _free(self):
            value = None
            if isinstance(other, Tensor):
                fits = other._data.dtype == data.dtype and other._data.shape == data.shape
                if fits and (not grad_enabled() or not other.requires_grad):
                    value = other._data
            elif isinstance(other, (int, float)) and not isinstance(other, bool):
                value = number(other, data.dtype)
            if value is not None:
                with quiet():
                    ufunc(data, value, out=data)
                bump(self)
                return self
        return in_place(self, function, other, **kwargs)

    changed.__name__ = changed.__qualname__ = name
    changed.__doc__ = f"``{ufunc.__name__}`` in place; returns the tensor itself."
    return changed


def _free(t: Tensor) -> bool:
    """Whether a change of ``t`` is nothing to the graph, as far as ``t`` is concerned."""
    return not grad_enabled() or (t._view is None and not t._requires_grad)


iadd = _operator(arithmetic.add, np.add, "__iadd__")
isub = _operator(arithmetic.sub, np.subtract, "__isub__")
imul = _operator(arithmetic.mul, np.multiply, "__imul__")
idiv = _operator(arithmetic.div, np.divide, "__itruediv__")
add_ = _operator(arithmetic.add, np.add, "add_")
sub_ = _operator(arithmetic.sub, np.subtract, "sub_")
mul_ = _operator(arithmetic.mul, np.multiply, "mul_")
div_ = _operator(arithmetic.div, np.divide, "div_")
floor_divide_ = _changing(arithmetic.floor_divide, "floor_divide_")
remainder_ = _changing(arithmetic.remainder, "remainder_")
pow_ = _changing(arithmetic.pow, "pow_")
neg_ = _changing(arithmetic.neg, "neg_")
abs_ = _changing(math.abs, "abs_")
exp_ = _changing(math.exp, "exp_")
log_ = _changing(math.log, "log_")
sqrt_ = _changing(math.sqrt, "sqrt_")
reciprocal_ = _changing(math.reciprocal, "reciprocal_")
clamp_ = _changing(math.clamp, "clamp_")
relu_ = _changing(math.relu, "relu_")
sigmoid_ = _changing(math.sigmoid, "sigmoid_")
tanh_ = _changing(math.tanh, "tanh_")
round_ = _changing(math.round, "round_")
masked_fill_ = _changing(index.masked_fill, "masked_fill_")


# -- new values ------------------------------------------------------------------------------


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to ``value``, a number or a tensor without dimensions.

    Raises
    ------
    RuntimeError
        If it may not be changed, or ``value`` has dimensions.
    """
    if isinstance(value, Tensor):
        if value._data.ndim:
            raise RuntimeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{value._data.ndim} dimensions."
            )
    elif not is_number(value):
        raise TypeError(f"fill_(): value must be a number or a Tensor, not {type(value).__name__}")
    else:
        value = wrap(number(value, self._data.dtype))
    return copy_(self, value)


def zero_(self: Tensor) -> Tensor:
    """Set every element to zero; errors as :func:`fill_`."""
    return fill_(self, 0)


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write the elements of ``src``, broadcast and converted, to this tensor.

    Raises
    ------
    RuntimeError
        If it may not be changed, or ``src`` does not broadcast to its shape.
    """
    require_tensor(src, "copy_", "other")
    recording = writable(self)
    data = self._data
    if src._data.shape != data.shape and broadcast(data.shape, src._data.shape) != data.shape:
        raise RuntimeError(
            f"output with shape {list(data.shape)} doesn't match the broadcast shape "
            f"{list(broadcast(data.shape, src._data.shape))}"
        )
    # the property, as a view may have begun to require grad through its base
    if recording and (self.requires_grad or src.requires_grad) and data.dtype.kind == "f":
        result = apply(convert_ops.COPY, (self, cast(src, data.dtype)))
        data[...] = result._data
        bump(self)
        adopt(self, result._edge)
        return self
    with quiet():
        data[...] = src._data
    bump(self)
    return self


def setitem(self: Tensor, where: Any, value: Any) -> None:
    """``self[where] = value``; ``value`` broadcasts and is converted.

    Raises
    ------
    IndexError
        If the index is out of range, or is none.
    RuntimeError
        If the tensor may not be changed, or the shapes do not fit.
    """
    parts, basic = index.parse_index(where)
    picks, rest = index.picks_first(parts)
    if picks:
        setitem(index.getitem(self, picks), rest, value)
        return
    recording = writable(self, through_view=basic)
    data = self._data
    values = index.value_for(value, data.dtype)
    node: Node | None = None
    if recording:
        if self.requires_grad or values.requires_grad:
            parts = tuple([p.copy() if isinstance(p, np.ndarray) else p for p in parts])
        op = index_ops.COPY_PUT if basic else index_ops.INDEX_PUT
        node = record(op, (self, values), (parts, values._data.shape), self, settings())
    try:
        data[parts] = values._data
    except IndexError as error:
        index.reraise(error, data, parts)
    except ValueError:
        target = np.asarray(data[parts]).shape
        if basic:
            expand_shape(values._data.shape, target)
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values._data.shape)} cannot be broadcast "
            f"to indexing result of shape {list(target)}"
        ) from None
    bump(self)
    if node is not None:
        adopt(self, node)


# -- random values ---------------------------------------------------------------------------


def uniform_(
    self: Tensor,
    from_: float = 0.0,
    to: float = 1.0,
    *,
    generator: random.Generator | None = None,
) -> Tensor:
    """Set every element to a random number from [from_, to).

    Raises
    ------
    RuntimeError
        If it may not be changed, or holds integers.
    """
    filled = np.empty(self._data.shape, self._data.dtype)
    random.fill_uniform(filled, from_, to, generator)
    return copy_(self, wrap(filled))


def normal_(
    self: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    generator: random.Generator | None = None,
) -> Tensor:
    """Set every element to a random number from the normal distribution; errors as uniform_."""
    filled = np.empty(self._data.shape, self._data.dtype)
    random.fill_normal(filled, mean, std, generator)
    return copy_(self, wrap(filled))
