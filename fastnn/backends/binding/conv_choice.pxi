# What a pass of a convolution takes: the wish, the choice and its workspace.

cdef dict ALGORITHMS = {"auto": FNN_AUTO, "direct": FNN_DIRECT, "im2col": FNN_IM2COL,
                        "batch": FNN_BATCH, "winograd": FNN_WINOGRAD}
cdef dict PRECISIONS = {"fast": FNN_FAST, "strict": FNN_STRICT}

# A choice and its workspace take 0.4 us each, of a convolution of small images a tenth. So each
# thread remembers the problems met last: a slot for each value of a hash, and the newest stays.
cdef extern from *:
    """
    #include <string.h>

    typedef struct {
        fnn_conv2d_shape shape; /* of which the sizes count, not what is joined to the pass */
        fnn_ctx ctx;            /* with the choice; no kernels in an empty slot */
        unsigned long table;    /* of kernels, as they are counted */
        int pass, typenum;
        size_t bytes; /* of the workspace */
    } chosen_conv2d;

    enum { SIZES = offsetof(fnn_conv2d_shape, relu) / sizeof(ptrdiff_t), SLOTS = 64 };

    static chosen_conv2d *chosen_slot(const fnn_conv2d_shape *shape, int pass, int typenum) {
        static _Thread_local chosen_conv2d slots[SLOTS];
        const ptrdiff_t *sizes = (const ptrdiff_t *)shape;
        uint64_t hash = (uint64_t)(pass << 8 | typenum);
        for (int i = 0; i < SIZES; i++) hash = (hash ^ (uint64_t)sizes[i]) * 0x9E3779B97F4A7C15u;
        return &slots[(hash >> 32) % SLOTS];
    }

    static int is_chosen(const chosen_conv2d *slot, const chosen_conv2d *wanted) {
        const fnn_ctx *a = &slot->ctx, *b = &wanted->ctx;
        return a->kernels == b->kernels && slot->table == wanted->table &&
               slot->pass == wanted->pass && slot->typenum == wanted->typenum &&
               a->threads == b->threads && a->algorithm == b->algorithm &&
               a->precision == b->precision &&
               !memcmp(&slot->shape, &wanted->shape, SIZES * sizeof(ptrdiff_t));
    }
    """
    ctypedef struct chosen_conv2d:
        fnn_conv2d_shape shape
        fnn_ctx ctx
        unsigned long table
        int which "pass"
        int typenum
        size_t bytes
    chosen_conv2d *chosen_slot(const fnn_conv2d_shape *, int which, int typenum)
    bint is_chosen(const chosen_conv2d *, const chosen_conv2d *)


cdef fnn_ctx conv_wish(object algorithm, object precision) except *:
    """The context with what the caller wishes for, or the error that names what there is."""
    cdef fnn_ctx ctx = context()
    if algorithm not in ALGORITHMS:
        raise ValueError(f"unknown convolution algorithm {algorithm!r}; choose from "
                         f"{', '.join(ALGORITHMS)}")
    if precision not in PRECISIONS:
        raise ValueError(f"unknown convolution precision {precision!r}; choose from "
                         f"{', '.join(PRECISIONS)}")
    ctx.algorithm = ALGORITHMS[algorithm]
    ctx.precision = PRECISIONS[precision]
    return ctx


cdef fnn_ctx conv_context(object algorithm, object precision, const fnn_conv2d_shape *shape,
                          fnn_conv2d_pass which, int typenum, size_t *bytes) except *:
    """The context for one pass and the bytes of its workspace, or the error that names algorithm
    and shape."""
    cdef chosen_conv2d wanted
    cdef chosen_conv2d *slot = chosen_slot(shape, which, typenum)
    cdef bint is_f64 = typenum == cnp.NPY_FLOAT64
    wanted.shape, wanted.ctx = shape[0], conv_wish(algorithm, precision)
    wanted.table, wanted.which, wanted.typenum = kernel_tables, which, typenum
    if not is_chosen(slot, &wanted):
        if fnn_conv2d_choose(&wanted.ctx, shape, which, is_f64) == FNN_AUTO:
            raise RuntimeError(
                f"convolution algorithm {algorithm!r} cannot do input "
                f"({shape.n}, {shape.c}, {shape.h}, {shape.w}), weight ({shape.k}, "
                f"{shape.c // shape.groups}, {shape.r}, {shape.s}), stride "
                f"({shape.stride_h}, {shape.stride_w}), dilation "
                f"({shape.dilation_h}, {shape.dilation_w}), groups {shape.groups}")
        if is_f64:
            wanted.bytes = fnn_conv2d_workspace_f64(&wanted.ctx, shape, which)
        else:
            wanted.bytes = fnn_conv2d_workspace_f32(&wanted.ctx, shape, which)
        slot[0] = wanted
    bytes[0] = slot.bytes
    return slot.ctx
