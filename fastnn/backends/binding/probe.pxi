# Measures of the machine, for benchmarks: the caller times what these do.

cdef dict STREAMS = {
    "read": FNN_STREAM_READ,
    "write": FNN_STREAM_WRITE,
    "copy": FNN_STREAM_COPY,
    "double": FNN_STREAM_DOUBLE,
    "quadruple": FNN_STREAM_QUADRUPLE,
}


def fma_work(rounds, is_f64=False):
    """Run ``rounds`` of multiply-adds out of registers; returns their floating-point operations."""
    cdef fnn_ctx ctx = context()
    return fnn_fma_work_f64(&ctx, rounds) if is_f64 else fnn_fma_work_f32(&ctx, rounds)


def stream_work(stream, buffer, rounds):
    """Pass ``rounds`` times over a dense array; returns the bytes read plus those written.

    ``stream`` is ``"read"``, ``"write"`` (zeros), ``"copy"`` (first half to second half),
    ``"double"`` or ``"quadruple"`` (first part to the rest, each vector two or four times).

    Raises
    ------
    ValueError
        If there is no such stream, or the array is not dense and writable.
    """
    cdef fnn_ctx ctx = context()
    cdef int typenum = float_type(buffer)
    cdef cnp.ndarray a = buffer
    if stream not in STREAMS:
        raise ValueError(f"unknown stream {stream!r}; choose from {', '.join(STREAMS)}")
    if not cnp.PyArray_ISCARRAY(a):
        raise ValueError(f"expected a dense, writable array, got strides {buffer.strides} for "
                         f"shape {buffer.shape}")
    if typenum == cnp.NPY_FLOAT32:
        return fnn_stream_work_f32(&ctx, STREAMS[stream], cnp.PyArray_SIZE(a),
                                   <float *>cnp.PyArray_DATA(a), rounds)
    return fnn_stream_work_f64(&ctx, STREAMS[stream], cnp.PyArray_SIZE(a),
                               <double *>cnp.PyArray_DATA(a), rounds)
