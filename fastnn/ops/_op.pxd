# The types that Cython may rely on in _op.py.


cdef class Op:
    cdef public object backward
    cdef public object checks
    cdef public object forward
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
