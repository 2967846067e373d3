# The types that Cython may rely on in _engine.py.

cimport cython


cdef class Op:
    cdef public object backward
    cdef public object checks
    cdef public object forward
    cdef tuple found
    cdef public bint frees
    cdef public bint fresh
    cdef public object gate
    cdef public object gated
    cdef public object kernel
    cdef public object name
    cdef public object node_name
    cdef public bint reshapes
    cdef public tuple saves
    cdef public bint saves_output
    cdef public object unrecorded
    cdef public object uses
    cdef public bint view


cdef class Node:
    cdef object __weakref__
    cdef public object hooks
    cdef public tuple needs
    cdef public object op
    cdef public Py_ssize_t outputs
    cdef public object saved
    cdef public object seq
    cdef public object settings
    cdef public tuple targets
    cdef public tuple versions


cpdef bint grad_enabled() except -1


@cython.locals(
    pending=dict, leaves=dict, borrowed=set, heap=list, fresh=bint, passed=bint, alone=bint, held=Node, node=Node, i=Py_ssize_t,
    needs=tuple, counter=list,
)
cdef tuple _walk(tuple edges, tuple grads, bint retain, accumulate, set wanted, dict capture)


cdef _gate(tuple needs, tuple edges)
