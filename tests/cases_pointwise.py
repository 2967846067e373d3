"""THE tables of cases of elementwise operations, reductions, softmax, losses and optimisers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import AROUND_VECTORS, Array, Case

# -- elementwise, reductions -----------------------------------------------------------------


@dataclass(frozen=True)
class BinaryCase(Case):
    a: tuple[int, ...]
    b: tuple[int, ...]

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.a)) or '()'},{'x'.join(map(str, self.b)) or '()'}"

    def arrays(self, dtype: Any) -> tuple[Array, Array]:
        rng = self.rng()
        return self.normal(rng, self.a, dtype), self.normal(rng, self.b, dtype)


BINARY = (
    *(BinaryCase((n,), (n,)) for n in (0, *AROUND_VECTORS, 63, 64, 65, 1000)),
    *(BinaryCase((3, n), (n,)) for n in AROUND_VECTORS),
    *(BinaryCase((n, 3), (n, 1)) for n in (1, 8, 17)),
    BinaryCase((), ()), BinaryCase((5,), ()), BinaryCase((), (2, 17)), BinaryCase((1,), (1, 1)),
    BinaryCase((4, 1), (1, 9)), BinaryCase((1, 9), (4, 1)), BinaryCase((2, 1, 5), (3, 1)),
    BinaryCase((2, 3, 4, 5), (3, 1, 1)), BinaryCase((2, 3, 4, 5), (2, 1, 4, 1)),
    BinaryCase((2, 3, 4, 17), (1, 3, 4, 17)), BinaryCase((7, 1, 1, 3), (1, 5, 2, 1)),
    BinaryCase((0, 3), (3,)), BinaryCase((2, 0), (1, 1)), BinaryCase((1, 3), (0, 1)),
    BinaryCase((2,) * 8, (2, 1) * 4),
)  # fmt: skip

#: Shapes of unary operations.
UNARY = ((), (0,), *((n,) for n in AROUND_VECTORS), (3, 65), (2, 0, 3), (2, 3, 4, 5), (4099,))


@dataclass(frozen=True)
class ReductionCase(Case):
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    keepdims: bool = False

    def __str__(self) -> str:
        axes = ",".join(map(str, self.axes)) or "none"
        text = f"{'x'.join(map(str, self.shape)) or '()'}-{axes}"
        return text + "-keep" if self.keepdims else text

    @property
    def reduction(self) -> int:
        """Elements summed into one output."""
        return int(np.prod([self.shape[axis] for axis in self.axes]))

    def arrays(self, dtype: Any) -> tuple[Array]:
        return (self.normal(self.rng(), self.shape, dtype),)


REDUCTION = (
    *(ReductionCase((n,), (0,)) for n in (0, *AROUND_VECTORS, 1000, 5000)),
    *(ReductionCase((3, n), (1,)) for n in AROUND_VECTORS),
    *(ReductionCase((n, 5), (0,)) for n in AROUND_VECTORS),
    *(ReductionCase((6, n), (0,)) for n in AROUND_VECTORS),
    ReductionCase((300, 1037), (0,)),
    *(
        ReductionCase((2, 3, 4, 5), axes, keep)
        for axes in ((), (0,), (1,), (3,), (0, 1), (1, 2), (2, 3), (0, 2, 3), (0, 3), (0, 1, 2, 3))
        for keep in (False, True)
    ),
    ReductionCase((), ()),
    ReductionCase((2, 0, 3), (1,)),
    ReductionCase((2, 0, 3), (0,)),
    ReductionCase((0, 3), (0, 1), True),
    ReductionCase((64, 8, 26, 26), (0, 2, 3)),
)

#: More than a last cache keeps: rows that are read whole, and too long and too short for that.
FAR_REDUCTION = (
    ReductionCase((6200, 1037), (0,)),
    ReductionCase((1300, 5003), (0,)),
    ReductionCase((2, 180000, 19), (1,)),
)


@dataclass(frozen=True)
class SoftmaxCase(Case):
    shape: tuple[int, ...]
    axis: int
    scale: float = 1.0

    def __str__(self) -> str:
        text = f"{'x'.join(map(str, self.shape))}-axis{self.axis}"
        return text if self.scale == 1 else f"{text}-scale{self.scale:g}"

    def arrays(self, dtype: Any) -> tuple[Array, Array]:
        """Input and the gradient of the output."""
        rng = self.rng()
        x = self.normal(rng, self.shape, dtype) * np.dtype(dtype).type(self.scale)
        return x, self.normal(rng, self.shape, dtype)


SOFTMAX = (
    *(SoftmaxCase((3, n), 1) for n in (*AROUND_VECTORS, 100, 515, 1031, 3100, 6200)),
    *(SoftmaxCase((n, 5), 0) for n in (1, 7, 16, 33)),
    SoftmaxCase((2, 3, 4), 1), SoftmaxCase((2, 17, 9), 1), SoftmaxCase((5,), 0),
    SoftmaxCase((2, 3, 4, 5), 3), SoftmaxCase((2, 3, 4, 5), 0),
    SoftmaxCase((4, 10), 1, 1000.0), SoftmaxCase((4, 10), 1, 1e-6), SoftmaxCase((9, 4), 0, 200.0),
    SoftmaxCase((0, 3), 1), SoftmaxCase((3, 0), 1), SoftmaxCase((3, 0), 0), SoftmaxCase((0,), 0),
)  # fmt: skip


@dataclass(frozen=True)
class CrossEntropyCase(Case):
    rows: int
    classes: int
    reduction: str = "mean"
    weight: bool = False
    smoothing: float = 0.0
    ignored: int = 0  # rows with the label ignore_index
    scale: float = 1.0
    ignore_index: int = -100

    def __str__(self) -> str:
        text = f"{self.rows}x{self.classes}-{self.reduction}" + "-weight" * self.weight
        text += f"-smooth{self.smoothing:g}" if self.smoothing else ""
        text += f"-ignored{self.ignored}of{self.ignore_index}" if self.ignored else ""
        return text if self.scale == 1 else f"{text}-scale{self.scale:g}"

    def arrays(self, dtype: Any) -> tuple[Array, Array, Array | None, Array]:
        """Logits, labels, class weights and the gradient of the loss."""
        rng = self.rng()
        logits = self.normal(rng, (self.rows, self.classes), dtype)
        logits *= np.dtype(dtype).type(self.scale)
        target = rng.integers(0, max(self.classes, 1), self.rows)
        target[rng.permutation(self.rows)[: self.ignored]] = self.ignore_index
        weight = rng.random(self.classes).astype(dtype) + 0.1 if self.weight else None
        shape = (self.rows,) if self.reduction == "none" else ()
        return logits, target, weight, np.asarray(rng.standard_normal(shape), dtype)


CROSS_ENTROPY = (
    *(CrossEntropyCase(5, c) for c in (*AROUND_VECTORS, 100, 515, 1031, 4100)),
    *(CrossEntropyCase(n, c) for n in (1, 2, 64, 65) for c in (10, 37)),
    *(
        CrossEntropyCase(9, 7, reduction, weight, smoothing, ignored)
        for reduction in ("none", "sum", "mean")
        for weight in (False, True)
        for smoothing in (0.0, 0.1)
        for ignored in (0, 3)
    ),
    CrossEntropyCase(6, 4, ignored=6),
    CrossEntropyCase(6, 4, "sum", ignored=6),
    CrossEntropyCase(6, 4, ignored=2, ignore_index=1),
    CrossEntropyCase(6, 4, smoothing=1.0),
    CrossEntropyCase(4, 10, scale=1000.0),
    *(CrossEntropyCase(0, 5, reduction) for reduction in ("none", "sum", "mean")),
)


# -- optimisers ------------------------------------------------------------------------------

#: Shapes of the parameters that one step updates together.
PARAMETERS = ((), (1,), (7,), (8,), (9,), (16, 3), (17,), (0,), (33, 5), (1031,))


@dataclass(frozen=True)
class SgdCase(Case):
    lr: float = 0.1
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    maximize: bool = False

    def __str__(self) -> str:
        return "-".join(f"{k}{v:g}" for k, v in vars(self).items() if v)


SGD = (
    SgdCase(), SgdCase(maximize=True), SgdCase(weight_decay=0.01), SgdCase(momentum=0.9),
    SgdCase(momentum=0.9, dampening=0.5), SgdCase(momentum=0.9, nesterov=True),
    SgdCase(0.05, 0.8, 0.0, 0.1, True, True), SgdCase(0.05, 0.8, 0.3, 0.1, False, True),
)  # fmt: skip


@dataclass(frozen=True)
class AdamCase(Case):
    lr: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False
    maximize: bool = False
    amsgrad: bool = False

    def __str__(self) -> str:
        return "-".join(f"{k}{v:g}" for k, v in vars(self).items() if v)


ADAM = (
    AdamCase(), AdamCase(maximize=True), AdamCase(weight_decay=0.1), AdamCase(amsgrad=True),
    AdamCase(weight_decay=0.1, decoupled=True), AdamCase(beta1=0.0), AdamCase(0.1, 0.5, 0.6, 1e-3),
    AdamCase(1e-3, 0.8, 0.9, 1e-5, 0.2, True, True, True),
)  # fmt: skip
