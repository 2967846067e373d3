"""The graph of a computation and the walk back through it.

The engine knows neither operations nor backends nor tensors.  A :class:`Node` holds an
:class:`Op`, the record of one primitive's rules; a leaf is any hashable object; how two gradients
are added is handed in.

Order: every node takes the next number of one global count when it is made, and its inputs
were made before it.  Taking the pending node with the highest number first is therefore a
topological order, found without a walk over the graph beforehand.

A gradient that goes straight from one node to the next, as in a chain of layers, belongs to
nobody else.  Then a gate (a ReLU) may write over it, or need not run at all: the node that
computes it, right behind the gate or a reshape of its result, has put it through the gate while
it was in the caches.

This module is compiled: ``_engine.pxd`` says what is known of its types.  After a change here
build again; without its compiled form it runs as it stands, only slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from heapq import heappop, heappush, heappushpop
from itertools import count
from typing import Any

__all__ = [
    "FREED",
    "AccumulateGrad",
    "Node",
    "Op",
    "Saved",
    "grad_enabled",
    "modes",
    "reaching",
    "run",
    "sequence",
    "set_modes",
    "without_recording",
]


class _Freed:
    """Stands for saved values that a backward pass has dropped."""


FREED = _Freed()

#: Falls, so that a heap of numbers yields the newest node first.
sequence = count(0, -1).__next__

#: Whether operations are recorded, and whether inference mode is in force: in one variable, for
#: setting one takes as long as a small product.
_modes: ContextVar[tuple[bool, bool]] = ContextVar("fastnn_modes", default=(True, False))

modes = _modes.get
set_modes = _modes.set


def grad_enabled() -> bool:
    """Whether operations are recorded."""
    return modes()[0]


#: Whatever a forward rule hands to its backward rule.
Saved = Any

#: ``forward(settings, *arrays, *params) -> (out, saved)``
Forward = Callable[..., tuple[Any, Saved]]
#: ``backward(settings, saved, grad, needs)`` -> one gradient (or None) per tensor input
Backward = Callable[..., tuple[Any, ...]]


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
        "found",
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
        #: What ``kernel`` names: (backend, function), of the backend that was asked last.
        self.found: tuple[Any, Any] | None = None
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


class Node:
    """One recorded operation.

    Attributes
    ----------
    op
        The rule.
    targets : tuple
        Where the gradient of each input goes: a Node, ``(Node, output)`` for one of several
        outputs, a leaf, or None.
    needs : tuple of bool
        Which inputs need a gradient.
    saved
        What the forward kept for the backward; :data:`FREED` after it has run.
    settings
        Handed to the rule as it was at forward.
    versions : tuple of (counter, value, array, input)
        Each saved array's version counter, and what it has to read when the backward runs.
    outputs : int
        0 for one output, else the length of the tuple of gradients.
    hooks : dict of (output, callable), or None
        Called in turn with that output's gradient before the rule runs; may return another.
    """

    __slots__ = (
        "__weakref__",
        "hooks",
        "needs",
        "op",
        "outputs",
        "saved",
        "seq",
        "settings",
        "targets",
        "versions",
    )

    op: Op
    targets: tuple[Any, ...]
    needs: tuple[bool, ...]
    saved: Any
    settings: Any
    versions: tuple[tuple[list[int], int, Any, int], ...]
    outputs: int
    hooks: dict[int, tuple[int, Callable[[Any], Any]]] | None
    seq: int

    def name(self) -> str:
        """Name of the backward function, as ``ReluBackward0``."""
        return self.op.node_name

    @property
    def next_functions(self) -> tuple[tuple[Node | AccumulateGrad | None, int], ...]:
        """The nodes of the inputs, each with the number of the output it stands for."""
        return tuple(_function(target) for target in self.targets)

    def __repr__(self) -> str:
        return f"<{self.op.node_name} object at {id(self):#x}>"


class AccumulateGrad:
    """Stands for a leaf in :attr:`Node.next_functions`."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def name(self) -> str:
        """``"AccumulateGrad"``."""
        return "AccumulateGrad"

    @property
    def next_functions(self) -> tuple[()]:
        """Always empty: a leaf was not computed."""
        return ()

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


def _function(target: Any) -> tuple[Node | AccumulateGrad | None, int]:
    if target is None or isinstance(target, Node):
        return target, 0
    if isinstance(target, tuple):
        return target
    return AccumulateGrad(target), 0


def run(
    edges: Iterable[Any],
    grads: Iterable[Any],
    *,
    retain: bool,
    accumulate: Callable[[Any, Any], Any],
    wanted: set[Any] | None = None,
    capture: dict[Any, Any] | None = None,
) -> tuple[dict[Any, Any], set[Any]]:
    """Carry gradients from ``edges`` back to the leaves.

    Parameters
    ----------
    edges, grads : iterable
        Where to start (targets as in :class:`Node`), and the gradient of each.
    retain : bool
        Keep what the nodes have saved, for another run.
    accumulate : callable
        ``accumulate(a, b)`` returns the sum of two gradients as a new array.
    wanted : set, optional
        Targets on the way to what is asked for (see :func:`reaching`); all others are skipped.
    capture : dict, optional
        Its keys are non-leaf targets; each value is replaced by that target's gradient.

    Returns
    -------
    leaves : dict
        The gradient of every leaf met.
    borrowed : set
        The leaves whose gradient may share memory with something else.

    Raises
    ------
    RuntimeError
        If saved values were freed by an earlier run or changed in place.
    """
    return _walk(tuple(edges), tuple(grads), retain, accumulate, wanted, capture)


def _walk(
    edges: tuple[Any, ...],
    grads: tuple[Any, ...],
    retain: bool,
    accumulate: Callable[[Any, Any], Any],
    wanted: set[Any] | None,
    capture: dict[Any, Any] | None,
) -> tuple[dict[Any, Any], set[Any]]:
    pending: dict[Node, Any] = {}
    leaves: dict[Any, Any] = {}
    borrowed: set[Any] = set()
    heap: list[tuple[int, Node]] = []
    fresh = False  # the gradients are new arrays
    passed = False  # and the first of them has been through the gate it goes to
    while True:
        alone = fresh  # and the next node has its own all to itself
        held: Node | None = None  # a chain goes from node to node, past the heap
        held_grad: Any = None
        for i in range(len(edges)):
            target = edges[i]
            grad = grads[i]
            if grad is None or target is None:
                continue
            kind = type(target)
            if kind is Node:
                if held is None and not heap:
                    held, held_grad = target, grad
                elif target is held:
                    held_grad = accumulate(held_grad, grad)
                    alone = passed = False
                elif target in pending:
                    pending[target] = accumulate(pending[target], grad)
                else:
                    pending[target] = grad
                    heappush(heap, (target.seq, target))
            elif kind is tuple:
                _deliver(pending, heap, target, grad, accumulate)
            elif target in leaves:
                leaves[target] = accumulate(leaves[target], grad)
                borrowed.discard(target)
            else:
                leaves[target] = grad
                if not fresh:
                    borrowed.add(target)
        if held is None:
            if not heap:
                return leaves, borrowed
            node = heappop(heap)[1]
            grad = pending.pop(node)
            alone = passed = False
        elif not heap:
            node, grad = held, held_grad
        else:
            pending[held] = held_grad
            node = heappushpop(heap, (held.seq, held))[1]
            grad = pending.pop(node)
            alone = passed = False
        if node.hooks is not None:
            grad = _call_hooks(node, grad)
            alone = False
        if capture is not None:
            _capture(capture, node, grad)
            alone = False
        op = node.op
        needs = node.needs
        edges = node.targets
        if wanted is not None:
            needs = tuple([n and t in wanted for n, t in zip(needs, edges, strict=True)])
            if True not in needs:
                grads = (None,) * len(needs)
                continue
        saved = node.saved
        if saved is FREED:
            raise RuntimeError(_FREED_TEXT)
        for counter, value, array, index in node.versions:
            if counter[0] != value:
                raise RuntimeError(_changed(node, counter[0], value, array, index))
        if passed and not op.reshapes:
            grads = (grad,)
            passed = False
        elif alone and op.gate is not None:
            grads = op.gate(node.settings, saved, grad, needs)
        elif op.gated is not None and not heap and capture is None:
            opening = _gate(needs, edges)
            if opening is None:
                grads = op.backward(node.settings, saved, grad, needs)
            else:
                grads = op.gated(node.settings, saved, grad, needs, opening)
                passed = True
        else:
            grads = op.backward(node.settings, saved, grad, needs)
        fresh = op.fresh
        if not retain and op.frees:
            node.saved = FREED
            node.versions = ()


def _gate(needs: tuple[bool, ...], edges: tuple[Any, ...]) -> Any:
    """What the gate has saved that the first gradient goes to, if nothing looks at it before."""
    target = edges[0]
    if not needs[0] or type(target) is not Node:
        return None
    for i in range(1, len(edges)):  # not ``in``, which would ask a tensor whether it is equal
        if edges[i] is target:
            return None
    if target.op.reshapes and target.hooks is None:
        target = target.targets[0]
        if type(target) is not Node:
            return None
    if target.op.gate is None or target.hooks is not None or target.saved is FREED:
        return None
    return target.saved


def _deliver(
    pending: dict[Node, Any],
    heap: list[tuple[int, Node]],
    target: tuple[Node, int],
    grad: Any,
    accumulate: Callable[[Any, Any], Any],
) -> None:
    """Add ``grad`` to one of several outputs of a node."""
    node, index = target
    slots = pending.get(node)
    if slots is None:
        slots = pending[node] = [None] * node.outputs
        heappush(heap, (node.seq, node))
    slots[index] = grad if slots[index] is None else accumulate(slots[index], grad)


def _call_hooks(node: Node, grad: Any) -> Any:
    for index, hook in list((node.hooks or {}).values()):
        if node.outputs == 0:
            result = without_recording(hook, grad)
            grad = grad if result is None else result
        elif grad[index] is not None:
            result = without_recording(hook, grad[index])
            grad[index] = grad[index] if result is None else result
    return grad


def without_recording(hook: Callable[[Any], Any], grad: Any) -> Any:
    """Call a hook with grad mode off; off for hooks alone, for a whole walk small nets notice."""
    before = set_modes((False, modes()[1]))
    try:
        return hook(grad)
    finally:
        _modes.reset(before)


def _capture(capture: dict[Any, Any], node: Node, grad: Any) -> None:
    if node.outputs == 0:
        if node in capture:
            capture[node] = grad
        return
    for index, part in enumerate(grad):
        if (node, index) in capture:
            capture[node, index] = part


def reaching(roots: Iterable[Any], goals: set[Any]) -> set[Any]:
    """The targets from which some of ``goals`` can be reached, walking back from ``roots``."""
    found: set[Any] = set()
    seen: set[Any] = set()
    parents: dict[Any, list[Any]] = {}
    stack = [root for root in roots if root is not None]
    while stack:
        target = stack.pop()
        if target in seen:
            continue
        seen.add(target)
        node = target[0] if type(target) is tuple else target
        if type(node) is not Node:
            continue
        for child in node.targets:
            if child is not None:
                parents.setdefault(child, []).append(target)
                stack.append(child)
    stack = [goal for goal in goals if goal in seen]
    while stack:
        target = stack.pop()
        if target not in found:
            found.add(target)
            stack.extend(parents.get(target, ()))
    return found


_FREED_TEXT = (
    "Trying to backward through the graph a second time (or directly access saved tensors "
    "after they have already been freed). Saved intermediate values of the graph are freed "
    "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
    "backward through the graph a second time or if you need to access saved tensors after "
    "calling backward."
)


def _changed(node: Node, version: int, expected: int, array: Any, index: int) -> str:
    source, output = (node, 0) if index < 0 else _function(node.targets[index])
    origin = "" if source is None else f", which is output {output} of {source.name()},"
    return (
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{array.dtype.name} tensor {list(array.shape)}]{origin} is at version "
        f"{version}; expected version {expected} instead. Hint: the operation that failed to "
        f"compute its gradient is {node.name()}."
    )
