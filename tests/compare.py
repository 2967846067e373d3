"""What counts as equal, and inputs made to catch what reads or writes where it should not.

Tolerances are derived, never tuned.  ``eps`` is the machine epsilon of the dtype computed
in; the truth is computed in float64 by the reference backend (:func:`in_float64`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Rounding:
    """How the rounding errors of an algorithm compare with those of a plain sum of products.

    ``slack`` is how many times a plain sum's error the sum may have, ``least`` how many terms
    each result has at least, ``worst`` what the transforms of the data, the weights and the
    results add, in units of ``eps * max|a| * max|b|``.
    """

    slack: float = 1.0
    least: int = 0
    worst: float = 0.0


PLAIN = Rounding()

#: Winograd's algorithm in either precision: F(4x4, 3x3), and F(3x3, 3x3) or F(2x2, 3x3). The slack
#: of the root mean square is that of a plain sum in the worst case; what it really is beside
#: `direct`, of some shapes at most 4 and 1.5 times as much (gradients of the weights: 6.5 and 2.5),
#: kernels/test_winograd_errors.py measures and asserts. A result depends on a whole tile of (m +
#: 2)^2 positions, however few of them lie in the image. An element of a transform is a sum of up to
#: 5 terms (m = 2: 3), rounded as often in each of two dimensions, three times: 30 roundings (18),
#: each enlarged at most by max_i sum_k |A|_ik sum|G_k| sum|B_k| squared for the two dimensions: the
#: output's 24.9^2 = 620 and the weights' 30.7^2 = 944 for m = 4, 17.4^2 = 301 for m = 3 (outputs
#: alone), 8^2 = 64 and 6^2 = 36 for m = 2.
WINOGRAD = {"fast": Rounding(4.0, 36, 30 * 944), "strict": Rounding(1.5, 25, 30 * 301)}

#: From this many results on their root mean square says something that their largest does not.
SAMPLE = 100

#: exp, log, tanh and sigmoid are good to this many eps (about twice as many last places).
TRANSCENDENTAL = 4.0


def eps(dtype: Any) -> float:
    return float(np.finfo(dtype).eps)


def largest(*arrays: Array | None) -> float:
    """The largest magnitude in any of the arrays; 0 where there is none."""
    return max((float(np.max(np.abs(a))) for a in arrays if a is not None and a.size), default=0.0)


def in_float64(*values: Any) -> tuple[Any, ...]:
    """Float arrays widened, everything else unchanged."""
    return tuple(
        v.astype(np.float64) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
        for v in values
    )


def _report(got: Array, want: Array, wrong: NDArray[np.bool_], limit: Array, what: str) -> str:
    error = np.where(wrong, np.abs(got - want), 0)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), got.shape)
    return (
        f"{what}: {np.count_nonzero(wrong)} of {got.size} elements differ; worst at "
        f"{tuple(int(i) for i in worst)}: got {got[worst]!r}, want {want[worst]!r}, "
        f"allowed {np.broadcast_to(limit, got.shape)[worst]:.3g}; shape {got.shape}"
    )


def assert_close(got: Array, want: Array, limit: float | Array, what: str = "") -> None:
    """Every element within ``limit``; NaN and infinities at the same places."""
    got64, want64 = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got64.shape == want64.shape, f"{what}: shape {got64.shape}, want {want64.shape}"
    bound = np.broadcast_to(np.asarray(limit, np.float64), want64.shape)
    with np.errstate(invalid="ignore"):
        near = np.abs(got64 - want64) <= bound
    same = (got64 == want64) | (np.isnan(got64) & np.isnan(want64))
    wrong = ~(same | (near & np.isfinite(got64) & np.isfinite(want64)))
    if wrong.any():
        with np.errstate(invalid="ignore"):
            raise AssertionError(_report(got64, want64, wrong, bound, what))


def assert_exact(got: Array, want: Array, what: str = "") -> None:
    """Equal dtype, shape and values (+0 and -0 are equal, NaN equals NaN)."""
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, want {want.dtype}"
    assert_close(got, want, 0.0, what)


def same_bits(a: Array, b: Array) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    raw = [np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in (a, b)]
    return bool(np.array_equal(*raw))


def assert_products(
    got: Array,
    want: Array,
    terms: int,
    a: Array,
    b: Array,
    bias: Array | None = None,
    what: str = "",
    rounding: Rounding = PLAIN,
) -> None:
    """GEMM and convolution: sums of ``terms`` products of elements of ``a`` and ``b``.

    Per element ``eps * (terms + 1) * max|a| * max|b|``.  Over all of them, rounding errors
    are independent and the partial sums of independent data grow as the root of their
    length, so the root mean square of the errors is about ``eps / 2 * terms / sqrt(2)``
    times those of ``a`` and ``b``: five times that is allowed,
    from ``SAMPLE`` results on.  ``rounding`` loosens both.
    """
    e = eps(got.dtype)
    factor = rounding.slack * (max(terms, rounding.least) + 1)
    more = rounding.slack * e * largest(bias)
    limit = e * (factor + rounding.worst) * largest(a) * largest(b)
    assert_close(got, want, limit + more, what)
    if got.size >= SAMPLE and np.isfinite(want).all():
        error = _rms(got.astype(np.float64) - want)
        allowed = 2 * e * factor * _rms(a) * _rms(b) + more
        assert error <= allowed, f"{what}: rms error {error:.3g}, allowed {allowed:.3g}"


def _rms(x: Array) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else 0.0


def assert_relative(got: Array, want: Array, count: float, what: str = "") -> None:
    """Within ``count`` eps of the value itself, or of the smallest normal number."""
    info = np.finfo(got.dtype)
    with np.errstate(invalid="ignore"):
        limit = count * float(info.eps) * np.maximum(np.abs(want), float(info.tiny))
    assert_close(got, want, np.where(np.isfinite(limit), limit, 0), what)


def assert_sum(got: Array, want: Array, terms: int, x: Array, what: str = "") -> None:
    """A sum of ``terms`` elements of ``x``, each as large as the largest."""
    assert_close(got, want, eps(got.dtype) * max(terms, 1) * largest(x), what)


# -- inputs ----------------------------------------------------------------------------------


def _inside(x: Array, offset: int) -> Array:
    """A copy of ``x`` that starts ``offset`` bytes after a 64-byte boundary, between NaNs."""
    around = np.full(x.nbytes + 512, 0xFF, np.uint8)  # all bits set: NaN in every float type
    start = -around.ctypes.data % 64 + 128 + offset
    copy = around[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


def _strided(x: Array) -> Array:
    """Every second element of every dimension of an array of NaNs (or integers of all bits)."""
    beside = np.nan if x.dtype.kind == "f" else ~x.dtype.type(0)
    around = np.full(tuple(2 * n for n in x.shape), beside, x.dtype)
    view = around[(*(slice(None, None, 2),) * x.ndim, ...)]  # ... keeps 0 dimensions an array
    view[...] = x
    return view


def _reversed(x: Array) -> Array:
    turned = (*(slice(None, None, -1),) * x.ndim, ...)
    return np.ascontiguousarray(x[turned]).reshape(x.shape)[turned]


def _read_only(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


#: Ways to lay out equal values in memory.
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "aligned": lambda x: _inside(x, 0),
    "element-aligned": lambda x: _inside(x, x.itemsize),
    "byte-misaligned": lambda x: _inside(x, 1),
    "strided": _strided,
    "reversed": _reversed,
    "fortran": lambda x: np.array(x, order="F"),
    "read-only": _read_only,
}


class Guarded:
    """An array with canaries on both sides, to be changed in place."""

    def __init__(self, x: Array) -> None:
        self._around = np.full(x.nbytes + 256, 0xA5, np.uint8)
        start = -self._around.ctypes.data % 64 + 64
        self._inside = slice(start, start + x.nbytes)
        self.array: Array = self._around[self._inside].view(x.dtype).reshape(x.shape)
        self.array[...] = x

    def check(self) -> None:
        """Fail if anything beside the array was written."""
        outside = np.delete(self._around, np.arange(self._inside.start, self._inside.stop))
        assert (outside == 0xA5).all(), f"written outside an array of shape {self.array.shape}"


def poison(backend: Any, dtype: Any, *shapes: tuple[int, ...]) -> None:
    """Leave blocks full of NaN in the backend's allocator for its next results of these shapes.

    A kernel that leaves an element of its result unwritten, or adds to what it finds, then
    gives a NaN instead of a zero of a fresh page.
    """
    held = []
    for shape in shapes * 2:
        nan = np.full(shape, np.nan, dtype)
        held.append(backend.add(nan, nan))
    held.clear()
