"""A parameter group as batches: the lists of arrays that one backend call updates together.

Collecting the arrays of a small network takes longer than updating them.  A plan is therefore
kept from step to step and only checked: every tensor, array and state entry has to be the very
object that was planned, which holds until someone loads a state, replaces a parameter's data
or gives a gradient to a parameter that had none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._memory import filled
from ..backends import Array, is_alike
from ..tensor import Tensor, bump, wrap

State = dict[str, Any]

# Added to counts without the conversion of a Python number, which takes longer than the sum.
_ONE = np.float32(1)


class Batch:
    """Parameters of one dtype and one age, and everything their update needs.

    Attributes
    ----------
    arrays, grads : list of ndarray
        C-contiguous arrays of equal shapes; ``arrays`` and ``columns`` are updated in place.
    columns : list of list of ndarray
        The state arrays, one list for each name the optimiser asked for.
    count : int
        Steps these parameters have taken so far (of an optimiser that counts them).
    first : bool
        The state arrays are new; they hold zeros.
    """

    __slots__ = ("arrays", "columns", "count", "first", "grads", "params", "steps", "targets")

    def __init__(self, width: int, first: bool) -> None:
        self.params: list[Tensor] = []
        self.arrays: list[Array] = []
        self.grads: list[Array] = []
        self.columns: list[list[Array]] = [[] for _ in range(width)]
        self.first = first
        self.count = 0
        # The counts behind the state's 0-d ``step`` tensors, which are views of this array.
        self.steps: Array | None = None
        # What ``arrays`` are contiguous copies of, where the parameters are not contiguous.
        self.targets: list[Array] | None = None

    def begin(self) -> bool:
        """Read the step counts and strided parameters; False if the counts differ by now."""
        if self.steps is not None:
            counts = self.steps.tolist()
            if counts.count(counts[0]) != len(counts):
                return False
            self.count = int(counts[0])
        if self.targets is not None:
            self.arrays = [np.array(target, order="C") for target in self.targets]
        return True

    def finish(self) -> None:
        """Count the step, write strided parameters back and tell the graph of the change."""
        if self.steps is not None:
            self.steps += _ONE
        if self.targets is not None:
            for target, array in zip(self.targets, self.arrays, strict=True):
                target[...] = array
            self.arrays = []
        for param in self.params:
            bump(param)
        # A kept list must not keep the gradients alive.
        self.grads.clear()


class Plan:
    """The batches of one parameter group.

    Parameters
    ----------
    params : sequence of Tensor
        The group's parameters; those without a gradient stay out of the batches.
    states : mapping of Tensor to dict
        The optimiser's state; written by :meth:`commit` only, after a successful step.
    slots : tuple of str
        Names of the state arrays, each shaped like its parameter; missing ones start at zero.
    counted : bool
        Whether the state has a ``step``; batches are then made of equal counts.

    Attributes
    ----------
    batches : list of Batch
        One for each dtype and age.
    uncommitted : bool
        Whether there are things that :meth:`commit` has yet to write.

    Raises
    ------
    RuntimeError
        If a parameter is read-only, or a gradient or a state array has another shape.
    """

    __slots__ = (
        "_cells",
        "_new_entries",
        "_new_states",
        "_rows",
        "_slots",
        "batches",
        "uncommitted",
    )

    def __init__(
        self,
        params: Sequence[Tensor],
        states: Mapping[Tensor, State],
        slots: tuple[str, ...],
        counted: bool,
    ) -> None:
        self._slots = slots
        # In the group's order: tensor, its array, its state, its batch's gradients.
        self._rows: list[tuple[Tensor, Array | None, State | None, list[Array]]] = []
        # Every state entry in use: state, name, tensor, array.
        self._cells: list[tuple[State, str, Tensor, Array]] = []
        # What commit() writes: states of parameters, entries of states.
        self._new_states: list[tuple[Tensor, State]] = []
        self._new_entries: list[tuple[State, str, Tensor]] = []
        self.uncommitted = True
        batches: dict[tuple[Any, ...], Batch] = {}
        members: dict[int, list[State]] = {}
        for param in params:
            if param.grad is None:
                self._rows.append((param, None, None, []))
                continue
            state = states.get(param)
            if state is None:
                state = {}
                if slots or counted:
                    self._new_states.append((param, state))
            batch = self._batch_of(batches, param, state, counted)
            members.setdefault(id(batch), []).append(state)
            known = state if slots or counted else states.get(param)
            self._rows.append((param, param._data, known, batch.grads))
        self.batches = list(batches.values())
        if counted:
            for batch in self.batches:
                self._share_steps(batch, members[id(batch)])

    def _batch_of(
        self, batches: dict[tuple[Any, ...], Batch], param: Tensor, state: State, counted: bool
    ) -> Batch:
        """Put ``param`` into the batch of its kind, which is made if need be."""
        array = param._data
        if not array.flags.writeable:
            raise RuntimeError(
                f"cannot update a parameter of shape {array.shape}: its memory is read-only"
            )
        direct = array.flags.carray
        count = _count(state.get("step", 0)) if counted else 0
        first = not counted and any(state.get(name) is None for name in self._slots)
        key = (array.dtype, direct, count, first)
        batch = batches.get(key)
        if batch is None:
            batch = batches[key] = Batch(len(self._slots), first)
            batch.count = count
            batch.targets = None if direct else []
        batch.params.append(param)
        if batch.targets is None:
            batch.arrays.append(array)
        else:
            batch.targets.append(array)
        for name, column in zip(self._slots, batch.columns, strict=True):
            column.append(self._state_array(array, state, name))
        return batch

    def _state_array(self, array: Array, state: State, name: str) -> Array:
        """Return the state's array if a backend can use it, else a new one to commit."""
        tensor = state.get(name)
        if tensor is None:
            tensor = wrap(filled(array.shape, array.dtype, 0))
            self._new_entries.append((state, name, tensor))
        elif tensor._data.shape != array.shape:
            raise RuntimeError(
                f"the state's {name} has shape {tensor._data.shape}, "
                f"its parameter has shape {array.shape}"
            )
        elif tensor._data.dtype != array.dtype or not tensor._data.flags.carray:
            tensor = wrap(np.array(tensor._data, array.dtype, order="C"))
            self._new_entries.append((state, name, tensor))
        self._cells.append((state, name, tensor, tensor._data))
        data: Array = tensor._data
        return data

    def _share_steps(self, batch: Batch, states: list[State]) -> None:
        """Move the batch's step counts into one array, so that one addition counts them all."""
        batch.steps = np.full(len(states), batch.count, np.float32)
        for i, state in enumerate(states):
            array = batch.steps[i, ...]
            tensor = wrap(array)
            self._new_entries.append((state, "step", tensor))
            self._cells.append((state, "step", tensor, array))

    def refresh(
        self, params: Sequence[Tensor], states: Mapping[Tensor, State], slots: tuple[str, ...]
    ) -> bool:
        """Collect the gradients; False if the plan does not describe the group any more.

        Before :meth:`commit` only the parameters are compared: the state is not written yet.
        """
        new = self.uncommitted
        rows = self._rows
        if len(params) != len(rows) or slots != self._slots:
            return False
        for batch in self.batches:
            batch.grads.clear()
        for param, (planned, array, state, grads) in zip(params, rows, strict=True):
            tensor: Tensor | None = param._grad
            if param is not planned or (tensor is None) is not (array is None):
                return False
            if tensor is None or array is None:
                continue
            if param._data is not array or not (new or states.get(param) is state):
                return False
            grad = tensor._data
            if not is_alike(grad, array):
                grad = _usable(grad, array)
            grads.append(grad)
        if not new:
            for entries, name, entry, array in self._cells:
                if entries.get(name) is not entry or entry._data is not array:
                    return False
        for batch in self.batches:  # noqa: SIM110 - all() takes longer than the few batches
            if not batch.begin():
                return False
        return True

    def commit(self, states: dict[Tensor, State]) -> None:
        """Write what is new into the state, after a step that succeeded."""
        if not self.uncommitted:
            return
        for param, state in self._new_states:
            states[param] = state
        for state, name, tensor in self._new_entries:
            state[name] = tensor
        self._new_states, self._new_entries = [], []
        self.uncommitted = False
        if any(batch.first for batch in self.batches):
            # Next time these parameters can join the older ones' batch.
            self._rows = []


def _count(step: Any) -> int:
    """Read a state's ``step``, which old state_dicts hold as a plain number."""
    return int(step._data) if isinstance(step, Tensor) else int(step)


def _usable(grad: Array, array: Array) -> Array:
    """Return ``grad`` as an aligned, C-contiguous array of the parameter's dtype."""
    if grad.shape != array.shape:
        raise RuntimeError(
            f"a gradient of shape {grad.shape} does not fit its parameter of shape {array.shape}"
        )
    return np.require(grad, array.dtype, ["C", "A"])
