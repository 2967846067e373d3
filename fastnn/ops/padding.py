"""Padding by a constant, a reflection, the nearest edge, or the other side; no kernel yet.

Every mode works one axis after the other.  A negative amount crops.  The backward of an
axis folds the gradient of its margins back onto the entries they were copied from.
"""

from __future__ import annotations

import numpy as np

from .._engine import Op
from ..backends import Array, Settings

__all__ = ["PAD"]

#: One (before, after) per axis, for all axes.
Amounts = tuple[tuple[int, int], ...]


def _axis(ndim: int, axis: int, part: slice) -> tuple[slice, ...]:
    """Index that takes ``part`` of one axis and all of the others."""
    return (slice(None),) * axis + (part,) + (slice(None),) * (ndim - axis - 1)


def _source(mode: str, size: int, before: int, after: int) -> Array:
    """Give the input positions that the padded axis is made of."""
    if mode == "circular":
        # Unlike the others, what was cropped does not come back on the other side.
        kept = np.arange(max(-before, 0), size + min(after, 0))
        return kept.take(np.arange(-max(before, 0), len(kept) + max(after, 0)), mode="wrap")
    position = np.arange(-before, size + after)
    if mode == "replicate":
        return position.clip(0, size - 1)
    source: Array = (size - 1) - np.abs((size - 1) - np.abs(position))
    return source


def _pad_constant(
    settings: Settings, x: Array, amounts: Amounts, value: float
) -> tuple[Array, Amounts]:
    kept, window = [], []
    for size, (before, after) in zip(x.shape, amounts, strict=True):
        kept.append(slice(max(-before, 0), size + min(after, 0)))
        window.append(slice(max(before, 0), size + before + min(after, 0)))
    sizes = [size + sum(amount) for size, amount in zip(x.shape, amounts, strict=True)]
    out = np.full(sizes, value, x.dtype)
    out[tuple(window)] = x[tuple(kept)]
    return out, amounts


def _pad_constant_backward(
    settings: Settings, amounts: Amounts, grad: Array, needs: tuple[bool, ...]
) -> tuple[Array]:
    opposite = tuple((-before, -after) for before, after in amounts)
    return (_pad_constant(settings, grad, opposite, 0.0)[0],)


def _pad_copies(
    settings: Settings, x: Array, amounts: Amounts, mode: str
) -> tuple[Array, tuple[tuple[int, ...], Amounts, str]]:
    shape = x.shape
    out = x
    for axis, (before, after) in enumerate(amounts):
        if before or after:
            # A crop first would reflect about another edge than PyTorch's: positions
            # outside the window are simply not taken.
            out = out.take(_source(mode, shape[axis], before, after), axis)
    return (out.copy() if out is x else out), (shape, amounts, mode)


def _fold(grad: Array, axis: int, size: int, before: int, after: int, mode: str) -> Array:
    """Add up the gradient along ``axis`` by the position each entry was copied from."""
    source = _source(mode, size, before, after)
    shape = list(grad.shape)
    shape[axis] = size
    out = np.zeros(shape, grad.dtype)
    inner = slice(max(before, 0), max(before, 0) + size - max(-before, 0) - max(-after, 0))
    out[_axis(grad.ndim, axis, slice(max(-before, 0), size - max(-after, 0)))] = grad[
        _axis(grad.ndim, axis, inner)
    ]
    for i in (*range(inner.start), *range(inner.stop, len(source))):
        out[_axis(grad.ndim, axis, slice(source[i], source[i] + 1))] += grad[
            _axis(grad.ndim, axis, slice(i, i + 1))
        ]
    return out


def _pad_copies_backward(
    settings: Settings,
    saved: tuple[tuple[int, ...], Amounts, str],
    grad: Array,
    needs: tuple[bool, ...],
) -> tuple[Array]:
    shape, amounts, mode = saved
    out = grad
    for axis, (before, after) in enumerate(amounts):
        if before or after:
            out = _fold(out, axis, shape[axis], before, after, mode)
    return (out.copy() if out is grad else out,)


def _copies(name: str, node_name: str | None = None) -> Op:
    return Op(name, _pad_copies, _pad_copies_backward, frees=False, node_name=node_name)


_circular = _copies("CircularPad", node_name="CopySlices")

#: By mode and number of padded dimensions: x, amounts, mode -> y; for "constant" with
#: 0 dimensions: x, amounts, value -> y.
PAD: dict[tuple[str, int], Op] = {
    ("constant", 0): Op("ConstantPadNd", _pad_constant, _pad_constant_backward, frees=False),
    **{("reflect", n): _copies(f"ReflectionPad{n}D") for n in (1, 2, 3)},
    **{("replicate", n): _copies(f"ReplicationPad{n}D") for n in (1, 2, 3)},
    **{("circular", n): _circular for n in (1, 2, 3)},
}
