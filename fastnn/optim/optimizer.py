"""The base of every optimiser: parameter groups, state, and their dictionaries."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from ..autograd import enable_grad
from ..tensor import Tensor, bump, wrap
from ._plan import Plan

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Closure = Callable[[], Any]


class _Required:
    """Marks a setting that every parameter group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """Base class of the optimisers.

    A subclass defines ``step`` and hands its settings to this constructor; it may keep what
    it needs of a parameter ``p`` in the dictionary ``self.state[p]``.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor) or of dict
        What to optimise: ``model.parameters()``, ``model.named_parameters()``, or one
        dictionary for each group of parameters, with ``"params"`` and settings of its own.
    defaults : dict
        Settings of the groups that do not give them; the value ``required`` means a group must.

    Attributes
    ----------
    param_groups : list of dict
        Each with ``"params"`` and its settings, which may be changed between steps.
    state : defaultdict of Tensor to dict
        What the optimiser remembers of each parameter.

    Raises
    ------
    ValueError
        If there are no parameters, a parameter is listed twice or is not a leaf, or a required
        setting is missing.
    TypeError
        If something else than tensors is to be optimised.
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {_typename(params)}"
            )
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._plans: dict[int, Plan] = {}
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError("optimizer got an empty parameter list")
        groups = entries if isinstance(entries[0], dict) else [{"params": entries}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_plans"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._plans = {}

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(
                f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"
            )
        return text + ")"

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, for instance of layers that are trained from now on.

        Parameters
        ----------
        param_group : dict
            ``"params"`` (a tensor, or an iterable of tensors or of (name, tensor)), and
            settings where they differ from the defaults.  It becomes the group itself.

        Raises
        ------
        TypeError
            If it is not a dict, its parameters are a set or something else than tensors.
        ValueError
            If a parameter is not a leaf or is there already, or a required setting or a part
            of the names is missing.  The optimiser is as before.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params, names = _split_names(param_group["params"])
        settings = {**self.defaults, **param_group, "params": params}
        if names:
            settings["param_names"] = names
        for name, value in settings.items():
            if value is required:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
        if settings.get("differentiable"):
            raise RuntimeError(
                "differentiable=True is not supported: a step is not recorded for backward"
            )
        self._check_against_groups(settings)
        param_group.update(settings)
        self.param_groups.append(param_group)

    def _check_against_groups(self, new: dict[str, Any]) -> None:
        params = new["params"]
        if len(set(params)) != len(params):
            raise ValueError("optimizer contains a parameter group with duplicate parameters")
        for group in self.param_groups:
            if ("param_names" in new) != ("param_names" in group):
                kind = "with names" if "param_names" in new else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {kind} to the optimizer"
                )
            if not set(params).isdisjoint(group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Parameters
        ----------
        set_to_none : bool
            If False, fill the gradients with zeros instead.  A parameter whose gradient is
            None is left out by ``step``; one whose gradient is zero may move all the same.
        """
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param._grad = None
                elif param.grad is not None:
                    _zero_gradient(param)

    def step(self, closure: Closure | None = None) -> Any:
        """Update the parameters once.

        Parameters
        ----------
        closure : callable, optional
            Evaluates the model again, with gradients, and returns the loss.

        Returns
        -------
        object
            What ``closure`` returned; None without one.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def _planned(
        self, slots_of: Callable[[dict[str, Any]], tuple[str, ...]], counted: bool
    ) -> list[tuple[dict[str, Any], Plan]]:
        """Pair every group with its plan, made anew where the old one does not fit.

        All plans are ready before the first update, so that an error changes nothing.
        """
        pairs = []
        for i, group in enumerate(self.param_groups):
            params, slots = group["params"], slots_of(group)
            plan = self._plans.get(i)
            if plan is None or plan.uncommitted or not plan.refresh(params, self.state, slots):
                self._plans.pop(i, None)
                plan = Plan(params, self.state, slots, counted)
                plan.refresh(params, self.state, slots)
                self._plans[i] = plan
            pairs.append((group, plan))
        return pairs

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of state and settings, in PyTorch's layout.

        Returns
        -------
        dict
            ``"state"`` maps the number of a parameter to its state, and ``"param_groups"``
            lists the groups, with numbers in place of the parameters.  Everything is copied
            (in PyTorch the tensors are shared): training on does not change it.
        """
        everything = chain.from_iterable(group["params"] for group in self.param_groups)
        numbers = {id(param): i for i, param in enumerate(everything)}
        groups = []
        for group in self.param_groups:
            packed = {key: _copied(value) for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            numbers.get(id(key), key) if isinstance(key, Tensor) else key: _copied(value)
            for key, value in self.state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of the state and settings that :meth:`state_dict` returned.

        Parameters
        ----------
        state_dict : dict
            As from :meth:`state_dict`.  Parameters are matched by their order.  Arrays and
            the tensors of PyTorch's own state_dicts are accepted as well.  Floating-point state
            takes the dtype of its parameter; ``step`` keeps its own.

        Raises
        ------
        ValueError
            If the groups differ in number or size.  The optimiser is as before.
        """
        saved = state_dict["param_groups"]
        if len(self.param_groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for group, new in zip(self.param_groups, saved, strict=True):
            if len(group["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group "
                    "that doesn't match the size of optimizer's group"
                )
        params: dict[Any, Tensor] = {}
        groups = []
        for group, new in zip(self.param_groups, saved, strict=True):
            params.update(zip(new["params"], group["params"], strict=True))
            merged = dict(self.defaults)
            if "param_names" in group:
                merged["param_names"] = group["param_names"]
            merged.update((key, _copied(value)) for key, value in new.items() if key != "params")
            merged["params"] = group["params"]
            groups.append(merged)
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            param = params.get(key)
            state[key if param is None else param] = _copied(value, param)
        self.__setstate__({"state": state, "param_groups": groups})


def evaluate(closure: Closure | None) -> Any:
    """Call ``closure`` with gradients on; None without one."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def check_learning_rate(lr: float | Tensor) -> None:
    """Raise PyTorch's ValueError unless ``lr`` is one number, not negative."""
    if isinstance(lr, Tensor) and lr._data.size != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not float(lr) >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_not_negative(what: str, value: float) -> None:
    """Raise PyTorch's ValueError if ``value`` is negative or not a number."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {what} value: {value}")


def check_implementation(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """Raise PyTorch's RuntimeError for choices that exclude each other.

    Beyond that ``foreach`` and ``fused`` mean nothing here: there is one implementation.
    """
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def _split_names(params: Any) -> tuple[list[Tensor], list[str]]:
    """Split a group's parameters into checked tensors and their names, if they have any."""
    if isinstance(params, Tensor):
        params = [params]
    elif isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but "
            "the ordering of tensors in sets will change between runs. Please use a list instead."
        )
    entries = list(params)
    names = [entry[0] for entry in entries if isinstance(entry, tuple)]
    if names and len(names) != len(entries):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    tensors = [entry[1] if isinstance(entry, tuple) else entry for entry in entries]
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {_typename(tensor)}"
            )
        if not (tensor.is_leaf or getattr(tensor, "retains_grad", False)):
            raise ValueError("can't optimize a non-leaf Tensor")
    return tensors, names


def _typename(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _zero_gradient(param: Tensor) -> None:
    """Fill a gradient with zeros; a new one where its memory is shared or read-only."""
    grad = param.grad
    if grad is None:
        return
    if grad._data.flags.writeable:
        grad._data.fill(0)
        bump(grad)
    else:
        param.grad = wrap(np.zeros_like(grad._data, order="C"))


def _copied(value: Any, param: Tensor | None = None, key: object = None) -> Any:
    """Deep copy of a state; tensors in it take the dtype of ``param``, except ``step``."""
    if isinstance(value, dict):
        return {name: _copied(entry, param, name) for name, entry in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_copied(entry, param) for entry in value)
    if isinstance(value, Tensor):
        array = value._data
    elif param is not None and hasattr(value, "__array__"):
        array = np.asarray(value)
    else:
        return copy.deepcopy(value)
    kind = array.dtype
    if param is not None and key != "step" and param._data.dtype.kind == "f":
        kind = param._data.dtype
    return wrap(np.array(array, kind, order="C"))
