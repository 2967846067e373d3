"""Numerical checks of gradients: of a function of tensors, and of a whole model and its loss.

Both compare backpropagation with central differences, ``(f(x + eps) - f(x - eps)) / 2 eps``,
either entry by entry or along random directions: for a direction u of the inputs and v of
the outputs, ``v . (J u)`` from two evaluations against ``(J^T v) . u`` from one backward.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._grad_mode import no_grad
from .backends import Array
from .functions.gradient import gradients
from .tensor import Tensor, wrap

__all__ = ["GradcheckError", "GradcheckReport", "gradcheck", "gradcheck_model"]


class GradcheckError(RuntimeError):
    """Backpropagation and central differences disagree."""


class Entry(NamedTuple):
    """One comparison.

    Attributes
    ----------
    name : str
        What was compared, such as ``features.0.weight[3, 0, 1, 2]``.
    numerical, analytical : float
        The derivative by central differences and by backpropagation.
    excess : float
        Their difference as a multiple of what is tolerated; above 1 is a failure.
    """

    name: str
    numerical: float
    analytical: float
    excess: float

    def __str__(self) -> str:
        return (
            f"{self.name}: numerical {self.numerical:.9g}, analytical {self.analytical:.9g}, "
            f"difference {abs(self.numerical - self.analytical):.3g}"
        )


class GradcheckReport(NamedTuple):
    """What a check found; true if everything agreed.

    Attributes
    ----------
    worst : Entry or None
        The comparison that came nearest to failing, or failed most.
    checked : int
        Number of comparisons.
    """

    worst: Entry | None
    checked: int

    @property
    def ok(self) -> bool:
        """Whether every comparison was within the tolerance."""
        return self.worst is None or self.worst.excess <= 1

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "agree" if self.ok else "DISAGREE"
        return f"gradients {verdict} in {self.checked} comparisons; worst {self.worst}"


class _Comparison:
    """Collects entries and keeps the worst."""

    def __init__(self, atol: float, rtol: float) -> None:
        self._tolerances = (atol, rtol)
        self._worst: Entry | None = None
        self._checked = 0

    def add(self, name: str, numerical: Array, analytical: Array) -> None:
        """Compare two arrays of one shape, the worst entry of which is named by its index."""
        self._checked += numerical.size
        if not numerical.size:
            return
        atol, rtol = self._tolerances
        with np.errstate(all="ignore"):
            excess = np.abs(numerical - analytical) / (atol + rtol * np.abs(numerical))
        excess = np.where(np.isnan(excess), np.inf, excess)
        where = np.unravel_index(np.argmax(excess), excess.shape)
        index = f"[{', '.join(map(str, where))}]" if where else ""
        found = Entry(
            name + index, float(numerical[where]), float(analytical[where]), float(excess[where])
        )
        if self._worst is None or found.excess > self._worst.excess:
            self._worst = found

    def report(self) -> GradcheckReport:
        """What was found so far."""
        return GradcheckReport(self._worst, self._checked)


def _difference(run: Callable[[], Array], array: Array, step: Array) -> Array:
    """``run() / d step``, by moving ``array`` in place and back."""
    before = array.copy()
    array += step
    above = run()
    array[...] = before
    array -= step
    below = run()
    array[...] = before
    return above - below


# -- functions of tensors ----------------------------------------------------------------------


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    *,
    seed: int = 0,
) -> bool:
    """Compare the gradients of ``func`` with central differences.

    Parameters
    ----------
    func : callable
        Takes the inputs, returns a tensor or several.  It must be deterministic, and smooth
        near the inputs: keep away from kinks such as ReLU's at 0.
    inputs : Tensor or sequence
        Its arguments; those tensors that require grad are checked, and should be float64.
    eps : float
        The step of the differences.
    atol, rtol : float
        ``|analytical - numerical| <= atol + rtol |numerical|`` is agreement.
    raise_exception : bool
        Raise on disagreement; otherwise print the worst entry and return False.
    fast_mode : bool
        Along one random direction per pair of output and input, instead of every entry.
    seed : int
        For the random directions.

    Returns
    -------
    bool
        Whether they agree.

    Raises
    ------
    GradcheckError
        Naming the worst entry with its index, numerical and analytical value.
    ValueError
        If no input requires grad.
    """
    arguments = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    checked = [(i, t) for i, t in enumerate(arguments) if isinstance(t, Tensor) and t.requires_grad]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the "
            "them have requires_grad=True."
        )
    for i, t in checked:
        if t._data.dtype != np.float64:
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point. "
                "This check will likely fail if all the inputs are not of double precision "
                "floating point.",
                stacklevel=2,
            )
        if 0 in [s for s, n in zip(t._data.strides, t._data.shape, strict=True) if n > 1]:
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs "
                "that are non-overlapping to be able to compute the numerical gradients correctly. "
                "You should call .contiguous on the input before passing it to gradcheck."
            )
    comparison = _Comparison(atol, rtol)
    rng = np.random.default_rng(seed)
    outputs = _outputs(func, arguments)
    for o, out in enumerate(outputs):
        if not out.requires_grad:
            continue
        run = _evaluation(func, arguments, o)
        for i, t in checked:
            name = f"d output {o} / d input {i} "
            if fast_mode:
                _along_direction(comparison, name, run, out, t, eps, rng)
            else:
                _every_entry(comparison, name, run, out, t, eps)
    return _conclude(comparison.report(), raise_exception, "")


def _outputs(func: Callable[..., Any], arguments: list[Any]) -> list[Tensor]:
    out = func(*arguments)
    listed = [out] if isinstance(out, Tensor) else list(out)
    return [t for t in listed if isinstance(t, Tensor)]


def _evaluation(func: Callable[..., Any], arguments: list[Any], number: int) -> Callable[[], Array]:
    def run() -> Array:
        with no_grad():
            return _outputs(func, arguments)[number]._data.astype(np.float64)

    return run


def _every_entry(
    comparison: _Comparison, name: str, run: Callable[[], Array], out: Tensor, t: Tensor, eps: float
) -> None:
    """Compare the Jacobian: rows over ``t``, columns over ``out``."""
    numerical = np.zeros((t._data.size, out._data.size))
    for row, where in enumerate(np.ndindex(t._data.shape)):
        step = np.zeros_like(t._data)
        step[where] = eps
        numerical[row] = _difference(run, t._data, step).reshape(-1) / (2 * eps)
    analytical = np.zeros_like(numerical)
    for column in range(out._data.size):
        seed = np.zeros(out._data.size, out._data.dtype)
        seed[column] = 1
        (grad,) = gradients((out,), (t,), (seed.reshape(out._data.shape),), True)
        analytical[:, column] = 0 if grad is None else grad.reshape(-1)
    shape = (*t._data.shape, *out._data.shape)
    comparison.add(name, numerical.reshape(shape), analytical.reshape(shape))


def _along_direction(
    comparison: _Comparison,
    name: str,
    run: Callable[[], Array],
    out: Tensor,
    t: Tensor,
    eps: float,
    rng: np.random.Generator,
) -> None:
    u = _unit(rng, t._data)
    v = rng.standard_normal(out._data.shape).astype(out._data.dtype)
    numerical = np.sum(v * _difference(run, t._data, u * t._data.dtype.type(eps))) / (2 * eps)
    (grad,) = gradients((out,), (t,), (v,), True)
    analytical = 0.0 if grad is None else np.sum(grad * u)
    comparison.add(name + "along a random direction", np.asarray(numerical), np.asarray(analytical))


def _unit(rng: np.random.Generator, like: Array) -> Array:
    direction = rng.standard_normal(like.shape)
    length = np.sqrt(np.sum(direction * direction))
    return np.asarray(direction / (length or 1.0), like.dtype)


def _conclude(report: GradcheckReport, raise_exception: bool, what: str) -> bool:
    if not report.ok:
        text = f"Jacobian mismatch{what}; worst entry {report.worst}"
        if raise_exception:
            raise GradcheckError(text)
        print(text)
    return report.ok


# -- models ------------------------------------------------------------------------------------


def gradcheck_model(
    model: Any,
    loss_fn: Callable[..., Tensor],
    inputs: Any,
    targets: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-7,
    rtol: float = 1e-3,
    entries: int | None = 4,
    check_inputs: bool = False,
    raise_exception: bool = True,
    seed: int = 0,
) -> GradcheckReport:
    """Check every parameter of a model, through its loss on a batch, against differences.

    The model is copied in float64 and evaluation mode; it and its gradients stay as they are.
    Each parameter is checked along one random direction, in which all of its entries take
    part, and at some single entries.

    Parameters
    ----------
    model : Module
        Whatever ``model(inputs)`` takes; ``loss_fn(output, targets)`` gives a scalar.
    inputs, targets : Tensor (inputs: or a tuple of them)
        The batch; floating ones are converted to float64.
    eps : float
        The step of the differences.
    atol, rtol : float
        ``|analytical - numerical| <= atol + rtol |numerical|`` is agreement.
    entries : int, optional
        How many single entries of each parameter to check, chosen at random; None for all.
    check_inputs : bool
        Check the gradient in the inputs too.
    raise_exception : bool
        Raise on disagreement.
    seed : int
        For the directions and the choice of entries.

    Returns
    -------
    GradcheckReport
        With the worst comparison.

    Raises
    ------
    GradcheckError
        Naming the worst comparison with its index, numerical and analytical value.
    ValueError
        If the model has no parameter that requires grad.
    """
    double = copy.deepcopy(model).double().eval()
    arguments = [_as_double(t) for t in (inputs if isinstance(inputs, tuple) else (inputs,))]
    target = _as_double(targets)

    def loss() -> Tensor:
        return loss_fn(double(*arguments), target)

    named = [(name, p) for name, p in double.named_parameters() if p.requires_grad]
    if not named:
        raise ValueError("the model has no parameter that requires grad")
    if check_inputs:
        for i, t in enumerate(arguments):
            if isinstance(t, Tensor) and t._data.dtype == np.float64:
                t.requires_grad = True
                named.append((f"inputs[{i}]", t))
    out = loss()
    found = gradients((out,), [p for _, p in named], (np.ones_like(out._data),), False)
    comparison = _Comparison(atol, rtol)

    def run() -> Array:
        with no_grad():
            return loss()._data

    rng = np.random.default_rng(seed)
    for (name, p), grad in zip(named, found, strict=True):
        analytical = np.zeros_like(p._data) if grad is None else grad
        _check_parameter(comparison, name, run, p._data, analytical, eps, entries, rng)
    report = comparison.report()
    _conclude(report, raise_exception, " between the model's gradients and differences")
    return report


def _as_double(value: Any) -> Any:
    if isinstance(value, Tensor) and value._data.dtype.kind == "f":
        return wrap(value._data.astype(np.float64))
    return value


def _check_parameter(
    comparison: _Comparison,
    name: str,
    run: Callable[[], Array],
    array: Array,
    grad: Array,
    eps: float,
    entries: int | None,
    rng: np.random.Generator,
) -> None:
    if not array.size:
        return
    direction = _unit(rng, array)
    numerical = _difference(run, array, direction * eps) / (2 * eps)
    comparison.add(
        name + " along a random direction",
        np.asarray(numerical),
        np.asarray(np.sum(grad * direction)),
    )
    for number in _chosen(array.size, entries, rng):
        where = np.unravel_index(number, array.shape)
        step = np.zeros_like(array)
        step[where] = eps
        index = ", ".join(map(str, where))
        comparison.add(
            f"{name}[{index}]",
            np.asarray(_difference(run, array, step) / (2 * eps)),
            np.asarray(grad[where]),
        )


def _chosen(size: int, entries: int | None, rng: np.random.Generator) -> Iterable[int]:
    if entries is None or entries >= size:
        return range(size)
    numbers: Sequence[int] = rng.choice(size, entries, replace=False).tolist()
    return numbers
