# Arrays in and out: operands made readable for C, results allocated, the GIL, the workspace.

cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        pass
    PyThreadState *PyEval_SaveThread()
    void PyEval_RestoreThread(PyThreadState *)

cdef extern from "numpy/arrayobject.h":
    bint PyArray_ISCARRAY_RO(cnp.ndarray) nogil
    bint PyArray_ISALIGNED(cnp.ndarray) nogil
    bint PyArray_ISNOTSWAPPED(cnp.ndarray) nogil
    bint PyArray_ISWRITEABLE(cnp.ndarray) nogil


# Results from here on are line-aligned blocks of the recycled kind: np.empty puts large blocks
# 16 bytes past a line, which splits every vector access.
cdef enum:
    ALIGNED_FROM = 4096

# Work above which the GIL is released, in elementary steps: some 20 microseconds.
cdef enum:
    GIL_WORK = 400_000


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Block:
    """Owner of a result's memory: gives it back when the last view has died."""

    cdef void *data
    cdef size_t capacity

    def __dealloc__(self):
        if self.data != NULL:
            fnn_recycle(self.data, self.capacity)


cdef cnp.ndarray new_array(int ndim, const cnp.npy_intp *dims, int typenum, size_t itemsize):
    cdef size_t bytes = itemsize
    cdef Block block
    cdef cnp.ndarray array
    cdef int i
    for i in range(ndim):
        bytes *= <size_t>dims[i]
    if bytes < ALIGNED_FROM:
        return cnp.PyArray_SimpleNew(ndim, <cnp.npy_intp *>dims, typenum)
    block = Block.__new__(Block)
    block.data = fnn_acquire(bytes, &block.capacity)
    if block.data == NULL:  # NumPy may still find the memory, or says what is missing
        return cnp.PyArray_SimpleNew(ndim, <cnp.npy_intp *>dims, typenum)
    array = cnp.PyArray_SimpleNewFromData(ndim, <cnp.npy_intp *>dims, typenum, block.data)
    cnp.set_array_base(array, block)
    return array


def empty_array(tuple shape, dtype):
    """An unset array for a tensor of these sizes, in memory like that of results."""
    cdef cnp.npy_intp dims[64]
    cdef Py_ssize_t i, ndim = len(shape)
    if ndim > 64:
        raise ValueError(f"an array has at most 64 dimensions, not {ndim}")
    for i in range(ndim):
        dims[i] = shape[i]
    return new_array(<int>ndim, dims, dtype.num, dtype.itemsize)


cdef inline cnp.ndarray new_like(cnp.ndarray array):
    return new_array(cnp.PyArray_NDIM(array), cnp.PyArray_DIMS(array), cnp.PyArray_TYPE(array),
                     <size_t>cnp.PyArray_ITEMSIZE(array))


cdef cnp.ndarray gate_like(object gate, cnp.ndarray array, int typenum):
    """The result of a ReLU whose gradient is taken with that of what follows."""
    cdef cnp.ndarray found = dense(gate, typenum)
    if cnp.PyArray_SIZE(found) != cnp.PyArray_SIZE(array):
        raise ValueError(f"gate has shape {gate.shape}, not {(<object>array).shape}")
    return found


cdef inline cnp.ndarray new_1d(Py_ssize_t length, int typenum, size_t itemsize):
    cdef cnp.npy_intp dim = length
    return new_array(1, &dim, typenum, itemsize)


cdef int wrong_type(object array, int typenum) except -1:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected a NumPy array, got {type(array).__name__}")
    if typenum == cnp.NPY_NOTYPE:
        raise TypeError(f"kernels take float32 or float64 arrays, got {array.dtype}")
    expected = np.dtype(np.float64 if typenum == cnp.NPY_FLOAT64 else np.float32)
    raise TypeError(f"arrays of one call share one dtype: expected {expected}, got {array.dtype}")


cdef inline int float_type(object array) except -1:
    """The type number of a float32 or float64 array, else TypeError."""
    cdef int typenum
    if not isinstance(array, cnp.ndarray):
        if isinstance(array, np.floating):  # NumPy makes scalars of 0-d results
            return float_type(np.asarray(array))
        return wrong_type(array, cnp.NPY_NOTYPE)
    typenum = cnp.PyArray_TYPE(<cnp.ndarray>array)
    if typenum != cnp.NPY_FLOAT32 and typenum != cnp.NPY_FLOAT64:
        return wrong_type(array, cnp.NPY_NOTYPE)
    return typenum


cdef inline cnp.ndarray dense(object array, int typenum):
    """The array itself if C can read it as dense elements of that type, else a dense copy."""
    if not isinstance(array, cnp.ndarray) and isinstance(array, np.floating):
        array = np.asarray(array)
    if not isinstance(array, cnp.ndarray) or cnp.PyArray_TYPE(<cnp.ndarray>array) != typenum:
        wrong_type(array, typenum)
    if PyArray_ISCARRAY_RO(<cnp.ndarray>array):
        return <cnp.ndarray>array
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)


cdef inline cnp.ndarray matrices(object array, int typenum):
    """The array itself if C can read its last two axes by strides, else a dense copy."""
    cdef cnp.ndarray a
    cdef int ndim
    cdef Py_ssize_t item, rows, columns
    if not isinstance(array, cnp.ndarray) or cnp.PyArray_TYPE(<cnp.ndarray>array) != typenum:
        wrong_type(array, typenum)
    a = <cnp.ndarray>array
    ndim = cnp.PyArray_NDIM(a)
    item = cnp.PyArray_ITEMSIZE(a)
    rows = cnp.PyArray_STRIDE(a, ndim - 2)
    columns = cnp.PyArray_STRIDE(a, ndim - 1)
    if (PyArray_ISALIGNED(a) and PyArray_ISNOTSWAPPED(a) and rows >= 0 and columns >= 0
            and rows % item == 0 and columns % item == 0 and (rows == item or columns == item)):
        return a
    return np.array(a, dtype=array.dtype.newbyteorder("="), order="C", copy=True)


cdef inline void *workspace_of(size_t bytes) except? NULL:
    cdef void *workspace = fnn_workspace(bytes)
    if workspace == NULL and bytes > 0:
        raise MemoryError(f"cannot allocate a workspace of {bytes} bytes")
    return workspace


cdef inline PyThreadState *release_gil(double work):
    """Lets other Python threads run during long work; pass the result to restore_gil."""
    if work > GIL_WORK:
        return PyEval_SaveThread()
    return NULL


cdef inline void restore_gil(PyThreadState *state):
    if state != NULL:
        PyEval_RestoreThread(state)


cdef int failed(fnn_status status, object what) except -1:
    """The one place where a driver's status becomes an exception."""
    if status == FNN_UNSUPPORTED:
        raise RuntimeError(f"{what}: the forced algorithm cannot do this shape")
    if status == FNN_BAD_INDEX:
        raise IndexError(f"{what}: an index is out of range")
    raise RuntimeError(f"{what}: unexpected status {<int>status}")
