/* What a shape's `relu` and `gate` ask for, done to results while they are still in the caches.
 * For a driver that has included kernels/kernels.h. */

typedef struct FN(finishing) {
    int relu;
    const real *gate;
    real *dst; /* of the whole pass */
} FN(finishing);

FNN_INLINE FN(finishing) FN(finishing_of)(const fnn_conv2d_shape *s, real *dst) {
    return (FN(finishing)){s->relu, s->gate, dst};
}

/* `planes` planes of `plane` elements, of each `rows` rows of `cols` of `pitch` elements. */
typedef struct FN(region) {
    ptrdiff_t planes, plane, rows, cols, pitch;
} FN(region);

/* The region whose first element is dst[at]; what is finished already may be finished again. */
static void FN(finish)(const FN(fnn_table) *kernels, const FN(finishing) *how, FN(region) region,
                       ptrdiff_t at) {
    if (!how->relu && !how->gate) return;
    if (region.cols == region.pitch) region.cols *= region.rows, region.rows = 1;
    if (region.cols == region.plane && region.rows == 1)
        region.cols *= region.planes, region.planes = 1;
    /* exact, as on its own: the drivers' arithmetic takes tiny numbers for zero */
    const fnn_fpstate state = fnn_fp_get();
    fnn_fp_set(state & ~(fnn_fpstate)FNN_FP_FLUSH);
    for (ptrdiff_t i = 0; i < region.planes; i++, at += region.plane) {
        for (ptrdiff_t row = 0; row < region.rows; row++) {
            const ptrdiff_t from = at + row * region.pitch;
            if (how->relu) kernels->relu(region.cols, how->dst + from, how->dst + from);
            if (how->gate)
                kernels->relu_backward(region.cols, how->dst + from, how->gate + from,
                                       how->dst + from);
        }
    }
    fnn_fp_set(state);
}
