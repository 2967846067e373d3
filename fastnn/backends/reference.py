"""The backend in plain NumPy: it says what is right, and is written to be read.

Each method is the formula of :class:`~fastnn.backends.interface.Backend` with the same name,
computed in the dtype of its inputs, whose docstring also holds for it.  Convolution and
pooling loop over the taps of the window (``reference_windows``) and treat all outputs of a
tap at once.
"""

from __future__ import annotations

import math

import numpy as np

from . import reference_windows as windows
from .interface import CONV_ALGORITHMS, CONV_PRECISIONS, Array, PackedWeight, Padding, Pair

__all__ = ["Reference", "backend"]


def _new(x: Array) -> Array:
    """Give ``x``, an array or a NumPy scalar that nobody else holds, as a C-ordered array."""
    return np.asarray(x, order="C")


def _check_choice(what: str, name: str, choices: tuple[str, ...]) -> None:
    if name not in choices:
        raise ValueError(f"unknown convolution {what} {name!r}; choose from {', '.join(choices)}")


class Reference:
    """:class:`~fastnn.backends.interface.Backend` in NumPy.

    ``algorithm`` and ``precision`` are checked and change nothing: there is one way to do each
    thing.
    """

    name = "reference"

    # -- linear algebra ------------------------------------------------------------------

    def matmul(self, a: Array, b: Array) -> Array:
        """Compute ``a @ b``."""
        with np.errstate(all="ignore"):
            return _new(np.matmul(a, b))

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        """``x @ weight.T + bias``."""
        with np.errstate(all="ignore"):
            out = np.matmul(x, weight.T)
            return _new(out if bias is None else out + bias)

    def linear_relu(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        """``relu(x @ weight.T + bias)``."""
        return self.relu(self.linear(x, weight, bias))

    def linear_backward(
        self,
        grad: Array,
        x: Array,
        weight: Array,
        needs: tuple[bool, bool, bool],
        gate: Array | None = None,
    ) -> tuple[Array | None, Array | None, Array | None]:
        """``grad @ weight``, ``grad.T @ x`` and the sum of ``grad`` over rows."""
        with np.errstate(all="ignore"):
            dx = _new(np.matmul(grad, weight)) if needs[0] else None
            return (
                self._gated(dx, gate),
                _new(np.matmul(grad.T, x)) if needs[1] else None,
                _new(np.sum(grad, axis=0)) if needs[2] else None,
            )

    def _gated(self, dx: Array | None, gate: Array | None) -> Array | None:
        """The gradient of a ReLU with the result ``gate``, if there is one and any is asked for."""
        if dx is None or gate is None:
            return dx
        return self.relu_backward(dx, gate.reshape(dx.shape))

    def pack_linear(self, weight: Array) -> PackedWeight:
        """Copy it."""
        return np.array(weight, order="C")

    def linear_packed(self, x: Array, packed: PackedWeight, bias: Array | None) -> Array:
        """``x @ packed.T + bias``."""
        return self.linear(x, packed, bias)

    # -- convolution ---------------------------------------------------------------------

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        algorithm: str = "auto",
        precision: str = "fast",
        relu: bool = False,
    ) -> Array:
        """``out[n, k, p, q] = sum_crs x[n, c, p*sh + r*dh, q*sw + s*dw] * weight[k, c, r, s]``."""
        _check_choice("algorithm", algorithm, CONV_ALGORITHMS)
        _check_choice("precision", precision, CONV_PRECISIONS)
        with np.errstate(all="ignore"):
            out = windows.conv2d(x, weight, stride, padding, dilation, groups)
            out = out if bias is None else out + bias[:, None, None]
            return self.relu(out) if relu else out

    def conv2d_backward(
        self,
        grad: Array,
        x: Array,
        weight: Array,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        needs: tuple[bool, bool, bool],
        algorithm: str = "auto",
        precision: str = "fast",
        gate: Array | None = None,
    ) -> tuple[Array | None, Array | None, Array | None]:
        """Each product of the forward sum, given back to its two factors."""
        _check_choice("algorithm", algorithm, CONV_ALGORITHMS)
        _check_choice("precision", precision, CONV_PRECISIONS)
        how = (stride, padding, dilation, groups)
        with np.errstate(all="ignore"):
            dx = windows.conv2d_grad_input(grad, x.shape, weight, *how) if needs[0] else None
            return (
                self._gated(dx, gate),
                windows.conv2d_grad_weight(grad, x, weight.shape, *how) if needs[1] else None,
                _new(np.sum(grad, axis=(0, 2, 3))) if needs[2] else None,
            )

    # -- pooling -------------------------------------------------------------------------

    def max_pool2d(
        self,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        out_size: Pair,
    ) -> tuple[Array, Array]:
        """Compare tap after tap; a window without any element gives -inf and position -1."""
        return windows.max_pool2d(x, kernel_size, stride, padding, dilation, out_size)

    def max_pool2d_recorded(
        self,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        out_size: Pair,
    ) -> tuple[Array, Array]:
        """Record the positions."""
        return self.max_pool2d(x, kernel_size, stride, padding, dilation, out_size)

    def max_pool2d_values(
        self,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        out_size: Pair,
    ) -> Array:
        """Forget the positions."""
        return self.max_pool2d(x, kernel_size, stride, padding, dilation, out_size)[0]

    def max_pool2d_backward(
        self, grad: Array, index: Array, in_size: Pair, gate: Array | None = None
    ) -> Array:
        """Scatter-add; position -1 (a window without any element) receives nothing."""
        dx = windows.max_pool2d_backward(grad, index, in_size)
        return dx if gate is None else self.relu_backward(dx, gate.reshape(dx.shape))

    def avg_pool2d(
        self,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        out_size: Pair,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        """Sum of the taps over the divisor; a window without any element gives 0."""
        count = windows.avg_divisor(
            x.shape[2:], kernel_size, stride, padding, out_size, count_include_pad, divisor_override
        )
        with np.errstate(all="ignore"):
            total = windows.sum_pool2d(x, kernel_size, stride, padding, out_size)
            return _new(total / count.astype(x.dtype))

    def avg_pool2d_backward(
        self,
        grad: Array,
        in_size: Pair,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        """Each output's gradient over the divisor, added to every element of its window."""
        out_size = grad.shape[2:]
        count = windows.avg_divisor(
            in_size, kernel_size, stride, padding, out_size, count_include_pad, divisor_override
        )
        with np.errstate(all="ignore"):
            share = grad / count.astype(grad.dtype)
            return windows.sum_pool2d_backward(share, in_size, kernel_size, stride, padding)

    # -- elementwise, NumPy broadcasting -------------------------------------------------

    def add(self, a: Array, b: Array) -> Array:
        """Compute ``a + b``."""
        with np.errstate(all="ignore"):
            return _new(np.add(a, b))

    def sub(self, a: Array, b: Array) -> Array:
        """Compute ``a - b``."""
        with np.errstate(all="ignore"):
            return _new(np.subtract(a, b))

    def mul(self, a: Array, b: Array) -> Array:
        """Compute ``a * b``."""
        with np.errstate(all="ignore"):
            return _new(np.multiply(a, b))

    def div(self, a: Array, b: Array) -> Array:
        """Compute ``a / b``."""
        with np.errstate(all="ignore"):
            return _new(np.divide(a, b))

    def exp(self, x: Array) -> Array:
        """``e ** x``."""
        with np.errstate(all="ignore"):
            return _new(np.exp(x))

    def log(self, x: Array) -> Array:
        """Natural logarithm."""
        with np.errstate(all="ignore"):
            return _new(np.log(x))

    def tanh(self, x: Array) -> Array:
        """Hyperbolic tangent."""
        with np.errstate(all="ignore"):
            return _new(np.tanh(x))

    def tanh_backward(self, grad: Array, y: Array) -> Array:
        """``grad * (1 - y * y)``."""
        with np.errstate(all="ignore"):
            return _new(grad * (1 - y * y))

    def sigmoid(self, x: Array) -> Array:
        """``1 / (1 + e)`` for x >= 0 and ``e / (1 + e)`` below, with ``e = exp(-|x|) <= 1``."""
        with np.errstate(all="ignore"):
            e = np.exp(-np.abs(x))
            return _new(np.where(x < 0, e, np.ones_like(e)) / (1 + e))

    def sigmoid_backward(self, grad: Array, y: Array) -> Array:
        """``grad * y * (1 - y)``."""
        with np.errstate(all="ignore"):
            return _new(grad * y * (1 - y))

    def relu(self, x: Array) -> Array:
        """0 where ``x <= 0``, else ``x``: NaN compares false and stays."""
        return _new(np.where(x <= 0, np.zeros_like(x), x))

    def relu_backward(self, grad: Array, y: Array, reuse: bool = False) -> Array:
        """0 where ``y <= 0``, else ``grad``."""
        return _new(np.where(y <= 0, np.zeros_like(grad), grad))

    # -- reductions ----------------------------------------------------------------------

    def sum(self, x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
        """Sum over ``axes``."""
        with np.errstate(all="ignore"):
            return _new(np.sum(x, axis=axes, keepdims=keepdims))

    def mean(self, x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
        """Sum over ``axes`` divided by the number of elements summed."""
        total = self.sum(x, axes, keepdims)
        count = math.prod(x.shape[axis] for axis in axes)
        with np.errstate(all="ignore"):
            return _new(total / x.dtype.type(count))

    # -- softmax and its loss ------------------------------------------------------------

    def softmax(self, x: Array, axis: int) -> Array:
        """``e / sum(e)`` with ``e = exp(x - max(x))``."""
        with np.errstate(all="ignore"):
            e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
            return _new(e / np.sum(e, axis=axis, keepdims=True))

    def softmax_backward(self, grad: Array, y: Array, axis: int) -> Array:
        """``y * (grad - sum(grad * y))``."""
        with np.errstate(all="ignore"):
            return _new(y * (grad - np.sum(grad * y, axis=axis, keepdims=True)))

    def log_softmax(self, x: Array, axis: int) -> Array:
        """``s - log(sum(exp(s)))`` with ``s = x - max(x)``."""
        with np.errstate(all="ignore"):
            s = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
            return _new(s - np.log(np.sum(np.exp(s), axis=axis, keepdims=True)))

    def log_softmax_backward(self, grad: Array, y: Array, axis: int) -> Array:
        """``grad - exp(y) * sum(grad)``."""
        with np.errstate(all="ignore"):
            return _new(grad - np.exp(y) * np.sum(grad, axis=axis, keepdims=True))

    def cross_entropy(
        self,
        logits: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        label_smoothing: float,
        reduction: str,
    ) -> tuple[Array, Array, float]:
        """``-sum_c q[n, c] * log_softmax(logits)[n, c]``, with q from :func:`_target_weights`."""
        counts, q = _target_weights(logits, target, weight, ignore_index, label_smoothing)
        with np.errstate(all="ignore"):
            top = np.max(logits, axis=1, initial=-np.inf)
            log_sum = np.log(np.sum(np.exp(logits - top[:, None]), axis=1))
            log_p = logits - top[:, None] - log_sum[:, None]
            # A class of weight 0 counts nothing, even where its log-probability is -inf.
            loss = -np.sum(np.where(q == 0, 0, q * log_p), axis=1, dtype=logits.dtype)
            divisor = float(np.sum(counts))
            if reduction == "sum":
                loss = np.sum(loss)
            elif reduction == "mean":
                loss = np.sum(loss) / logits.dtype.type(divisor)
        return _new(loss), _new(top + log_sum), divisor

    def cross_entropy_backward(
        self,
        grad: Array,
        logits: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        label_smoothing: float,
        reduction: str,
        lse: Array,
        divisor: float,
    ) -> Array:
        """``grad * (softmax * sum_c(q) - q)``, over ``divisor`` if the mean was taken."""
        _, q = _target_weights(logits, target, weight, ignore_index, label_smoothing)
        with np.errstate(all="ignore"):
            scale = grad / logits.dtype.type(divisor) if reduction == "mean" else grad
            total = np.sum(q, axis=1, keepdims=True)
            out = np.reshape(scale, (-1, 1)) * (np.exp(logits - lse[:, None]) * total - q)
            return _new(np.where((target == ignore_index)[:, None], np.zeros_like(out), out))

    # -- optimisers, in place ------------------------------------------------------------

    def sgd_step(
        self,
        params: list[Array],
        grads: list[Array],
        momentum_buffers: list[Array] | None,
        *,
        first: bool,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> None:
        """Follow the algorithm box of torch.optim.SGD."""
        with np.errstate(all="ignore"):
            for i, p in enumerate(params):
                g = -grads[i] if maximize else grads[i]
                if weight_decay != 0:
                    g = g + weight_decay * p
                if momentum_buffers is not None:
                    b = momentum_buffers[i]
                    b[...] = g if first else momentum * b + (1 - dampening) * g
                    g = g + momentum * b if nesterov else b
                p -= lr * g

    def adam_step(
        self,
        params: list[Array],
        grads: list[Array],
        exp_avgs: list[Array],
        exp_avg_sqs: list[Array],
        max_exp_avg_sqs: list[Array] | None,
        *,
        step: int,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        maximize: bool,
    ) -> None:
        """Follow the algorithm boxes of torch.optim.Adam and torch.optim.AdamW."""
        correction1 = 1 - beta1**step
        correction2 = 1 - beta2**step
        with np.errstate(all="ignore"):
            for i, (p, m, v) in enumerate(zip(params, exp_avgs, exp_avg_sqs, strict=True)):
                g = -grads[i] if maximize else grads[i]
                if decoupled:
                    p *= 1 - lr * weight_decay
                elif weight_decay != 0:
                    g = g + weight_decay * p
                m[...] = beta1 * m + (1 - beta1) * g
                v[...] = beta2 * v + (1 - beta2) * g * g
                second = v
                if max_exp_avg_sqs is not None:
                    second = np.maximum(max_exp_avg_sqs[i], v, out=max_exp_avg_sqs[i])
                p -= lr / correction1 * m / (np.sqrt(second) / correction2**0.5 + eps)


def _target_weights(
    logits: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> tuple[Array, Array]:
    """Weight of each row in the mean (N,), and of each log-probability in the loss (N, C).

    A row with label t has ``q[t] = (1 - smoothing) * weight[t]``, and every class c has
    ``smoothing / C * weight[c]`` more; an ignored row has zeros (Szegedy et al.,
    "Rethinking the Inception Architecture", section 7, with torch's class weights).
    """
    rows, classes = logits.shape
    counted = target != ignore_index
    bad = target[counted & ((target < 0) | (target >= classes))]
    if bad.size:
        raise IndexError(f"Target {bad[0]} is out of bounds.")
    if weight is None:
        weight = np.ones(classes, logits.dtype)
    n = np.flatnonzero(counted)
    counts = np.zeros(rows, logits.dtype)
    counts[n] = weight[target[n]]
    q = np.zeros_like(logits, order="C")
    q[n] = label_smoothing / classes * weight if classes else 0
    q[n, target[n]] += (1 - label_smoothing) * counts[n]
    return counts, q


backend = Reference()
