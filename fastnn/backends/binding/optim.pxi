# Optimiser steps: one call over all parameters of a group.

from libc.stdlib cimport free, malloc


cdef class PointerTable:
    """Rows of data pointers and a row of sizes for lists of arrays that C updates in place."""

    cdef void **pointers
    cdef ptrdiff_t *sizes
    cdef Py_ssize_t count
    cdef int typenum
    cdef list kept  # dense copies of gradients must outlive the call

    def __cinit__(self, list params, int rows):
        self.count = len(params)
        self.typenum = float_type(params[0])
        self.kept = []
        self.pointers = <void **>malloc((rows * sizeof(void *) + sizeof(ptrdiff_t)) * self.count)
        if self.pointers == NULL:
            raise MemoryError(f"cannot allocate a table for {self.count} parameters")
        self.sizes = <ptrdiff_t *>(self.pointers + rows * self.count)

    def __dealloc__(self):
        free(self.pointers)

    cdef void **row(self, int which, list arrays, list params, bint written) except NULL:
        """Fills row ``which``; arrays that C writes must be dense themselves."""
        cdef void **target = self.pointers + which * self.count
        cdef Py_ssize_t i
        cdef cnp.ndarray array
        if len(arrays) != self.count:
            raise ValueError(f"{len(arrays)} arrays for {self.count} parameters")
        for i in range(self.count):
            array = dense(arrays[i], self.typenum)
            if array is not arrays[i]:
                if written:
                    raise ValueError("an array updated in place must be C-contiguous and aligned")
                self.kept.append(array)
            if written and not cnp.PyArray_ISWRITEABLE(array):
                raise ValueError("assignment destination is read-only")
            if not cnp.PyArray_SAMESHAPE(array, <cnp.ndarray>params[i]):
                raise ValueError(f"array {i} has shape {arrays[i].shape}, its parameter "
                                 f"{params[i].shape}")
            target[i] = cnp.PyArray_DATA(array)
            self.sizes[i] = cnp.PyArray_SIZE(array)
        return target

    cdef double work(self):
        cdef double total = 0
        cdef Py_ssize_t i
        for i in range(self.count):
            total += self.sizes[i]
        return 2 * total


def sgd_step(params, grads, momentum_buffers, *, first, lr, momentum, dampening, weight_decay,
             nesterov, maximize):
    """See :meth:`fastnn.backends.interface.Backend.sgd_step`."""
    cdef PointerTable table
    cdef void **p
    cdef void **g
    cdef void **m = NULL
    cdef fnn_sgd sgd
    cdef fnn_ctx ctx = context()
    cdef PyThreadState *state
    if not params:
        return
    table = PointerTable(params, 3)
    p = table.row(0, params, params, True)
    g = table.row(1, grads, params, False)
    if momentum_buffers is not None:
        m = table.row(2, momentum_buffers, params, True)
    elif momentum != 0:
        raise ValueError(f"momentum {momentum} without buffers")
    sgd.lr, sgd.momentum, sgd.dampening, sgd.weight_decay = lr, momentum, dampening, weight_decay
    sgd.nesterov, sgd.maximize, sgd.first = nesterov, maximize, first
    state = release_gil(table.work())
    if table.typenum == cnp.NPY_FLOAT32:
        fnn_sgd_step_f32(&ctx, &sgd, table.count, table.sizes, <float **>p, <const float **>g,
                         <float **>m)
    else:
        fnn_sgd_step_f64(&ctx, &sgd, table.count, table.sizes, <double **>p, <const double **>g,
                         <double **>m)
    restore_gil(state)


def adam_step(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, *, step, lr, beta1, beta2,
              eps, weight_decay, decoupled, maximize):
    """See :meth:`fastnn.backends.interface.Backend.adam_step`."""
    cdef PointerTable table
    cdef void **p
    cdef void **g
    cdef void **m
    cdef void **v
    cdef void **v_max = NULL
    cdef fnn_adam adam
    cdef fnn_ctx ctx = context()
    cdef PyThreadState *state
    if not params:
        return
    table = PointerTable(params, 5)
    p = table.row(0, params, params, True)
    g = table.row(1, grads, params, False)
    m = table.row(2, exp_avgs, params, True)
    v = table.row(3, exp_avg_sqs, params, True)
    if max_exp_avg_sqs is not None:
        v_max = table.row(4, max_exp_avg_sqs, params, True)
    adam.lr, adam.beta1, adam.beta2, adam.eps = lr, beta1, beta2, eps
    adam.weight_decay, adam.step = weight_decay, step
    adam.decoupled, adam.maximize, adam.amsgrad = decoupled, maximize, v_max != NULL
    state = release_gil(table.work())
    if table.typenum == cnp.NPY_FLOAT32:
        fnn_adam_step_f32(&ctx, &adam, table.count, table.sizes, <float **>p, <const float **>g,
                          <float **>m, <float **>v, <float **>v_max)
    else:
        fnn_adam_step_f64(&ctx, &adam, table.count, table.sizes, <double **>p, <const double **>g,
                          <double **>m, <double **>v, <double **>v_max)
    restore_gil(state)
