"""``same``: run one function in fastnn and in PyTorch, and compare all there is to compare."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fastnn


def _flat(result: Any) -> list[Any]:
    if isinstance(result, (tuple, list)):
        return [each for part in result for each in _flat(part)]
    return [result]


def _tensors(module: Any, arrays: tuple[Any, ...], grad: bool) -> list[Any]:
    made = []
    for array in arrays:
        t = module.from_numpy(array.copy()) if isinstance(array, np.ndarray) else array
        if grad and isinstance(array, np.ndarray) and array.dtype.kind == "f":
            t.requires_grad_()
        made.append(t)
    return made


def _close(got: Any, want: Any, eps: float, what: str) -> None:
    assert type(got) is np.ndarray, f"{what}: {type(got).__name__}"
    assert got.shape == want.shape, f"{what}: shape {got.shape}, want {want.shape}"
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, want {want.dtype}"
    if got.dtype.kind == "f":
        size = float(np.max(np.abs(np.where(np.isfinite(want), want, 0)), initial=0.0))
        np.testing.assert_allclose(got, want, 32 * eps, 32 * eps * max(size, 1.0), err_msg=what)
    else:
        np.testing.assert_array_equal(got, want, what)


@pytest.fixture
def same(torch: ModuleType) -> Callable[..., None]:
    """``same(function, *arguments)``: function(module, *tensors), arrays becoming tensors.

    Compares values, shapes, types, ``requires_grad``, names of ``grad_fn``, and the gradients
    of every floating argument; or, if it raises, that both do, with the same exception.
    """

    def run(
        function: Callable[..., Any], *arrays: Any, grad: bool = True, names: bool = True
    ) -> None:
        ours, theirs = _tensors(fastnn, arrays, grad), _tensors(torch, arrays, grad)
        try:
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                want = _flat(function(torch, *theirs))
        except Exception as error:
            with pytest.raises(type(error)) as caught:
                function(fastnn, *ours)
            first = str(error).split("\n")[0].split(".")[0].split(", but got")[0]
            text = f"text {caught.value!s:.200}, PyTorch's {error!s:.200}"
            if first.lower()[:40] not in str(caught.value).lower() and names:
                raise AssertionError(text) from None
            return
        got = _flat(function(fastnn, *ours))
        assert len(got) == len(want)
        types = [t.dtype for t in [*theirs, *want] if isinstance(t, torch.Tensor)]
        eps = np.finfo("float32" if torch.float32 in types else "float64").eps
        rng = np.random.default_rng(0)
        for i, (a, b) in enumerate(zip(got, want, strict=True)):
            if not isinstance(b, torch.Tensor):
                assert a == b or (a != a and b != b), f"output {i}: {a!r}, want {b!r}"
                continue
            assert a.requires_grad == b.requires_grad, f"output {i} requires_grad"
            if names and b.grad_fn is not None:
                assert a.grad_fn.name() == b.grad_fn.name()
            _close(a.detach().numpy(), b.detach().numpy(), eps, f"output {i}")
            if b.requires_grad and b.grad_fn is not None:
                weight = rng.standard_normal(tuple(b.shape)).astype(b.detach().numpy().dtype)
                try:
                    b.backward(torch.from_numpy(weight), retain_graph=True)
                except RuntimeError as error:
                    if "derivative for" in str(error) or "bool tensor" in str(error):
                        return  # PyTorch has none
                    raise
                a.backward(fastnn.from_numpy(weight), retain_graph=True)
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if not isinstance(b, torch.Tensor) or not b.is_leaf:
                continue
            assert (a.grad is None) == (b.grad is None), f"gradient of argument {i}"
            if b.grad is not None:
                _close(a.grad.numpy(), b.grad.numpy(), eps, f"gradient of argument {i}")

    return run
