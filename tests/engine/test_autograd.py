"""The public side: grad, modes, Function, gradcheck."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import autograd, nn
from fastnn.nn import functional


def leaf(*values: float) -> fastnn.Tensor:
    return fastnn.tensor(values, dtype=fastnn.float64, requires_grad=True)


# -- grad ------------------------------------------------------------------------------------


def test_grad_touches_nothing() -> None:
    a, b = leaf(2), leaf(3)
    m = a * b
    out = m * m
    da, dm = autograd.grad(out, [a, m], retain_graph=True)
    assert (da.tolist(), dm.tolist()) == ([36], [12])
    assert a.grad is None
    (db,) = autograd.grad([out], b, grad_outputs=[fastnn.tensor([10.0], dtype=fastnn.float64)])
    assert db.tolist() == [240]


def test_grad_of_unused() -> None:
    a, b = leaf(2), leaf(3)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        autograd.grad(a * 2, [a, b])
    assert autograd.grad(a * 2, [b], allow_unused=True) == (None,)
    assert autograd.grad(a * 2, [b], materialize_grads=True)[0].tolist() == [0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        autograd.grad(a * 2, [b.detach()])
    with pytest.raises(RuntimeError, match="create_graph=True is not supported"):
        autograd.grad(a * 2, [a], create_graph=True)
    with pytest.raises(RuntimeError, match="element 1 of tensors does not require grad"):
        autograd.grad([a * 2, b.detach()], [a])


def test_grad_skips_other_branches() -> None:
    class Bomb(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            raise AssertionError("this gradient was not asked for")

    a, b = leaf(2), leaf(3)
    out = a * Bomb.apply(b)
    assert autograd.grad(out, a)[0].tolist() == [3]


def test_backward_of_several() -> None:
    x = leaf(1, 2)
    y = x * x
    autograd.backward([y.sum(), y[0]])
    assert x.grad.tolist() == [4, 4]


def test_grad_of_several_outputs_of_one_node() -> None:
    x = leaf(1, 2, 3)
    parts = x.split(1)
    (d,) = autograd.grad(parts[1] * 5, [parts[1]])
    assert d.tolist() == [5]


# -- modes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [fastnn.no_grad, fastnn.inference_mode])
def test_nothing_is_recorded(mode: Any) -> None:
    x = leaf(1)
    with mode():
        y = x * 2
        assert not fastnn.is_grad_enabled()
        with fastnn.enable_grad():
            assert (x * 2).requires_grad
        assert not fastnn.is_grad_enabled()
    assert fastnn.is_grad_enabled()
    assert not y.requires_grad
    assert y.grad_fn is None

    @mode()
    def inside() -> Any:
        return x * 2

    @mode
    def bare() -> Any:
        """Documented."""
        return x * 2

    assert not inside().requires_grad
    assert not bare().requires_grad
    assert bare.__doc__ == "Documented."
    assert (x * 2).requires_grad


def test_modes_are_restored_after_errors() -> None:
    makers = (fastnn.no_grad, fastnn.inference_mode, lambda: fastnn.set_grad_enabled(False))
    for make in makers:
        with pytest.raises(ZeroDivisionError), make():
            _ = 1 // 0
        assert fastnn.is_grad_enabled()
        assert not fastnn.is_inference_mode_enabled()


def test_one_object_may_be_nested() -> None:
    mode = fastnn.no_grad()
    with mode, mode:
        assert not fastnn.is_grad_enabled()
    assert fastnn.is_grad_enabled()


def test_set_grad_enabled() -> None:
    fastnn.set_grad_enabled(False)
    try:
        assert not fastnn.is_grad_enabled()
    finally:
        fastnn.set_grad_enabled(True)
    with fastnn.set_grad_enabled(False):
        assert not fastnn.is_grad_enabled()
    assert fastnn.is_grad_enabled()

    @fastnn.set_grad_enabled(False)
    def inside() -> bool:
        return fastnn.is_grad_enabled()

    assert fastnn.is_grad_enabled()
    assert inside() is False


def test_inference_mode_can_be_left() -> None:
    with fastnn.inference_mode():
        assert fastnn.is_inference_mode_enabled()
        with fastnn.inference_mode(False):
            assert not fastnn.is_inference_mode_enabled()
            assert fastnn.is_grad_enabled()
    assert not fastnn.is_inference_mode_enabled()


def test_generators_run_in_their_mode() -> None:
    @fastnn.no_grad()
    def steps() -> Iterator[bool]:
        yield fastnn.is_grad_enabled()
        yield fastnn.is_grad_enabled()

    for inside in steps():
        assert inside is False
        assert fastnn.is_grad_enabled()


# -- Function --------------------------------------------------------------------------------


class Scaled(autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, factor: float, y: Any) -> Any:
        ctx.save_for_backward(x, y)
        ctx.factor = factor
        return x * factor + y, x.detach().argmax()

    @staticmethod
    def backward(ctx: Any, grad: Any, _: Any) -> Any:
        x, y = ctx.saved_tensors
        assert x.shape == y.shape
        return grad * ctx.factor, None, grad if ctx.needs_input_grad[2] else None


def test_function() -> None:
    x, y = leaf(1, 2), leaf(3, 4)
    out, where = Scaled.apply(x, 5.0, y)
    assert out.tolist() == [8, 14]
    assert not where.requires_grad
    assert out.grad_fn.name() == "ScaledBackward"
    out.sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([5, 5], [1, 1])
    with fastnn.no_grad():
        assert not Scaled.apply(x, 5.0, y)[0].requires_grad


def test_function_with_setup_context() -> None:
    class Square(autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(inputs[0], output)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            x, y = ctx.saved_tensors
            assert y.tolist() == (x * x).tolist()
            return 2 * x * grad

    x = leaf(3)
    y = Square.apply(x)
    y.backward()
    assert x.grad.tolist() == [6]
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()
    z = Square.apply(x)
    z.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_function_that_returns_its_argument() -> None:
    class Same(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad * 3

    x = leaf(1)
    y = Same.apply(x)
    assert y is not x
    y.backward()
    assert x.grad.tolist() == [3]
    assert x.is_leaf


def test_function_errors() -> None:
    class Short(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad

    class Misshapen(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return fastnn.ones(7)

    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 2, got 1\)"):
        Short.apply(leaf(1), leaf(1)).backward()
    with pytest.raises(RuntimeError, match=r"invalid gradient at index 0 - got \[7\]"):
        Misshapen.apply(leaf(1, 2)).sum().backward()
    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        autograd.Function.apply(leaf(1))


def test_function_parts_without_gradient() -> None:
    class Two(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            a, b = x * 2, x * 3
            ctx.mark_non_differentiable(b)
            ctx.set_materialize_grads(False)
            return a, b

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            assert b is None
            return a * 2

    x = leaf(1)
    a, b = Two.apply(x)
    assert not b.requires_grad
    a.backward()
    assert x.grad.tolist() == [2]


# -- gradcheck -------------------------------------------------------------------------------


class Wrong(autograd.Function):
    """The cube, whose gradient forgets element 1."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        slope = 3 * x * x
        slope.view(-1)[1] *= 1.01
        return grad * slope


@pytest.mark.parametrize("fast", [False, True])
def test_gradcheck_agrees(fast: bool) -> None:
    rng = np.random.default_rng(0)
    a = fastnn.from_numpy(rng.standard_normal((3, 4))).requires_grad_()
    b = fastnn.from_numpy(rng.standard_normal((4, 2))).requires_grad_()
    assert autograd.gradcheck(lambda a, b: (a @ b).tanh(), (a, b), fast_mode=fast)
    assert autograd.gradcheck(lambda a: (a.exp(), a.sum(0)), a, fast_mode=fast)
    t = a.detach().t().requires_grad_()
    assert autograd.gradcheck(lambda t: t.sigmoid(), [t], fast_mode=fast)


@pytest.mark.parametrize("fast", [False, True])
def test_gradcheck_catches_a_wrong_gradient(fast: bool, capsys: Any) -> None:
    x = leaf(1, 2, 3)
    with pytest.raises(autograd.GradcheckError, match="Jacobian mismatch") as caught:
        autograd.gradcheck(Wrong.apply, x, fast_mode=fast)
    if not fast:
        text = str(caught.value)
        assert "d output 0 / d input 0 [1, 1]: numerical 12" in text
        assert "analytical 12.12" in text
    assert not autograd.gradcheck(Wrong.apply, x, fast_mode=fast, raise_exception=False)
    assert "Jacobian mismatch" in capsys.readouterr().out
    assert x.tolist() == [1, 2, 3]
    assert x.grad is None


def test_gradcheck_arguments() -> None:
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        autograd.gradcheck(lambda x: x, fastnn.ones(1))
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double"):
        autograd.gradcheck(lambda x: x * 2, fastnn.ones(1, requires_grad=True), eps=1e-2)
    wide = leaf(1).detach().expand(3).requires_grad_()
    with pytest.raises(RuntimeError, match="dimension with stride 0"):
        autograd.gradcheck(lambda x: x * 2, wide)


def _batch() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = fastnn.from_numpy(rng.standard_normal((6, 1, 8, 8)).astype(np.float32))
    return x, fastnn.from_numpy(rng.integers(0, 3, 6))


class Net(nn.Module):
    def __init__(self, wrong: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.linear = nn.Linear(72, 3)
        self.wrong = wrong

    def forward(self, x: Any) -> Any:
        h = functional.relu(self.conv(x)).flatten(1)
        return Wrong.apply(self.linear(h)) if self.wrong else self.linear(h)


def test_gradcheck_model() -> None:
    fastnn.manual_seed(0)
    model = Net(False)
    x, y = _batch()
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    report = autograd.gradcheck_model(model, functional.cross_entropy, x, y, check_inputs=True)
    assert report
    assert report.ok
    assert report.checked >= 4 * 4
    assert report.worst.excess <= 1
    assert "agree" in str(report)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before
    assert all(p.grad is None for p in model.parameters())
    assert all(p.dtype is fastnn.float32 for p in model.parameters())
    assert model.training
    full = autograd.gradcheck_model(model, functional.cross_entropy, x, y, entries=None)
    assert full.checked == sum(p.numel() for p in model.parameters()) + 4


def test_gradcheck_model_catches_a_wrong_gradient() -> None:
    fastnn.manual_seed(0)
    x, y = _batch()
    model = Net(True)
    with pytest.raises(autograd.GradcheckError, match=r"worst entry (conv|linear)\."):
        autograd.gradcheck_model(model, functional.cross_entropy, x, y, rtol=1e-4)
    report = autograd.gradcheck_model(
        model, functional.cross_entropy, x, y, rtol=1e-4, raise_exception=False
    )
    assert not report
    assert "DISAGREE" in str(report)
    with pytest.raises(ValueError, match="no parameter"):
        autograd.gradcheck_model(nn.ReLU(), functional.cross_entropy, x, y)
