"""The table of Tensor's methods and operators."""

from __future__ import annotations

import builtins

from .. import dtypes
from ..tensor import Tensor, wrap
from . import (
    arithmetic,
    compare,
    convert,
    export,
    extremes,
    gradient,
    index,
    inplace,
    joining,
    linalg,
    math,
    reduction,
    shape,
    sorting,
)

__all__ = ["Methods"]


class Methods:
    """Every method and operator of Tensor that is a free function; moved there below."""

    # so that an ndarray on the left leaves an operator to the tensor on the right
    __array_priority__ = 1000

    backward = gradient.backward
    register_hook = gradient.register_hook
    requires_grad_ = gradient.requires_grad_
    retain_grad = gradient.retain_grad

    __add__ = arithmetic.add_operator
    __radd__ = arithmetic.radd_operator
    __sub__ = arithmetic.sub_operator
    __rsub__ = arithmetic.rsub_operator
    __mul__ = arithmetic.mul_operator
    __rmul__ = arithmetic.rmul_operator
    __truediv__ = arithmetic.div_operator
    __rtruediv__ = arithmetic.rdiv_operator
    __floordiv__ = arithmetic.floor_divide_operator
    __rfloordiv__ = arithmetic.rfloor_divide_operator
    __mod__ = arithmetic.remainder_operator
    __rmod__ = arithmetic.rremainder_operator
    __pow__ = arithmetic.pow_operator
    __rpow__ = arithmetic.rpow_operator
    __matmul__ = linalg.matmul_operator
    __rmatmul__ = linalg.rmatmul_operator
    __neg__ = arithmetic.neg
    __abs__ = math.abs
    __invert__ = compare.bitwise_not
    __and__ = __rand__ = compare.bitwise_and
    __or__ = __ror__ = compare.bitwise_or
    __xor__ = __rxor__ = compare.bitwise_xor
    __eq__ = compare.eq_operator  # type: ignore[assignment]
    __ne__ = compare.ne_operator  # type: ignore[assignment]
    __lt__ = compare.lt_operator
    __le__ = compare.le_operator
    __gt__ = compare.gt_operator
    __ge__ = compare.ge_operator
    __hash__ = object.__hash__

    __iadd__ = inplace.iadd
    __isub__ = inplace.isub
    __imul__ = inplace.imul
    __itruediv__ = inplace.idiv
    __ifloordiv__ = inplace.floor_divide_
    __imod__ = inplace.remainder_
    __ipow__ = inplace.pow_

    __getitem__ = index.getitem
    __setitem__ = inplace.setitem
    __len__ = export.length
    __iter__ = export.iterate
    __contains__ = export.contains
    __bool__ = export.to_bool
    __float__ = export.to_float
    __int__ = export.to_int
    __index__ = export.to_index
    __repr__ = export.to_repr
    __format__ = export.to_format
    __array__ = export.__array__
    __array_wrap__ = export.array_wrap
    __dlpack__ = export.dlpack
    __dlpack_device__ = export.dlpack_device
    __reduce_ex__ = convert.reduce_ex
    __deepcopy__ = convert.deepcopy

    add = arithmetic.add
    sub = subtract = arithmetic.sub
    mul = multiply = arithmetic.mul
    div = divide = arithmetic.div
    true_divide = arithmetic.true_divide
    floor_divide = arithmetic.floor_divide
    remainder = arithmetic.remainder
    fmod = arithmetic.fmod
    neg = negative = arithmetic.neg
    pow = arithmetic.pow

    abs = absolute = math.abs
    ceil = math.ceil
    clamp = clip = math.clamp
    clamp_max = math.clamp_max
    clamp_min = math.clamp_min
    cos = math.cos
    exp = math.exp
    expm1 = math.expm1
    floor = math.floor
    log = math.log
    log1p = math.log1p
    log2 = math.log2
    log10 = math.log10
    log_softmax = math.log_softmax
    maximum = math.maximum
    minimum = math.minimum
    reciprocal = math.reciprocal
    relu = math.relu
    round = math.round
    rsqrt = math.rsqrt
    sigmoid = math.sigmoid
    sign = math.sign
    sin = math.sin
    softmax = math.softmax
    sqrt = math.sqrt
    square = math.square
    tan = math.tan
    tanh = math.tanh
    trunc = math.trunc
    where = math.where_method

    allclose = compare.allclose
    bitwise_and = compare.bitwise_and
    bitwise_not = compare.bitwise_not
    bitwise_or = compare.bitwise_or
    bitwise_xor = compare.bitwise_xor
    eq = compare.eq
    equal = compare.equal
    ge = greater_equal = compare.ge
    gt = greater = compare.gt
    isclose = compare.isclose
    isfinite = compare.isfinite
    isinf = compare.isinf
    isnan = compare.isnan
    le = less_equal = compare.le
    logical_and = compare.logical_and
    logical_not = compare.logical_not
    logical_or = compare.logical_or
    logical_xor = compare.logical_xor
    lt = less = compare.lt
    ne = not_equal = compare.ne

    all = reduction.all
    any = reduction.any
    count_nonzero = reduction.count_nonzero
    cumsum = reduction.cumsum
    logsumexp = reduction.logsumexp
    mean = reduction.mean
    norm = reduction.norm
    prod = reduction.prod
    std = reduction.std
    sum = reduction.sum
    var = reduction.var

    amax = extremes.amax
    amin = extremes.amin
    argmax = extremes.argmax
    argmin = extremes.argmin
    max = extremes.max
    min = extremes.min
    argsort = sorting.argsort
    sort = sorting.sort
    topk = sorting.topk

    broadcast_to = shape.broadcast_to
    expand = shape.expand
    expand_as = shape.expand_as
    flatten = shape.flatten
    flip = shape.flip
    movedim = shape.movedim
    permute = shape.permute
    ravel = shape.ravel
    repeat = shape.repeat
    reshape = shape.reshape
    reshape_as = shape.reshape_as
    roll = shape.roll
    squeeze = shape.squeeze
    swapaxes = shape.swapaxes
    t = shape.t
    tile = shape.tile
    transpose = shape.transpose
    tril = shape.tril
    triu = shape.triu
    unflatten = shape.unflatten
    unsqueeze = shape.unsqueeze
    view = shape.view
    view_as = shape.view_as
    chunk = joining.chunk
    split = joining.split
    unbind = joining.unbind

    gather = index.gather
    index_select = index.index_select
    masked_fill = index.masked_fill
    masked_select = index.masked_select
    narrow = index.narrow
    nonzero = index.nonzero
    argwhere = index.argwhere
    select = index.select
    take = index.take

    addmm = linalg.addmm
    bmm = linalg.bmm
    dot = linalg.dot
    inner = linalg.inner
    matmul = linalg.matmul
    mm = linalg.mm
    mv = linalg.mv
    outer = linalg.outer

    abs_ = inplace.abs_
    add_ = inplace.add_
    clamp_ = clip_ = inplace.clamp_
    copy_ = inplace.copy_
    div_ = inplace.div_
    exp_ = inplace.exp_
    fill_ = inplace.fill_
    log_ = inplace.log_
    masked_fill_ = inplace.masked_fill_
    mul_ = inplace.mul_
    neg_ = inplace.neg_
    normal_ = inplace.normal_
    pow_ = inplace.pow_
    reciprocal_ = inplace.reciprocal_
    relu_ = inplace.relu_
    round_ = inplace.round_
    sigmoid_ = inplace.sigmoid_
    sqrt_ = inplace.sqrt_
    sub_ = inplace.sub_
    tanh_ = inplace.tanh_
    uniform_ = inplace.uniform_
    zero_ = inplace.zero_

    clone = convert.clone
    contiguous = convert.contiguous
    cpu = convert.cpu
    cuda = convert.cuda
    data_ptr = convert.data_ptr
    detach = convert.detach
    detach_ = convert.detach_
    dim = ndimension = convert.dim
    element_size = convert.element_size
    is_contiguous = convert.is_contiguous
    is_floating_point = convert.is_floating_point
    item = export.item
    new_full = convert.new_full
    new_ones = convert.new_ones
    new_tensor = convert.new_tensor
    new_zeros = convert.new_zeros
    numel = nelement = convert.numel
    numpy = export.numpy
    size = convert.size
    stride = convert.stride
    to = convert.to
    tolist = export.tolist
    type = convert.type_
    type_as = convert.type_as
    bool = convert.as_bool
    byte = convert.byte
    double = convert.double
    float = convert.as_float
    int = convert.as_int
    long = convert.long

    @property
    def data(self: Tensor) -> Tensor:  # type: ignore[misc]
        """The same memory outside the graph; changes through it are not tracked."""
        return wrap(self._data)

    @data.setter
    def data(self: Tensor, value: Tensor) -> None:  # type: ignore[misc]
        convert.set_data(self, value)

    @property
    def retains_grad(self: Tensor) -> builtins.bool:  # type: ignore[misc]
        """Whether ``retain_grad`` made this tensor, which is not a leaf, keep its ``grad``."""
        return gradient.retains_grad(self)

    @property
    def shape(self: Tensor) -> dtypes.Size:  # type: ignore[misc]
        """The sizes of all dimensions."""
        return dtypes.Size(self._data.shape)

    @property
    def dtype(self: Tensor) -> dtypes.dtype:  # type: ignore[misc]
        """The type of the elements."""
        return dtypes.from_numpy_dtype(self._data.dtype)

    @property
    def device(self: Tensor) -> dtypes.device:  # type: ignore[misc]
        """Where the elements are: always the CPU."""
        return dtypes.CPU

    @property
    def ndim(self: Tensor) -> builtins.int:  # type: ignore[misc]
        """The number of dimensions."""
        return self._data.ndim

    @property
    def itemsize(self: Tensor) -> builtins.int:  # type: ignore[misc]
        """Bytes per element."""
        return self._data.itemsize

    @property
    def nbytes(self: Tensor) -> builtins.int:  # type: ignore[misc]
        """Bytes of all elements."""
        return self._data.nbytes

    @property
    def T(self: Tensor) -> Tensor:  # type: ignore[misc]  # noqa: N802 - PyTorch's name
        """All dimensions in reverse order, as a view."""
        return shape.transposed(self)

    @property
    def mT(self: Tensor) -> Tensor:  # type: ignore[misc]  # noqa: N802 - PyTorch's name
        """The last two dimensions swapped, as a view; RuntimeError for fewer than two."""
        return shape.matrix_transpose(self)


for _name, _function in vars(Methods).items():
    if _name not in ("__module__", "__dict__", "__weakref__", "__doc__"):
        setattr(Tensor, _name, _function)
