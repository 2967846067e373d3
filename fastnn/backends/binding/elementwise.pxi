# Elementwise operations with broadcasting, and the reductions.

cdef int cannot_broadcast(object a, object b) except -1:
    raise ValueError(f"arrays of shapes {a.shape} and {b.shape} cannot be broadcast together")


cdef cnp.ndarray binary(fnn_binary_op op, object left, object right):
    cdef int typenum = float_type(left)
    cdef cnp.ndarray a = dense(left, typenum)
    cdef cnp.ndarray b = dense(right, typenum)
    cdef cnp.ndarray out
    cdef fnn_broadcast_shape shape
    cdef fnn_ctx ctx = context()
    cdef cnp.npy_intp dims[64]
    cdef int i, j, ndim, a_ndim, b_ndim
    cdef Py_ssize_t a_size, b_size, a_step = 1, b_step = 1
    cdef PyThreadState *state
    a_ndim, b_ndim = cnp.PyArray_NDIM(a), cnp.PyArray_NDIM(b)
    ndim = max(a_ndim, b_ndim)
    if ndim > FNN_MAX_DIMS:
        raise ValueError(f"arrays of {ndim} dimensions; at most {FNN_MAX_DIMS} are supported")
    shape.ndim = ndim
    for i in range(1, ndim + 1):
        j = ndim - i
        a_size = cnp.PyArray_DIM(a, a_ndim - i) if i <= a_ndim else 1
        b_size = cnp.PyArray_DIM(b, b_ndim - i) if i <= b_ndim else 1
        if a_size != b_size and a_size != 1 and b_size != 1:
            cannot_broadcast(left, right)
        dims[j] = shape.size[j] = b_size if a_size == 1 else a_size
        shape.a_stride[j] = a_step if a_size != 1 else 0
        shape.b_stride[j] = b_step if b_size != 1 else 0
        a_step *= a_size
        b_step *= b_size
    out = new_array(ndim, dims, typenum, <size_t>cnp.PyArray_ITEMSIZE(a))
    state = release_gil(<double>cnp.PyArray_SIZE(out))
    if typenum == cnp.NPY_FLOAT32:
        fnn_binary_f32(&ctx, op, &shape, <const float *>cnp.PyArray_DATA(a),
                       <const float *>cnp.PyArray_DATA(b), <float *>cnp.PyArray_DATA(out))
    else:
        fnn_binary_f64(&ctx, op, &shape, <const double *>cnp.PyArray_DATA(a),
                       <const double *>cnp.PyArray_DATA(b), <double *>cnp.PyArray_DATA(out))
    restore_gil(state)
    return out


def add(a, b):
    """See :meth:`fastnn.backends.interface.Backend.add`."""
    return binary(FNN_ADD, a, b)


def sub(a, b):
    """See :meth:`fastnn.backends.interface.Backend.sub`."""
    return binary(FNN_SUB, a, b)


def mul(a, b):
    """See :meth:`fastnn.backends.interface.Backend.mul`."""
    return binary(FNN_MUL, a, b)


def div(a, b):
    """See :meth:`fastnn.backends.interface.Backend.div`."""
    return binary(FNN_DIV, a, b)


cdef cnp.ndarray unary(fnn_unary_op op, object array):
    cdef int typenum = float_type(array)
    cdef cnp.ndarray x = dense(array, typenum)
    cdef cnp.ndarray y = new_like(x)
    cdef fnn_ctx ctx = context()
    cdef Py_ssize_t count = cnp.PyArray_SIZE(x)
    cdef PyThreadState *state = release_gil(<double>count * (1 if op == FNN_RELU else 4))
    if typenum == cnp.NPY_FLOAT32:
        fnn_unary_f32(&ctx, op, count, <const float *>cnp.PyArray_DATA(x),
                      <float *>cnp.PyArray_DATA(y))
    else:
        fnn_unary_f64(&ctx, op, count, <const double *>cnp.PyArray_DATA(x),
                      <double *>cnp.PyArray_DATA(y))
    restore_gil(state)
    return y


cdef cnp.ndarray unary_backward(fnn_unary_op op, object grad, object output, bint reuse=False):
    cdef int typenum = float_type(grad)
    cdef cnp.ndarray dy = dense(grad, typenum)
    cdef cnp.ndarray y = dense(output, typenum)
    cdef cnp.ndarray dx = dy if reuse else new_like(y)
    cdef fnn_ctx ctx = context()
    cdef Py_ssize_t count = cnp.PyArray_SIZE(y)
    cdef PyThreadState *state
    if not cnp.PyArray_SAMESHAPE(dy, y):
        raise ValueError(f"grad has shape {grad.shape}, the output {output.shape}")
    state = release_gil(<double>count)
    if typenum == cnp.NPY_FLOAT32:
        fnn_unary_backward_f32(&ctx, op, count, <const float *>cnp.PyArray_DATA(dy),
                               <const float *>cnp.PyArray_DATA(y), <float *>cnp.PyArray_DATA(dx))
    else:
        fnn_unary_backward_f64(&ctx, op, count, <const double *>cnp.PyArray_DATA(dy),
                               <const double *>cnp.PyArray_DATA(y), <double *>cnp.PyArray_DATA(dx))
    restore_gil(state)
    return dx


def exp(x):
    """See :meth:`fastnn.backends.interface.Backend.exp`."""
    return unary(FNN_EXP, x)


def log(x):
    """See :meth:`fastnn.backends.interface.Backend.log`."""
    return unary(FNN_LOG, x)


def tanh(x):
    """See :meth:`fastnn.backends.interface.Backend.tanh`."""
    return unary(FNN_TANH, x)


def tanh_backward(grad, y):
    """See :meth:`fastnn.backends.interface.Backend.tanh_backward`."""
    return unary_backward(FNN_TANH, grad, y)


def sigmoid(x):
    """See :meth:`fastnn.backends.interface.Backend.sigmoid`."""
    return unary(FNN_SIGMOID, x)


def sigmoid_backward(grad, y):
    """See :meth:`fastnn.backends.interface.Backend.sigmoid_backward`."""
    return unary_backward(FNN_SIGMOID, grad, y)


def relu(x):
    """See :meth:`fastnn.backends.interface.Backend.relu`."""
    return unary(FNN_RELU, x)


def relu_backward(grad, y, reuse=False):
    """See :meth:`fastnn.backends.interface.Backend.relu_backward`."""
    return unary_backward(FNN_RELU, grad, y, reuse)


cdef cnp.ndarray sum_axis(cnp.ndarray x, Py_ssize_t outer, Py_ssize_t length, Py_ssize_t inner,
                          double scale, int typenum, int out_ndim, const cnp.npy_intp *out_dims):
    """scale * sum over the middle of dense [outer][length][inner]."""
    cdef fnn_axis_shape shape
    cdef fnn_ctx ctx = context()
    cdef cnp.ndarray y = new_array(out_ndim, out_dims, typenum,
                                   <size_t>cnp.PyArray_ITEMSIZE(x))
    cdef PyThreadState *state
    cdef void *workspace
    shape.outer, shape.length, shape.inner = outer, length, inner
    if typenum == cnp.NPY_FLOAT32:
        workspace = workspace_of(fnn_sum_workspace_f32(&ctx, &shape))
        state = release_gil(<double>outer * length * inner)
        fnn_sum_f32(&ctx, &shape, scale, <const float *>cnp.PyArray_DATA(x),
                    <float *>cnp.PyArray_DATA(y), workspace)
    else:
        workspace = workspace_of(fnn_sum_workspace_f64(&ctx, &shape))
        state = release_gil(<double>outer * length * inner)
        fnn_sum_f64(&ctx, &shape, scale, <const double *>cnp.PyArray_DATA(x),
                    <double *>cnp.PyArray_DATA(y), workspace)
    restore_gil(state)
    return y


cdef cnp.ndarray reduce_runs(cnp.ndarray x, tuple axes, bint average, int typenum):
    """Sums run after run of neighbouring axes, from the last to the first, keeping each as 1."""
    cdef Py_ssize_t total = 1, outer, length, inner
    cdef int ndim = cnp.PyArray_NDIM(x), first, last, i, position = <int>len(axes) - 1
    cdef cnp.npy_intp dims[64]
    cdef double scale
    for axis in axes:
        total *= x.shape[<int>axis]
    while position >= 0:
        last = axes[position]
        first = last
        while position > 0 and <int>axes[position - 1] == first - 1:
            first -= 1
            position -= 1
        position -= 1
        outer = length = inner = 1
        for i in range(ndim):
            dims[i] = x.shape[i]
            if i < first:
                outer *= x.shape[i]
            elif i <= last:
                length *= x.shape[i]
                dims[i] = 1
            else:
                inner *= x.shape[i]
        scale = 1.0
        if average and position < 0:
            # nothing to average: 0 * inf gives the NaN that is wanted
            scale = 1.0 / <double>total if total else float("inf")
        x = sum_axis(x, outer, length, inner, scale, typenum, ndim, dims)
    return x


cdef object reduction(object array, tuple axes, bint keepdims, bint average):
    cdef int typenum = float_type(array)
    cdef cnp.ndarray x = dense(array, typenum)
    cdef int ndim = cnp.PyArray_NDIM(x), i
    cdef unsigned long long summed = 0
    cdef cnp.npy_intp dims[64]
    cdef cnp.PyArray_Dims kept
    for axis in axes:
        if not 0 <= axis < ndim:
            raise ValueError(f"axis {axis} of an array of {ndim} dimensions")
        if summed >> <int>axis & 1:
            raise ValueError(f"axis {axis} appears twice in {axes}")
        summed |= <unsigned long long>1 << <int>axis
    if len(axes) == ndim and not keepdims:
        total = cnp.PyArray_SIZE(x)
        scale = 1.0 if not average else (1.0 / total if total else float("inf"))
        return sum_axis(x, 1, total, 1, scale, typenum, 0, NULL)
    if not axes:
        return x.copy()
    x = reduce_runs(x, axes, average, typenum)
    if keepdims:
        return x
    kept.ptr, kept.len = dims, 0
    for i in range(ndim):
        if not summed >> i & 1:
            dims[kept.len] = x.shape[i]
            kept.len += 1
    return cnp.PyArray_Newshape(x, &kept, cnp.NPY_CORDER)


def sum(x, axes, keepdims=False):
    """See :meth:`fastnn.backends.interface.Backend.sum`."""
    return reduction(x, axes, keepdims, False)


def mean(x, axes, keepdims=False):
    """See :meth:`fastnn.backends.interface.Backend.mean`."""
    return reduction(x, axes, keepdims, True)
