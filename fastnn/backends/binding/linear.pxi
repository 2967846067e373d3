# Matrix multiplication.

cdef inline void set_strides(cnp.ndarray array, ptrdiff_t *rows, ptrdiff_t *columns):
    cdef int ndim = cnp.PyArray_NDIM(array)
    cdef Py_ssize_t item = cnp.PyArray_ITEMSIZE(array)
    rows[0] = cnp.PyArray_STRIDE(array, ndim - 2) // item
    columns[0] = cnp.PyArray_STRIDE(array, ndim - 1) // item


cdef int run_gemm(fnn_ctx ctx, fnn_gemm_shape *shape, int typenum, const char *a, const char *b,
                  const void *bias, char *c) except -1:
    """One driver call; strides and sizes are in ``shape``."""
    cdef fnn_status status
    cdef PyThreadState *state
    cdef void *workspace
    cdef double work = <double>shape.m * shape.n * shape.k * shape.batch / 8
    if typenum == cnp.NPY_FLOAT32:
        workspace = workspace_of(fnn_gemm_workspace_f32(&ctx, shape))
        state = release_gil(work)
        status = fnn_gemm_f32(&ctx, shape, <const float *>a, <const float *>b,
                              <const float *>bias, <float *>c, workspace)
    else:
        workspace = workspace_of(fnn_gemm_workspace_f64(&ctx, shape))
        state = release_gil(work)
        status = fnn_gemm_f64(&ctx, shape, <const double *>a, <const double *>b,
                              <const double *>bias, <double *>c, workspace)
    restore_gil(state)
    if status != FNN_OK:
        failed(status, "matmul")
    return 0


cdef cnp.ndarray multiply(cnp.ndarray a, ptrdiff_t a_rs, ptrdiff_t a_cs, cnp.ndarray b,
                          ptrdiff_t b_rs, ptrdiff_t b_cs, Py_ssize_t m, Py_ssize_t n,
                          Py_ssize_t k, object bias, int typenum, bint relu=False,
                          object gate=None, void *sums=NULL):
    """op(a) op(b) + bias for two matrices given by strides. A vector is a row on the left, a column on
    the right, whose axis the result lacks; a dense stack on the left is a tall matrix."""
    return multiply_by(context(), a, a_rs, a_cs, cnp.PyArray_BYTES(b), b_rs, b_cs, False, m, n, k,
                       bias, typenum, relu, gate, sums, cnp.PyArray_NDIM(b))


cdef cnp.ndarray multiply_by(fnn_ctx ctx, cnp.ndarray a, ptrdiff_t a_rs, ptrdiff_t a_cs,
                             const char *b, ptrdiff_t b_rs, ptrdiff_t b_cs, bint b_packed,
                             Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, object bias, int typenum,
                             bint relu, object gate, void *sums=NULL, int b_ndim=2):
    """The same for a right side in memory, which may be packed."""
    cdef fnn_gemm_shape shape
    cdef cnp.npy_intp dims[64]
    cdef cnp.ndarray c, offset, opening
    cdef int i, ndim = cnp.PyArray_NDIM(a) - 1
    dims[0] = m
    if ndim > 1:  # rows of a stack
        for i in range(ndim):
            dims[i] = cnp.PyArray_DIM(a, i)
    if b_ndim > 1:
        dims[ndim] = n
        ndim += 1
    c = new_array(ndim, dims, typenum, <size_t>cnp.PyArray_ITEMSIZE(a))
    shape.m, shape.n, shape.k, shape.batch = m, n, k, 1
    shape.a_rs, shape.a_cs, shape.a_bs = a_rs, a_cs, 0
    shape.b_rs, shape.b_cs, shape.b_bs = b_rs, b_cs, 0
    shape.c_rs, shape.c_bs = n, 0
    shape.accumulate = shape.b_far = 0
    shape.relu, shape.b_packed = relu, b_packed
    shape.gate = NULL
    shape.sums = sums
    if gate is not None:
        opening = gate_like(gate, c, typenum)
        shape.gate = cnp.PyArray_DATA(opening)
    shape.bias = FNN_NO_BIAS
    if bias is None:
        run_gemm(ctx, &shape, typenum, cnp.PyArray_BYTES(a), b, NULL, cnp.PyArray_BYTES(c))
        return c
    shape.bias = FNN_BIAS_PER_COLUMN
    offset = dense(bias, typenum)
    if cnp.PyArray_SIZE(offset) != n:
        raise ValueError(f"bias has {cnp.PyArray_SIZE(offset)} elements, not {n}")
    run_gemm(ctx, &shape, typenum, cnp.PyArray_BYTES(a), b, cnp.PyArray_DATA(offset),
             cnp.PyArray_BYTES(c))
    return c


cdef int require_matrix(object array) except -1:
    if cnp.PyArray_NDIM(<cnp.ndarray>array) != 2:
        raise ValueError(f"expected a matrix, got shape {array.shape}")
    return 0


cdef int inner_mismatch(object a, object b) except -1:
    raise ValueError(f"matrices of shapes {a.shape} and {b.shape} cannot be multiplied")


def matmul(a, b):
    """See :meth:`fastnn.backends.interface.Backend.matmul`."""
    cdef int typenum = float_type(a), a_ndim, b_ndim, i
    cdef cnp.ndarray x, y
    cdef ptrdiff_t a_rs, a_cs = 1, b_rs = 1, b_cs = 0
    cdef Py_ssize_t m = 1, n = 1, k
    if float_type(b) != typenum:
        wrong_type(b, typenum)
    a_ndim, b_ndim = cnp.PyArray_NDIM(<cnp.ndarray>a), cnp.PyArray_NDIM(<cnp.ndarray>b)
    if a_ndim < 1 or b_ndim < 1:
        raise ValueError(f"expected matrices or vectors, got shapes {a.shape} and {b.shape}")
    if b_ndim > 2:
        if a_ndim == 1:
            return matmul_batched(a[None], b, typenum)[..., 0, :]
        return matmul_batched(a, b, typenum)
    # one matrix on the right: all rows on the left are one tall matrix
    x = matrices(a, typenum) if a_ndim == 2 else dense(a, typenum)
    y = matrices(b, typenum) if b_ndim == 2 else dense(b, typenum)
    for i in range(a_ndim - 1):
        m *= cnp.PyArray_DIM(x, i)
    a_rs = k = cnp.PyArray_DIM(x, a_ndim - 1)
    if k != cnp.PyArray_DIM(y, 0):
        inner_mismatch(a, b)
    if a_ndim == 2:
        set_strides(x, &a_rs, &a_cs)
    if b_ndim == 2:
        set_strides(y, &b_rs, &b_cs)
        n = cnp.PyArray_DIM(y, 1)
    return multiply(x, a_rs, a_cs, y, b_rs, b_cs, m, n, k, None, typenum)


cdef inline cnp.npy_intp lead_axis(cnp.ndarray array, int axis, cnp.npy_intp *step):
    """The length of an axis before the matrices, and its step in bytes: 0 where it is to broadcast."""
    cdef bint there = axis >= 0 and cnp.PyArray_DIM(array, axis) != 1
    step[0] = cnp.PyArray_STRIDE(array, axis) if there else 0
    return cnp.PyArray_DIM(array, axis) if there else 1


@cython.cdivision(True)
cdef cnp.ndarray matmul_batched(a, b, int typenum):
    """Leading axes broadcast; the last of them is the driver's batch, the others a loop."""
    cdef cnp.ndarray x = matrices(a, typenum), y = matrices(b, typenum), c
    cdef fnn_gemm_shape shape
    cdef cnp.npy_intp dims[64]
    cdef cnp.npy_intp x_steps[64]
    cdef cnp.npy_intp y_steps[64]
    cdef cnp.npy_intp x_dim, y_dim
    cdef int x_ndim = cnp.PyArray_NDIM(x), y_ndim = cnp.PyArray_NDIM(y)
    cdef int i, ndim = max(x_ndim, y_ndim), last = ndim - 3
    cdef Py_ssize_t item = cnp.PyArray_ITEMSIZE(x), calls = 1, call, rest
    cdef const char *left
    cdef const char *right
    shape.m, shape.k = cnp.PyArray_DIM(x, x_ndim - 2), cnp.PyArray_DIM(x, x_ndim - 1)
    shape.n = cnp.PyArray_DIM(y, y_ndim - 1)
    if shape.k != cnp.PyArray_DIM(y, y_ndim - 2):
        inner_mismatch(a, b)
    for i in range(ndim - 2):
        x_dim = lead_axis(x, i + x_ndim - ndim, &x_steps[i])
        y_dim = lead_axis(y, i + y_ndim - ndim, &y_steps[i])
        if x_dim != y_dim and x_dim != 1 and y_dim != 1:
            inner_mismatch(a, b)
        dims[i] = y_dim if x_dim == 1 else x_dim
        if i < last:
            calls *= dims[i]
    dims[ndim - 2], dims[ndim - 1] = shape.m, shape.n
    c = new_array(ndim, dims, typenum, <size_t>item)
    if cnp.PyArray_SIZE(c) == 0:
        return c
    set_strides(x, &shape.a_rs, &shape.a_cs)
    set_strides(y, &shape.b_rs, &shape.b_cs)
    shape.batch, shape.a_bs, shape.b_bs = dims[last], x_steps[last] // item, y_steps[last] // item
    shape.c_rs, shape.c_bs = shape.n, shape.m * shape.n
    shape.accumulate = shape.relu = shape.b_packed = shape.b_far = 0
    shape.gate = shape.sums = NULL
    shape.bias = FNN_NO_BIAS
    for call in range(calls):
        left, right, rest = cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(y), call
        for i in range(last - 1, -1, -1):
            left += rest % dims[i] * x_steps[i]
            right += rest % dims[i] * y_steps[i]
            rest //= dims[i]
        run_gemm(context(), &shape, typenum, left, right, NULL,
                 cnp.PyArray_BYTES(c) + call * shape.batch * shape.c_bs * item)
    return c


def linear(x, weight, bias=None):
    """See :meth:`fastnn.backends.interface.Backend.linear`."""
    return affine(x, weight, bias, False)


def linear_relu(x, weight, bias=None):
    """See :meth:`fastnn.backends.interface.Backend.linear_relu`."""
    return affine(x, weight, bias, True)


cdef cnp.ndarray affine(object x, object weight, object bias, bint relu):
    cdef int typenum = float_type(x)
    cdef cnp.ndarray a, w
    cdef ptrdiff_t a_rs, a_cs, w_rs, w_cs
    if float_type(weight) != typenum:
        wrong_type(weight, typenum)
    require_matrix(x)
    require_matrix(weight)
    a = matrices(x, typenum)
    w = matrices(weight, typenum)
    if cnp.PyArray_DIM(a, 1) != cnp.PyArray_DIM(w, 1):
        inner_mismatch(x, weight.T)
    set_strides(a, &a_rs, &a_cs)
    set_strides(w, &w_rs, &w_cs)
    return multiply(a, a_rs, a_cs, w, w_cs, w_rs, cnp.PyArray_DIM(a, 0), cnp.PyArray_DIM(w, 0),
                    cnp.PyArray_DIM(a, 1), bias, typenum, relu)


def linear_backward(grad, x, weight, needs, gate=None):
    """See :meth:`fastnn.backends.interface.Backend.linear_backward`."""
    cdef int typenum = float_type(grad)
    cdef cnp.ndarray g, a, w
    cdef void *sums = NULL
    cdef ptrdiff_t g_rs, g_cs, rs, cs
    cdef Py_ssize_t m, n
    dx = dw = db = None
    require_matrix(grad)
    g = matrices(grad, typenum)
    set_strides(g, &g_rs, &g_cs)
    m, n = cnp.PyArray_DIM(g, 0), cnp.PyArray_DIM(g, 1)
    if needs[0]:
        w = matrices(weight, typenum)
        require_matrix(w)
        if cnp.PyArray_DIM(w, 0) != n:
            inner_mismatch(grad, weight)
        set_strides(w, &rs, &cs)
        dx = multiply(g, g_rs, g_cs, w, rs, cs, m, cnp.PyArray_DIM(w, 1), n, None, typenum,
                      False, gate)
    if needs[1]:
        a = matrices(x, typenum)
        require_matrix(a)
        if cnp.PyArray_DIM(a, 0) != m:
            inner_mismatch(grad.T, x)
        set_strides(a, &rs, &cs)
        if needs[2]:
            db = new_array(1, cnp.PyArray_DIMS(g) + 1, typenum, <size_t>cnp.PyArray_ITEMSIZE(g))
            sums = cnp.PyArray_DATA(<cnp.ndarray>db)
        dw = multiply(g, g_cs, g_rs, a, rs, cs, n, cnp.PyArray_DIM(a, 1), m, None, typenum, False,
                      None, sums)
    elif needs[2]:
        db = sum_axis(dense(g, typenum), 1, m, n, 1.0, typenum, 1, cnp.PyArray_DIMS(g) + 1)
    return dx, dw, db


@cython.final
cdef class PackedWeight:
    """A (N, I) weight in the panels that one instruction set reads; it never changes."""

    cdef void *panels
    cdef const fnn_kernels *kernels
    cdef Py_ssize_t outputs, inputs
    cdef int typenum

    def __cinit__(self, cnp.ndarray weight, ptrdiff_t rs, ptrdiff_t cs, int typenum):
        cdef fnn_ctx ctx = context()
        cdef size_t bytes
        self.kernels = ctx.kernels
        self.outputs, self.inputs = cnp.PyArray_DIM(weight, 0), cnp.PyArray_DIM(weight, 1)
        self.typenum = typenum
        if typenum == cnp.NPY_FLOAT32:
            bytes = fnn_gemm_packed_size_f32(&ctx, self.outputs, self.inputs) * sizeof(float)
        else:
            bytes = fnn_gemm_packed_size_f64(&ctx, self.outputs, self.inputs) * sizeof(double)
        self.panels = fnn_alloc(max(bytes, 1))
        if self.panels == NULL:
            raise MemoryError(f"cannot allocate {bytes} bytes for a packed weight")
        if typenum == cnp.NPY_FLOAT32:
            fnn_gemm_pack_b_f32(&ctx, self.outputs, self.inputs,
                                <const float *>cnp.PyArray_DATA(weight), cs, rs,
                                <float *>self.panels)
        else:
            fnn_gemm_pack_b_f64(&ctx, self.outputs, self.inputs,
                                <const double *>cnp.PyArray_DATA(weight), cs, rs,
                                <double *>self.panels)

    def __dealloc__(self):
        fnn_free(self.panels)


def pack_linear(weight):
    """See :meth:`fastnn.backends.interface.Backend.pack_linear`."""
    cdef int typenum = float_type(weight)
    cdef cnp.ndarray w
    cdef ptrdiff_t rs, cs
    require_matrix(weight)
    w = matrices(weight, typenum)
    set_strides(w, &rs, &cs)
    return PackedWeight.__new__(PackedWeight, w, rs, cs, typenum)


def linear_packed(x, packed, bias):
    """See :meth:`fastnn.backends.interface.Backend.linear_packed`."""
    cdef PackedWeight weight = packed
    cdef int typenum = float_type(x)
    cdef cnp.ndarray a
    cdef ptrdiff_t a_rs, a_cs
    cdef fnn_ctx ctx = context()
    if typenum != weight.typenum:
        wrong_type(x, weight.typenum)
    require_matrix(x)
    a = matrices(x, typenum)
    if cnp.PyArray_DIM(a, 1) != weight.inputs:
        raise ValueError(f"a matrix of shape {x.shape} cannot be multiplied with a packed weight "
                         f"of {weight.inputs} inputs and {weight.outputs} outputs")
    set_strides(a, &a_rs, &a_cs)
    ctx.kernels = weight.kernels  # the panels are theirs, whatever was chosen since
    return multiply_by(ctx, a, a_rs, a_cs, <const char *>weight.panels, 0, 0, True,
                       cnp.PyArray_DIM(a, 0), weight.outputs, weight.inputs, bias, typenum,
                       False, None)
