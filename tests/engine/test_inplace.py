"""Changes in place: recorded, refused, and through views; against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn


def _run(module: Any, function: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    x = module.tensor([[0.3, -1.2, 2.0], [1.5, 0.7, -0.4]], dtype=module.float64)
    x.requires_grad_()
    out = function(module, x)
    if out.requires_grad:
        weight = np.arange(1.0, out.numel() + 1).reshape(tuple(out.shape))
        out.backward(module.from_numpy(weight))
    grad = None if x.grad is None else x.grad.numpy()
    return out.detach().numpy(), grad


def _changed(text: str) -> Callable[[Any, Any], Any]:
    """``y = x * 1``, then the statements of ``text``; the result is ``y``."""

    def function(m: Any, x: Any) -> Any:
        space = {"m": m, "x": x, "y": x * 1}
        exec(text, space)
        return space["y"]

    return function


RECORDED = [
    "y.add_(2)",
    "y.add_(x)",
    "y.add_(x, alpha=3)",
    "y.add_(y)",
    "y.sub_(x * x)",
    "y.mul_(2)",
    "y.mul_(x)",
    "y.div_(x)",
    "y.pow_(2)",
    "y.neg_()",
    "y.abs_()",
    "y.exp_()",
    "y.relu_()",
    "y.sigmoid_()",
    "y.tanh_()",
    "y.clamp_(-0.5, 1)",
    "y.clamp_(min=0)",
    "y.zero_()",
    "y.fill_(3)",
    "y.fill_(x.sum())",
    "y.copy_(x * 5)",
    "y.copy_(x[0])",
    "y.masked_fill_(x > 0, 9.0)",
    "y.requires_grad_().add_(1).mul_(x)",
    "y += x",
    "y -= x * 2",
    "y *= x",
    "y /= 2",
    "y **= 2",
    "y[0] = 1",
    "y[0] = x[1] * 2",
    "y[:, 1] = x[:, 0]",
    "y[x > 0] = 0",
    "y[[1, 0]] = x * 3",
    "y[0, 1] = x[1, 2]",
    "y[...] = x[0]",
    "y[0] += 1",
    "y[0] *= x[1]",
    "y[:, 1] -= x[:, 0] * (y[:, 2] + 0)",
    "v = y[0]; v.mul_(2)",
    "v = y[0]; v.mul_(2); y = v * y",
    "v = y.view(-1); v[2:4] = 0; y = y * v.view(2, 3)",
    "v = y.t(); v.add_(x.t()); y = y * 2",
    "v = y[0]; w = v[1:]; w.exp_(); y = y + v.sum()",
    "v = y[0]; y.mul_(3); y = v * 2",
    "v = y[0]; w = y[0, 1:]; v.mul_(x[1]); y = w * 2",
    "v = y.unsqueeze(0); v.relu_(); y = y * y",
    "a = y.detach(); y = y * 2; a.zero_()",
    "b = m.zeros(2, 3, dtype=m.float64); b[0] = x[0]; b[1] = x[0] * x[1]; y = b * b",
    "b = m.zeros(2, 3, dtype=m.float64); v = b.view(-1); b.copy_(x); y = v * v",
    "b = m.zeros(4, dtype=m.float64); v = b[1:3]; v.add_(x[0, :2]); y = b * 2",
    "b = m.ones(2, 3, dtype=m.float64); b.mul_(x).mul_(x); y = b",
]


@pytest.mark.parametrize("text", RECORDED)
def test_recorded(torch: Any, text: str) -> None:
    got, grad = _run(fastnn, _changed(text))
    want, wanted = _run(torch, _changed(text))
    np.testing.assert_allclose(got, want, 1e-12)
    assert (grad is None) == (wanted is None)
    if wanted is not None:
        np.testing.assert_allclose(grad, wanted, 1e-12)


REFUSED = [
    "x.add_(1)",
    "x += 1",
    "x.zero_()",
    "x[0] = 1",
    "x[0].add_(1)",
    "x.view(-1).mul_(2)",
    "x.relu_()",
    "y.add_(m.ones(4, 2, 3))",
    "m.ones(3).add_(m.ones(2, 3))",
    "m.tensor([1, 2]).add_(1.5)",
    "m.tensor([1, 2]).div_(2)",
    "m.ones(1).expand(3).add_(1)",
    "y.copy_(m.ones(4))",
    "y[0] = m.ones(4)",
    "y[5] = 1",
    "y.fill_(m.ones(3))",
    "y[0].detach_()",
    "y.requires_grad = False",
    "y[:, 1] -= x[:, 0] * y[:, 2]",
    "z = y * y; y.add_(1); y = z",
    "m.ones(2).sub_(True)",
    "b = m.ones(2); b -= True",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(torch: Any, text: str) -> None:
    with pytest.raises((RuntimeError, IndexError)) as theirs:
        _run(torch, _changed(text))
    with pytest.raises(type(theirs.value)) as ours:
        _run(fastnn, _changed(text))
    assert (
        str(ours.value).split(".")[0][:34].lower() == str(theirs.value).split(".")[0][:34].lower()
    )


def test_refusal_changes_nothing() -> None:
    x = fastnn.ones(3, requires_grad=True)
    for change in (lambda: x.add_(1), lambda: x.__setitem__(0, 5), lambda: x.zero_()):
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
            change()
    assert x.tolist() == [1, 1, 1]
    assert x._version[0] == 0


def test_without_recording_a_leaf_may_change() -> None:
    w = fastnn.ones(3, requires_grad=True)
    (w * 2).sum().backward()
    memory = w.numpy(force=True)
    with fastnn.no_grad():
        w -= 0.25 * w.grad
        w.mul_(2)
        w[0] = 7
        w.clamp_(max=5)
        w /= 2
        w += w
    assert w.tolist() == [5, 1, 1]
    assert w.requires_grad
    assert w.is_leaf
    assert np.shares_memory(memory, w.detach().numpy())


@pytest.mark.parametrize("name", ["add_", "mul_", "__isub__", "__itruediv__"])
def test_without_recording_the_same_is_refused(name: str) -> None:
    array = np.ones(3)
    array.flags.writeable = False
    with fastnn.no_grad():
        with pytest.raises(RuntimeError, match="read-only"):
            getattr(fastnn.Tensor(array), name)(2)
        with pytest.raises(RuntimeError, match="single memory location"):
            getattr(fastnn.ones(1).expand(3), name)(2)


def test_a_change_of_what_needs_no_gradient_is_seen_by_what_saved_it() -> None:
    x, w = fastnn.ones(3), fastnn.ones(3, requires_grad=True)
    y = x * w
    x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_mask_of_where_may_change_afterwards() -> None:
    weight, mask = fastnn.ones(3, requires_grad=True), fastnn.zeros(3, dtype=fastnn.bool)
    total = fastnn.zeros(())
    for i in range(3):
        mask.zero_()
        mask[i] = True
        total = total + fastnn.where(mask, weight * (i + 1.0), fastnn.zeros(3)).sum()
    total.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [1, 2, 3]


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0, 2)])
def test_nothing_may_change(shape: tuple[int, ...]) -> None:
    nothing = fastnn.zeros(shape)
    nothing.zero_().fill_(1).relu_().clamp_(0, 1)
    nothing[...] = 0
    nothing += 1
    assert nothing.shape == shape


def test_views_are_written_through() -> None:
    base = fastnn.zeros(2, 3)
    base[1].fill_(4)
    base.t()[0, 0] = 2
    base.view(-1)[5:] += 1
    assert base.tolist() == [[2, 0, 0], [4, 4, 5]]


def test_read_only_memory_is_refused() -> None:
    array = np.ones(3)
    array.flags.writeable = False
    t = fastnn.Tensor(array)
    with pytest.raises(RuntimeError, match="read-only"):
        t.add_(1)


def test_types_stay() -> None:
    t = fastnn.ones(2)
    t += fastnn.ones(2, dtype=fastnn.float64)
    assert t.dtype is fastnn.float32
    i = fastnn.tensor([5, 7])
    i += True
    i //= 2
    assert i.tolist() == [3, 4]
    assert i.dtype is fastnn.int64


def test_random_values_in_place() -> None:
    g = fastnn.Generator().manual_seed(3)
    x = fastnn.empty(1000).uniform_(-2, 3, generator=g)
    assert -2 <= x.min().item() < -1.9 < 2.9 < x.max().item() <= 3
    y = fastnn.empty(1000, dtype=fastnn.float64).normal_(5, 0.1)
    assert abs(y.mean().item() - 5) < 0.05
    w = fastnn.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable"):
        w.normal_()
    with fastnn.no_grad():
        w.uniform_()
    assert w.requires_grad


def test_data_reaches_around_the_graph() -> None:
    w = fastnn.ones(3, requires_grad=True)
    w.data.add_(1)
    w.data[0] = 9
    assert w.tolist() == [9, 2, 2]
    w.data = fastnn.zeros(2)
    assert w.shape == (2,)
    assert w.requires_grad
    with pytest.raises(TypeError, match="Variable data has to be a tensor"):
        w.data = 3  # type: ignore[assignment]


def test_results_of_numpy_functions() -> None:
    x = fastnn.tensor([1.0, 4.0])
    root = np.sqrt(x)
    assert isinstance(root, fastnn.Tensor)
    assert root.tolist() == [1, 2]
