"""The walk back: order, accumulation, freeing, hooks, depth, threads."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import autograd


def leaf(*values: float) -> fastnn.Tensor:
    return fastnn.tensor(values, dtype=fastnn.float64, requires_grad=True)


def test_accumulates_and_starts_anew() -> None:
    x = leaf(1, 2)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]
    kept = x.grad
    (x * 3).sum().backward()
    assert x.grad is kept  # in place, as in PyTorch
    assert x.grad.tolist() == [5, 7]
    x.grad = None
    x.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_gradients_of_two_leaves_share_no_memory() -> None:
    a, b = leaf(1, 2), leaf(3, 4)
    seed = fastnn.ones(2, dtype=fastnn.float64)
    (a + b).backward(seed)
    a.grad.zero_()
    assert b.grad.tolist() == [1, 1]
    assert seed.tolist() == [1, 1]


def test_diamond_and_reuse() -> None:
    x = leaf(2)
    y = x * x
    z = y * y + y + x
    z.backward()
    assert x.grad.tolist() == [4 * 8 + 2 * 2 + 1]


def test_one_layer_used_several_times(torch: Any) -> None:
    w = np.random.default_rng(0).standard_normal((3, 3))
    x = np.random.default_rng(1).standard_normal((2, 3))

    def run(module: Any) -> Any:
        weight = module.from_numpy(w.copy()).requires_grad_()
        h = module.from_numpy(x.copy())
        for _ in range(4):
            h = module.tanh(h @ weight)
        h.sum().backward()
        return weight.grad.numpy()

    np.testing.assert_allclose(run(fastnn), run(torch), 1e-12)


def test_deep_graph_is_walked_and_freed() -> None:
    x = leaf(1)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1]
    node = weakref.ref(y.grad_fn)
    del y
    gc.collect()
    assert node() is None


def test_wide_then_deep() -> None:
    x = leaf(1)
    y = x
    for _ in range(30):
        y = y + y
    y.backward()
    assert x.grad.tolist() == [2.0**30]


def test_only_what_is_needed_is_computed() -> None:
    seen: list[tuple[bool, ...]] = []

    class Spy(autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            seen.append(ctx.needs_input_grad)
            return grad, grad

    a, b = leaf(1), leaf(2).detach()
    Spy.apply(a, b).backward()
    assert seen == [(True, False)]
    assert b.grad is None


def test_errors() -> None:
    x = leaf(1, 2)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar"):
        (x * 2).backward()
    with pytest.raises(
        RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"
    ):
        fastnn.ones(1).backward()
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    with pytest.raises(RuntimeError, match="create_graph=True is not supported"):
        (x * x).sum().backward(create_graph=True)
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * x).backward(fastnn.ones(3))
    with pytest.raises(TypeError, match="gradients can be either Tensors or None"):
        (x * x).backward(1.0)  # type: ignore[arg-type]
    assert x.grad.tolist() == [2, 4]  # failures changed nothing


def test_retain_graph() -> None:
    x = leaf(3)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]


def test_a_graph_without_saved_values_may_run_again() -> None:
    x = leaf(1, 2)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2, 2]


def test_inputs_argument() -> None:
    a, b = leaf(2), leaf(3)
    m = a * b
    (m * m).backward(inputs=[a, m])
    assert a.grad.tolist() == [2 * 6 * 3]
    assert m.grad.tolist() == [12]
    assert b.grad is None


def test_saved_tensor_changed_in_place(torch: Any) -> None:
    def run(module: Any) -> str:
        x = module.ones(3, requires_grad=True)
        y = x * 2
        z = y * y
        y.add_(1)
        with pytest.raises(RuntimeError) as caught:
            z.sum().backward()
        return str(caught.value)

    ours, theirs = run(fastnn), run(torch)
    start = "one of the variables needed for gradient computation has been modified by an inplace"
    assert ours.startswith(start)
    assert theirs.startswith(start)
    end = "is at version 1; expected version 0 instead."
    assert end in ours
    assert end in theirs
    assert "output 0 of MulBackward0" in ours


def test_changes_that_do_no_harm() -> None:
    x, c = leaf(1, 2), fastnn.tensor([3.0, 4.0], dtype=fastnn.float64)
    y = x * 1
    z = y * c  # the gradient of y needs c alone
    y.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [3, 4]
    w = leaf(5)
    loss = w * c
    w.detach().mul_(2)  # nobody needs w
    loss.sum().backward()
    assert w.grad.tolist() == [7]


@pytest.mark.parametrize("through", ["detach", "view", "numpy-sharing parameter"])
def test_change_through_an_alias_is_noticed(through: str) -> None:
    x = leaf(1, 2, 3)
    y = x * 1
    z = y.exp() if through == "view" else y * y
    if through == "detach":
        y.detach().zero_()
    elif through == "view":
        with fastnn.no_grad():
            z[0] = 1
    else:
        fastnn.nn.Parameter(y.detach(), requires_grad=False).zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_hooks_on_leaves_and_others() -> None:
    x = leaf(1, 2)
    seen: list[Any] = []
    first = x.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g * 10)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    assert y.retains_grad
    inner = y.register_hook(lambda g: g + 1)
    (y * 3).sum().backward()
    assert seen == [[8, 8]]
    assert x.grad.tolist() == [80, 80]
    assert y.grad.tolist() == [4, 4]  # after the hook
    first.remove()
    inner.remove()
    x.grad = None
    (x * 2).sum().backward()
    assert seen == [[8, 8]]
    assert x.grad.tolist() == [20, 20]
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor"):
        fastnn.ones(1).register_hook(print)
    with pytest.raises(RuntimeError, match="can't retain_grad"):
        fastnn.ones(1).retain_grad()
    x.retain_grad()
    assert not x.retains_grad  # as in PyTorch: a leaf needs none


def test_hooks_run_once_whatever_is_asked_for() -> None:
    x = leaf(1, 2)
    x.register_hook(lambda g: g * 10)
    (x * 2).sum().backward(inputs=x)
    assert x.grad.tolist() == [20, 20]
    assert autograd.grad((x * 2).sum(), x)[0].tolist() == [20, 20]


def test_hook_on_one_of_several_outputs() -> None:
    x = leaf(1, 2, 3)
    a, b = x.split([1, 2])
    b.register_hook(lambda g: g * 100)
    (a.sum() + b.sum()).backward()
    assert x.grad.tolist() == [1, 100, 100]


def test_unused_outputs_count_as_zero() -> None:
    x = leaf(1, 2, 3)
    x.unbind()[1].backward()
    assert x.grad.tolist() == [0, 1, 0]


def test_gradient_that_is_not_contiguous() -> None:
    x = fastnn.arange(6, dtype=fastnn.float32).reshape(2, 3).requires_grad_()
    weight = fastnn.arange(6, dtype=fastnn.float32).reshape(3, 2)
    (x.t() * weight).sum().backward()
    assert x.grad.tolist() == weight.t().tolist()
    assert x.grad.is_contiguous()
    y = fastnn.ones(2, 2, requires_grad=True)
    y.backward(fastnn.ones(1).expand(2, 2))
    y.grad.add_(1)
    assert y.grad.tolist() == [[2, 2], [2, 2]]


def test_grad_is_checked_when_set() -> None:
    x = leaf(1, 2)
    with pytest.raises(RuntimeError, match="assigned grad has data of a different size"):
        x.grad = fastnn.ones(3)
    with pytest.raises(RuntimeError, match="assigned grad has data of a different type"):
        x.grad = fastnn.ones(2)
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None"):
        x.grad = 3  # type: ignore[assignment]
    x.grad = fastnn.ones(2, dtype=fastnn.float64)
    assert x.grad.tolist() == [1, 1]


def test_nodes_name_themselves() -> None:
    x = leaf(1, 2)
    y = (x * 2).sum()
    assert repr(y.grad_fn).startswith("<SumBackward0 object at 0x")
    ((before, number),) = y.grad_fn.next_functions
    assert (before.name(), number) == ("MulBackward0", 0)
    ((end, _),) = before.next_functions
    assert end.name() == "AccumulateGrad"
    assert end.variable is x
    assert x.grad_fn is None
    assert x.is_leaf
    assert not y.is_leaf


def test_settings_of_the_forward_serve_the_backward() -> None:
    x = leaf(0.5)
    with fastnn.use_backend("reference"):
        y = x.exp()
    assert y.grad_fn.settings.backend.name == "reference"


def test_threads_side_by_side() -> None:
    results: list[Any] = [None] * 8
    shared = fastnn.full((4, 4), 0.5, dtype=fastnn.float64)

    def work(i: int) -> None:
        with fastnn.set_grad_enabled(i % 4 != 3):
            total = 0.0
            for _ in range(50):
                x = fastnn.full((4, 4), float(i), dtype=fastnn.float64, requires_grad=True)
                y = ((x @ shared) * x).sum()
                if fastnn.is_grad_enabled():
                    y.backward()
                    total += x.grad.sum().item()
            results[i] = total

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0.0 if i % 4 == 3 else 50 * 16 * 4.0 * i for i in range(8)]


def test_two_threads_add_to_one_gradient() -> None:
    """Without a lock some of ten trials lose a gradient, on a busy machine most."""
    shared = fastnn.ones(1000, 1000, requires_grad=True)

    def work() -> None:
        for _ in range(5):
            (shared * 1.0).sum().backward()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(10):
            shared.grad = None
            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (shared.grad.numpy() == 10).all()
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("ask", ["backward", "grad"])
def test_hooks_record_nothing(ask: str) -> None:
    seen = []

    def step(parameter: fastnn.Tensor, grad: fastnn.Tensor) -> None:
        parameter.sub_(grad)

    x = fastnn.ones(3, requires_grad=True)
    y = x * 2
    for each in (x, y):
        each.register_hook(lambda grad: seen.append(fastnn.is_grad_enabled()))
    if ask == "backward":
        x.register_hook(lambda grad: step(x, grad))
        y.sum().backward()
        assert x.tolist() == [-1, -1, -1]
    else:
        fastnn.autograd.grad(y.sum(), x)
    assert seen == [False, False]
    assert fastnn.is_grad_enabled()
    z = (x * x).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()
    assert fastnn.is_grad_enabled()


def test_graphs_are_freed_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2)
        y = (x * x).exp().sum()
        node = weakref.ref(y.grad_fn.next_functions[0][0])
        y.backward()
        del y
        assert node() is None
    finally:
        gc.enable()
