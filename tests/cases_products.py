"""THE tables of cases of matrix products and linear layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cases import AROUND_ROWS, KC, Array, Case


@dataclass(frozen=True)
class GemmCase(Case):
    m: int
    n: int
    k: int
    transpose_a: bool = False
    transpose_b: bool = False
    batch_a: tuple[int, ...] = ()
    batch_b: tuple[int, ...] = ()

    def __str__(self) -> str:
        batch = [
            name + "x".join(map(str, b))
            for name, b in (("a", self.batch_a), ("b", self.batch_b))
            if b
        ]
        marks = "t" * self.transpose_a + "n" * (not self.transpose_a)
        marks += "t" * self.transpose_b + "n" * (not self.transpose_b)
        return "-".join([f"{self.m}x{self.n}x{self.k}", marks, *batch])

    def arrays(self, dtype: Any) -> tuple[Array, Array]:
        """(..., M, K) and (..., K, N), as transposed views where the case says so."""
        rng = self.rng()
        a, b = (self.m, self.k), (self.k, self.n)
        left = self.normal(rng, (*self.batch_a, *(a[::-1] if self.transpose_a else a)), dtype)
        right = self.normal(rng, (*self.batch_b, *(b[::-1] if self.transpose_b else b)), dtype)
        return (
            left.swapaxes(-1, -2) if self.transpose_a else left,
            right.swapaxes(-1, -2) if self.transpose_b else right,
        )


FLAGS = ((False, False), (True, False), (False, True), (True, True))

GEMM = (
    *(GemmCase(m, n, 9) for m in AROUND_ROWS for n in (1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49)),
    *(GemmCase(15, 33, k) for k in (1, 2, 3, 4, 7, 8, 16, 17, 63, KC - 1, KC, KC + 1)),
    *(GemmCase(m, n, k, *flags)
      for m, n, k in ((1, 1, 1), (3, 5, 7), (17, 33, 19), (32, 16, 8), (70, 65, 66), (5, 9, KC + 1))
      for flags in FLAGS),
    # skinny ones: products with a vector, outer products, tall and wide
    *(GemmCase(m, n, k, *flags)
      for m, n, k in ((1, 300, 70), (300, 1, 70), (200, 200, 1), (1, 1, 1000), (257, 3, 31))
      for flags in FLAGS),
    GemmCase(150, 130, 2 * KC + 5),
    # what one call of the kernel does, and what it does no more
    *(GemmCase(m, n, k) for m, n, k in ((192, 64, 42), (193, 32, 20), (64, 64, 128), (9, 65, 40))),
    # long rows by long columns, some of either: squares turned in registers
    *(GemmCase(16, n, k, False, True) for n, k in ((16, 64), (17, 200), (33, KC + 21), (16, 15))),
    # the same by pieces whose sums wait in memory, ends of vectors, tiles and blocks of sums
    *(GemmCase(m, n, k, False, True)
      for m, n, k in ((16, 16, 2056), (5, 6, 2111), (17, 21, 2303), (4, 33, 3000), (7, 4, 4999))),
    # few rows by many columns of a transposed right side
    *(GemmCase(m, 301, k, False, True) for m, k in ((8, 40), (16, 90), (31, 200), (32, 130))),
    # a right side that streams, panels of it in turn; rows of dot products beyond a block of depth
    *(GemmCase(m, 6003, 45) for m in (3, 17)), GemmCase(7, 6, 5003, False, True),
    # a shallow right side by tiles of three vectors; its depth, rows and columns do not fit them
    *(GemmCase(m, n, k, *flags)
      for m, n, k in ((19, 205, 7), (64, 259, 10), (33, 192, 16), (16, 230, 1))
      for flags in FLAGS[:2]),
    # few columns and a long sum, all lanes at work: one row and many, their tails; in two depths
    *(GemmCase(m, n, k, *flags)
      for m, n, k in ((1, 1, 163), (1, 2, 1001), (3, 3, 701), (2, 8, 600), (1, 15, 2500))
      for flags in FLAGS[:2]),
    *(GemmCase(m, n, k)
      for m, n, k in ((1, 16, 999), (5, 2, 500), (6, 7, 3501), (9, 8, 487), (17, 4, 600),
                      (40, 2, 700), (3, 8, 20001))),
    # two vectors, short and longer than sums go in one piece
    *(GemmCase(1, 1, k) for k in (7, 64, 79, 257, 140_001)),
    # few rows by rows of a right side that lie half a page or pages apart
    *(GemmCase(m, n, k, *flags)
      for m, n, k in ((1, 512, 35), (2, 1024, 66), (3, 512, 20), (2, 1536, 16))
      for flags in FLAGS[:2]),
    # nothing to sum, nothing to compute
    *(GemmCase(m, n, k) for m, n, k in ((3, 4, 0), (0, 4, 3), (3, 0, 4), (0, 0, 0), (17, 33, 0))),
    # batches
    *(GemmCase(5, 9, 7, *flags, batch_a=(3,), batch_b=(3,)) for flags in FLAGS),
    GemmCase(16, 16, 16, batch_a=(2, 3), batch_b=(2, 3)),
    # of one tile each, and of two; columns of half a vector
    *(GemmCase(m, n, 5, batch_a=(7,), batch_b=(7,))
      for m, n in ((8, 8), (18, 12), (12, 3), (19, 8), (15, 24), (9, 4), (6, 17))),
    GemmCase(4, 5, 6, batch_a=(2, 3, 1), batch_b=(4,)),
    GemmCase(4, 5, 6, batch_a=(2, 1), batch_b=(3,)),
    GemmCase(4, 5, 6, batch_a=(), batch_b=(4,)),
    GemmCase(4, 5, 6, batch_a=(4,), batch_b=()),
    GemmCase(4, 5, 6, batch_a=(0,), batch_b=(1,)),
    GemmCase(1, 8, 3, batch_a=(7,), batch_b=(1,)),
)  # fmt: skip


@dataclass(frozen=True)
class LinearCase(Case):
    rows: int
    inputs: int
    outputs: int
    bias: bool = True

    def __str__(self) -> str:
        text = f"{self.rows}x{self.inputs}-{self.outputs}"
        return text if self.bias else text + "-nobias"

    def arrays(self, dtype: Any) -> tuple[Array, Array, Array | None, Array]:
        """Input, weight, bias and the gradient of the output."""
        rng = self.rng()
        x = self.normal(rng, (self.rows, self.inputs), dtype)
        weight = self.normal(rng, (self.outputs, self.inputs), dtype)
        bias = self.normal(rng, (self.outputs,), dtype) if self.bias else None
        return x, weight, bias, self.normal(rng, (self.rows, self.outputs), dtype)


LINEAR = (
    *(LinearCase(m, 10, n) for m in (1, 6, 7, 14, 15, 64) for n in (1, 5, 8, 10, 16, 17, 33)),
    *(LinearCase(13, k, 9) for k in (1, 2, 15, 16, 17, KC + 1)),
    *(LinearCase(m, k, 333) for m, k in ((16, 70), (32, 130))),
    # many rows by few columns, for tiles of dot products of either width, with their tails
    *(LinearCase(m, k, n) for m, k in ((22, 130), (64, 200)) for n in (3, 4, 5, 9, 10, 13, 14)),
    *(LinearCase(*sizes, bias=False) for sizes in ((1, 10, 5), (7, 31, 17), (64, 128, 96))),
    # the gradient of few weights by many examples
    *(LinearCase(m, k, n) for m, k, n in ((1003, 2, 1), (700, 3, 2), (2048, 8, 3))),
    *(LinearCase(*sizes) for sizes in ((0, 4, 5), (3, 0, 5), (3, 4, 0), (0, 0, 0), (2, 400, 2))),
)
