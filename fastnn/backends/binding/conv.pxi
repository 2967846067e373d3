# Convolution.

cdef double MOST_PADDED = 2.0**50  # elements


cdef int fill_conv(fnn_conv2d_shape *shape, cnp.ndarray x, cnp.ndarray weight, tuple stride,
                   tuple padding, tuple dilation, Py_ssize_t groups) except -1:
    """Sizes from the arrays; the output's size from the rule p = (h + pad - extent) / stride + 1."""
    cdef ptrdiff_t reach_h, reach_w, tall, wide
    if cnp.PyArray_NDIM(x) != 4 or cnp.PyArray_NDIM(weight) != 4:
        raise ValueError(f"expected 4-dimensional arrays, got shapes {(<object>x).shape} "
                         f"and {(<object>weight).shape}")
    shape.n, shape.c, shape.h, shape.w = x.shape[0], x.shape[1], x.shape[2], x.shape[3]
    shape.k, shape.r, shape.s = weight.shape[0], weight.shape[2], weight.shape[3]
    shape.stride_h, shape.stride_w = stride
    shape.pad_top, shape.pad_bottom, shape.pad_left, shape.pad_right = padding
    shape.dilation_h, shape.dilation_w = dilation
    shape.groups = groups
    shape.relu = 0
    shape.gate = NULL
    if (groups < 1 or shape.c != weight.shape[1] * groups or shape.k % groups
            or shape.stride_h < 1 or shape.stride_w < 1 or shape.dilation_h < 1
            or shape.dilation_w < 1 or shape.r < 1 or shape.s < 1 or shape.pad_top < 0
            or shape.pad_bottom < 0 or shape.pad_left < 0 or shape.pad_right < 0):
        raise ValueError(f"impossible convolution: {(<object>x).shape} with "
                         f"{(<object>weight).shape}, stride {stride}, padding {padding}, "
                         f"dilation {dilation}, groups {groups}")
    reach_h = shape.h + shape.pad_top + shape.pad_bottom - shape.dilation_h * (shape.r - 1) - 1
    reach_w = shape.w + shape.pad_left + shape.pad_right - shape.dilation_w * (shape.s - 1) - 1
    if reach_h < 0 or reach_w < 0:
        raise ValueError(f"the kernel {(<object>weight).shape} is larger than the padded input "
                         f"{(<object>x).shape}")
    shape.p = reach_h // shape.stride_h + 1
    shape.q = reach_w // shape.stride_w + 1
    # a step that nothing takes is no reason for phases
    shape.stride_h = min(shape.stride_h, reach_h + 1)
    shape.stride_w = min(shape.stride_w, reach_w + 1)
    if shape.r == 1:
        shape.dilation_h = 1
    if shape.s == 1:
        shape.dilation_w = 1
    # plans count bytes of padded planes as integers, also where another algorithm then runs
    tall = shape.h + shape.pad_top + shape.pad_bottom
    wide = shape.w + shape.pad_left + shape.pad_right
    if <double>shape.n * shape.c * tall * wide > MOST_PADDED:
        raise MemoryError(f"cannot allocate {shape.n} x {shape.c} padded planes of "
                          f"{tall} x {wide} elements")
    return 0


cdef inline double conv_work(const fnn_conv2d_shape *shape):
    return (<double>shape.n * shape.k * shape.p * shape.q * (shape.c // shape.groups)
            * shape.r * shape.s / 8)


def conv2d(x, weight, bias, stride, padding, dilation, groups, algorithm="auto",
           precision="fast", relu=False):
    """See :meth:`fastnn.backends.interface.Backend.conv2d`."""
    cdef int typenum = float_type(x)
    cdef cnp.ndarray a = dense(x, typenum)
    cdef cnp.ndarray w = dense(weight, typenum)
    cdef cnp.ndarray y, offset
    cdef const void *b = NULL
    cdef fnn_conv2d_shape shape
    cdef cnp.npy_intp dims[4]
    cdef fnn_status status
    cdef PyThreadState *state
    cdef void *workspace
    cdef size_t bytes
    fill_conv(&shape, a, w, stride, padding, dilation, groups)
    shape.relu = bool(relu)
    cdef fnn_ctx ctx = conv_context(algorithm, precision, &shape, FNN_FORWARD, typenum, &bytes)
    if bias is not None:
        offset = dense(bias, typenum)
        if cnp.PyArray_SIZE(offset) != shape.k:
            raise ValueError(f"bias has {cnp.PyArray_SIZE(offset)} elements, not {shape.k}")
        b = cnp.PyArray_DATA(offset)
    dims[0], dims[1], dims[2], dims[3] = shape.n, shape.k, shape.p, shape.q
    y = new_array(4, dims, typenum, <size_t>cnp.PyArray_ITEMSIZE(a))
    workspace = workspace_of(bytes)
    if typenum == cnp.NPY_FLOAT32:
        state = release_gil(conv_work(&shape))
        status = fnn_conv2d_forward_f32(
            &ctx, &shape, <const float *>cnp.PyArray_DATA(a), <const float *>cnp.PyArray_DATA(w),
            <const float *>b, <float *>cnp.PyArray_DATA(y), workspace)
    else:
        state = release_gil(conv_work(&shape))
        status = fnn_conv2d_forward_f64(
            &ctx, &shape, <const double *>cnp.PyArray_DATA(a), <const double *>cnp.PyArray_DATA(w),
            <const double *>b, <double *>cnp.PyArray_DATA(y), workspace)
    restore_gil(state)
    if status != FNN_OK:
        failed(status, "conv2d")
    return y


cdef cnp.ndarray conv_backward_data(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    cnp.ndarray g, cnp.ndarray a, cnp.ndarray w, int typenum,
                                    size_t bytes):
    cdef cnp.ndarray dx = new_like(a)
    cdef void *workspace = workspace_of(bytes)
    cdef fnn_status status
    cdef PyThreadState *state
    if typenum == cnp.NPY_FLOAT32:
        state = release_gil(conv_work(shape))
        status = fnn_conv2d_backward_data_f32(
            ctx, shape, <const float *>cnp.PyArray_DATA(g), <const float *>cnp.PyArray_DATA(w),
            <float *>cnp.PyArray_DATA(dx), workspace)
    else:
        state = release_gil(conv_work(shape))
        status = fnn_conv2d_backward_data_f64(
            ctx, shape, <const double *>cnp.PyArray_DATA(g), <const double *>cnp.PyArray_DATA(w),
            <double *>cnp.PyArray_DATA(dx), workspace)
    restore_gil(state)
    if status != FNN_OK:
        failed(status, "conv2d_backward")
    return dx


cdef cnp.ndarray conv_backward_weight(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      cnp.ndarray g, cnp.ndarray a, cnp.ndarray w, void *db,
                                      int typenum, size_t bytes):
    cdef cnp.ndarray dw = new_like(w)
    cdef void *workspace = workspace_of(bytes)
    cdef fnn_status status
    cdef PyThreadState *state
    if typenum == cnp.NPY_FLOAT32:
        state = release_gil(conv_work(shape))
        status = fnn_conv2d_backward_weight_f32(
            ctx, shape, <const float *>cnp.PyArray_DATA(g), <const float *>cnp.PyArray_DATA(a),
            <float *>cnp.PyArray_DATA(dw), <float *>db, workspace)
    else:
        state = release_gil(conv_work(shape))
        status = fnn_conv2d_backward_weight_f64(
            ctx, shape, <const double *>cnp.PyArray_DATA(g), <const double *>cnp.PyArray_DATA(a),
            <double *>cnp.PyArray_DATA(dw), <double *>db, workspace)
    restore_gil(state)
    if status != FNN_OK:
        failed(status, "conv2d_backward")
    return dw


cdef void conv_backward_bias(const fnn_conv2d_shape *shape, cnp.ndarray g, cnp.ndarray db,
                             int typenum):
    cdef fnn_ctx ctx = context()
    cdef PyThreadState *state = release_gil(<double>cnp.PyArray_SIZE(g) / 4)
    if typenum == cnp.NPY_FLOAT32:
        fnn_conv2d_backward_bias_f32(&ctx, shape, <const float *>cnp.PyArray_DATA(g),
                                     <float *>cnp.PyArray_DATA(db))
    else:
        fnn_conv2d_backward_bias_f64(&ctx, shape, <const double *>cnp.PyArray_DATA(g),
                                     <double *>cnp.PyArray_DATA(db))
    restore_gil(state)


def conv2d_backward(grad, x, weight, stride, padding, dilation, groups, needs, algorithm="auto",
                    precision="fast", gate=None):
    """See :meth:`fastnn.backends.interface.Backend.conv2d_backward`."""
    cdef int typenum = float_type(grad)
    cdef cnp.ndarray g = dense(grad, typenum)
    cdef cnp.ndarray a = dense(x, typenum)
    cdef cnp.ndarray w = dense(weight, typenum)
    cdef cnp.ndarray opening
    cdef fnn_conv2d_shape shape
    fill_conv(&shape, a, w, stride, padding, dilation, groups)
    if (<object>g).shape != (shape.n, shape.k, shape.p, shape.q):
        raise ValueError(f"grad has shape {(<object>g).shape}, not "
                         f"{(shape.n, shape.k, shape.p, shape.q)}")
    cdef fnn_ctx ctx
    cdef cnp.ndarray sums
    cdef void *summed = NULL
    cdef size_t bytes
    dx = dw = db = None
    if needs[0]:
        ctx = conv_context(algorithm, precision, &shape, FNN_BACKWARD_DATA, typenum, &bytes)
        if gate is not None:
            opening = gate_like(gate, a, typenum)
            shape.gate = cnp.PyArray_DATA(opening)
        dx = conv_backward_data(&ctx, &shape, g, a, w, typenum, bytes)
    if needs[2]:
        db = sums = new_1d(shape.k, typenum, <size_t>cnp.PyArray_ITEMSIZE(g))
        summed = cnp.PyArray_DATA(sums)
    if needs[1]:
        ctx = conv_context(algorithm, precision, &shape, FNN_BACKWARD_WEIGHT, typenum, &bytes)
        dw = conv_backward_weight(&ctx, &shape, g, a, w, summed, typenum, bytes)
    elif needs[2]:
        conv_backward_bias(&shape, g, sums, typenum)
    return dx, dw, db
