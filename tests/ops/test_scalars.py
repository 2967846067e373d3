"""Tensors without dimensions everywhere: what comes out holds arrays, not NumPy's scalars.

Every public function and method is tried on scalars with a few kinds of arguments; what it
refuses does not count, what it gives is looked at.  ``op_contract`` has noted which ops ran,
so an op that nothing here reaches, and that does not need dimensions, is told by its name.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import op_contract
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn import Tensor

KINDS = ("float32", "float64", "int64", "bool")


def arguments(x: Tensor) -> list[tuple[Any, ...]]:
    """What may follow a tensor, or be all of the arguments of a free function."""
    y = x.detach().clone()
    yes = fastnn.tensor(True)
    if y.is_floating_point():
        y.requires_grad_()
    return [
        (), (y,), (2,), (0.5,), (0,), ((),), (y, y), (0, 0), (y, 0.5), (0.0, 1.0), (yes, y),
        (yes, 2), (1, 1), ((1, 1),), (0, fastnn.tensor(0)), (None, y), ("mean",), ((0, 0), "x"),
        ([],), (y.dtype,), (y, "sum"), (1,), (None,), (fastnn.float64,), (-1,),
    ]  # fmt: skip


def tensors(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for each in result:
            yield from tensors(each)


def look_at(result: Any, leaves: tuple[Any, ...], what: str) -> None:
    for t in tensors(result):
        assert type(t._data) is np.ndarray, f"{what} gave a {type(t._data).__name__}"
    for t in tensors(result):
        if t.grad_fn is not None and t.numel():
            t.backward(fastnn.ones_like(t).detach(), retain_graph=True)
    for leaf in tensors(leaves):
        if leaf.grad is not None:
            assert type(leaf.grad._data) is np.ndarray, f"the gradient of {what}"
            assert leaf.grad.shape == leaf.shape, f"the gradient of {what}"
            assert leaf.grad.dtype == leaf.dtype, f"the gradient of {what}"


def attempt(function: Callable[..., Any], given: tuple[Any, ...], what: str) -> bool:
    """Run and look; what is refused is refused with an error of the usual kinds."""
    try:
        with warnings.catch_warnings(action="ignore"):
            result = function(*given)
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
        return False
    try:
        look_at(result, given, what)
    except RuntimeError as error:
        if "derivative for" not in str(error):
            raise
    return True


def scalar(kind: str) -> Tensor:
    t = fastnn.tensor(0.75 if "float" in kind else 1, dtype=getattr(fastnn, kind))
    return t.requires_grad_() if "float" in kind else t


#: Change the process or write files.
SKIPPED = [
    "from_dlpack",
    "save",
    "seed",
    "set_isa",
    "set_num_threads",
    "set_printoptions",
    "use_backend",
]
FREE = {
    f"{prefix}.{name}": value
    for prefix, names, module in (
        ("fastnn", fastnn.__all__, fastnn),
        ("F", F.__all__, F),
        ("fastnn.random", fastnn.random.__all__, fastnn.random),
    )
    for name in names
    if inspect.isfunction(value := getattr(module, name)) and name not in SKIPPED
}
METHODS = {
    name: value
    for name, value in inspect.getmembers(Tensor, callable)
    if inspect.isfunction(value) and name not in ("__init__", "__array__", "__dlpack__")
}


def sweep(kind: str) -> Iterator[tuple[Callable[..., Any], tuple[Any, ...], str]]:
    """Every function and method on every kind of arguments, each on tensors of its own."""
    for i in range(len(arguments(scalar(kind)))):
        for name, function in FREE.items():
            x = scalar(kind)
            given = (x, *arguments(x)[i])
            yield function, given, name
            yield function, ([*given],), name
        for name, method in METHODS.items():
            leaf = scalar(kind)
            computed = leaf.clone()  # not a leaf, so that it may be changed in place
            yield method, (leaf, *arguments(leaf)[i]), name
            yield method, (computed, *arguments(computed)[i]), name


@pytest.mark.parametrize("kind", KINDS)
def test_everything_gives_arrays(kind: str) -> None:
    accepted = {what for function, given, what in sweep(kind) if attempt(function, given, what)}
    assert {"fastnn.add", "fastnn.sum", "reshape", "__getitem__"} <= accepted
    assert len(accepted) > 200


def test_in_place_on_scalars() -> None:
    for change in (
        lambda t: t.__setitem__((), 2.0),
        lambda t: t.__setitem__(..., scalar("float32")),
        lambda t: t.__setitem__(fastnn.tensor(True), 2.0),
        lambda t: t.view(()).add_(1),
        lambda t: t[...].mul_(scalar("float32")),
        lambda t: t.detach().sub_(1),
    ):
        x = scalar("float32")
        y = x * 3
        view = y.view(())
        change(y)
        look_at((y, view), (x,), "a change in place")


#: Their inputs have dimensions, in PyTorch too.
NEED_DIMENSIONS = {
    "activation.RELU_DONE",  # behind a convolution
    "conv", "linalg", "linear", "loss.CROSS_ENTROPY", "loss.NLL_LOSS", "padding", "pool",
    "shape.CAT", "shape.RESHAPED_COPY", "shape.SPLIT", "shape.TRIL", "shape.TRIU", "shape.UNBIND",
    "index.SELECT", "index.SLICE",
}  # fmt: skip


def test_every_op_met_scalars() -> None:
    for function, given, what in sweep("float32"):
        attempt(function, given, what)
    test_in_place_on_scalars()
    missed = [
        name
        for op, name in op_contract.all_ops().items()
        if op not in op_contract.met_scalars and not name.startswith(tuple(NEED_DIMENSIONS))
    ]
    assert not missed
