"""``both``: the same call on fastnn and on PyTorch, compared with all gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from compare import assert_close, eps, largest

import fastnn.dtypes
import fastnn.nn
import fastnn.nn.functional
import fastnn.nn.utils
import fastnn.random
from fastnn.tensor import Tensor

Call = Callable[..., Any]


class Both:
    """Runs ``call(lib, *tensors)`` for both libraries; ``lib`` has nn, F, Tensor functions."""

    def __init__(self, torch: ModuleType) -> None:
        self.ours = SimpleNamespace(
            root=fastnn,
            nn=fastnn.nn,
            F=fastnn.nn.functional,
            dtype=lambda name: getattr(fastnn.dtypes, name),
            manual_seed=fastnn.random.manual_seed,
            tensor=lambda array: Tensor(np.array(array)),
        )
        self.theirs = SimpleNamespace(
            root=torch,
            nn=torch.nn,
            F=torch.nn.functional,
            dtype=lambda name: getattr(torch, name),
            manual_seed=torch.manual_seed,
            tensor=lambda array: torch.from_numpy(np.array(array)),
        )

    def _leaves(self, lib: Any, arrays: tuple[Any, ...], grad: bool) -> list[Any]:
        leaves = []
        for array in arrays:
            leaf = array
            if isinstance(array, np.ndarray):
                leaf = lib.tensor(array)
                if grad and array.dtype.kind == "f":
                    leaf.requires_grad_(True)
            leaves.append(leaf)
        return leaves

    def same(
        self,
        call: Call,
        *arrays: Any,
        grad: bool = True,
        fixed: tuple[int, ...] = (),
        terms: int | None = None,
        name: bool = True,
    ) -> None:
        """Equal outputs, grad_fn names and gradients.

        ``fixed`` inputs do not require grad.  An element is taken for a sum of ``terms``
        numbers as large as the largest, unless given as many as the largest input has.
        """
        seen = []
        for lib in (self.ours, self.theirs):
            leaves = self._leaves(lib, arrays, grad)
            for i in fixed:
                leaves[i].requires_grad_(False)
            out = call(lib, *leaves)
            outs = out if isinstance(out, (tuple, list)) else (out,)
            seen.append((leaves, outs))
        (our_leaves, our_outs), (their_leaves, their_outs) = seen
        sizes = [array.size for array in arrays if isinstance(array, np.ndarray)]
        count = max([1, *sizes]) if terms is None else terms
        assert len(our_outs) == len(their_outs)
        for ours, theirs in zip(our_outs, their_outs, strict=True):
            self._close(ours, theirs, count, "output")
            assert ours.requires_grad == theirs.requires_grad
            if name and theirs.grad_fn is not None:
                assert ours.grad_fn.name() == theirs.grad_fn.name()
        if not any(out.requires_grad for out in their_outs):
            return
        rng = np.random.default_rng(5)
        for out, other in zip(our_outs, their_outs, strict=True):
            if other.requires_grad:
                dtype = str(other.dtype).rpartition(".")[2]
                seed = np.asarray(rng.uniform(0.5, 1.5, tuple(other.shape)), dtype)
                out.backward(self.ours.tensor(seed), retain_graph=True)
                other.backward(self.theirs.tensor(seed), retain_graph=True)
        for i, (ours, theirs) in enumerate(zip(our_leaves, their_leaves, strict=True)):
            if not hasattr(theirs, "grad"):
                continue
            if theirs.grad is None:
                assert ours.grad is None or largest(ours.grad.numpy()) == 0
            else:
                self._close(ours.grad, theirs.grad, count, f"gradient {i}")

    def _close(self, ours: Any, theirs: Any, terms: int, what: str) -> None:
        got, want = ours.detach().numpy(), theirs.detach().numpy()
        assert type(got) is np.ndarray, f"{what}: {type(got).__name__}"
        assert got.dtype == want.dtype, f"{what}: {got.dtype}, want {want.dtype}"
        assert got.shape == want.shape, f"{what}: {got.shape}, want {want.shape}"
        limit = 0.0
        if want.dtype.kind == "f":
            finite = want[np.isfinite(want)]
            limit = eps(want.dtype) * (terms + 16) * max(1.0, largest(finite))
        assert_close(got, want, limit, what)

    def same_error(self, call: Call, *arrays: Any, start: str | None = None) -> None:
        """Both raise the same type, and PyTorch's text (or ``start`` of it) begins ours."""
        texts = []
        kinds: list[type[BaseException]] = []
        for lib in (self.theirs, self.ours):
            leaves = self._leaves(lib, arrays, True)
            with pytest.raises(Exception) as caught:
                call(lib, *leaves)
            kinds.append(caught.type)
            texts.append(str(caught.value))
        theirs, ours = texts
        assert kinds[0] is kinds[1], f"{kinds[1].__name__}: {ours}\nwant {kinds[0]}: {theirs}"
        if start is not None:
            assert theirs.startswith(start), f"PyTorch says {theirs!r}"
        expected = start or theirs.replace("torch.", "fastnn.").rstrip(".")
        assert ours.startswith(expected), f"{ours!r}\nwant {expected!r}"


@pytest.fixture
def both(torch: ModuleType) -> Both:
    return Both(torch)


@pytest.fixture
def copied(both: Both) -> Callable[[Any, Any], None]:
    """Copies the parameters of a fastnn module into a PyTorch module."""

    def copy(ours: Any, theirs: Any) -> None:
        torch = both.theirs.root
        state = {k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()}
        theirs.load_state_dict(state)

    return copy


@pytest.fixture(autouse=True)
def _known_warnings() -> Any:
    with warnings.catch_warnings():
        # PyTorch's, about itself.
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
        yield
