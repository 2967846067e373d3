"""Adam and AdamW."""

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

Beta = float | Tensor


class Adam(Optimizer):
    r"""Adam: steps scaled by running averages of the gradient and of its square.

    With the gradient g (negated for ``maximize``) of a parameter p, in its step number t::

        g = g + weight_decay * p            (decoupled: p = p - lr * weight_decay * p instead)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2  (amsgrad: from here on its maximum so far)
        p = p - lr * m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + eps)

    Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2014); AMSGrad is from Reddi,
    Kale and Kumar, "On the Convergence of Adam and Beyond" (2018).

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor) or of dict
        What to optimise; see :class:`Optimizer`.
    lr : float or Tensor
        Learning rate.
    betas : tuple of two floats
        Decay of the running averages, each in [0, 1).
    eps : float
        Added to the denominator.
    weight_decay : float
        As in the formulas.
    amsgrad : bool
        Divide by the largest v so far.
    maximize : bool
        Ascend instead of descending.
    foreach, fused, capturable : bool, optional
        Accepted for PyTorch's sake and without effect: they choose between implementations,
        and there is one, which updates all parameters in one call.
    differentiable : bool
        Only False is supported.
    decoupled_weight_decay : bool
        Decay the weights as :class:`AdamW` does.

    Raises
    ------
    ValueError
        For a negative learning rate, eps or weight decay, and for betas outside [0, 1).
    RuntimeError
        For ``differentiable=True``, and for ``fused`` together with ``foreach``.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[Beta, Beta] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        betas = _check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        check_implementation(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
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
        for group, plan in self._planned(_slots, counted=True):
            beta1, beta2 = group["betas"]
            for batch in plan.batches:
                columns = batch.columns
                backend.adam_step(
                    batch.arrays,
                    batch.grads,
                    columns[0],
                    columns[1],
                    columns[2] if group["amsgrad"] else None,
                    step=batch.count + 1,
                    lr=float(group["lr"]),
                    beta1=float(beta1),
                    beta2=float(beta2),
                    eps=float(group["eps"]),
                    weight_decay=float(group["weight_decay"]),
                    decoupled=group["decoupled_weight_decay"],
                    maximize=group["maximize"],
                )
                batch.finish()
            plan.commit(self.state)
        return loss


class AdamW(Adam):
    """Adam with decoupled weight decay, which stays out of the running averages.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2017).  The formulas,
    arguments and errors are those of :class:`Adam` with ``decoupled_weight_decay=True``;
    ``weight_decay`` is 0.01 unless given.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[Beta, Beta] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state, also one of :class:`Adam`; the weight decay stays decoupled.

        See :meth:`Optimizer.load_state_dict` for ``state_dict`` and the errors.
        """
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


_MOMENTS = ("exp_avg", "exp_avg_sq")
_MOMENTS_AND_MAXIMUM = (*_MOMENTS, "max_exp_avg_sq")


def _slots(group: dict[str, Any]) -> tuple[str, ...]:
    return _MOMENTS_AND_MAXIMUM if group["amsgrad"] else _MOMENTS


def _check_betas(betas: tuple[Beta, Beta]) -> tuple[float, float]:
    """Return the betas as floats, or raise PyTorch's ValueError."""
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor) and beta._data.size != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element")
        if not 0.0 <= float(beta) < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
    first, second = betas
    if not any(isinstance(first, t) and isinstance(second, t) for t in (float, Tensor)):
        raise ValueError("betas must be either both floats or both Tensors")
    return float(first), float(second)
