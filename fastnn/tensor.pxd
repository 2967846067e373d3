# The types that Cython may rely on in tensor.py.

cimport cython

from ._engine cimport Node, Op, grad_enabled


cdef class TensorState:
    cdef list _counter
    cdef public object _data
    cdef public object _edge
    cdef public object _grad
    cdef public object _hooks
    cdef public bint _requires_grad
    cdef public tuple _view


cdef TensorState _blank(type cls)

@cython.locals(t=TensorState)
cpdef wrap(array)

cdef list _version_of(TensorState t)

cpdef bump(TensorState t)

@cython.locals(s=TensorState, t=TensorState)
cpdef apply_if(usual, Op op, a, b, c=*)

@cython.locals(a=TensorState)
cpdef apply_made(Op op, source, out, saved)

cdef bint _to_record(TensorState t) except -1

@cython.locals(a=TensorState, unneeded=bint)
cdef _apply_to_one(Op op, tuple tensors, tuple params)

@cython.locals(a=TensorState, b=TensorState, need_a=bint, need_b=bint)
cdef _apply_to_two(Op op, tuple tensors, tuple params)

@cython.locals(
    a=TensorState, b=TensorState, c=TensorState, need_a=bint, need_b=bint, need_c=bint,
    unneeded=bint,
)
cdef _apply_to_three(Op op, tuple tensors, tuple params)

cdef _apply_to_many(Op op, tuple tensors, tuple params)

@cython.locals(t=TensorState)
cdef tuple _needs(tuple tensors)

@cython.locals(t=TensorState)
cdef tuple _targets(tuple tensors)

cdef Node _node(Op op, tuple needs, tuple targets, saved, now)

@cython.locals(node=Node, result=TensorState, source=TensorState, base=tuple)
cdef _recorded(Op op, tuple tensors, tuple needs, tuple targets, saved, out, now)

@cython.locals(found=list, t=TensorState, counter=list)
cdef tuple _versions(Op op, tuple tensors, tuple needs, TensorState result, out)

cdef _several(Op op, tuple tensors, tuple outs, Node node)

cdef _kernel(Op op)

@cython.locals(result=TensorState)
cdef _unrecorded(Op op, TensorState source, out)

@cython.locals(base=tuple)
cdef _share(TensorState view, TensorState source)

@cython.locals(base=TensorState)
cpdef refresh(TensorState t)
