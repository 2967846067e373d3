"""L-BFGS, in NumPy: it has no kernel yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..backends import Array
from ..tensor import Tensor, bump, wrap
from ._line_search import Point, strong_wolfe
from .optimizer import Closure, Optimizer, Params, check_learning_rate, evaluate


class LBFGS(Optimizer):
    """Limited-memory BFGS, a quasi-Newton method for smooth objectives without noise.

    Each iteration moves along ``-H g``, where the two-loop recursion (Nocedal and Wright,
    "Numerical Optimization", algorithm 7.4) applies an estimate H of the inverse Hessian made
    of the last ``history_size`` changes of position and gradient.  One ``step`` makes up to
    ``max_iter`` iterations and evaluates the model several times.  There is one parameter
    group; the memory used is ``2 * history_size`` times that of the parameters.

    Parameters
    ----------
    params : iterable of Tensor or of (str, Tensor)
        What to optimise.
    lr : float or Tensor
        Length of a step, or the first one that the line search tries.
    max_iter : int
        Bound on the iterations of one call of ``step``.
    max_eval : int, optional
        Bound on its evaluations of the closure; 1.25 * max_iter unless given.
    tolerance_grad : float
        Stop where no element of the gradient is larger.
    tolerance_change : float
        Stop where neither the loss nor a parameter changes more.
    history_size : int
        How many changes to remember.
    line_search_fn : {None, "strong_wolfe"}
        How to find the length of a step.

    Raises
    ------
    ValueError
        For a negative learning rate, and for more than one parameter group.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_learning_rate(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Closure | None = None) -> Any:
        """Make up to ``max_iter`` iterations.

        Parameters
        ----------
        closure : callable
            Clears the gradients, evaluates the model with gradients and returns the loss.

        Returns
        -------
        object
            What the closure returned the first time.

        Raises
        ------
        TypeError
            Without a closure.
        RuntimeError
            If the line search is unknown.
        """
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required positional argument: 'closure'")
        (group,) = self.param_groups
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(
                f"only 'strong_wolfe' is supported, got line_search_fn={group['line_search_fn']!r}"
            )
        # Like PyTorch, keep the state with the first parameter.
        state = self.state[group["params"][0]]
        run = _Run(group, state, closure)
        with np.errstate(all="ignore"):
            loss = run.iterate()
        run.store(state)
        return loss


class _Run:
    """One call of ``step``: the memory taken out of the state, and the iterations on it."""

    def __init__(self, group: dict[str, Any], state: dict[str, Any], closure: Closure) -> None:
        self.group = group
        self.params: list[Tensor] = group["params"]
        self.closure = closure
        self.lr = float(group["lr"])
        self.evaluations = 0
        self.earlier_evaluations: int = state.get("func_evals", 0)
        self.iterations: int = state.get("n_iter", 0)
        self.direction = _array(state.get("d"))
        self.t = _number(state.get("t", 0.0))
        self.changes_of_gradient = [_array(y) for y in state.get("old_dirs") or ()]
        self.changes_of_position = [_array(s) for s in state.get("old_stps") or ()]
        self.rho = [_number(r) for r in state.get("ro") or ()]
        self.scale = _number(state.get("H_diag", 1.0))
        self.previous_gradient = _array(state.get("prev_flat_grad"))
        self.previous_loss = _number(state.get("prev_loss", 0.0))

    def store(self, state: dict[str, Any]) -> None:
        """Write the memory into the optimiser's state, under PyTorch's names."""
        state["func_evals"] = self.earlier_evaluations + self.evaluations
        state["n_iter"] = self.iterations
        if self.iterations:
            state["d"] = wrap(self.direction)
            state["t"] = self.t
            state["old_dirs"] = [wrap(y) for y in self.changes_of_gradient]
            state["old_stps"] = [wrap(s) for s in self.changes_of_position]
            state["ro"] = list(self.rho)
            state["H_diag"] = self.scale
            state["prev_flat_grad"] = wrap(self.previous_gradient)
            state["prev_loss"] = self.previous_loss

    def iterate(self) -> Any:
        """Evaluate, then iterate until one of the bounds is reached."""
        group = self.group
        first_loss, loss, gradient = self._evaluate()
        if _largest(gradient) <= group["tolerance_grad"]:
            return first_loss
        for left in range(group["max_iter"] - 1, -1, -1):
            self.iterations += 1
            self._update_direction(gradient)
            self.previous_gradient, self.previous_loss = gradient, loss
            self.t = self.lr
            if self.iterations == 1:
                total = float(np.abs(gradient).sum())
                self.t *= min(1.0, 1.0 / total) if total else 1.0
            slope = float(gradient @ self.direction)
            if slope > -group["tolerance_change"]:
                break
            start = Point(0.0, loss, gradient, slope)
            if group["line_search_fn"] is not None:
                loss, gradient = self._search(start)
            else:
                self._move(self.t)
                if left:
                    # After the last iteration nobody would look at the result.
                    _, loss, gradient = self._evaluate()
            if (
                not left
                or self.evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(self.direction * self.t) <= group["tolerance_change"]
                or abs(loss - self.previous_loss) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _evaluate(self) -> tuple[Any, float, Array]:
        """Call the closure: its result, as a number, and the gradient as one vector."""
        loss = evaluate(self.closure)
        self.evaluations += 1
        parts = [
            np.zeros(p._data.size, p._data.dtype) if p._grad is None else p._grad._data.ravel()
            for p in self.params
        ]
        return loss, float(loss), np.concatenate(parts)

    def _update_direction(self, gradient: Array) -> None:
        if self.iterations == 1:
            self.direction, self.scale = -gradient, 1.0
            self.changes_of_gradient, self.changes_of_position, self.rho = [], [], []
            return
        y = gradient - self.previous_gradient
        s = self.direction * self.t
        curvature = float(y @ s)
        if curvature > 1e-10:
            if len(self.rho) == self.group["history_size"]:
                for history in (self.changes_of_gradient, self.changes_of_position, self.rho):
                    del history[0]
            self.changes_of_gradient.append(y)
            self.changes_of_position.append(s)
            self.rho.append(1.0 / curvature)
            self.scale = curvature / float(y @ y)
        self.direction = self._apply_inverse_hessian(-gradient)

    def _apply_inverse_hessian(self, q: Array) -> Array:
        """Return H q by the two-loop recursion; ``q`` is overwritten."""
        memory = list(
            zip(self.changes_of_gradient, self.changes_of_position, self.rho, strict=True)
        )
        alphas = []
        for y, s, rho in reversed(memory):
            alpha = float(s @ q) * rho
            q -= alpha * y
            alphas.append(alpha)
        q *= self.scale
        for (y, s, rho), alpha in zip(memory, reversed(alphas), strict=True):
            q += (alpha - float(y @ q) * rho) * s
        return q

    def _search(self, start: Point) -> tuple[float, Array]:
        """Set ``t`` by the line search and move there; loss and gradient at that point."""

        def at(t: float) -> Point:
            with self._restored():
                self._move(t)
                _, value, gradient = self._evaluate()
            return Point(t, value, gradient, float(gradient @ self.direction))

        left = self.group["max_eval"] - self.evaluations
        point = strong_wolfe(at, start, self.t, _largest(self.direction), left)
        self.t = point.t
        self._move(self.t)
        return point.value, point.gradient

    def _move(self, t: float) -> None:
        """Add ``t`` times the direction to the parameters."""
        offset = 0
        for p in self.params:
            array = p._data
            array += (t * self.direction[offset : offset + array.size]).reshape(array.shape)
            bump(p)
            offset += array.size

    @contextmanager
    def _restored(self) -> Iterator[None]:
        """Put the parameters back on leaving, also by an exception."""
        kept = [p._data.copy() for p in self.params]
        try:
            yield
        finally:
            for p, array in zip(self.params, kept, strict=True):
                p._data[...] = array
                bump(p)


def _largest(vector: Array) -> float:
    return float(np.abs(vector).max(initial=0.0))


def _array(value: Tensor | None) -> Array:
    return np.empty(0) if value is None else value._data


def _number(value: Any) -> float:
    return float(value._data) if isinstance(value, Tensor) else float(value)
