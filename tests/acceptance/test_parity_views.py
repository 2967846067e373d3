"""Random programs of views and changes in place give PyTorch's values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

#: Each takes a tensor and shares its memory.
VIEWS: dict[str, Callable[[Any], Any]] = {
    "row": lambda t: t[0] if t.dim() else t,
    "column": lambda t: t[..., -1] if t.dim() else t,
    "slice": lambda t: t[:1] if t.dim() else t,
    "transpose": lambda t: t.transpose(0, -1) if t.dim() > 1 else t,
    "view": lambda t: t.view(-1) if t.is_contiguous() else t,
    "reshape": lambda t: t.reshape(-1),
    "unsqueeze": lambda t: t.unsqueeze(0),
    "squeeze": lambda t: t.squeeze(),
    "narrow": lambda t: t.narrow(0, 0, 1) if t.dim() else t,
    "detach": lambda t: t.detach(),
    "view_as": lambda t: t.view_as(t),
}
#: Each changes its first tensor in place.
CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "mul_": lambda t, o: t.mul_(2),
    "add_": lambda t, o: t.add_(o.mean()),
    "scale": lambda t, o: t.mul_(o.mean()),
    "zero_": lambda t, o: t.zero_(),
    "fill_": lambda t, o: t.fill_(0.5),
    "copy_": lambda t, o: t.copy_(o.mean()),
    "all": lambda t, o: t.__setitem__(..., o.mean()),
    "first": lambda t, o: t.__setitem__(0, o.mean()) if t.dim() else None,
    "relu_": lambda t, o: t.relu_(),
    "sigmoid_": lambda t, o: t.sigmoid_(),
    "clamp_": lambda t, o: t.clamp_(-0.3, 0.3),
    "div_": lambda t, o: t.div_(1.5),
    # not the whole mean: what is left of it would be rounding noise, of either sign
    "sub_": lambda t, o: t.sub_(0.7 * o.detach().mean()),
    "masked_fill_": lambda t, o: t.masked_fill_(t > 0, 0.1),
}
#: Each makes a new tensor out of a contiguous one, so that the same views are possible in both
#: libraries (see ``test_results_are_contiguous``).
RESULTS: dict[str, Callable[[Any, Any], Any]] = {
    "mul": lambda a, b: (a * b.mean()).sin(),
    "sin": lambda a, b: a.sin(),
    "sigmoid": lambda a, b: a.sigmoid(),
    "square": lambda a, b: (a * a).sin(),
    "add": lambda a, b: (a + b.sum()).sin(),
}

Step = tuple[str, int, int, bool]
steps = st.tuples(
    st.sampled_from([*VIEWS, *CHANGES, *RESULTS]),
    st.integers(0, 9),
    st.integers(0, 9),
    st.booleans(),
)
programs = st.lists(steps, min_size=1, max_size=8)


def execute(L: Any, program: list[Step]) -> list[Any]:
    """All values, whether they require grad, and the gradients of the two leaves."""
    x = L.tensor(np.random.RandomState(0).standard_normal((2, 3)), requires_grad=True)
    constant = L.tensor(np.random.RandomState(1).standard_normal((2, 3)))
    values = [x * 1, constant]
    for name, i, j, recorded in program:
        t, other = values[i % len(values)], values[j % len(values)]
        if name in VIEWS:
            values.append(VIEWS[name](t))
        elif name in RESULTS:
            values.append(RESULTS[name](t.contiguous(), other))
        else:
            with L.torch.set_grad_enabled(recorded or i % 3 > 0):
                CHANGES[name](t, other)
    total = sum((value.sin().sum() for value in values), x.sum())
    total.backward()
    shown = [value.detach().numpy().copy() for value in values]
    return [*shown, np.array([value.requires_grad for value in values]), x.grad.numpy()]


def check(ours: Any, theirs: Any, program: list[Step]) -> None:
    try:
        want = execute(theirs, program)
    except RuntimeError as error:
        # Where PyTorch has overwritten what it needs, fastnn may have kept a copy.
        if "modified by an inplace operation" not in str(error) and "leaf" not in str(error):
            with pytest.raises(RuntimeError):
                execute(ours, program)
        return
    for i, (mine, other) in enumerate(zip(execute(ours, program), want, strict=True)):
        assert mine.shape == other.shape, i
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9, err_msg=str(i))


@settings(max_examples=150)
@given(program=programs)
def test_programs(ours: Any, theirs: Any, program: list[Step]) -> None:
    check(ours, theirs, program)


@pytest.mark.slow
@settings(max_examples=5000)
@given(program=programs)
def test_many_programs(ours: Any, theirs: Any, program: list[Step]) -> None:
    check(ours, theirs, program)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_are_contiguous(ours: Any, theirs: Any, dtype: str) -> None:
    """Where PyTorch keeps a transposed operand's layout, kernels give C order: equal values."""
    results, contiguous = [], []
    for library in (ours, theirs):
        torch = library.torch
        t = torch.arange(6, dtype=getattr(torch, dtype)).reshape(2, 3).T
        results.append([t * 2, t + t, t.exp(), t.relu()])
        contiguous.append([result.is_contiguous() for result in results[-1]])
    assert contiguous == [[True] * 4, [False] * 4]
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-6)


#: A view of what did not require grad, written to through itself or its base, then erased.
ERASED: dict[str, Callable[[Any, Any], Any]] = {
    "row": lambda z, y: (z[0], z[0].copy_(y[0])),
    "through the view": lambda z, y: (lambda v: (v, v.copy_(y[0])))(z[0]),
    "through the base": lambda z, y: (lambda v: (v, z.copy_(y)))(z[0]),
    "one element": lambda z, y: (lambda v: (v, v.__setitem__(0, y.sum())))(z[0]),
}


@pytest.mark.parametrize("erase", ["zero_", "fill_", "copy_", "whole"])
@pytest.mark.parametrize("name", ERASED)
def test_what_was_erased_has_no_gradient(ours: Any, name: str, erase: str) -> None:
    torch = ours.torch
    x = torch.ones(2, 3, requires_grad=True)
    z = torch.zeros(2, 3)
    view, _ = ERASED[name](z, x * 1)
    {
        "zero_": lambda: view.zero_(),
        "fill_": lambda: view.fill_(2.0),
        "copy_": lambda: view.copy_(torch.ones(3)),
        "whole": lambda: view.__setitem__(slice(None), 1.0),
    }[erase]()
    (view.sum() + z.sum() + x.sum()).backward()
    erased = x.grad.numpy()[0]
    np.testing.assert_array_equal(erased, np.ones(3))
