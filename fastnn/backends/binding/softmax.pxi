# Softmax and the cross-entropy that is fused with it.

cdef int fill_axis(fnn_axis_shape *shape, cnp.ndarray x, int axis) except -1:
    cdef int i
    if not 0 <= axis < cnp.PyArray_NDIM(x):
        raise ValueError(f"axis {axis} of an array of {cnp.PyArray_NDIM(x)} dimensions")
    shape.outer = shape.inner = 1
    shape.length = x.shape[axis]
    for i in range(axis):
        shape.outer *= x.shape[i]
    for i in range(axis + 1, cnp.PyArray_NDIM(x)):
        shape.inner *= x.shape[i]
    return 0


cdef cnp.ndarray softmax_forward(object array, int axis, bint logarithm):
    cdef int typenum = float_type(array)
    cdef cnp.ndarray x = dense(array, typenum)
    cdef cnp.ndarray y = new_like(x)
    cdef fnn_axis_shape shape
    cdef fnn_ctx ctx = context()
    cdef PyThreadState *state
    fill_axis(&shape, x, axis)
    state = release_gil(<double>cnp.PyArray_SIZE(x) * 4)
    if typenum == cnp.NPY_FLOAT32:
        fnn_softmax_f32(&ctx, &shape, logarithm, <const float *>cnp.PyArray_DATA(x),
                        <float *>cnp.PyArray_DATA(y))
    else:
        fnn_softmax_f64(&ctx, &shape, logarithm, <const double *>cnp.PyArray_DATA(x),
                        <double *>cnp.PyArray_DATA(y))
    restore_gil(state)
    return y


cdef cnp.ndarray softmax_gradient(object grad, object output, int axis, bint logarithm):
    cdef int typenum = float_type(grad)
    cdef cnp.ndarray dy = dense(grad, typenum)
    cdef cnp.ndarray y = dense(output, typenum)
    cdef cnp.ndarray dx = new_like(y)
    cdef fnn_axis_shape shape
    cdef fnn_ctx ctx = context()
    cdef PyThreadState *state
    if not cnp.PyArray_SAMESHAPE(dy, y):
        raise ValueError(f"grad has shape {grad.shape}, the output {output.shape}")
    fill_axis(&shape, y, axis)
    state = release_gil(<double>cnp.PyArray_SIZE(y) * 2)
    if typenum == cnp.NPY_FLOAT32:
        fnn_softmax_backward_f32(&ctx, &shape, logarithm, <const float *>cnp.PyArray_DATA(dy),
                                 <const float *>cnp.PyArray_DATA(y), <float *>cnp.PyArray_DATA(dx))
    else:
        fnn_softmax_backward_f64(&ctx, &shape, logarithm, <const double *>cnp.PyArray_DATA(dy),
                                 <const double *>cnp.PyArray_DATA(y),
                                 <double *>cnp.PyArray_DATA(dx))
    restore_gil(state)
    return dx


def softmax(x, axis):
    """See :meth:`fastnn.backends.interface.Backend.softmax`."""
    return softmax_forward(x, axis, False)


def softmax_backward(grad, y, axis):
    """See :meth:`fastnn.backends.interface.Backend.softmax_backward`."""
    return softmax_gradient(grad, y, axis, False)


def log_softmax(x, axis):
    """See :meth:`fastnn.backends.interface.Backend.log_softmax`."""
    return softmax_forward(x, axis, True)


def log_softmax_backward(grad, y, axis):
    """See :meth:`fastnn.backends.interface.Backend.log_softmax_backward`."""
    return softmax_gradient(grad, y, axis, True)


cdef int fill_loss(fnn_cross_entropy_shape *shape, cnp.ndarray logits, cnp.ndarray target,
                   cnp.ndarray weight, object ignore_index, double label_smoothing,
                   object reduction) except -1:
    if cnp.PyArray_NDIM(logits) != 2 or cnp.PyArray_NDIM(target) != 1 or (
            logits.shape[0] != target.shape[0]):
        raise ValueError(f"logits {(<object>logits).shape} do not go with targets "
                         f"{(<object>target).shape}")
    if weight is not None and cnp.PyArray_SIZE(weight) != logits.shape[1]:
        raise ValueError(f"{cnp.PyArray_SIZE(weight)} weights for {logits.shape[1]} classes")
    shape.rows, shape.classes = logits.shape[0], logits.shape[1]
    shape.ignore_index = ignore_index
    shape.label_smoothing = label_smoothing
    shape.bad_index = 0
    if reduction == "mean":
        shape.reduction = FNN_MEAN
    elif reduction == "sum":
        shape.reduction = FNN_SUM
    elif reduction == "none":
        shape.reduction = FNN_NONE
    else:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return 0


cdef inline const void *data_or_null(cnp.ndarray array) noexcept:  # called without the GIL
    if array is None:
        return NULL
    return cnp.PyArray_DATA(array)


def cross_entropy(logits, target, weight, ignore_index, label_smoothing, reduction):
    """See :meth:`fastnn.backends.interface.Backend.cross_entropy`."""
    cdef int typenum = float_type(logits)
    cdef cnp.ndarray x = dense(logits, typenum)
    cdef cnp.ndarray labels = dense(target, cnp.NPY_INT64)
    cdef cnp.ndarray w = None if weight is None else dense(weight, typenum)
    cdef cnp.ndarray loss, lse
    cdef fnn_cross_entropy_shape shape
    cdef fnn_ctx ctx = context()
    cdef fnn_status status
    cdef PyThreadState *state
    cdef size_t item = <size_t>cnp.PyArray_ITEMSIZE(x)
    cdef double divisor = 0.0
    fill_loss(&shape, x, labels, w, ignore_index, label_smoothing, reduction)
    loss = new_array(1 if shape.reduction == FNN_NONE else 0, cnp.PyArray_DIMS(x), typenum, item)
    lse = new_1d(shape.rows, typenum, item)
    state = release_gil(<double>cnp.PyArray_SIZE(x) * 4)
    if typenum == cnp.NPY_FLOAT32:
        status = fnn_cross_entropy_f32(
            &ctx, &shape, <const float *>cnp.PyArray_DATA(x),
            <const int64_t *>cnp.PyArray_DATA(labels), <const float *>data_or_null(w),
            <float *>cnp.PyArray_DATA(loss), <float *>cnp.PyArray_DATA(lse), &divisor)
    else:
        status = fnn_cross_entropy_f64(
            &ctx, &shape, <const double *>cnp.PyArray_DATA(x),
            <const int64_t *>cnp.PyArray_DATA(labels), <const double *>data_or_null(w),
            <double *>cnp.PyArray_DATA(loss), <double *>cnp.PyArray_DATA(lse), &divisor)
    restore_gil(state)
    if status == FNN_BAD_INDEX:
        raise IndexError(f"Target {shape.bad_index} is out of bounds.")
    if status != FNN_OK:
        failed(status, "cross_entropy")
    return loss, lse, divisor


def cross_entropy_backward(grad, logits, target, weight, ignore_index, label_smoothing, reduction,
                           lse, divisor):
    """See :meth:`fastnn.backends.interface.Backend.cross_entropy_backward`."""
    cdef int typenum = float_type(logits)
    cdef cnp.ndarray g = dense(grad, typenum)
    cdef cnp.ndarray x = dense(logits, typenum)
    cdef cnp.ndarray labels = dense(target, cnp.NPY_INT64)
    cdef cnp.ndarray w = None if weight is None else dense(weight, typenum)
    cdef cnp.ndarray logsumexp = dense(lse, typenum)
    cdef cnp.ndarray dx = new_like(x)
    cdef fnn_cross_entropy_shape shape
    cdef fnn_ctx ctx = context()
    cdef fnn_status status
    cdef PyThreadState *state
    cdef double total = divisor
    fill_loss(&shape, x, labels, w, ignore_index, label_smoothing, reduction)
    if (cnp.PyArray_SIZE(logsumexp) != shape.rows
            or cnp.PyArray_SIZE(g) != (shape.rows if shape.reduction == FNN_NONE else 1)):
        raise ValueError(f"grad {grad.shape} and lse {lse.shape} do not go with {logits.shape}")
    state = release_gil(<double>cnp.PyArray_SIZE(x) * 4)
    if typenum == cnp.NPY_FLOAT32:
        status = fnn_cross_entropy_backward_f32(
            &ctx, &shape, <const float *>cnp.PyArray_DATA(g), <const float *>cnp.PyArray_DATA(x),
            <const int64_t *>cnp.PyArray_DATA(labels), <const float *>data_or_null(w),
            <const float *>cnp.PyArray_DATA(logsumexp), total, <float *>cnp.PyArray_DATA(dx))
    else:
        status = fnn_cross_entropy_backward_f64(
            &ctx, &shape, <const double *>cnp.PyArray_DATA(g), <const double *>cnp.PyArray_DATA(x),
            <const int64_t *>cnp.PyArray_DATA(labels), <const double *>data_or_null(w),
            <const double *>cnp.PyArray_DATA(logsumexp), total, <double *>cnp.PyArray_DATA(dx))
    restore_gil(state)
    if status != FNN_OK:
        failed(status, "cross_entropy_backward")
    return dx
