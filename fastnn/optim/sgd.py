"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..backends import settings
from ..tensor import Tensor
from .optimizer import (
    Closure,
    Optimizer,
    Params,
    check_implementation,
    check_learning_rate,
    check_not_negative,
    evaluate,
)


class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum if asked for.

    With the gradient g (negated for ``maximize``) of a parameter p::

        g = g + weight_decay * p
        v = momentum * v + (1 - dampening) * g      (v = g in the first step)
        p = p - lr * v                              (Nesterov: lr * (g + momentum * v))

    Nesterov momentum is the form of Sutskever, Martens, Dahl and Hinton, "On the importance of
    initialization and momentum in deep learning" (2013), as PyTorch has it.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor) or of dict
        What to optimise; see :class:`Optimizer`.
    lr : float or Tensor
        Learning rate.
    momentum, dampening, weight_decay : float
        As in the formulas.
    nesterov : bool
        Look ahead along the momentum.
    maximize : bool
        Ascend instead of descending.
    foreach, fused : bool, optional
        Accepted for PyTorch's sake and without effect: they choose between implementations,
        and there is one, which updates all parameters in one call.
    differentiable : bool
        Only False is supported.

    Raises
    ------
    ValueError
        For a negative learning rate, momentum or weight decay, and for Nesterov momentum
        without momentum or with dampening.
    RuntimeError
        For ``differentiable=True``, and for ``fused`` together with ``foreach``.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_implementation(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
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
        backend = settings().backend
        for group, plan in self._planned(_slots, counted=False):
            momentum = float(group["momentum"])
            for batch in plan.batches:
                backend.sgd_step(
                    batch.arrays,
                    batch.grads,
                    batch.columns[0] if momentum else None,
                    first=batch.first,
                    lr=float(group["lr"]),
                    momentum=momentum,
                    dampening=float(group["dampening"]),
                    weight_decay=float(group["weight_decay"]),
                    nesterov=group["nesterov"],
                    maximize=group["maximize"],
                )
                batch.finish()
            plan.commit(self.state)
        return loss


def _slots(group: dict[str, Any]) -> tuple[str, ...]:
    return ("momentum_buffer",) if group["momentum"] != 0 else ()
