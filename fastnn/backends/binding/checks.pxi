# "Is everything as it usually is?", in one call. A yes spares the rules of fastnn._shapes and
# their kin, which cost more than a small product; a no leaves it to them to say what is wrong.

# Dimensions whose product is far from overflowing.
cdef enum:
    MODERATE = 1 << 28


cdef inline bint is_float(object array):
    return isinstance(array, cnp.ndarray) and (
        cnp.PyArray_TYPE(<cnp.ndarray>array) == cnp.NPY_FLOAT32
        or cnp.PyArray_TYPE(<cnp.ndarray>array) == cnp.NPY_FLOAT64)


cdef inline bint same_type(cnp.ndarray a, cnp.ndarray b):
    return (cnp.PyArray_TYPE(a) == cnp.PyArray_TYPE(b) and PyArray_ISNOTSWAPPED(a)
            and PyArray_ISNOTSWAPPED(b))


cdef bint is_inner(object a, object b, int a_ndim, int b_ndim):
    """Whether they have so many dimensions, one floating type, and one length to sum over."""
    return (is_float(a) and is_float(b) and same_type(a, b)
            and cnp.PyArray_NDIM(<cnp.ndarray>a) == a_ndim
            and cnp.PyArray_NDIM(<cnp.ndarray>b) == b_ndim
            and cnp.PyArray_DIM(<cnp.ndarray>a, a_ndim - 1) == cnp.PyArray_DIM(<cnp.ndarray>b, 0))


def is_product(a, b):
    """Whether the arrays are (M, I) and (I, N) of one floating type, with a result of usual size."""
    return (is_inner(a, b, 2, 2) and cnp.PyArray_DIM(<cnp.ndarray>a, 0) <= MODERATE
            and cnp.PyArray_DIM(<cnp.ndarray>b, 1) <= MODERATE)


def is_matvec(a, b):
    """Whether the arrays are (M, I) and (I,) of one floating type."""
    return is_inner(a, b, 2, 1)


def is_dot(a, b):
    """Whether the arrays are (I,) and (I,) of one floating type."""
    return is_inner(a, b, 1, 1)


def is_batch_product(a, b):
    """Whether the arrays are (B, M, I) and (B, I, N) of one floating type."""
    return (is_float(a) and is_float(b) and same_type(a, b)
            and cnp.PyArray_NDIM(<cnp.ndarray>a) == 3 and cnp.PyArray_NDIM(<cnp.ndarray>b) == 3
            and cnp.PyArray_DIM(<cnp.ndarray>a, 0) == cnp.PyArray_DIM(<cnp.ndarray>b, 0)
            and cnp.PyArray_DIM(<cnp.ndarray>a, 2) == cnp.PyArray_DIM(<cnp.ndarray>b, 1))


def is_pair(a, b):
    """Whether the arrays have one floating type, and shapes that broadcast."""
    cdef int i, a_ndim, b_ndim
    cdef Py_ssize_t size
    if not is_float(a) or not is_float(b) or not same_type(a, b):
        return False
    a_ndim, b_ndim = cnp.PyArray_NDIM(<cnp.ndarray>a), cnp.PyArray_NDIM(<cnp.ndarray>b)
    for i in range(1, min(a_ndim, b_ndim) + 1):
        size = cnp.PyArray_DIM(<cnp.ndarray>a, a_ndim - i)
        if size != 1 and size != cnp.PyArray_DIM(<cnp.ndarray>b, b_ndim - i) != 1:
            return False
    return True


def is_linear(x, weight, bias=None):
    """Whether the arrays are (M, I), (N, I) and (N,), or None, of one floating type."""
    return (is_float(x) and is_float(weight) and same_type(x, weight)
            and cnp.PyArray_NDIM(<cnp.ndarray>x) == 2 and cnp.PyArray_NDIM(<cnp.ndarray>weight) == 2
            and cnp.PyArray_DIM(<cnp.ndarray>x, 1) == cnp.PyArray_DIM(<cnp.ndarray>weight, 1)
            and (bias is None or (
                is_float(bias) and same_type(x, bias) and cnp.PyArray_NDIM(<cnp.ndarray>bias) == 1
                and cnp.PyArray_DIM(<cnp.ndarray>bias, 0) == cnp.PyArray_DIM(<cnp.ndarray>weight, 0))))


cdef inline bint is_moderate(object number, Py_ssize_t least):
    """Whether it is an int, no less than ``least`` and far from overflowing."""
    cdef int overflow = 0
    cdef long value
    if not PyLong_CheckExact(number):
        return False
    value = PyLong_AsLongAndOverflow(number, &overflow)
    return overflow == 0 and least <= value <= MODERATE


cdef inline bint is_step(object pair, Py_ssize_t least):
    """Whether it is two of them."""
    return (type(pair) is tuple and len(<tuple>pair) == 2
            and is_moderate((<tuple>pair)[0], least) and is_moderate((<tuple>pair)[1], least))


def is_conv2d(x, weight, bias, stride, padding, dilation, groups):
    """Whether the arrays are (N, C, H, W), (K, C / groups, R, S) and (K,), or None, of one floating
    type, and the rest pairs of ints with a result of usual size."""
    cdef cnp.npy_intp *sizes
    cdef cnp.npy_intp *window
    cdef Py_ssize_t extent, i, parts
    cdef double count
    if not (is_float(x) and is_float(weight) and same_type(x, weight)
            and cnp.PyArray_NDIM(<cnp.ndarray>x) == 4 and cnp.PyArray_NDIM(<cnp.ndarray>weight) == 4
            and is_step(stride, 1) and is_step(padding, 0) and is_step(dilation, 1)
            and is_moderate(groups, 1)):
        return False
    sizes, window = cnp.PyArray_DIMS(<cnp.ndarray>x), cnp.PyArray_DIMS(<cnp.ndarray>weight)
    if bias is not None and not (
            is_float(bias) and same_type(x, bias) and cnp.PyArray_NDIM(<cnp.ndarray>bias) == 1
            and cnp.PyArray_DIM(<cnp.ndarray>bias, 0) == window[0]):
        return False
    parts = groups
    if window[1] * parts != sizes[1] or window[0] < parts or window[0] % parts:
        return False
    count = <double>sizes[0] * window[0]
    for i in range(2):
        if not (1 <= sizes[2 + i] <= MODERATE and 1 <= window[2 + i] <= MODERATE):
            return False
        extent = sizes[2 + i] + 2 * <Py_ssize_t>(<tuple>padding)[i]
        extent -= <Py_ssize_t>(<tuple>dilation)[i] * (window[2 + i] - 1) + 1
        if extent < 0:
            return False
        count *= extent // <Py_ssize_t>(<tuple>stride)[i] + 1
    return count <= <double>MODERATE * MODERATE


def is_classification(logits, target):
    """Whether the arrays are (N, C), floating, and (N,) of int64."""
    return (is_float(logits) and isinstance(target, cnp.ndarray)
            and cnp.PyArray_TYPE(<cnp.ndarray>target) == cnp.NPY_INT64
            and cnp.PyArray_NDIM(<cnp.ndarray>logits) == 2
            and cnp.PyArray_NDIM(<cnp.ndarray>target) == 1
            and cnp.PyArray_DIM(<cnp.ndarray>logits, 0) == cnp.PyArray_DIM(<cnp.ndarray>target, 0))


def is_alike(array, pattern):
    """Whether an array has the type and shape of another, and C can write to it directly."""
    return (isinstance(array, cnp.ndarray) and isinstance(pattern, cnp.ndarray)
            and same_type(array, pattern) and cnp.PyArray_SAMESHAPE(array, pattern)
            and cnp.PyArray_ISCARRAY(array))
