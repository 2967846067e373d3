# Pooling.

cdef int fill_pool(fnn_pool_shape *shape, const cnp.npy_intp *images, size, bint backward,
                   tuple kernel_size, tuple stride, tuple padding, tuple dilation) except -1:
    """Sizes of x and of what becomes of its planes, or `backward` of gradients and of dx's planes."""
    shape.planes = images[0] * images[1]
    if backward:
        shape.h, shape.w = size
        shape.p, shape.q = images[2], images[3]
    else:
        shape.h, shape.w = images[2], images[3]
        shape.p, shape.q = size
    shape.r, shape.s = kernel_size
    shape.stride_h, shape.stride_w = stride
    shape.pad_h, shape.pad_w = padding
    shape.dilation_h, shape.dilation_w = dilation
    shape.count_include_pad = 1
    shape.divisor_override = 0
    if (shape.r < 1 or shape.s < 1 or shape.stride_h < 1 or shape.stride_w < 1 or shape.pad_h < 0
            or shape.pad_w < 0 or shape.dilation_h < 1 or shape.dilation_w < 1 or shape.p < 0
            or shape.q < 0):
        raise ValueError(f"impossible pooling: {(shape.h, shape.w)} -> {(shape.p, shape.q)}, "
                         f"kernel {kernel_size}, stride {stride}, padding {padding}, "
                         f"dilation {dilation}")
    return 0


cdef inline int require_images(cnp.ndarray array) except -1:
    if cnp.PyArray_NDIM(array) != 4:
        raise ValueError(f"expected a 4-dimensional array, got shape {(<object>array).shape}")
    return 0


cdef cnp.ndarray new_images(cnp.ndarray like, ptrdiff_t h, ptrdiff_t w, int typenum,
                            size_t itemsize):
    cdef cnp.npy_intp dims[4]
    dims[0], dims[1], dims[2], dims[3] = like.shape[0], like.shape[1], h, w
    return new_array(4, dims, typenum, itemsize)


def max_pool2d(x, kernel_size, stride, padding, dilation, out_size):
    """See :meth:`fastnn.backends.interface.Backend.max_pool2d`."""
    return maxima(x, kernel_size, stride, padding, dilation, out_size, POSITIONS)


def max_pool2d_recorded(x, kernel_size, stride, padding, dilation, out_size):
    """See :meth:`fastnn.backends.interface.Backend.max_pool2d_recorded`."""
    return maxima(x, kernel_size, stride, padding, dilation, out_size, WHATEVER)


def max_pool2d_values(x, kernel_size, stride, padding, dilation, out_size):
    """See :meth:`fastnn.backends.interface.Backend.max_pool2d_values`."""
    return maxima(x, kernel_size, stride, padding, dilation, out_size, NOTHING)


cdef enum Told:  # beside the maxima: where they are, or the bits that tell it where there are any
    NOTHING, POSITIONS, WHATEVER


cdef maxima(x, kernel_size, stride, padding, dilation, out_size, Told told):
    """With what is told beside them."""
    cdef int typenum = float_type(x)
    cdef cnp.ndarray a = dense(x, typenum)
    cdef cnp.ndarray y, index
    cdef int32_t *at = NULL
    cdef uint16_t *bits = NULL
    cdef ptrdiff_t words = 0
    cdef fnn_pool_shape shape
    cdef fnn_ctx ctx = context()
    cdef PyThreadState *state
    require_images(a)
    fill_pool(&shape, a.shape, out_size, False, kernel_size, stride, padding, dilation)
    if told == WHATEVER and typenum == cnp.NPY_FLOAT32:
        words = fnn_max_pool_words_f32(&ctx, &shape)
    if told != NOTHING and words == 0 and shape.h * shape.w > 2147483647:
        raise ValueError(f"a plane of {shape.h} x {shape.w} has more positions than int32")
    y = new_images(a, shape.p, shape.q, typenum, <size_t>cnp.PyArray_ITEMSIZE(a))
    if words:
        index = new_1d(shape.planes * words, cnp.NPY_UINT16, 2)
        bits = <uint16_t *>cnp.PyArray_DATA(index)
    elif told != NOTHING:
        index = new_images(a, shape.p, shape.q, cnp.NPY_INT32, 4)
        at = <int32_t *>cnp.PyArray_DATA(index)
    state = release_gil(<double>cnp.PyArray_SIZE(y) * shape.r * shape.s)
    if typenum == cnp.NPY_FLOAT32:
        fnn_max_pool_f32(&ctx, &shape, <const float *>cnp.PyArray_DATA(a),
                         <float *>cnp.PyArray_DATA(y), at, bits)
    else:
        fnn_max_pool_f64(&ctx, &shape, <const double *>cnp.PyArray_DATA(a),
                         <double *>cnp.PyArray_DATA(y), at, NULL)
    restore_gil(state)
    return y if told == NOTHING else (y, index)


def max_pool2d_backward(grad, index, in_size, gate=None):
    """See :meth:`fastnn.backends.interface.Backend.max_pool2d_backward`."""
    cdef int typenum = float_type(grad)
    cdef cnp.ndarray g = dense(grad, typenum)
    cdef cnp.ndarray where, dx, opening
    cdef const int32_t *at = NULL
    cdef const uint16_t *bits = NULL
    cdef const void *open_at = NULL
    cdef fnn_pool_shape shape
    cdef fnn_ctx ctx = context()
    cdef fnn_status status
    cdef PyThreadState *state
    require_images(g)
    if isinstance(index, cnp.ndarray) and cnp.PyArray_TYPE(<cnp.ndarray>index) == cnp.NPY_UINT16:
        where = dense(index, cnp.NPY_UINT16)
        bits = <const uint16_t *>cnp.PyArray_DATA(where)
        border = int(in_size[0] <= 2 * g.shape[2])
        fill_pool(&shape, g.shape, in_size, True, (3, 3), (2, 2), (border, border), (1, 1))
    else:
        where = dense(index, cnp.NPY_INT32)
        at = <const int32_t *>cnp.PyArray_DATA(where)
        if grad.shape != index.shape:
            raise ValueError(f"grad has shape {grad.shape}, index {index.shape}")
        fill_pool(&shape, g.shape, in_size, True, (1, 1), (1, 1), (0, 0), (1, 1))
    if bits != NULL and (fnn_pool_bits(&shape) == 0 or
                         shape.planes * fnn_pool_bits(&shape) != cnp.PyArray_SIZE(where)):
        raise ValueError(f"{index.shape} words of bits are not those of grad's shape {grad.shape} "
                         f"and planes of {in_size}")
    dx = new_images(g, shape.h, shape.w, typenum, <size_t>cnp.PyArray_ITEMSIZE(g))
    if gate is not None:
        opening = gate_like(gate, dx, typenum)
        open_at = cnp.PyArray_DATA(opening)
    state = release_gil(<double>cnp.PyArray_SIZE(dx))
    if typenum == cnp.NPY_FLOAT32:
        status = fnn_max_pool_backward_f32(
            &ctx, &shape, <const float *>cnp.PyArray_DATA(g),
            at, bits, <const float *>open_at, <float *>cnp.PyArray_DATA(dx))
    else:
        status = fnn_max_pool_backward_f64(
            &ctx, &shape, <const double *>cnp.PyArray_DATA(g),
            at, bits, <const double *>open_at, <double *>cnp.PyArray_DATA(dx))
    restore_gil(state)
    if status != FNN_OK:
        failed(status, "max_pool2d_backward")
    return dx


cdef int set_average(fnn_pool_shape *shape, bint count_include_pad, object divisor) except -1:
    shape.count_include_pad = count_include_pad
    shape.divisor_override = 0 if divisor is None else divisor
    if divisor is not None and divisor == 0:
        raise ValueError("divisor must be not zero")
    return 0


def avg_pool2d(x, kernel_size, stride, padding, out_size, count_include_pad, divisor_override):
    """See :meth:`fastnn.backends.interface.Backend.avg_pool2d`."""
    cdef int typenum = float_type(x)
    cdef cnp.ndarray a = dense(x, typenum)
    cdef cnp.ndarray y
    cdef fnn_pool_shape shape
    cdef fnn_ctx ctx = context()
    cdef PyThreadState *state
    require_images(a)
    fill_pool(&shape, a.shape, out_size, False, kernel_size, stride, padding, (1, 1))
    set_average(&shape, count_include_pad, divisor_override)
    y = new_images(a, shape.p, shape.q, typenum, <size_t>cnp.PyArray_ITEMSIZE(a))
    state = release_gil(<double>cnp.PyArray_SIZE(y) * shape.r * shape.s)
    if typenum == cnp.NPY_FLOAT32:
        fnn_avg_pool_f32(&ctx, &shape, <const float *>cnp.PyArray_DATA(a),
                         <float *>cnp.PyArray_DATA(y))
    else:
        fnn_avg_pool_f64(&ctx, &shape, <const double *>cnp.PyArray_DATA(a),
                         <double *>cnp.PyArray_DATA(y))
    restore_gil(state)
    return y


def avg_pool2d_backward(grad, in_size, kernel_size, stride, padding, count_include_pad,
                        divisor_override):
    """See :meth:`fastnn.backends.interface.Backend.avg_pool2d_backward`."""
    cdef int typenum = float_type(grad)
    cdef cnp.ndarray g = dense(grad, typenum)
    cdef cnp.ndarray dx
    cdef fnn_pool_shape shape
    cdef fnn_ctx ctx = context()
    cdef PyThreadState *state
    require_images(g)
    fill_pool(&shape, g.shape, in_size, True, kernel_size, stride, padding, (1, 1))
    set_average(&shape, count_include_pad, divisor_override)
    dx = new_images(g, shape.h, shape.w, typenum, <size_t>cnp.PyArray_ITEMSIZE(g))
    state = release_gil(<double>cnp.PyArray_SIZE(g) * shape.r * shape.s)
    if typenum == cnp.NPY_FLOAT32:
        fnn_avg_pool_backward_f32(&ctx, &shape, <const float *>cnp.PyArray_DATA(g),
                                  <float *>cnp.PyArray_DATA(dx))
    else:
        fnn_avg_pool_backward_f64(&ctx, &shape, <const double *>cnp.PyArray_DATA(g),
                                  <double *>cnp.PyArray_DATA(dx))
    restore_gil(state)
    return dx
