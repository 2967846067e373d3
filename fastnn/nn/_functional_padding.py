"""``pad``, of :mod:`fastnn.nn.functional`."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from .._shapes import numel
from ..functions._operands import require_tensor
from ..ops.padding import PAD
from ..tensor import Tensor, apply

__all__ = ["pad"]

Shape = tuple[int, ...]


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Extend the last dimensions on both sides.

    Parameters
    ----------
    input : Tensor
    pad : sequence of int
        (before, after) for the last dimension, then for the one before it, and so on.  A
        negative amount crops.
    mode : str
        ``"constant"``; ``"reflect"`` (without repeating the edge), ``"replicate"`` (the
        edge) or ``"circular"``, which need one or two dimensions that are not padded.
    value : float, optional
        What ``"constant"`` fills in, 0 if left out.

    Raises
    ------
    RuntimeError
        For amounts that do not fit the input.
    NotImplementedError
        For another mode, or a number of dimensions that a mode does not support.
    """
    shape = require_tensor(input, "pad")._data.shape
    amounts = [operator.index(amount) for amount in pad]
    if len(amounts) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, but got {len(amounts)}")
    if len(amounts) > 2 * len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension "
            f"but got padding length {len(amounts)} and input of dimension {len(shape)}"
        )
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)][::-1]
    full = ((0, 0),) * (len(shape) - len(pairs)) + tuple(pairs)
    if mode == "constant":
        _check_sizes(shape, full)
        return apply(PAD["constant", 0], (input,), full, 0.0 if value is None else value)
    if (mode, 1) not in PAD:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if len(pairs) not in (1, 2, 3) or len(shape) - len(pairs) not in (1, 2):
        raise NotImplementedError(
            f"Padding size {len(amounts)} is not supported for {len(shape)}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    _check_copies(shape, full, len(pairs), mode)
    _check_sizes(shape, full)
    return apply(PAD[mode, len(pairs)], (input,), full, mode)


def _check_copies(
    shape: Shape, amounts: tuple[tuple[int, int], ...], count: int, mode: str
) -> None:
    """Raise if a margin is larger than what it is copied from."""
    for dim in range(len(shape) - count, len(shape)):
        size, largest = shape[dim], max(amounts[dim])
        if size == 0:
            raise RuntimeError(
                f"Expected non-zero sizes in the padded dimensions, but got input {list(shape)}"
            )
        if mode == "reflect" and largest >= size:
            raise RuntimeError(
                f"Argument #{2 * (len(shape) - dim) + 2}: Padding size should be less than the "
                f"corresponding input dimension, but got: padding {amounts[dim]} at dimension "
                f"{dim} of input {list(shape)}"
            )
        if mode == "circular" and largest > size + min(0, *amounts[dim]):
            raise RuntimeError(
                "Padding value causes wrapping around more than once: "
                f"padding {amounts[dim]} at dimension {dim} of input {list(shape)}"
            )


def _check_sizes(shape: Shape, amounts: tuple[tuple[int, int], ...]) -> None:
    """Raise if more is cropped than there is, or the padded sizes overflow."""
    for dim, (size, (before, after)) in enumerate(zip(shape, amounts, strict=True)):
        if size + min(before, 0) + min(after, 0) < 0:
            raise RuntimeError(
                f"Negative padding {(before, after)} crops more than dimension {dim} "
                f"of input {list(shape)} has"
            )
    numel([size + sum(pair) for size, pair in zip(shape, amounts, strict=True)])
