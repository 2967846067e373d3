"""The record that describes one differentiable primitive, and helpers its rules share.

This module is compiled: ``_op.pxd`` says what is known of its types.  After a change here
build again; without its compiled form it runs as it stands, only slower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..backends import Array, Settings

__all__ = ["Op", "Saved", "negative", "quiet", "unbroadcast"]

#: Whatever a forward rule hands to its backward rule.
Saved = Any

#: ``forward(settings, *arrays, *params) -> (out, saved)``
Forward = Callable[..., tuple[Any, Saved]]
#: ``backward(settings, saved, grad, needs)`` -> one gradient (or None) per tensor input
Backward = Callable[..., tuple[Array | None, ...]]


class Op:
    """One differentiable primitive: a forward rule on arrays and its backward rule.

    Parameters
    ----------
    name : str
        ``"Relu"`` makes graph nodes print as ``<ReluBackward0>``.
    forward, backward : callable
        See :data:`Forward` and :data:`Backward`.  A forward with several outputs returns a
        tuple of arrays; its backward gets a tuple of gradients, None where one is unused.
    saves : tuple of int
        Inputs whose arrays are in ``saved``: changing one in place makes the backward wrong,
        which the engine reports.
    saves_output : bool
        The (first) output's array is in ``saved``.
    fresh : bool
        The backward's arrays are new, so that a leaf may keep one as its ``.grad``.
    view : bool
        The output shares memory with the first input.
    frees : bool
        ``saved`` holds arrays, which a backward pass drops.  False for rules that keep only
        shapes: these may run again without ``retain_graph``.
    uses : mapping of int to tuple of int, optional
        For an input in ``saves``: the inputs whose gradients read it.  Left out, any may.
    gate : callable, optional
        ``backward`` is the gradient where the saved array is positive, else 0; this is the same
        but may write over the gradient it is given.
    kernel : str, optional
        The backend's function that is all there is to compute once :func:`fastnn.tensor.apply_if`
        has asked about the inputs: taken where nothing is recorded, with no frame of Python.
    unrecorded : str, optional
        The backend's function that is the output of ``forward`` for whatever arrays and
        ``params`` reach it: taken where nothing is recorded, likewise.
    gated : callable, optional
        ``gated(settings, saved, grad, needs, y)`` is ``backward``, but with the gradient of the
        first input already put through the gate that has saved ``y``, an array of as many
        elements as that input.
    reshapes : bool
        The output is the first input in another shape, so that a gate may be passed before it.
    """

    __slots__ = (
        "backward",
        "checks",
        "forward",
        "frees",
        "fresh",
        "gate",
        "gated",
        "kernel",
        "name",
        "node_name",
        "reshapes",
        "saves",
        "saves_output",
        "unrecorded",
        "uses",
        "view",
    )

    def __init__(
        self,
        name: str,
        forward: Forward,
        backward: Backward,
        *,
        saves: tuple[int, ...] = (),
        saves_output: bool = False,
        fresh: bool = True,
        view: bool = False,
        frees: bool = True,
        uses: Mapping[int, tuple[int, ...]] | None = None,
        gate: Backward | None = None,
        gated: Backward | None = None,
        kernel: str | None = None,
        unrecorded: str | None = None,
        node_name: str | None = None,
        reshapes: bool = False,
    ) -> None:
        self.name = name
        self.node_name = node_name or name + "Backward0"
        self.forward = forward
        self.backward = backward
        self.saves = saves
        self.saves_output = saves_output
        self.fresh = fresh
        self.view = view
        self.frees = frees
        self.uses = uses
        self.gate = gate
        self.gated = gated
        self.kernel = kernel
        self.unrecorded = unrecorded
        self.reshapes = reshapes
        self.checks = _Checks(saves, uses)

    def __repr__(self) -> str:
        return f"Op({self.name})"


class _Checks(dict[tuple[bool, ...], tuple[int, ...]]):
    """Maps ``needs`` to the saved inputs that the backward will read, filled as asked."""

    __slots__ = ("_saves", "_uses")

    def __init__(self, saves: tuple[int, ...], uses: Mapping[int, tuple[int, ...]] | None) -> None:
        super().__init__()
        self._saves = saves
        self._uses = uses

    def __missing__(self, needs: tuple[bool, ...]) -> tuple[int, ...]:
        uses = self._uses
        found = tuple(
            i
            for i in self._saves
            if uses is None or i not in uses or any(needs[j] for j in uses[i])
        )
        self[needs] = found
        return found


def unbroadcast(settings: Settings, grad: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``grad`` down to ``shape``, from which broadcasting had made ``grad.shape``."""
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + i for i, size in enumerate(shape) if size == 1 and grad.shape[extra + i] != 1
    )
    return settings.backend.sum(grad, axes).reshape(shape)


def negative(x: Array) -> Array:
    """``-x``, an array also without dimensions, where NumPy's operators make scalars."""
    return np.asarray(-x)


def quiet() -> np.errstate:
    """Keep NumPy from warning inside a ``with`` block: infinities and NaN are results here."""
    return np.errstate(all="ignore")
