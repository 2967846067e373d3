# The types that Cython may rely on in _plan.py.

cimport cython

from ..tensor cimport TensorState


cdef class Batch:
    cdef public list arrays
    cdef public list columns
    cdef public Py_ssize_t count
    cdef public bint first
    cdef public list grads
    cdef public list params
    cdef public object steps
    cdef public list targets

    cpdef bint begin(self)

    @cython.locals(param=TensorState)
    cpdef finish(self)


cdef class Plan:
    cdef list _cells
    cdef list _new_entries
    cdef list _new_states
    cdef list _rows
    cdef tuple _slots
    cdef public list batches
    cdef public bint uncommitted

    @cython.locals(
        new=bint, rows=list, row=tuple, cell=tuple, batch=Batch, i=Py_ssize_t, param=TensorState,
        tensor=TensorState, entry=TensorState, grads=list, entries=dict,
    )
    cpdef bint refresh(self, params, states, tuple slots)
