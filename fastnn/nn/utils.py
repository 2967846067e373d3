"""Work on all parameters of a model at once: clipping gradients, one long vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..functions.joining import cat
from ..tensor import Tensor, bump, wrap

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "vector_to_parameters",
]


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in listed if p.grad is not None]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor, so that their common norm is at most ``max_norm``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are skipped.
    norm_type : float
        p of the p-norm; may be ``inf``.

    Returns
    -------
    Tensor
        The norm before, of all gradients as one vector.

    Raises
    ------
    RuntimeError
        With ``error_if_nonfinite``, if the norm is nan or infinite.
    """
    grads = _gradients(parameters)
    norms = np.array([_norm(grad, norm_type) for grad in grads])
    kind = grads[0]._data.dtype if grads else np.dtype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.asarray(np.linalg.norm(norms, norm_type) if grads else 0.0, kind)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is "
            "non-finite, so it cannot be clipped. To disable this error and scale the gradients "
            "by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    # Not min(): a nan has to reach the gradients.
    factor = max_norm / (total + kind.type(1e-6))
    if not factor >= 1.0:
        for grad in grads:
            grad._data *= grad._data.dtype.type(factor)
            bump(grad)
    return wrap(total)


def _norm(grad: Tensor, norm_type: float) -> float:
    flat = grad._data.reshape(-1)
    if not flat.size:
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.linalg.norm(flat, norm_type))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every entry of every gradient into [-clip_value, clip_value]."""
    bound = float(clip_value)
    for grad in _gradients(parameters):
        np.clip(grad._data, -bound, bound, out=grad._data)
        bump(grad)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Join all parameters, flattened, into one vector."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy a vector, as :func:`parameters_to_vector` makes it, into the parameters.

    Raises
    ------
    TypeError
        If ``vec`` is no tensor.
    RuntimeError
        If it is too short; nothing is changed then.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected fastnn.Tensor, but got: {type(vec).__name__}")
    targets = list(parameters)
    values = vec._data.reshape(-1)
    needed = sum(math.prod(target._data.shape) for target in targets)
    if needed > values.size:
        raise RuntimeError(
            f"the parameters have {needed} elements, but the vector has only {values.size}"
        )
    start = 0
    for target in targets:
        stop = start + target._data.size
        target._data[...] = values[start:stop].reshape(target._data.shape)
        bump(target)
        start = stop
