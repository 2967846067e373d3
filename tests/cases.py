"""THE tables of cases: sizes around every tile and tail, and every argument an operation has.

A case is a frozen record of sizes; ``str(case)`` is its readable id, and ``arrays(dtype)``
makes its inputs, the same ones on every call.  The kernels' tile sizes decide what is worth
testing: vectors of 4, 8 and 16 elements (``AROUND_VECTORS``), row tiles of up to 14
(``AROUND_ROWS``), and reductions cut at 384 (``KC``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]

AROUND_VECTORS = (1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33)
AROUND_ROWS = (1, 2, 5, 6, 7, 8, 13, 14, 15, 29)
KC = 384


class Case:
    """Common to all cases: a random stream of its own."""

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{type(self).__name__} {self}".encode()))

    def normal(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
        return rng.standard_normal(shape).astype(dtype)


# -- convolution -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Conv2dCase(Case):
    x: tuple[int, int, int, int]  # N C H W
    k: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # top bottom left right
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True

    def __str__(self) -> str:
        text = f"{'x'.join(map(str, self.x))}-k{self.k}-{self.kernel[0]}x{self.kernel[1]}"
        if self.stride != (1, 1):
            text += f"-s{self.stride[0]},{self.stride[1]}"
        if any(self.padding):
            text += f"-p{','.join(map(str, self.padding))}"
        if self.dilation != (1, 1):
            text += f"-d{self.dilation[0]},{self.dilation[1]}"
        if self.groups != 1:
            text += f"-g{self.groups}"
        return text if self.bias else text + "-nobias"

    @property
    def weight(self) -> tuple[int, int, int, int]:
        return (self.k, self.x[1] // self.groups, *self.kernel)

    @property
    def out(self) -> tuple[int, int, int, int]:
        size = []
        for i in (0, 1):
            padded = self.x[2 + i] + sum(self.padding[2 * i : 2 * i + 2])
            covered = self.dilation[i] * (self.kernel[i] - 1) + 1
            size.append((padded - covered) // self.stride[i] + 1)
        return (self.x[0], self.k, size[0], size[1])

    @property
    def how(self) -> tuple[Pair, tuple[int, int, int, int], Pair, int]:
        """The arguments after the arrays."""
        return self.stride, self.padding, self.dilation, self.groups

    def suits(self, algorithm: str) -> bool:
        """Whether the algorithm can be forced."""
        is_square = self.dilation[0] == self.dilation[1]
        return algorithm != "winograd" or (
            (self.kernel, self.stride) == ((3, 3), (1, 1)) and is_square
        )

    @property
    def reduction(self) -> int:
        """Products summed into one output."""
        return self.weight[1] * self.kernel[0] * self.kernel[1]

    def arrays(self, dtype: Any) -> tuple[Array, Array, Array | None, Array]:
        """Input, weight, bias and the gradient of the output."""
        rng = self.rng()
        x = self.normal(rng, self.x, dtype)
        weight = self.normal(rng, self.weight, dtype)
        bias = self.normal(rng, (self.k,), dtype) if self.bias else None
        return x, weight, bias, self.normal(rng, self.out, dtype)


SAME3 = (1, 1, 1, 1)
SAME5 = (2, 2, 2, 2)
SQUARE = ((1, 1), (2, 2))
#: Results of each channel, kernel and stride.
MULTIPLIED = ((2, (3, 3), (1, 1)), (2, (7, 7), (2, 2)), (3, (5, 3), (1, 2)), (5, (3, 3), (2, 2)))
WIDTHS = (1, 2, 3, 5, 8, 9, 14, 15, 16, 17, 18, 28, 31, 32, 33, 34, 35, 47, 49, 64, 66)


#: Pointwise maps of several images, each a product of its own: pixels left and none, two blocks of
#: depth, weights whole pages apart.
APART = (
    Conv2dCase((5, 50, 14, 14), 61, (1, 1)),
    Conv2dCase((4, 48, 16, 16), 52, (1, 1)),
    Conv2dCase((4, 515, 10, 10), 48, (1, 1)),
    Conv2dCase((4, 1024, 10, 10), 50, (1, 1)),
)

#: Pointwise maps of few images whose data are summed by rows of pixels that copy the weights on the
#: way: images side by side; cuts of the channels and a last panel that is narrow, and neither.
COPIED = (
    Conv2dCase((2, 200, 5, 5), 520, (1, 1)),
    Conv2dCase((3, 256, 5, 5), 256, (1, 1)),
)

#: Weights by rows of pixels: channels that fill their vectors and not, groups, rows side by side, a
#: tap that is always outside, several blocks of images.
PADDED = (
    Conv2dCase((3, 48, 9, 7), 144, (5, 5), padding=SAME5),
    Conv2dCase((8, 38, 8, 7), 268, (7, 1), padding=(3, 2, 0, 0), groups=2),
    Conv2dCase((40, 16, 20, 3), 130, (21, 1), padding=(3, 0, 0, 0)),
    Conv2dCase((5, 24, 7, 9), 136, (1, 5), padding=(0, 0, 4, 4), dilation=(1, 2)),
    Conv2dCase((3, 16, 40, 40), 132, (7, 3), padding=(3, 3, 1, 1)),
)


def _conv2d() -> tuple[Conv2dCase, ...]:
    C = Conv2dCase
    return (
        *(C((1, 3, 4, w), 5, padding=SAME3) for w in AROUND_VECTORS),
        *(C((2, 2, 3, w), 3, (1, 1)) for w in AROUND_VECTORS),
        *(C((1, 2, 5, w + 2), 4) for w in (1, 7, 8, 9, 16, 47, 48, 49, 65)),
        *(C((2, 3, 5, 9), k, padding=SAME3) for k in AROUND_ROWS),
        *(C((1, 2, 3, 7), k, (1, 1)) for k in (*AROUND_ROWS, 31, 32, 33)),
        C((3, 35, 50, 53), 19, (1, 1)),  # more images than L2 holds
        *(C((3, c, 9, w), k, padding=SAME3) for c, k, w in ((3, 3, 32), (4, 4, 64), (2, 6, 48))),
        C((2, 3, 6, 32), 3, padding=(0, 2, 1, 1)),
        *(C((1, c, 6, 7), 6) for c in (1, 2, 4, 8, 15, 16, 17)),
        *(C((n, 3, 6, 10), 7, padding=SAME3) for n in (2, 3, 5)),
        # kernels
        *(
            C((2, 3, 12, 13), 4, kernel)
            for kernel in ((2, 2), (5, 5), (7, 7), (1, 7), (7, 1), (4, 3), (11, 11), (12, 13))
        ),
        *(
            C((1, 2, 9, 18), 3, k, padding=(k[0] // 2,) * 2 + (k[1] // 2,) * 2)
            for k in ((5, 5), (7, 7), (1, 7), (7, 1), (2, 2))
        ),
        # strides: with and without rows and columns left over at the end
        *(
            C((2, 3, 11, 20), 5, kernel, stride, padding)
            for kernel, padding in (((1, 1), (0, 0, 0, 0)), ((3, 3), SAME3), ((3, 3), (0, 1, 0, 1)))
            for stride in ((2, 2), (1, 2), (2, 1), (3, 3), (4, 5))
        ),
        C((1, 3, 30, 33), 8, (7, 7), (2, 2), (3, 3, 3, 3)),
        # rows of taps in runs: several vectors of outputs, the last one short, and bands
        C((2, 3, 37, 41), 20, (7, 7), (2, 2), (3, 3, 3, 3)),
        C((1, 5, 90, 140), 45, (5, 5), (2, 2), (2, 2, 1, 2)),
        C((1, 2, 9, 40), 3, (3, 3), (1, 9)),  # a stride beyond the kernel
        # windows that do not overlap: rows and columns left over, borders, gaps, groups, several
        # bands, taps apart
        C((2, 6, 13, 37), 5, (2, 2), (2, 2), (1, 0, 1, 2)),
        C((2, 8, 13, 15), 6, (2, 2), (3, 4), (0, 2, 1, 0), groups=2),
        C((2, 3, 21, 34), 7, (4, 4), (4, 4), (0, 1, 2, 3)),
        C((1, 160, 74, 58), 8, (2, 2), (2, 2), (1, 1, 1, 1)),
        C((2, 4, 17, 19), 6, (2, 2), (4, 4), (3, 0, 0, 1), (3, 2)),
        # and that reach to the edges: rows of a vector of pixels and more, over several lines
        C((2, 5, 13, 37), 7, (2, 2), (2, 2)),
        C((2, 6, 70, 66), 40, (3, 4), (4, 4), groups=2),
        C((2, 17, 41, 43), 37, (2, 3), (2, 3)),
        # gradients of the weights by taps that are partly, or all, outside, and by strides
        C((2, 15, 19, 21), 17, padding=(12, 12, 6, 6), dilation=(12, 6)),
        C((2, 15, 9, 21), 17, padding=(10, 10, 6, 6), dilation=(10, 6)),
        C((9, 16, 3, 6), 33, (4, 5), padding=(4, 3, 2, 3)),
        C((3, 32, 15, 17), 40, (5, 5), (2, 2), (2, 2, 2, 2), groups=2),
        # images of a few vectors, results of whole ones
        *(C((n, 5, 8, 8), 18, (3, 3), (2, 2), SAME3) for n in (1, 3)),
        C((2, 9, 5, 11), 20, (3, 4), padding=(1, 0, 1, 2), dilation=(1, 2)),
        # paddings, each side on its own, and more than the kernel
        *(
            C((1, 2, 5, 9), 3, padding=padding)
            for padding in ((1, 0, 0, 0), (0, 2, 0, 0), (0, 0, 1, 0), (0, 0, 0, 2), (2, 1, 0, 3))
        ),
        C((1, 2, 4, 5), 3, padding=(4, 4, 4, 4)),
        C((1, 1, 1, 1), 2, padding=SAME3),
        C((1, 2, 3, 4), 3, (1, 1), padding=(2, 0, 1, 3)),
        C((2, 2, 4, 6), 3, (2, 2), (2, 2), (0, 1, 1, 0)),
        # one column, in a gradient that is written with the stride
        C((1, 4, 9, 1), 6, (4, 2), (1, 2), (2, 3, 3, 3), (2, 1), 2),
        C((2, 3, 1, 9), 4, (2, 4), (2, 1), (3, 3, 2, 3), (1, 2)),
        # dilations
        *(
            C((2, 3, 9, 19), 4, stride=stride, padding=(2, 2, 2, 2), dilation=dilation)
            for dilation in ((2, 1), (1, 2), (2, 2), (3, 4))
            for stride in ((1, 1), (2, 2))
        ),
        C((1, 2, 3, 17), 2, (1, 3), padding=(0, 0, 8, 8), dilation=(1, 8)),
        # one result as if the kernel covered the plane, and steps as far apart as taps
        C((7, 7, 4, 5), 11, (4, 5), (1, 2), (0, 3, 0, 4), (2, 2)),
        C((32, 6, 9, 10), 8, (5, 5), (1, 2), (2, 2, 4, 21), (1, 2)),
        # blocks of 7 and 30 tiles of 4x4, all of a panel's channels
        C((1, 32, 4, 28), 32, padding=SAME3),
        C((2, 32, 12, 20), 32, padding=SAME3),
        # groups, down to one channel in each
        *(
            C((2, c, 5, 9), k, padding=SAME3, groups=groups)
            for c, k, groups in ((4, 6, 2), (6, 3, 3), (9, 9, 3), (16, 32, 2), (30, 28, 2))
        ),
        *(
            C((2, c, 7, w), c * m, kernel, stride, SAME3, groups=c)
            for c, m, w in ((1, 3, 8), (8, 1, 17), (17, 1, 9), (5, 2, 16))
            for kernel, stride in (((3, 3), (1, 1)), ((3, 3), (2, 2)), ((1, 1), (1, 1)))
        ),
        C((1, 6, 8, 9), 6, (5, 5), (1, 2), (2, 2, 2, 2), (1, 1), 6),
        C((1, 4, 8, 9), 4, (3, 3), (1, 1), (2, 2, 2, 2), (2, 2), 4),
        # planes in place: rows and columns around every tile, each side of the padding
        *(C((1, 2, 5, w), 2, (3, 3), s, SAME3, groups=2) for w in WIDTHS for s in SQUARE),
        *(C((1, 2, 6, w), 2, (5, 5), s, SAME5, groups=2) for w in WIDTHS for s in SQUARE),
        *(
            C((1, 2, h, 20), 2, kernel, s, padding, groups=2)
            for h in (1, 2, 3, 4, 6, 7, 8, 9, 14, 15, 17)
            for kernel, padding in (((3, 3), SAME3), ((5, 5), SAME5))
            for s in SQUARE
        ),
        *(
            C((2, 3, 9, w), 3 * m, kernel, s, padding, groups=3)
            for m, w in ((1, 35), (2, 21), (3, 11))
            for kernel in ((3, 3), (5, 5))
            for s in SQUARE
            for padding in (
                (0, 0, 0, 0),
                (2, 2, 2, 2),
                (1, 0, 2, 1),
                (0, 2, 1, 0),
                (2, 1, 0, 2),
                (5, 6, 7, 5),
            )
        ),
        *(
            C((2, c, 10, 19), k, kernel, s, (1, 1, 1, 1), groups=groups)
            for c, k, groups in ((4, 4, 2), (8, 8, 2), (6, 12, 3), (16, 16, 2), (4, 32, 4))
            for kernel in ((3, 3), (5, 5))
            for s in SQUARE
        ),
        # groups side by side, LANES of them and a rest: rows shorter than a vector, 128 bits,
        # every form of window and stride, taps apart, results without any tap
        *(
            C((2, c, h, w), c, kernel, s, padding, groups=c)
            for c, h, w in ((16, 7, 7), (17, 3, 5), (33, 4, 2))
            for kernel, padding in (((3, 3), SAME3), ((5, 5), SAME5), ((1, 7), (0, 0, 3, 3)))
            for s in SQUARE
        ),
        C((3, 40, 7, 7), 40, (7, 7), (2, 2), groups=40),
        C((2, 16, 7, 7), 16, (1, 7), (2, 2), groups=16),
        C((2, 35, 9, 15), 35, (7, 7), padding=(3, 3, 3, 3), groups=35, bias=False),
        C((1, 18, 20, 29), 18, (7, 7), (2, 2), (6, 6, 6, 6), (2, 2), 18),
        C((2, 16, 11, 13), 16, (3, 3), (1, 2), (2, 1, 3, 0), (3, 2), 16),
        C((2, 20, 12, 11), 20, (2, 3), (3, 4), (1, 0, 0, 2), (1, 3), 20),
        C((1, 16, 9, 8), 16, (2, 2), (3, 3), groups=16),
        C((2, 17, 6, 9), 17, (3, 3), (2, 2), (7, 6, 5, 8), groups=17),
        C((2, 16, 8, 9), 16, (1, 1), (2, 2), groups=16),
        C((1, 16, 5, 6), 16, (1, 1), padding=(1, 2, 0, 1), groups=16),
        *(C((3, 18, 17, w), 18, (1, 1), groups=18) for w in (16, 21)),  # planes multiplied whole
        *(C((2, 20, 7, 9), 20 * m, k, s, SAME3, groups=20) for m, k, s in MULTIPLIED),
        *(C((1, 16, 5, w), 16, (7, 1), padding=(3, 3, 0, 0), groups=16) for w in range(1, 34, 3)),
        # rows of eight lanes: every block of taps, tiles of seven rows and a rest, rows outside
        *(
            C((4, 18, h, w), 18, kernel, padding=padding, groups=18)
            for h, w in ((7, 7), (14, 8), (9, 5), (4, 4))
            for kernel, padding in (((3, 3), SAME3), ((4, 5), (2, 3, 2, 2)), ((7, 1), (3, 3, 0, 0)))
        ),
        C((3, 17, 7, 7), 17, (3, 3), padding=(2, 2, 2, 2), dilation=(2, 2), groups=17, bias=False),
        C((2, 16, 6, 7), 48, (3, 3), padding=SAME3, groups=16),
        C((2, 16, 9, 9), 16, (3, 3), groups=16),
        *(C((2, 3, 12, w), 3, (7, 1), groups=3) for w in (8, 9, 31)),
        C((2, 5, 30, 20), 5, (3, 1), padding=(1, 1, 0, 0), dilation=(2, 3), groups=5),
        # windows with few places: one run of taps, more than a vector of it, taps apart
        C((3, 21, 6, 5), 21, (6, 5), groups=21, bias=False),
        C((3, 19, 5, 8), 19, (1, 3), (4, 5), groups=19),
        C((2, 20, 8, 7), 20, (2, 6), (3, 1), dilation=(3, 1), groups=20),
        C((2, 21, 7, 7), 21, (5, 5), (2, 2), groups=21),
        C((18, 7, 8, 7), 7, (5, 5), (2, 2), groups=7),
        C((2, 5, 14, 7), 5, (5, 5), padding=(2, 2, 2, 2), groups=5),
        C((2, 19, 6, 6), 19, (5, 5), padding=(2, 2, 2, 2), groups=19),
        # down the rows: several strips and bands, channels added to each other, both widths
        C((1, 6, 75, 100), 4, (3, 3), (2, 2), SAME3, groups=2),
        C((2, 16, 14, 14), 16, (3, 3), (2, 2), (0, 1, 0, 1), groups=4),
        # large planes of dy, gradient of the weights
        C((1, 2, 30, 230), 2, groups=2),
        C((1, 18, 9, 11), 18, (3, 8), (2, 3), dilation=(3, 1), groups=18, bias=False),
        C((3, 23, 9, 8), 23, (4, 4), (4, 3), groups=23),
        C((1, 19, 9, 9), 19, (7, 7), (2, 2), groups=19),
        C((1, 18, 8, 7), 18, (3, 3), (3, 3), dilation=(2, 1), groups=18, bias=False),
        # planes whose result is one vector
        *(
            C((2, 5, h, w), 5 * m, (5, 5), (2, 2), padding, groups=5)
            for h, w in ((5, 7), (6, 5), (7, 6), (7, 7))
            for m, padding in ((1, SAME5), (2, (2, 3, 0, 3)), (1, (2, 1, 3, 2)))
        ),
        C((2, 3, 7, 7), 3, (5, 5), (2, 2), (0, 4, 2, 2), groups=3),
        C((2, 3, 7, 6), 3, (5, 5), (2, 2), (0, 2, 2, 2), groups=3),
        # pixels as numbers, ten of them a tile, which may move back; of a class; of groups
        C((3, 6, 14, 14), 16, (5, 5)),
        C((2, 4, 9, 22), 16, (3, 4), bias=False),
        C((2, 16, 20, 20), 8, (3, 3), (2, 2), SAME3),
        C((1, 10, 13, 28), 32, (2, 5), padding=(1, 0, 2, 1), groups=2),
        # planes in L1, one at a time, and two whose strides and dilations leave every second column
        *(
            C((1, 4, h, w), 4, (k, 7 - k // 2), padding=(3, 2, 2, 1), groups=4)
            for k in (5, 7)
            for h, w in ((9, 13), (14, 18), (23, 33), (33, 70))
        ),
        *(
            C((2, 4, h, w), 4, (k, k), (2, 2), (k - 1, k - 2, k - 1, k), (2, 2), 4)
            for k in (3, 5, 7)
            for h, w in ((16, 16), (23, 35), (45, 40))
        ),
        C((2, 6, 18, 38), 6, (3, 4), (1, 2), (0, 1, 1, 0), (1, 2), 6, bias=False),
        C((1, 2, 60, 38), 2, (7, 1), (2, 2), (5, 9, 0, 0), (2, 3), 2),
        # strips down small planes
        C((2, 3, 20, 28), 3, padding=SAME3, groups=3),
        C((1, 2, 50, 45), 2, padding=SAME3, groups=2),
        *(
            C((2, 2, 10, w), 2, padding=(2, 0, 1, r), groups=2)
            for w, r in ((64, 2), (48, 7), (30, 10))
        ),
        C((1, 3, 24, 13), 3, (5, 5), padding=(4, 4, 0, 2), groups=3),
        # bands of large planes
        C((1, 16, 75, 60), 16, (7, 5), padding=(3, 2, 1, 4), groups=16),
        C((1, 8, 150, 33), 8, (3, 4), (2, 2), groups=8),
        # windows of one pixel on every pixel: some tasks, planes with a rest
        C((2, 5, 120, 150), 5, (1, 1), groups=5),
        C((3, 17, 3, 5), 17, (1, 1), groups=17, bias=False),
        # one output channel of many inputs
        C((2, 9, 6, 19), 1, padding=SAME3),
        C((1, 34, 6, 19), 2, padding=SAME3, groups=2),
        C((1, 2, 61, 130), 2, padding=SAME3, groups=2),
        C((1, 2, 70, 40), 2, (5, 5), (2, 2), SAME5, groups=2, bias=False),
        C((1, 8, 40, 70), 8, (3, 3), (2, 2), SAME3, groups=2),
        # reductions over the cut
        C((1, KC + 1, 2, 9), 3, (1, 1)),
        C((1, 43, 4, 9), 15, padding=SAME3),
        C((1, 2 * KC + 3, 1, 5), 7, (1, 1)),
        # without bias
        C((2, 3, 6, 17), 8, padding=SAME3, bias=False),
        C((2, 5, 3, 16), 14, (1, 1), bias=False),
        C((2, 4, 5, 9), 4, padding=SAME3, groups=4, bias=False),
        # nothing in the batch, no input channels
        C((0, 3, 6, 8), 4, padding=SAME3),
        C((0, 4, 6, 8), 4, (1, 1), groups=2),
        C((2, 0, 5, 6), 4, padding=SAME3),
        C((2, 0, 5, 6), 4, bias=False),
        C((0, 0, 5, 6), 4),
        # batches around the images that fit a vector, each with a rest or without
        *(C((n, 2, 4, 5), 3, padding=SAME3) for n in (4, 7, 8, 9, 15, 16, 17, 33)),
        C((17, 3, 9, 8), 4, stride=(2, 2), padding=(2, 0, 1, 3)),
        C((16, 2, 7, 9), 5, (5, 5), padding=(0, 2, 3, 1)),
        C((18, 1, 11, 17), 1, (5, 5), padding=(2, 2, 2, 2)),
        C((16, 4, 6, 33), 1, padding=SAME3),
        C((16, 2, 9, 10), 3, (3, 2), (2, 3), (1, 2, 0, 1), (2, 3)),
        C((17, 1, 8, 20), 7, (3, 3), (2, 2), (2, 2, 2, 2), (2, 2)),
        C((16, 6, 5, 7), 9, padding=SAME3, groups=3),
        C((33, 4, 3, 3), 12, (1, 1), groups=2),
        C((19, 40, 3, 4), 30, padding=SAME3),
        # layers of networks, with few channels, many, and a small image
        C((4, 3, 12, 12), 8),
        C((2, 16, 14, 14), 32, padding=SAME3),
        C((1, 64, 7, 7), 29, padding=SAME3),
        C((1, 32, 7, 7), 48, padding=SAME3),
        C((1, 16, 8, 8), 16, padding=SAME3),
        C((1, 96, 7, 7), 33, (1, 1)),
        C((1, 24, 14, 14), 24, (1, 1), (2, 2)),
        # maps beyond L2 whose deep panels are read in place: several runs, thin last columns
        C((2, 160, 30, 30), 20, (1, 1)),
        C((10, 144, 14, 14), 34, (1, 1)),
        *APART,
        *PADDED,
        *COPIED,
        # tiles of 4x4 and 2x2 pixels: around their sides, more columns than are transformed at
        # a time, more tiles than a block has, channels around vectors and panels
        *(C((1, 3, h, h + 1), 5, padding=SAME3) for h in (1, 2, 3, 4, 5, 8, 9)),
        C((1, 2, 3, 131), 3, padding=SAME3),
        C((2, 9, 17, 67), 10),
        C((3, 5, 33, 35), 6, padding=(0, 1, 2, 0)),
        *(C((2, c, 9, 10), k, padding=SAME3) for c, k in ((31, 33), (33, 31), (65, 16), (16, 65))),
        C((1, 130, 6, 5), 70, padding=(2, 2, 2, 2)),
        C((2, 34, 5, 6), 36, padding=SAME3, groups=2),
        # one channel on either side
        *(C((2, c, 9, w), k, padding=SAME3) for c, k, w in ((5, 1, 16), (1, 4, 31), (3, 1, 7))),
        # rows of pixels read in place: strides either way, beyond the kernel, taps apart, groups
        C((2, 17, 11, 13), 33, (3, 3), (2, 2), SAME3),
        C((1, 20, 9, 15), 25, (5, 5), (1, 2), (2, 3, 2, 1), (2, 1)),
        C((1, 32, 13, 14), 64, (3, 3), (2, 1), (1, 1, 2, 2), (1, 2), 2),
        C((1, 16, 12, 30), 24, (2, 2), (3, 4)),
        C((2, 18, 9, 25), 26, (1, 7), (1, 1), (0, 0, 3, 3)),
        C((1, 16, 25, 9), 31, (7, 1), (2, 1), (3, 3, 0, 0)),
        C((1, 512, 3, 14), 25, (1, 3), (1, 2), (0, 0, 1, 1)),
        C((1, 25, 40, 41), 27, (3, 3), (2, 2), (0, 1, 0, 1)),
        C((1, 19, 6, 7), 28, (3, 3), padding=(4, 5, 4, 3)),
        # patches of few channels: rows that windows share, several bands, windows of their own
        # rows, spread ones, groups, rows of pixels that are one, images that make a row worth it
        C((2, 3, 60, 61), 40, (8, 8), (4, 4), (2, 1, 2, 3)),
        C((1, 8, 79, 160), 48, (4, 4), (4, 4)),
        C((1, 4, 33, 75), 70, (5, 11), (3, 4), (2, 2, 5, 3), bias=False),
        C((1, 6, 40, 76), 96, (4, 8), (2, 4), dilation=(2, 1), groups=2),
        C((9, 5, 16, 32), 64, (8, 8), (8, 8)),
        C((2, 3, 21, 71), 33, (3, 3), (2, 2), SAME3),
        C((1, 20, 12, 50), 40, (2, 2), (2, 2)),
        # small maps of many channels: stacks of images with a rest, taps outside of every row and
        # column, cuts of channels, columns by residue and by class, elements that no tap reads
        C((5, 100, 3, 3), 33, (7, 7), padding=(6, 6, 6, 6), dilation=(2, 2)),
        C((17, 32, 5, 4), 40, (3, 3), (2, 2), SAME3),
        C((9, 16, 8, 6), 20, (3, 5), (2, 2), (2, 2, 4, 4), (2, 2)),
        C((4, 48, 5, 7), 17, (5, 5), (2, 3), SAME5),
        C((6, 64, 4, 4), 68, (1, 1), groups=2),
        C((3, 40, 5, 5), 32, (1, 3), (3, 1), (0, 1, 2, 0)),
        C((7, 18, 4, 6), 16, (2, 2), (4, 3), bias=False),
        C((33, 16, 1, 1), 70, (3, 3), padding=(2, 0, 0, 2)),
        C((1, 16, 9, 33), 25, (3, 3), (2, 2), (0, 0, 3, 3), (2, 2)),
        C((2, 70, 9, 9), 128, (5, 5), (1, 2), (6, 5, 0, 3), (2, 1)),
        # gradients of weights whose columns are those of several images: stacks, the last one
        # smaller, and all images in one
        C((13, 48, 12, 13), 14, (3, 5), (2, 2), (1, 1, 2, 2), groups=2),
        C((7, 20, 9, 11), 17, (5, 4), (2, 3), (2, 1, 0, 3), (2, 1)),
        # few pixels of several images: one matrix of columns, by groups too
        C((2, 32, 8, 8), 64, (3, 3), (2, 2), SAME3),
        C((3, 10, 5, 6), 20, (3, 3), (2, 1), (1, 0, 2, 1), groups=2),
        # rows of taps outside for some rows of the result, or all; planes of several bands
        C((1, 5, 21, 16), 8, (7, 1), padding=(14, 3, 0, 0), dilation=(2, 1)),
        C((2, 4, 19, 20), 4, (5, 2), (2, 2), (9, 6, 1, 0), (3, 1)),
        C((1, 33, 65, 66), 4, (5, 2), padding=(2, 7, 0, 1)),
        # blocks of channels of which the last, smaller one needs the larger workspace
        C((1, 64, 20, 20), 128, (4, 4)),
        C((1, 64, 18, 18), 64, (2, 2)),
    )


# -- pooling ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class PoolCase(Case):
    x: tuple[int, int, int, int]
    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)  # max pooling only
    ceil_mode: bool = False
    count_include_pad: bool = True  # average pooling only
    divisor: int | None = None  # average pooling only

    def __str__(self) -> str:
        text = f"{'x'.join(map(str, self.x))}-{self.kernel[0]}x{self.kernel[1]}"
        text += f"-s{self.stride[0]},{self.stride[1]}"
        text += f"-p{self.padding[0]},{self.padding[1]}" if any(self.padding) else ""
        text += f"-d{self.dilation[0]},{self.dilation[1]}" if self.dilation != (1, 1) else ""
        text += "-ceil" * self.ceil_mode + "-nopad" * (not self.count_include_pad)
        return text if self.divisor is None else f"{text}-by{self.divisor}"

    @property
    def out_size(self) -> Pair:
        """PyTorch's rule: a window hanging over must start in the input or its left padding."""
        out = []
        for i in (0, 1):
            size, pad, step = self.x[2 + i], self.padding[i], self.stride[i]
            starts = range(-pad, size + pad, step)
            last = size + pad - (self.dilation[i] * (self.kernel[i] - 1) + 1)
            whole = sum(start <= last for start in starts)
            hanging = bool(whole and starts[whole - 1] != last and whole < len(starts))
            out.append(whole + (self.ceil_mode and hanging and starts[whole] < size))
        return (out[0], out[1])

    def arrays(self, dtype: Any) -> tuple[Array, Array]:
        """Input, with many equal values, and the gradient of the output."""
        rng = self.rng()
        x = rng.integers(-4, 4, self.x).astype(dtype) / 4
        return x, self.normal(rng, (*self.x[:2], *self.out_size), dtype)


POOL = (
    *(PoolCase((1, 2, 4, w)) for w in (2, 3, 8, 15, 16, 17, 32, 33, 64, 65)),
    *(PoolCase((2, 3, 7, w), (3, 3), (1, 1), (1, 1)) for w in (3, 8, 9, 16, 17, 33)),
    *(PoolCase((2, 3, 7, w), (3, 3), (2, 2)) for w in (3, 4, 15, 16, 17, 18, 33, 34, 35, 67)),
    *(PoolCase((2, 2, h, w), (3, 3), (2, 2), (1, 1)) for h in (16, 37) for w in (31, 32, 34, 65)),
    PoolCase((1, 2, 41, 18), (3, 3), (1, 1), (1, 1)), PoolCase((2, 2, 35, 35), padding=(1, 1)),
    PoolCase((1, 2, 39, 20), (5, 4), (3, 3), (2, 2)),
    PoolCase((1, 2, 24, 7), (5, 5), (1, 1), (2, 2)),
    # planes side by side in the lanes: whole and left over, rows at a time, windows of one row
    *(PoolCase((1, n, 7, 8), (3, 3), (2, 2), (1, 1)) for n in (15, 16, 17, 33)),
    PoolCase((1, 17, 14, 15), (3, 3), (1, 1), (1, 1)), PoolCase((1, 16, 7, 7), (7, 7), (7, 7)),
    PoolCase((3, 11, 3, 3), (3, 3), (1, 1), (1, 1)), PoolCase((1, 18, 9, 5), (3, 3), (2, 2)),
    PoolCase((1, 19, 50, 45), (5, 4), (3, 2), (2, 1)), PoolCase((1, 16, 15, 112), (7, 7), (7, 7)),
    PoolCase((1, 16, 3, 250), (3, 3), (1, 1), (1, 1)), PoolCase((1, 16, 9, 500), (3, 3), (3, 3)),
    # in two passes: several tiles of rows that overlap, at once and down to one row each
    PoolCase((1, 17, 40, 23), (13, 13), (1, 1), (6, 6)), PoolCase((1, 16, 45, 37), (5, 5), (1, 1)),
    PoolCase((1, 19, 31, 57), (9, 7), (1, 2), (4, 3)), PoolCase((1, 16, 33, 20), (7, 5), (3, 2)),
    PoolCase((2, 9, 6, 7), (3, 2), (1, 3)), PoolCase((1, 16, 5, 6), padding=(1, 1), ceil_mode=True),
    PoolCase((2, 2, 5, 33)), PoolCase((1, 2, 70, 9)), PoolCase((1, 2, 71, 12), (3, 3), (2, 2)),
    PoolCase((2, 3, 9, 10), (3, 3), (2, 2), (1, 1)), PoolCase((1, 1, 7, 3), (3, 3), (2, 2), (1, 1)),
    PoolCase((1, 1, 6, 7), (3, 2), (1, 3)),
    PoolCase((1, 2, 5, 6), (5, 6), (5, 6)), PoolCase((1, 1, 4, 4), (1, 1), (1, 1)),
    PoolCase((1, 1, 4, 4), (1, 1), (3, 2)), PoolCase((3, 17, 6, 6)),
    PoolCase((1, 2, 7, 8), (3, 3), (2, 2), ceil_mode=True), PoolCase((1, 2, 5, 5), ceil_mode=True),
    PoolCase((1, 2, 7, 8), (3, 3), (2, 3), (1, 1), ceil_mode=True),
    PoolCase((1, 1, 4, 6), (2, 2), (3, 3), (1, 1), ceil_mode=True), PoolCase((0, 3, 4, 4)),
)  # fmt: skip

MAX_POOL = (
    *POOL,
    PoolCase((1, 2, 9, 17), (3, 3), (1, 1), (1, 1), (2, 3)),
    PoolCase((1, 20, 9, 17), (3, 3), (1, 1), (1, 1), (2, 3)),
    PoolCase((1, 16, 8, 9), (2, 2), (1, 1), (1, 1), (3, 2)),
    PoolCase((1, 16, 60, 21), (5, 5), (1, 1), (2, 2), (2, 3)),
    PoolCase((1, 16, 1, 9), (2, 2), (1, 1), (1, 0), (2, 1)),
    PoolCase((1, 2, 9, 10), (2, 2), (2, 2), (1, 1), (3, 2), ceil_mode=True),
    PoolCase((1, 2, 1, 9), (2, 2), (1, 1), (1, 0), (2, 1)),  # windows with nothing in them
)

AVG_POOL = (
    *POOL,
    PoolCase((2, 2, 9, 10), (3, 3), (2, 2), (1, 1), count_include_pad=False),
    PoolCase((2, 9, 9, 10), (3, 3), (2, 2), (1, 1), count_include_pad=False),
    PoolCase((1, 16, 7, 8), (3, 3), (2, 3), (1, 1), (1, 1), True, False),
    PoolCase((1, 16, 7, 8), (3, 2), (2, 2), ceil_mode=True, divisor=-2),
    PoolCase((1, 17, 41, 40), (3, 3), (2, 2), (1, 1), divisor=5),
    PoolCase((1, 2, 7, 8), (3, 3), (2, 3), (1, 1), (1, 1), True, False),
    PoolCase((1, 2, 7, 8), (3, 3), (2, 2), (1, 1), divisor=5),
    PoolCase((1, 2, 7, 8), (3, 2), (2, 2), ceil_mode=True, divisor=-2),
    PoolCase((1, 2, 6, 9), divisor=-3),
    PoolCase((1, 2, 7, 8), (3, 3), (2, 2), divisor=8),
)


CONV2D = _conv2d()
