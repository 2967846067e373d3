"""Matrix products.

Both operands have one element type: mixing them is an error, as in PyTorch.  Products of
integers go through NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._engine import Op
from .._shapes import addmm as addmm_shape
from .._shapes import matmul as matmul_shape
from .._shapes import mm as mm_shape
from ..backends import is_batch_product, is_dot, is_matvec, is_product
from ..ops import linalg as ops
from ..tensor import Tensor, apply, apply_if, wrap
from ._operands import UNSUPPORTED, require_tensor

__all__ = ["addmm", "bmm", "dot", "inner", "matmul", "mm", "mv", "outer"]

#: PyTorch's C++ names of the element types, as its messages have them.
_C_NAMES = {
    "float32": "float",
    "float64": "double",
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
}


def _check_types(a: Tensor, b: Tensor) -> None:
    x, y = a._data.dtype, b._data.dtype
    if x != y:
        raise RuntimeError(
            "expected m1 and m2 to have the same dtype, but got: "
            f"{_C_NAMES[x.name]} != {_C_NAMES[y.name]}"
        )
    if x == np.bool_:
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")


def _product(op: Op, a: Tensor, b: Tensor) -> Tensor:
    _check_types(a, b)
    if a._data.dtype.kind == "f":
        return apply(op, (a, b))
    return wrap(np.asarray(np.matmul(a._data, b._data)))


def matmul_operator(self: Tensor, other: Any) -> Tensor:
    """``self @ other``."""
    product = apply_if(is_product, ops.MM, self, other)
    if product is None:
        product = apply_if(is_matvec, ops.MV, self, other)
    if product is None:
        product = apply_if(is_dot, ops.DOT, self, other)
    if product is not None:
        return product
    if not isinstance(other, Tensor):
        if not isinstance(other, np.ndarray):
            return UNSUPPORTED
        other = wrap(other)
    a, b = self._data, other._data
    matmul_shape(a.shape, b.shape)
    if a.ndim == 2 and b.ndim == 2:
        op = ops.MM
    elif b.ndim == 1:
        op = ops.DOT if a.ndim == 1 else ops.MV if a.ndim == 2 else ops.MATVEC
    else:
        op = ops.VECMAT if a.ndim == 1 else ops.MATMUL
    return _product(op, self, other)


def rmatmul_operator(self: Tensor, other: Any) -> Tensor:
    """``other @ self``."""
    if not isinstance(other, np.ndarray):
        return UNSUPPORTED
    return matmul_operator(wrap(other), self)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product, NumPy's ``@``.

    (..., M, I) @ (..., I, N) -> (..., M, N), leading dimensions broadcasting; a vector on
    either side loses its dimension.

    Raises
    ------
    RuntimeError
        ``mat1 and mat2 shapes cannot be multiplied (2x3 and 4x2)``, or if the element types
        differ.
    """
    require_tensor(input, "matmul")
    return matmul_operator(input, require_tensor(other, "matmul", "other", 2))


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices; errors as :func:`matmul`, and for other shapes."""
    product = apply_if(is_product, ops.MM, input, mat2)
    if product is not None:
        return product
    a, b = require_tensor(input, "mm"), require_tensor(mat2, "mm", "mat2", 2)
    mm_shape(a._data.shape, b._data.shape)
    return _product(ops.MM, a, b)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of a batch of matrices, (B, M, I) @ (B, I, N) -> (B, M, N).

    Raises
    ------
    RuntimeError
        For other shapes, or if the element types differ.
    """
    product = apply_if(is_batch_product, ops.BMM, input, mat2)
    if product is not None:
        return product
    a, b = require_tensor(input, "bmm")._data, require_tensor(mat2, "bmm", "mat2", 2)._data
    for name, array in (("batch1", a), ("batch2", b)):
        if array.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor, got {array.ndim}D")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.shape[0]}, {a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}]."
        )
    return _product(ops.BMM, input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector; errors as :func:`matmul`, and for other shapes."""
    product = apply_if(is_matvec, ops.MV, input, vec)
    if product is not None:
        return product
    a, v = require_tensor(input, "mv")._data, require_tensor(vec, "mv", "vec", 2)._data
    if a.ndim != 2 or v.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {1}, {a.ndim}, {v.ndim}")
    matmul_shape(a.shape, v.shape)
    return _product(ops.MV, input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of two vectors.

    Raises
    ------
    RuntimeError
        For other shapes or different lengths, or if the element types differ.
    """
    product = apply_if(is_dot, ops.DOT, input, tensor)
    if product is not None:
        return product
    a, b = require_tensor(input, "dot")._data, require_tensor(tensor, "dot", "tensor", 2)._data
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.shape != b.shape:
        matmul_shape(a.shape, b.shape)
    if a.dtype != b.dtype:
        raise RuntimeError(
            "dot : expected both vectors to have same dtype, but found "
            f"{_C_NAMES[a.dtype.name].capitalize()} and {_C_NAMES[b.dtype.name].capitalize()}"
        )
    return _product(ops.DOT, input, tensor)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum of products over the last dimensions of both; a product if one is a scalar."""
    if input._data.ndim == 0 or other._data.ndim == 0:
        return input * other
    if other._data.ndim == 1:
        return matmul(input, other)
    flat = matmul(input, other.reshape(-1, other._data.shape[-1]).t())
    return flat.reshape((*input._data.shape[:-1], *other._data.shape[:-1]))


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors, (M,) and (N,) -> (M, N).

    Raises
    ------
    RuntimeError
        If one is not a vector.
    """
    for name, each in (("self", input), ("vec2", vec2)):
        if require_tensor(each, "outer")._data.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {each._data.ndim}-D")
    return input.unsqueeze(1) * vec2


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * mat1 @ mat2``; ``input`` broadcasts to the product's shape.

    Raises
    ------
    RuntimeError
        As :func:`matmul`, and if ``input`` does not broadcast.
    """
    tensors = (
        require_tensor(input, "addmm"),
        require_tensor(mat1, "addmm", "mat1", 2),
        require_tensor(mat2, "addmm", "mat2", 3),
    )
    c, a, b = [t._data for t in tensors]
    addmm_shape(c.shape, a.shape, b.shape)
    if c.dtype != b.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{_C_NAMES[c.dtype.name].capitalize()} and {_C_NAMES[b.dtype.name].capitalize()}"
        )
    _check_types(mat1, mat2)
    if a.dtype.kind == "f":
        return apply(ops.ADDMM, tensors, float(beta), float(alpha))
    return wrap(np.asarray(c * int(beta) + np.matmul(a, b) * int(alpha)).astype(c.dtype))
