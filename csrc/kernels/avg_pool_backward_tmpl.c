/* The gradient of average pooling, and the ways that are right for every window; contracts in
 * kernels/pool.h. */

/* row[q stride_w + column] += share[q] for the outputs q < n whose tap is inside the row. */
FNN_INLINE void FN(spread_tap)(const fnn_pool_shape *s, ptrdiff_t column, ptrdiff_t n,
                               const real *share, real *row) {
    const ptrdiff_t stride = s->stride_w;
    const ptrdiff_t from = column < 0 ? fnn_ceil_div(-column, stride) : 0;
    const ptrdiff_t to = column < s->w ? fnn_min(n, fnn_ceil_div(s->w - column, stride)) : 0;
    ptrdiff_t q = from;
    if (stride == 1)
        for (; q + LANES <= to; q += LANES)
            FN(store)(row + column + q, FN(load)(row + column + q) + FN(load)(share + q));
    for (; q < to; q++) row[column + q * stride] += share[q];
}

/* The same for all taps of wide windows: row[q stride_w + column + k] += share[q] for k < S. */
FNN_INLINE void FN(spread_window)(const fnn_pool_shape *s, ptrdiff_t column, ptrdiff_t n,
                                  const real *share, real *row) {
    for (ptrdiff_t q = 0; q < n; q++, column += s->stride_w) {
        const vec v = FN(splat)(share[q]);
        const ptrdiff_t to = fnn_min(column + s->s, s->w);
        ptrdiff_t c = fnn_max(column, 0);
        for (; c + LANES <= to; c += LANES) FN(store)(row + c, FN(load)(row + c) + v);
        for (; c < to; c++) row[c] += share[q];
    }
}

/* Outputs of a row that are divided before they are spread. */
enum { FN(POOL_CHUNK) = 128 };

FNN_INLINE void FN(avg_plane_backward)(const fnn_pool_shape *s, const real *dy, real *dx) {
    real share[FN(POOL_CHUNK)];
    __builtin_memset(dx, 0, (size_t)(s->h * s->w) * sizeof(real));
    for (ptrdiff_t p = 0; p < s->p; p++) {
        const ptrdiff_t top = p * s->stride_h - s->pad_h;
        const ptrdiff_t r0 = fnn_max(top, 0), r1 = fnn_min(top + s->r, s->h);
        const ptrdiff_t rows = FN(tap_count)(top, s->r, s->h, s->pad_h, s->count_include_pad);
        for (ptrdiff_t q = 0; q < s->q; q += FN(POOL_CHUNK)) {
            const ptrdiff_t n = fnn_min(FN(POOL_CHUNK), s->q - q);
            for (ptrdiff_t i = 0; i < n; i++)
                share[i] = dy[p * s->q + q + i] / FN(divisor)(s, rows, q + i);
            const ptrdiff_t column = q * s->stride_w - s->pad_w;
            for (ptrdiff_t r = r0; r < r1; r++) {
                if (s->s >= FN(WIDE_WINDOW))
                    FN(spread_window)(s, column, n, share, dx + r * s->w);
                else /* the last tap first: then a place meets its windows in the order of q */
                    for (ptrdiff_t k = s->s - 1; k >= 0; k--)
                        FN(spread_tap)(s, column + k, n, share, dx + r * s->w);
            }
        }
    }
}

static FNN_NOINLINE void FN(avg_pool_backward)(const fnn_pool_shape *s, ptrdiff_t planes,
                                               const real *dy, real *dx) {
    if (s->p > 0 && s->q > 0 && FN(divides_evenly)(s) && FN(spreads_by_vectors)(s)) {
#if FNN_BUNDLES
        if (FN(spread_short_means)(s, planes, FN(divisor)(s, s->r, 0), dy, dx)) return;
#endif
        FN(spread_means)(s, planes, FN(divisor)(s, s->r, 0), dy, dx);
        return;
    }
#if FNN_POOL_LANES
    if (planes >= LANES && FN(spreads_in_lanes)(s)) {
        FN(avg_lanes_backward)(s, planes, dy, dx);
        return;
    }
#endif
    for (; planes > 0; planes--, dy += s->p * s->q, dx += s->h * s->w)
        FN(avg_plane_backward)(s, dy, dx);
}
