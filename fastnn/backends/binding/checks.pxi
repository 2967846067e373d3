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


def is_product(a, b):
    """Whether the arrays are (M, I) and (I, N) of one floating type, with a result of usual size."""
    return (is_float(a) and is_float(b) and same_type(a, b)
            and cnp.PyArray_NDIM(<cnp.ndarray>a) == 2 and cnp.PyArray_NDIM(<cnp.ndarray>b) == 2
            and cnp.PyArray_DIM(<cnp.ndarray>a, 1) == cnp.PyArray_DIM(<cnp.ndarray>b, 0)
            and cnp.PyArray_DIM(<cnp.ndarray>a, 0) <= MODERATE
            and cnp.PyArray_DIM(<cnp.ndarray>b, 1) <= MODERATE)


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
