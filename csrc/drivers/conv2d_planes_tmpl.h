/* Filling padded planes (drivers/conv2d_planes.c), and adding partial gradients, for one element
 * type; see drivers/conv2d.h. */

/* Bytes of `count` elements in whole lines. */
FNN_INLINE size_t FN(bytes)(ptrdiff_t count) { return fnn_lines((size_t)count * sizeof(real)); }

/* One phase of the planes, as a crop of the source; of a stride of 2, with the phase beside it. */
FN(conv2d_crop) FN(fnn_conv2d_phase_crop)(const fnn_conv2d_planes *planes, ptrdiff_t i,
                                          ptrdiff_t j, ptrdiff_t channels, ptrdiff_t a0,
                                          ptrdiff_t positions);

/* Positions a0 .. a0+positions of `channels` source planes, src_plane apart, with their halo, to
 * dst. */
void FN(fnn_conv2d_copy_planes)(const FN(fnn_table) *kernels, const fnn_conv2d_planes *planes,
                                ptrdiff_t channels, const real *src, ptrdiff_t src_plane,
                                ptrdiff_t a0, ptrdiff_t positions, real *dst);

/* `runs` of `run` elements, `step` apart, in each of so many planes. */
FNN_INLINE fnn_conv2d_ahead FN(look_ahead)(const real *at, ptrdiff_t run, ptrdiff_t runs,
                                           ptrdiff_t step, ptrdiff_t planes, ptrdiff_t plane) {
    const ptrdiff_t size = sizeof(real), lines = fnn_ceil_div(run * size, FNN_LINE);
    return (fnn_conv2d_ahead){.at = (const char *)at, .left = lines, .lines = lines,
                              .jump = step * size - lines * FNN_LINE, .rest = runs, .runs = runs,
                              .turn = (plane - runs * step) * size, .planes = planes};
}

/* What fnn_conv2d_copy_planes will read. */
FNN_INLINE fnn_conv2d_ahead FN(planes_ahead)(const fnn_conv2d_planes *planes, ptrdiff_t channels,
                                             const real *src, ptrdiff_t a0, ptrdiff_t positions) {
    const fnn_conv2d_axis *rows = &planes->rows;
    const ptrdiff_t w = planes->cols.in, plane = rows->in * w, step = rows->in_step;
    const int gaps = !rows->backward && rows->phases < rows->stride; /* rows that no tap reads */
    const ptrdiff_t start = a0 * step - rows->in_origin;
    const ptrdiff_t end = start + (positions + rows->halo) * step;
    const ptrdiff_t first = fnn_max(start, 0), reach = fnn_max(fnn_min(end, rows->in) - first, 1);
    if (gaps)
        return FN(look_ahead)(src + first * w, w, fnn_ceil_div(reach, step), step * w, channels,
                              plane);
    if (reach == rows->in) return FN(look_ahead)(src, channels * plane, 1, 0, 1, 0);
    return FN(look_ahead)(src + first * w, reach * w, channels, plane, 1, 0);
}

/* total = the sum of two or more partial gradients of `count` elements, in their order, a piece of
 * them that L1 holds at a time. */
FNN_INLINE void FN(add_partial)(const FN(fnn_table) *kernels, ptrdiff_t chunks, ptrdiff_t count,
                                const real *partial, real *total) {
    enum { PIECE = (8 << 10) / sizeof(real) };
    for (ptrdiff_t i = 0; i < count; i += PIECE) {
        const ptrdiff_t n = fnn_min(PIECE, count - i);
        for (ptrdiff_t chunk = 1; chunk < chunks; chunk++)
            kernels->add(1, n, chunk == 1 ? partial + i : total + i, n, 1,
                         partial + chunk * count + i, n, 1, total + i);
    }
}
