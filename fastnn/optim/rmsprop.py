"""RMSprop, in NumPy: it has no kernel yet."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import Array
from ..tensor import Tensor
from .optimizer import (
    Closure,
    Optimizer,
    Params,
    check_learning_rate,
    check_not_negative,
    evaluate,
)


class RMSprop(Optimizer):
    r"""RMSprop: steps divided by a running average of the gradient's magnitude.

    With the gradient g (negated for ``maximize``) of a parameter p::

        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g                     (centered; else a = 0)
        b = momentum * b + g / (sqrt(v - a**2) + eps)
        p = p - lr * b

    From lecture 6 of Hinton's course "Neural Networks for Machine Learning" (2012); the centered
    form is from Graves, "Generating Sequences With Recurrent Neural Networks" (2013).
    The step is computed in NumPy, the same for every backend.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor) or of dict
        What to optimise; see :class:`Optimizer`.
    lr : float or Tensor
        Learning rate.
    alpha, eps, weight_decay, momentum : float
        As in the formulas.
    centered : bool
        Divide by the gradient's estimated deviation from its mean.
    capturable, foreach : bool, optional
        Accepted for PyTorch's sake and without effect: they choose between implementations.
    maximize : bool
        Ascend instead of descending.
    differentiable : bool
        Only False is supported.

    Raises
    ------
    ValueError
        For a negative number among the settings.
    RuntimeError
        For ``differentiable=True``.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative("epsilon", eps)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("alpha", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def step(self, closure: Closure | None = None) -> Any:
        """Update the parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Evaluates the model again, with gradients, and returns the loss.

        Returns
        -------
        object
            What ``closure`` returned; None without one.

        Raises
        ------
        RuntimeError
            If a parameter is read-only or a gradient has another shape; nothing is changed.
        """
        loss = evaluate(closure)
        for group, plan in self._planned(_slots, counted=True):
            with np.errstate(all="ignore"):
                for batch in plan.batches:
                    for p, g, *state in zip(batch.arrays, batch.grads, *batch.columns, strict=True):
                        _update(p, g, dict(zip(_slots(group), state, strict=True)), group)
                    batch.finish()
            plan.commit(self.state)
        return loss


def _slots(group: dict[str, Any]) -> tuple[str, ...]:
    return (
        "square_avg",
        *(("momentum_buffer",) if group["momentum"] > 0 else ()),
        *(("grad_avg",) if group["centered"] else ()),
    )


def _update(p: Array, g: Array, state: dict[str, Array], group: dict[str, Any]) -> None:
    """Update one parameter and its state in place, by the class's formulas."""
    # Python floats, because a NumPy scalar would turn float32 arrays into float64.
    lr, alpha, momentum = float(group["lr"]), float(group["alpha"]), float(group["momentum"])
    if group["maximize"]:
        g = -g
    if group["weight_decay"] != 0:
        g = g + float(group["weight_decay"]) * p
    square_avg = state["square_avg"]
    square_avg *= alpha
    square_avg += (1 - alpha) * g * g
    if group["centered"]:
        grad_avg = state["grad_avg"]
        grad_avg += (1 - alpha) * (g - grad_avg)
        scale = np.sqrt(square_avg - grad_avg * grad_avg)
    else:
        scale = np.sqrt(square_avg)
    scale += float(group["eps"])
    if momentum > 0:
        buffer = state["momentum_buffer"]
        buffer *= momentum
        buffer += g / scale
        p -= lr * buffer
    else:
        p -= lr * (g / scale)
