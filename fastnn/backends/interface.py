"""The contract between the differentiable primitives and the code that computes them.

A backend takes NumPy arrays and returns NumPy arrays.  It knows neither tensors nor
gradient graphs.  :class:`Backend` lists exactly the operations that have a C kernel;
``reference`` and ``native`` implement it with the same signatures, which a test compares.

Common rules
------------
* Arrays are float32 or float64; all float arrays of one call share one dtype.
* Callers have validated shapes and arguments with :mod:`fastnn._shapes`; a backend may
  rely on it.  Inputs may be read-only, strided or misaligned views; they are never written.
* Results are new C-contiguous arrays, except where a docstring says "in place".
* Any dimension may have size 0.
* Sizes are spelled N (batch), C (input channels), H, W (input), K (output channels),
  R, S (kernel height, width), P, Q (output height, width), G (groups).
"""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]
#: (top, bottom, left, right)
Padding = tuple[int, int, int, int]
#: What ``pack_linear`` makes: known to the backend that made it, and to nobody else.
PackedWeight = Any

#: What ``algorithm`` may be; ``winograd`` does 3x3 windows without stride whose dilation
#: is the same in both directions.
CONV_ALGORITHMS = ("auto", "direct", "im2col", "batch", "winograd")
#: What ``precision`` may be; ``strict`` keeps an approximate algorithm's error to the sums' own.
CONV_PRECISIONS = ("fast", "strict")


class Backend(Protocol):
    """Every operation with a C kernel, once."""

    name: str

    # -- linear algebra ------------------------------------------------------------------

    def matmul(self, a: Array, b: Array) -> Array:
        """``a @ b`` for (..., M, I) and (..., I, N); leading dimensions broadcast.

        A vector on the left is a row, on the right a column, whose axis the result lacks.
        """
        ...

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        """``x @ weight.T + bias`` for (M, I), (N, I), (N,) -> (M, N)."""
        ...

    def linear_relu(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        """:meth:`relu` of :meth:`linear`, without a pass over memory of its own."""
        ...

    def linear_backward(
        self,
        grad: Array,
        x: Array,
        weight: Array,
        needs: tuple[bool, bool, bool],
        gate: Array | None = None,
    ) -> tuple[Array | None, Array | None, Array | None]:
        """Gradients of :meth:`linear` in (x, weight, bias); None where ``needs`` is False.

        With a ``gate``, as large as x, the first is :meth:`relu_backward` of it and the gate.
        """
        ...

    def pack_linear(self, weight: Array) -> PackedWeight:
        """A copy of a (N, I) weight, laid out for :meth:`linear_packed`."""
        ...

    def linear_packed(self, x: Array, packed: PackedWeight, bias: Array | None) -> Array:
        """:meth:`linear` with the weight that ``packed`` was made of, as it was then."""
        ...

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
        """Cross-correlation: (N, C, H, W), (K, C/G, R, S), (K,) -> (N, K, P, Q).

        With ``relu`` as :meth:`relu` of it, without a pass over memory of its own.
        """
        ...

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
        """Gradients of :meth:`conv2d` in (x, weight, bias); None where ``needs`` is False.

        With a ``gate``, as large as x, the first is :meth:`relu_backward` of it and the gate.
        """
        ...

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
        """Maximum over windows of (N, C, H, W), padded with -inf -> (N, C, P, Q).

        The second result (int32) is the position ``h * W + w`` of each maximum inside its
        plane: the first one of equals, and the last NaN met, as in PyTorch; -1 where a
        dilated window lies wholly in the padding and holds nothing.
        """
        ...

    def max_pool2d_recorded(
        self,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        out_size: Pair,
    ) -> tuple[Array, Array]:
        """:meth:`max_pool2d`, or in place of positions what :meth:`max_pool2d_backward` takes too.

        Only the same backend can read it, whatever the instruction set by then.
        """
        ...

    def max_pool2d_values(
        self,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        out_size: Pair,
    ) -> Array:
        """The first result of :meth:`max_pool2d` alone, of planes of any size."""
        ...

    def max_pool2d_backward(
        self, grad: Array, index: Array, in_size: Pair, gate: Array | None = None
    ) -> Array:
        """Scatter-add ``grad`` (N, C, P, Q) to the positions ``index`` -> (N, C, H, W).

        Or to where what :meth:`max_pool2d_recorded` gave in their place says.  A position of -1
        is passed over.  With a ``gate`` of the result's shape it is :meth:`relu_backward` of
        that and the gate.
        """
        ...

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
        """Mean over windows of (N, C, H, W), padded with zeros -> (N, C, P, Q).

        The divisor is ``divisor_override`` if given; else the window's size clipped to the
        padded input (``count_include_pad``) or to the input itself.
        """
        ...

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
        """Gradient of :meth:`avg_pool2d` in x: (N, C, P, Q) -> (N, C, H, W)."""
        ...

    # -- elementwise, NumPy broadcasting -------------------------------------------------

    def add(self, a: Array, b: Array) -> Array:
        """``a + b``."""
        ...

    def sub(self, a: Array, b: Array) -> Array:
        """``a - b``."""
        ...

    def mul(self, a: Array, b: Array) -> Array:
        """``a * b``."""
        ...

    def div(self, a: Array, b: Array) -> Array:
        """``a / b``, IEEE (x / 0 is inf or nan), no warning."""
        ...

    def exp(self, x: Array) -> Array:
        """``e ** x``."""
        ...

    def log(self, x: Array) -> Array:
        """Natural logarithm; -inf at 0, nan below, no warning."""
        ...

    def tanh(self, x: Array) -> Array:
        """Hyperbolic tangent."""
        ...

    def tanh_backward(self, grad: Array, y: Array) -> Array:
        """``grad * (1 - y * y)``; both arrays have one shape."""
        ...

    def sigmoid(self, x: Array) -> Array:
        """``1 / (1 + exp(-x))``, without overflow."""
        ...

    def sigmoid_backward(self, grad: Array, y: Array) -> Array:
        """``grad * y * (1 - y)``; both arrays have one shape."""
        ...

    def relu(self, x: Array) -> Array:
        """``max(x, 0)``; NaN stays NaN."""
        ...

    def relu_backward(self, grad: Array, y: Array, reuse: bool = False) -> Array:
        """``grad`` where the output ``y > 0`` (or is NaN), else 0, as PyTorch's threshold.

        With ``reuse`` the result may be written over ``grad``.
        """
        ...

    # -- reductions ----------------------------------------------------------------------

    def sum(self, x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
        """Sum over ``axes`` (each in [0, ndim), ascending, unique)."""
        ...

    def mean(self, x: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
        """Mean over ``axes``; NaN where nothing is averaged."""
        ...

    # -- softmax and its loss ------------------------------------------------------------

    def softmax(self, x: Array, axis: int) -> Array:
        """``exp(x) / sum(exp(x))`` along ``axis``, shifted by the maximum."""
        ...

    def softmax_backward(self, grad: Array, y: Array, axis: int) -> Array:
        """``y * (grad - sum(grad * y))`` along ``axis``."""
        ...

    def log_softmax(self, x: Array, axis: int) -> Array:
        """``x - log(sum(exp(x)))`` along ``axis``, shifted by the maximum."""
        ...

    def log_softmax_backward(self, grad: Array, y: Array, axis: int) -> Array:
        """``grad - exp(y) * sum(grad)`` along ``axis``."""
        ...

    def cross_entropy(
        self,
        logits: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        label_smoothing: float,
        reduction: str,
    ) -> tuple[Array, Array, float]:
        """Softmax cross-entropy of (N, C) logits with int64 class indices (N,).

        Returns the loss ((N,) for reduction "none", else ()), the log-sum-exp of each row
        (N,), and the divisor of the mean (the sum of the weights of the rows that count).

        Raises
        ------
        IndexError
            ``Target 12 is out of bounds.`` for a label outside [0, C) that is not
            ``ignore_index``; nothing is computed.
        """
        ...

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
        """Gradient of :meth:`cross_entropy` in the logits; ``grad`` has the loss's shape."""
        ...

    # -- optimisers, in place over lists of equally shaped, C-contiguous arrays ----------

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
        """One step of SGD as torch.optim.SGD defines it, in place.

        With ``first`` the buffers hold nothing yet and take the (decayed) gradient itself.
        ``momentum_buffers`` is None exactly when ``momentum`` is 0.
        """
        ...

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
        """One step of Adam (or AdamW when ``decoupled``), in place; ``step`` counts from 1.

        ``max_exp_avg_sqs`` switches AMSGrad on.
        """
        ...
