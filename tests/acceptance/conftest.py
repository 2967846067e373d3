"""``ours`` and ``theirs``: fastnn and PyTorch under the names that a user's code gives them.

``refused`` and ``refused_alike`` check that a call raises what it should, and changes nothing.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from compare import assert_close, eps, largest

import fastnn


class Library(NamedTuple):
    """One of the two; ``library.torch.ones``, ``library.nn.Linear``, ``library.F.relu``."""

    torch: Any
    nn: Any
    F: Any
    optim: Any

    def tensor(self, array: Any, requires_grad: bool = False) -> Any:
        """A tensor with a copy of the array, in the library's own memory.

        Where PyTorch borrows NumPy's (``from_numpy``) and a backward raised, it can give the array
        back after the interpreter has gone, and the process ends in a segmentation fault.
        """
        return self.torch.tensor(np.array(array), requires_grad=requires_grad)

    def text(self, value: object) -> str:
        """The str of a value, which differs between the two in the package's name only."""
        return str(value).replace(f"{self.torch.__name__}.", "torch.")


@pytest.fixture(scope="session")
def ours() -> Library:
    return Library(fastnn, fastnn.nn, fastnn.nn.functional, fastnn.optim)


@pytest.fixture(scope="session")
def theirs(torch: ModuleType) -> Library:
    return Library(torch, torch.nn, torch.nn.functional, torch.optim)


# -- errors ----------------------------------------------------------------------------------


class Given:
    """What the calls work on; none of it may have changed after an error."""

    def __init__(self, side: Any) -> None:
        rng = np.random.RandomState(0)

        def leaf(*shape: int) -> Any:
            made = side.tensor(rng.standard_normal(shape).astype(np.float32), True)
            made.grad = side.torch.ones(shape)
            return made

        self.image, self.weight, self.bias = leaf(2, 3, 8, 8), leaf(4, 3, 3, 3), leaf(4)
        self.rows, self.table, self.vector = leaf(2, 4), leaf(4, 5), leaf(3)
        self.doubles = side.torch.ones(2, 4, dtype=side.torch.float64)
        self.ints = side.torch.tensor([[1, 2], [3, 4]])
        self.labels = side.torch.tensor([0, 4])
        self.linear, self.conv = side.nn.Linear(4, 3), side.nn.Conv2d(3, 4, 3)
        self.net = side.nn.Sequential(side.nn.Linear(4, 3), side.nn.ReLU(), side.nn.Linear(3, 2))
        self.optimizer = side.optim.SGD(self.linear.parameters(), lr=0.1, momentum=0.9)
        self.linear(self.rows.detach()).sum().backward()
        self.optimizer.step()
        self.freed = (self.vector**2).sum()
        self.freed.backward()
        doubled = self.vector * 2
        self.stale = (doubled * doubled).sum() + self.bias.sum()
        doubled.add_(1)

    def parts(self) -> Iterator[tuple[str, Any]]:
        for name, value in vars(self).items():
            if hasattr(value, "state_dict"):
                state = value.state_dict(**({} if name == "optimizer" else {"keep_vars": True}))
                for key, part in state.items():
                    yield f"{name}.{key}", part
            else:
                yield name, value


def picture(value: Any) -> Any:
    """Everything there is to know about a tensor, or any other part of the state."""
    if not isinstance(value, fastnn.Tensor):
        return repr(value)
    array = value.detach().numpy()
    grad = None if value.grad is None else value.grad.numpy().tobytes()
    kind = (array.dtype.str, array.shape, value.requires_grad, value.is_leaf)
    return (*kind, array.tobytes(), grad, value._version[0])


def surroundings() -> Any:
    return (
        fastnn.backends.settings(),
        fastnn.is_grad_enabled(),
        fastnn.is_inference_mode_enabled(),
        fastnn.get_default_dtype(),
        fastnn.get_isa(),
        fastnn.get_num_threads(),
        fastnn.get_rng_state().numpy().tobytes(),
    )


def first_sentence(text: str) -> str:
    """Up to the first full stop; a list of wrong keys is taken whole."""
    if text.startswith("Error(s) in loading state_dict"):
        return text.rstrip(".")
    # what was changed in place is followed by PyTorch's type of it
    end = re.search(r"\.(?=\s|$)|(?<=operation): \[", text)
    return text[: end.start()] if end else text


@pytest.fixture
def refused(ours: Library) -> Callable[..., str]:
    """``refused(call, kind, text)``: the text of the error, of which ``text`` is the beginning.

    Whatever ``call(library, given)`` was given, and all settings, are as before.
    """

    def run(call: Callable[..., Any], kind: type[BaseException], text: str) -> str:
        given = Given(ours)
        before = {name: picture(part) for name, part in given.parts()}
        settings = surroundings()
        with pytest.raises(Exception) as caught:
            call(ours, given)
        exact = (caught.type, caught.type.__base__) if kind is MemoryError else (caught.type,)
        assert kind in exact, f"{caught.type.__name__}: {caught.value}"
        message = ours.text(caught.value)
        assert message.startswith(text), message
        assert {name: picture(part) for name, part in given.parts()} == before
        assert surroundings() == settings
        return message

    return run


@pytest.fixture
def refused_alike(refused: Callable[..., str], theirs: Library) -> Callable[..., None]:
    """``refused``, with PyTorch's exception and first sentence."""

    def run(call: Callable[..., Any], kind: type[BaseException], text: str) -> None:
        message = refused(call, kind, text)
        with pytest.raises(Exception) as caught:
            call(theirs, Given(theirs))
        assert caught.type is kind, f"PyTorch: {caught.type.__name__}: {caught.value}"
        assert message.startswith(first_sentence(str(caught.value))), str(caught.value)

    return run


# -- equal results ---------------------------------------------------------------------------


def _run(side: Library, call: Callable[..., Any], arrays: tuple[Any, ...]) -> tuple[Any, Any]:
    """The tensors made of the arrays, with gradients, and what the call returned."""
    given = []
    for array in arrays:
        if isinstance(array, np.ndarray):
            array = side.tensor(array, requires_grad=array.dtype.kind == "f")
        given.append(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
        out = call(side, *given)
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    rng = np.random.RandomState(5)
    for each in outs:
        if isinstance(each, side.torch.Tensor) and each.requires_grad:
            seed = rng.uniform(0.5, 1.5, tuple(each.shape))
            seed = np.asarray(seed, each.detach().numpy().dtype)
            each.backward(side.tensor(seed), retain_graph=True)
    return given, outs


@pytest.fixture(scope="session")
def agree(ours: Library, theirs: Library) -> Callable[..., None]:
    """``agree(call, *arrays)``: equal results, ``grad_fn`` names and gradients.

    ``call(library, *tensors)`` gets the arrays as tensors; floating ones require grad.  An
    element is taken for a sum of as many numbers as the largest array has, each as large as
    the largest of the result; or it may be off by ``within`` times the largest.
    """

    def compare(mine: Any, other: Any, terms: int, within: float | None, what: str) -> None:
        got, want = mine.detach().numpy(), other.detach().numpy()
        assert (got.dtype, got.shape) == (want.dtype, want.shape), what
        limit = 0.0
        if want.dtype.kind == "f":
            allowed = eps(want.dtype) * (terms + 16) if within is None else within
            limit = allowed * max(1.0, largest(want[np.isfinite(want)]))
        assert_close(got, want, limit, what)

    def run(
        call: Callable[..., Any], *arrays: Any, names: bool = True, within: float | None = None
    ) -> None:
        (given, outs), (their_given, their_outs) = (_run(s, call, arrays) for s in (ours, theirs))
        terms = max([1, *[a.size for a in arrays if isinstance(a, np.ndarray)]])
        assert len(outs) == len(their_outs)
        for mine, other in zip(outs, their_outs, strict=True):
            if not isinstance(other, theirs.torch.Tensor):
                assert ours.text(mine) == theirs.text(other)
                continue
            compare(mine, other, terms, within, "result")
            assert mine.requires_grad == other.requires_grad
            if names and other.grad_fn is not None:
                assert mine.grad_fn.name() == other.grad_fn.name()
        for i, (mine, other) in enumerate(zip(given, their_given, strict=True)):
            if not isinstance(other, theirs.torch.Tensor) or other.grad is None:
                assert getattr(mine, "grad", None) is None
                continue
            compare(mine.grad, other.grad, terms, within, f"gradient {i}")

    return run
