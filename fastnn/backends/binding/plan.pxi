# What a convolution would do, told without computing it.

cdef dict PASSES = {"forward": FNN_FORWARD, "input": FNN_BACKWARD_DATA,
                    "weight": FNN_BACKWARD_WEIGHT}


cdef object text_of(const char *text):
    return None if text == NULL else text.decode()


def conv2d_plan(x_shape, weight_shape, stride, padding, dilation, groups, which, dtype="float32",
                algorithm="auto", precision="fast"):
    """Describe one pass of a convolution over arrays of these shapes.

    ``which`` is ``"forward"``, ``"input"`` or ``"weight"`` (the gradients of these). Returns a
    dict: ``algorithm`` (None if the forced one cannot do the shape), ``reason``, ``workspace``
    in bytes, ``kernel``, ``sizes`` by name, ``share`` of the multiply-add lanes that the
    kernel fills (None if unknown) and ``basis`` of that. The other arguments are those of
    :meth:`fastnn.backends.interface.Backend.conv2d`.

    Raises
    ------
    ValueError
        For an unknown pass or algorithm, or shapes that do not go together.
    """
    cdef fnn_conv2d_shape shape
    cdef fnn_conv2d_plan plan
    cdef fnn_ctx ctx = conv_wish(algorithm, precision)
    zero = np.zeros((), dtype)
    cdef int typenum = float_type(zero)
    if which not in PASSES:
        raise ValueError(f"unknown pass {which!r}; choose from {', '.join(PASSES)}")
    fill_conv(&shape, np.broadcast_to(zero, x_shape), np.broadcast_to(zero, weight_shape), stride,
              padding, dilation, groups)
    if typenum == cnp.NPY_FLOAT32:
        fnn_conv2d_describe_f32(&ctx, &shape, PASSES[which], &plan)
    else:
        fnn_conv2d_describe_f64(&ctx, &shape, PASSES[which], &plan)
    names = {value: key for key, value in ALGORITHMS.items() if value != FNN_AUTO}
    return {
        "algorithm": names.get(plan.algorithm),
        "reason": text_of(plan.reason),
        "workspace": plan.workspace,
        "kernel": text_of(plan.kernel),
        "sizes": {plan.note[i].name.decode(): plan.note[i].value for i in range(plan.notes)},
        "share": plan.share if plan.share > 0 else None,
        "basis": text_of(plan.basis),
    }
