"""The rules of shapes, in plain integers, and the errors that say what is wrong.

Every function takes tuples of ints, returns the shape (or size) that follows, and raises
PyTorch's exception with PyTorch's text where PyTorch has one.  The good case comes first and
is short, because these functions run before every operation; what went wrong is found out
afterwards, in the ``_..._error`` beside each.  Convolution and pooling have theirs in
:mod:`fastnn._shapes_window`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NoReturn

Shape = tuple[int, ...]
Pair = tuple[int, int]
#: (top, bottom, left, right)
Padding = tuple[int, int, int, int]

#: The largest ptrdiff_t: no array may have more bytes.
MAX_BYTES = 2**63 - 1
# The most elements of 8 bytes, the widest that a tensor holds.
_MAX_NUMEL = MAX_BYTES // 8


# -- sizes, dimensions, views ----------------------------------------------------------------


def numel(sizes: Sequence[int], itemsize: int = 8) -> int:
    """Count the elements of a tensor to be made.

    Raises
    ------
    RuntimeError
        If a size is negative, or the bytes (zeros left out of the product, as their
        neighbours still enter the strides) would overflow a ptrdiff_t.
    """
    count = 1
    span = itemsize
    for size in sizes:
        if size < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {size}: {list(sizes)}"
            )
        count *= size
        span *= size or 1
    if span > MAX_BYTES:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(sizes)}")
    return count


def wrap_dim(dim: int, ndim: int) -> int:
    """Bring ``dim`` from [-ndim, ndim) into [0, ndim); a scalar has a dimension 0 here.

    Raises
    ------
    IndexError
        ``Dimension out of range (expected to be in range of [-2, 1], but got 2)``.
    """
    if 0 <= dim < ndim:
        return dim
    if -ndim <= dim < 0:
        return dim + ndim
    if ndim == 0 and dim in (0, -1):
        return 0
    span = max(ndim, 1)
    raise IndexError(
        f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {dim})"
    )


def wrap_dims(dims: Sequence[int], ndim: int) -> Shape:
    """Bring several dimensions into [0, ndim), ascending; a scalar's dimension 0 is dropped.

    Raises
    ------
    IndexError
        As :func:`wrap_dim`.
    RuntimeError
        ``dim 0 appears multiple times in the list of dims``.
    """
    wrapped = sorted(wrap_dim(dim, ndim) for dim in dims)
    for dim, following in pairwise(wrapped):
        if dim == following:
            raise RuntimeError(f"dim {dim} appears multiple times in the list of dims")
    return tuple(wrapped) if ndim else ()


def view_shape(shape: Sequence[int], count: int) -> Shape:
    """Replace a -1 in the ``shape`` of a view of ``count`` elements by what is left.

    Raises
    ------
    RuntimeError
        ``shape '[3, -1]' is invalid for input of size 4``, and for two -1, other negative
        sizes, and a -1 beside a 0.
    """
    known = 1
    inferred = None
    for i, size in enumerate(shape):
        if size >= 0:
            known *= size
        elif size != -1:
            raise RuntimeError(
                f"invalid shape dimension {size} at index {i} of shape {list(shape)}"
            )
        elif inferred is not None:
            raise RuntimeError("only one dimension can be inferred")
        else:
            inferred = i
    if inferred is None:
        if known == count:
            return tuple(shape)
    elif known > 0 and count % known == 0:
        return (*shape[:inferred], count // known, *shape[inferred + 1 :])
    elif known == 0 and count == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the "
            "unspecified dimension size -1 can be any value and is ambiguous"
        )
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")


def broadcast(a: Shape, b: Shape) -> Shape:
    """Give the shape of an elementwise operation on shapes ``a`` and ``b``.

    Raises
    ------
    RuntimeError
        ``The size of tensor a (3) must match the size of tensor b (4) at non-singleton
        dimension 1``; or if the result overflows.
    """
    if a == b:
        return a
    ndim = max(len(a), len(b))
    left, right = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    out = [m if n == 1 else n for m, n in zip(left, right, strict=True)]
    for dim in range(ndim - 1, -1, -1):
        m, n = left[dim], right[dim]
        if m != n and m != 1 and n != 1:
            raise RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) "
                f"at non-singleton dimension {dim}"
            )
    numel(out)
    return tuple(out)


def expand_shape(shape: Shape, sizes: Sequence[int]) -> Shape:
    """Give the shape of ``tensor.expand(sizes)``; -1 keeps a size.

    Raises
    ------
    RuntimeError
        If a size neither equals the existing one nor grows from 1, if dimensions would
        vanish, or if the result overflows.
    """
    new = len(sizes) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"expand(tensor of size {list(shape)}, size={list(sizes)}): the number of sizes "
            f"provided ({len(sizes)}) must be greater or equal to the number of dimensions in "
            f"the tensor ({len(shape)})"
        )
    out = list(sizes)
    for dim in range(len(sizes) - 1, -1, -1):
        size = sizes[dim]
        if dim < new:
            if size < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({size}) isn't allowed in a leading, "
                    f"non-existing dimension {dim}"
                )
        elif size == -1:
            out[dim] = shape[dim - new]
        elif size != shape[dim - new] and (shape[dim - new] != 1 or size < 0):
            _expand_error(shape, sizes, dim)
    numel(out)
    return tuple(out)


def _expand_error(shape: Shape, sizes: Sequence[int], dim: int) -> NoReturn:
    existing = shape[dim - len(sizes) + len(shape)]
    raise RuntimeError(
        f"The expanded size of the tensor ({sizes[dim]}) must match the existing size "
        f"({existing}) at non-singleton dimension {dim}.  Target sizes: {list(sizes)}.  "
        f"Tensor sizes: {list(shape)}"
    )


# -- products of matrices --------------------------------------------------------------------


def matmul(a: Shape, b: Shape) -> Shape:
    """Give the shape of ``a @ b``, of any numbers of dimensions from 1.

    Raises
    ------
    RuntimeError
        ``mat1 and mat2 shapes cannot be multiplied (1x768 and 3072x10)`` and PyTorch's
        other texts for vectors and batches; or if the result overflows.
    """
    if len(a) == 2 and len(b) == 2:
        if a[1] != b[0]:
            _mat_error(a, b)
        if a[0] * b[1] > _MAX_NUMEL:
            numel((a[0], b[1]))
        return a[0], b[1]
    if not a or not b:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D"
        )
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        _matmul_error(a, b)
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    out = broadcast(a[:-2], b[:-2]) + rows + columns
    numel(out)
    return out


def _mat_error(a: Shape, b: Shape) -> NoReturn:
    raise RuntimeError(
        f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})"
    )


def _matmul_error(a: Shape, b: Shape) -> NoReturn:
    """Name the product that PyTorch folds this one into."""
    if len(b) == 1:
        if len(a) == 1:
            raise RuntimeError(
                f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have "
                f"the same number of elements, but got {a[0]} and {b[0]} elements respectively"
            )
        rows = prod(a[:-1])
        raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{a[-1]}), vec ({b[0]})")
    if len(b) == 2:
        _mat_error((prod(a[:-1]), a[-1]), b)
    batch = prod(broadcast(a[:-2], b[:-2]))
    raise RuntimeError(
        f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {a[-1]}] "
        f"but got: [{batch}, {b[-2]}]."
    )


def linear(x: Shape, weight: Shape, bias: Shape | None) -> Shape:
    """Give the shape of ``x @ weight.T + bias`` for (..., I), (N, I), (N,).

    Raises
    ------
    RuntimeError
        ``mat1 and mat2 shapes cannot be multiplied (1x768 and 3072x10)``, or for a bias of
        another size.
    """
    if (
        x
        and len(weight) == 2
        and x[-1] == weight[1]
        and (bias is None or (len(bias) == 1 and bias[0] == weight[0]))
    ):
        return (*x[:-1], weight[0])
    if not x:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are 0D and {len(weight)}D"
        )
    if len(weight) != 2:
        raise RuntimeError(
            "weight of linear must be a matrix (out_features, in_features), "
            f"got size {list(weight)}"
        )
    rows = prod(x[:-1])
    if x[-1] != weight[1]:
        _mat_error((rows, x[-1]), (weight[1], weight[0]))
    if bias is not None and len(bias) == 1 and bias[0] != 1:
        _expand_error(bias, (rows, weight[0]), 1)
    raise RuntimeError(
        f"Given weight of size {list(weight)}, expected bias to be 1-dimensional with "
        f"{weight[0]} elements, but got bias of size {list(bias or ())} instead"
    )


def addmm(bias: Shape, mat1: Shape, mat2: Shape) -> Shape:
    """Give the shape of ``bias + mat1 @ mat2``, to which ``bias`` must expand.

    Raises
    ------
    RuntimeError
        ``mat1 must be a matrix, got 3-D tensor``, and as :func:`matmul` and
        :func:`expand_shape`.
    """
    for name, shape in (("mat1", mat1), ("mat2", mat2)):
        if len(shape) != 2:
            raise RuntimeError(f"{name} must be a matrix, got {len(shape)}-D tensor")
    return expand_shape(bias, matmul(mat1, mat2))


def mm(a: Shape, b: Shape) -> Shape:
    """Give the shape of the product of two matrices.

    Raises
    ------
    RuntimeError
        ``self must be a matrix``, ``mat2 must be a matrix``, and as :func:`matmul`.
    """
    for name, shape in (("self", a), ("mat2", b)):
        if len(shape) != 2:
            raise RuntimeError(f"{name} must be a matrix")
    return matmul(a, b)
