"""Hooks of modules, beside PyTorch's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest


@pytest.fixture(params=["ours", "theirs"])
def lib(request: pytest.FixtureRequest, both: Any) -> Any:
    """Each library: what holds for PyTorch has to hold for fastnn."""
    return getattr(both, request.param)


def ones(lib: Any, *shape: int) -> Any:
    return lib.tensor(np.ones(shape))


def test_forward_hooks_run_in_order_and_replace(lib: Any) -> None:
    layer, calls = lib.nn.ReLU(), []
    layer.register_forward_pre_hook(lambda m, args: calls.append("pre") or (args[0] * 2,))
    layer.register_forward_pre_hook(lambda m, args: calls.append("pre 2") or args[0] + 1)
    layer.register_forward_hook(lambda m, args, out: calls.append("post"))
    layer.register_forward_hook(lambda m, args, out: out * args[0])
    layer.register_forward_hook(lambda m, args, out: calls.append("first"), prepend=True)
    assert layer(ones(lib, 1)).item() == 9
    assert calls == ["pre", "pre 2", "first", "post"]


def test_handles(lib: Any) -> None:
    layer, calls = lib.nn.ReLU(), []
    handle = layer.register_forward_hook(lambda m, args, out: calls.append(1))
    with layer.register_forward_hook(lambda m, args, out: calls.append(2)):
        layer(ones(lib, 1))
    layer(ones(lib, 1))
    handle.remove()
    handle.remove()
    layer(ones(lib, 1))
    assert calls == [1, 2, 1]


def test_keyword_arguments(lib: Any) -> None:
    class Scale(lib.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any, *, by: float = 1.0) -> Any:
            return x * by

    layer = Scale()
    layer.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True
    )
    layer.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["by"], with_kwargs=True)
    assert layer(ones(lib, 1), by=2.0).item() == 6
    layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple of"):
        layer(ones(lib, 1), by=2.0)


def test_always_called(lib: Any) -> None:
    class Broken(lib.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            raise ZeroDivisionError

    layer, calls = Broken(), []
    layer.register_forward_hook(lambda m, args, out: calls.append("usual"))
    layer.register_forward_hook(lambda m, args, out: calls.append(out), always_call=True)
    with pytest.raises(ZeroDivisionError):
        layer(ones(lib, 1))
    assert calls == [None]


def test_backward_hooks_see_gradients(lib: Any) -> None:
    layer, seen = lib.nn.Linear(2, 3).double(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((m, gi, go)))
    x = ones(lib, 4, 2).requires_grad_(True)
    (layer(x) * 2).sum().backward()
    module, grad_input, grad_output = seen[0]
    assert len(seen) == 1
    assert module is layer
    np.testing.assert_array_equal(grad_output[0].numpy(), np.full((4, 3), 2.0))
    np.testing.assert_array_equal(grad_input[0].numpy(), x.grad.numpy())


def test_backward_hooks_replace_gradients(lib: Any) -> None:
    layer = lib.nn.ReLU()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1,))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    x = ones(lib, 2).requires_grad_(True)
    layer(x).sum().backward()
    assert x.grad.numpy().tolist() == [31, 31]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_backward_hook_without_a_gradient_of_the_input(lib: Any) -> None:
    layer, seen = lib.nn.Linear(2, 3).double(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(gi))
    layer(ones(lib, 4, 2)).sum().backward()
    assert seen == [(None,)]
    assert layer.weight.grad.numpy().tolist() == [[4, 4]] * 3


def test_backward_hooks_of_several_inputs_and_outputs(lib: Any) -> None:
    class Cross(lib.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, a: Any, n: int, b: Any) -> Any:
            return a * b, a + n * b

    layer, seen = Cross(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = (ones(lib, 2).requires_grad_(True) for _ in range(2))
    x, y = layer(a, 5, b)
    (x + 2 * y).sum().backward()
    grad_input, grad_output = seen[0]
    assert [g if g is None else g.numpy().tolist() for g in grad_input] == [[3, 3], None, [11, 11]]
    assert [g.numpy().tolist() for g in grad_output] == [[1, 1], [2, 2]]
    assert a.grad.numpy().tolist() == [3, 3]
    assert b.grad.numpy().tolist() == [11, 11]


def test_backward_hook_with_a_wrong_number_of_gradients(lib: Any) -> None:
    layer = lib.nn.ReLU()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(
        RuntimeError, match="Backward hook returned an invalid number of grad_input"
    ):
        layer(ones(lib, 2).requires_grad_(True)).sum().backward()


def test_a_module_with_hooks_used_twice(lib: Any) -> None:
    layer, seen = lib.nn.Linear(2, 2).double(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].numpy().sum()))
    layer(layer(ones(lib, 3, 2).requires_grad_(True))).sum().backward()
    assert len(seen) == 2
    assert seen[0] == 6


def test_hooks_inside_sequential_and_in_copies(lib: Any) -> None:
    calls: list[str] = []
    model = lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Sequential(lib.nn.Tanh()))
    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, args, out, name=name: calls.append(name))
    model(ones(lib, 1))
    assert calls == ["0", "1.0", "1", ""]
    copy.deepcopy(model)(ones(lib, 1))
    assert len(calls) == 8
