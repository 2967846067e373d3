"""Tensor, and ``apply``, the one place that builds graph nodes.

A Tensor is an ndarray with a place in a graph.  Its operators and methods are the free
functions of :mod:`fastnn.functions`, attached there; here is only its state.

This module is compiled: ``tensor.pxd`` says what is known of its types.  After a change here
build again; without its compiled form it runs as it stands, only slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from ._engine import Node, Op, grad_enabled, sequence
from .backends import Array, Settings, settings
from .ops.view import AS_STRIDED, Geometry

if TYPE_CHECKING:
    from .functions.methods import Methods
else:
    Methods = object

__all__ = [
    "Tensor",
    "apply",
    "apply_all",
    "apply_if",
    "apply_made",
    "bump",
    "record",
    "refresh",
    "wrap",
]


class TensorState:
    """What a tensor consists of."""

    __slots__ = ("_counter", "_data", "_edge", "_grad", "_hooks", "_requires_grad", "_view")

    #: The elements.
    _data: Array
    #: Where gradients of this tensor go: None for a leaf, else as in ``Node.targets``.
    _edge: Any
    _grad: Tensor | None
    #: Hooks of a leaf; those of other tensors sit on the node.
    _hooks: dict[int, Callable[[Tensor], Tensor | None]] | None
    _requires_grad: bool
    #: ``_version``, or None until somebody asks for it: of most results nobody does.
    _counter: list[int] | None
    #: Of a view that the graph knows: its base, and the version at which its edge was made.
    _view: tuple[Tensor, int] | None

    @property
    def _version(self) -> list[int]:
        """One-element list that counts in-place changes; one for all tensors on the same memory."""
        return _version_of(self)

    @_version.setter
    def _version(self, value: list[int]) -> None:
        self._counter = value


def _version_of(t: TensorState) -> list[int]:
    counter = t._counter
    if counter is None:
        counter = t._counter = [0]
    return counter


class Tensor(TensorState, Methods):
    """A NumPy array that can record what is computed from it.

    Parameters
    ----------
    data : Tensor, ndarray or nested sequence of numbers
        A tensor or an array is shared, not copied; anything else becomes an array of the
        default floating type.
    """

    __slots__ = ("__dict__", "__weakref__")

    __hash__ = object.__hash__

    def __init__(self, data: Any = ()) -> None:
        if isinstance(data, Tensor):
            self._data = data._data
            self._version = data._version
        else:
            if not isinstance(data, np.ndarray):
                data = np.asarray(data, dtypes.to_numpy(dtypes.get_default_dtype()))
            dtypes.from_numpy_dtype(data.dtype)
            self._data = data
            self._counter = None
        self._edge = self._grad = self._hooks = self._view = None
        self._requires_grad = False

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded and ``backward`` reaches it."""
        if self._view is not None:
            refresh(self)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._view is not None:
            refresh(self)
        if self._edge is not None:
            if not value:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to "
                    "use a computed variable in a subgraph that doesn't require differentiation "
                    "use var_no_grad = var.detach()."
                )
            return
        if value and self._data.dtype.kind != "f":
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients, "
                f"but this one is {dtypes.from_numpy_dtype(self._data.dtype)!r}"
            )
        self._requires_grad = bool(value)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` has accumulated, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    "assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}"
                )
            if value._data.shape != self._data.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: got {list(value._data.shape)}, "
                    f"expected {list(self._data.shape)}"
                )
            if value._data.dtype != self._data.dtype:
                raise RuntimeError(
                    f"assigned grad has data of a different type: got {value._data.dtype.name}, "
                    f"expected {self._data.dtype.name}"
                )
        self._grad = value

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that made it; None for a leaf."""
        if self._view is not None:
            refresh(self)
        edge = self._edge
        node: Node | None = edge[0] if type(edge) is tuple else edge
        return node

    @property
    def output_nr(self) -> int:
        """Which output of ``grad_fn`` this tensor is."""
        return self._edge[1] if type(self._edge) is tuple else 0

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.grad_fn is None


def _blank(cls: type[Tensor]) -> Tensor:
    return cls.__new__(cls)  # of a variable of type ``type``, so compiled to the slot itself


def wrap(array: Array) -> Tensor:
    """Put ``array`` into a leaf that does not require grad; no copy, no check."""
    t = _blank(Tensor)
    t._data = array
    t._edge = t._grad = t._hooks = t._view = None
    t._requires_grad = False
    t._counter = None
    return t


def bump(t: Tensor) -> None:
    """Count an in-place change of ``t``, so that a backward that needs the old values fails."""
    _version_of(t)[0] += 1


# -- operations -------------------------------------------------------------------------------


def apply(op: Op, tensors: tuple[Any, ...], *params: Any) -> Tensor:
    """Compute ``op``; record it if grad mode is on and an input requires grad.

    An op with several outputs yields a tuple: see :func:`apply_all`.

    ``tensors`` are its tensor inputs, None for an absent one; ``params`` its other arguments.
    """
    # the usual numbers of inputs are spelled out: a loop costs more than a small operation
    count = len(tensors)
    if count == 2:
        return _apply_to_two(op, tensors, params)
    if count == 1:
        return _apply_to_one(op, tensors, params)
    if count == 3 and tensors[1] is not None:
        return _apply_to_three(op, tensors, params)
    return _apply_to_many(op, tensors, params)


def apply_if(usual: Callable[..., bool], op: Op, a: Any, b: Any, c: Any = None) -> Tensor | None:
    """:func:`apply` to two or three tensors if ``usual`` says yes to their arrays; else None.

    None also for what is no tensor: the caller then finds out what is wrong, if anything.  Where
    nothing is recorded the op's ``kernel`` is called and no rule, whose frame of Python, tuples
    and look-ups cost as much as a product of 8 x 8 matrices.
    """
    if not isinstance(a, TensorState) or not isinstance(b, TensorState):
        return None
    s = a
    t = b
    x = s._data
    y = t._data
    if c is None:
        if not usual(x, y):
            return None
        if op.kernel is None or _to_record(s) or _to_record(t):
            return _apply_to_two(op, (a, b), ())
        return wrap(_kernel(op)(x, y))
    if not isinstance(c, TensorState) or not usual(x, y, c._data):
        return None
    if op.kernel is None or _to_record(s) or _to_record(t) or _to_record(c):
        return _apply_to_three(op, (a, b, c), ())
    return wrap(_kernel(op)(x, y, c._data))


def _kernel(op: Op) -> Any:
    """The backend's function that the op names, looked up once for each backend in turn."""
    backend = settings().backend
    found = op.found
    if found is None or found[0] is not backend:
        found = op.found = (backend, getattr(backend, op.kernel or ""))
    return found[1]


def _to_record(t: Any) -> bool:
    if t._view is not None:
        refresh(t)
    return t._requires_grad and grad_enabled()


def apply_made(op: Op, source: Any, out: Array, saved: Any) -> Tensor:
    """:func:`apply` to one tensor where the output, and what the rule saves, are there already."""
    a = source
    if a._view is not None:
        refresh(a)
    if not a._requires_grad or not grad_enabled():
        return _unrecorded(op, a, out)
    return _recorded(op, (source,), _TRUE, (a._edge or a,), saved, out, settings())


def apply_all(op: Op, tensors: tuple[Any, ...], *params: Any) -> tuple[Tensor, ...]:
    """:func:`apply` for an op whose forward returns a tuple of arrays."""
    return apply(op, tensors, *params)  # type: ignore[return-value]


def _apply_to_one(op: Op, tensors: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
    now = settings()
    a = tensors[0]
    if a._view is not None:
        refresh(a)
    x = a._data
    unneeded = not a._requires_grad or not grad_enabled()
    if unneeded and op.unrecorded is not None:
        return wrap(getattr(now.backend, op.unrecorded)(x, *params))
    out, saved = op.forward(now, x, *params) if params else op.forward(now, x)
    if unneeded:
        return _unrecorded(op, a, out)
    return _recorded(op, tensors, _TRUE, (a._edge or a,), saved, out, now)


_TRUE = (True,)


def _apply_to_two(op: Op, tensors: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
    now = settings()
    a = tensors[0]
    b = tensors[1]
    if a._view is not None:
        refresh(a)
    if b._view is not None:
        refresh(b)
    x = a._data
    y = b._data
    out, saved = op.forward(now, x, y, *params) if params else op.forward(now, x, y)
    need_a = a._requires_grad
    need_b = b._requires_grad
    if not (need_a or need_b) or not grad_enabled():
        return _unrecorded(op, a, out)
    targets = ((a._edge or a) if need_a else None, (b._edge or b) if need_b else None)
    return _recorded(op, tensors, (need_a, need_b), targets, saved, out, now)


def _apply_to_three(op: Op, tensors: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
    """The last one may be None: a bias, the weights of the classes."""
    now = settings()
    a = tensors[0]
    b = tensors[1]
    c = tensors[2]
    if a._view is not None:
        refresh(a)
    if b._view is not None:
        refresh(b)
    z = None
    need_c = False
    if c is not None:
        if c._view is not None:
            refresh(c)
        z = c._data
        need_c = c._requires_grad
    x = a._data
    y = b._data
    need_a = a._requires_grad
    need_b = b._requires_grad
    unneeded = not (need_a or need_b or need_c) or not grad_enabled()
    if unneeded and op.unrecorded is not None:
        return wrap(getattr(now.backend, op.unrecorded)(x, y, z, *params))
    out, saved = op.forward(now, x, y, z, *params) if params else op.forward(now, x, y, z)
    if unneeded:
        return _unrecorded(op, a, out)
    targets = (
        (a._edge or a) if need_a else None,
        (b._edge or b) if need_b else None,
        (c._edge or c) if need_c else None,
    )
    return _recorded(op, tensors, (need_a, need_b, need_c), targets, saved, out, now)


def _apply_to_many(op: Op, tensors: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
    now = settings()
    needs = _needs(tensors)
    arrays = [None if t is None else t._data for t in tensors]
    out, saved = op.forward(now, *arrays, *params)
    if True not in needs or not grad_enabled():
        return _unrecorded(op, tensors[0], out)
    return _recorded(op, tensors, needs, _targets(tensors), saved, out, now)


def record(
    op: Op, tensors: tuple[Tensor | None, ...], saved: Any, result: Tensor, now: Any
) -> Node | None:
    """Return a node for ``op`` as if it had just been computed; None if no input needs one."""
    needs = _needs(tensors)
    if True not in needs:
        return None
    node = _node(op, needs, _targets(tensors), saved, now)
    node.versions = _versions(op, tensors, needs, result, result._data)
    return node


def _needs(tensors: tuple[Any, ...]) -> tuple[bool, ...]:
    for t in tensors:
        if t is not None and t._view is not None:
            refresh(t)
    return tuple([t is not None and t._requires_grad for t in tensors])


def _targets(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([(t._edge or t) if t is not None and t._requires_grad else None for t in tensors])


def _node(
    op: Op, needs: tuple[bool, ...], targets: tuple[Any, ...], saved: Any, now: Settings
) -> Node:
    node = Node()
    node.op = op
    node.saved = saved
    node.settings = now
    node.needs = needs
    node.targets = targets
    node.outputs = 0
    node.hooks = None
    node.seq = sequence()
    return node


def _recorded(
    op: Op,
    tensors: tuple[Any, ...],
    needs: tuple[bool, ...],
    targets: tuple[Any, ...],
    saved: Any,
    out: Any,
    now: Settings,
) -> Tensor:
    """Make the node of an op just computed, and its result."""
    node = _node(op, needs, targets, saved, now)
    if type(out) is tuple:
        return _several(op, tensors, out, node)
    result = wrap(out)
    result._edge = node
    result._requires_grad = True
    if op.view:
        source = tensors[0]
        base = source._view
        counter = _version_of(source)
        result._counter = counter
        result._view = (source if base is None else base[0], counter[0])
    node.versions = _versions(op, tensors, needs, result, out)
    return result


def _versions(
    op: Op,
    tensors: tuple[Any, ...],
    needs: tuple[bool, ...],
    result: Tensor,
    out: Array,
) -> tuple[tuple[list[int], int, Any, int], ...]:
    found = []
    for i in op.checks[needs]:
        t = tensors[i]
        if t is not None:
            counter = _version_of(t)
            found.append((counter, counter[0], t._data, i))
    if op.saves_output:
        version = _version_of(result)
        found.append((version, version[0], out, -1))
    return tuple(found)


def _several(op: Op, tensors: tuple[Any, ...], outs: tuple[Array, ...], node: Node) -> Tensor:
    """Wrap the outputs of a recorded op; those that are not floating never require grad."""
    results = tuple([_unrecorded(op, tensors[0], out) for out in outs])
    node.outputs = len(outs)
    node.versions = _versions(op, tensors, node.needs, results[0], outs[0])
    for i, result in enumerate(results):
        if result._data.dtype.kind == "f":
            result._edge = (node, i)
            result._requires_grad = True
    return results  # type: ignore[return-value]


def _unrecorded(op: Op, source: Tensor, out: Any) -> Tensor:
    if type(out) is tuple:
        outs = tuple([_unrecorded(op, source, each) for each in out])
        return outs  # type: ignore[return-value]
    result = wrap(out)
    if op.view:
        _share(result, source)
    return result


def _share(view: Tensor, source: Tensor) -> None:
    """Make ``view`` count changes with ``source``, and follow its history if recorded."""
    counter = _version_of(source)
    view._counter = counter
    if grad_enabled():
        base = source._view
        view._view = (source if base is None else base[0], counter[0])


def refresh(t: Tensor) -> None:
    """Bring the edge of a view up to date after its memory was changed in place.

    A view's own edge leads to its base as it was.  Once something was written to the base or
    through another view, the values come from the base's newest edge instead.
    """
    if t._view is None:
        return
    version = _version_of(t)[0]
    if t._view[1] == version:
        return
    base = t._view[0]
    t._view = (base, version)
    if base._edge is not None:
        saved = Geometry(base._data, t._data)
        t._edge = record(AS_STRIDED, (base,), saved, t, settings())
        t._requires_grad = True
