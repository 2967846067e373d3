/* Pooling with planes in the lanes, for windows that have no quick way; contracts in kernels/pool.h.
 *
 * LANES planes are turned, some rows at a time, so that a pixel of all of them is one vector:
 *
 *     x [plane][h w]  ->  pixels [h w][LANES]  ->  outputs [p q][LANES]  ->  y [plane][p q]
 *
 * Every tap is then a load of a whole vector, whatever the stride, the dilation, the padding and
 * however narrow the plane. Float32 of wide ISAs only: the others' code would be as long. */

#undef FNN_POOL_LANES
#define FNN_POOL_LANES (FNN_VBYTES >= 32 && FNN_REAL_IS_F32)
#if FNN_POOL_LANES
/* Pixels and outputs that are turned at once, on the stack, 82 KB at most: what a first cache holds,
 * or what more one row of windows takes. */
enum { FN(LANE_PIXELS) = 784, FN(NEAR_PIXELS) = 640, FN(LANE_OUTPUTS) = 256 };

/* n neighbouring pixels of LANES planes, `plane` elements apart, to `to`: the last ones together with
 * some before them once more. */
static FNN_NOINLINE void FN(turn_in)(const real *x, ptrdiff_t plane, ptrdiff_t n, vec *to) {
    for (ptrdiff_t i = 0; i < n && n >= LANES; i += LANES) {
        const ptrdiff_t at = fnn_min(i, n - LANES);
        FN(load_transposed)(x + at, plane, LANES, to + at);
    }
    for (ptrdiff_t i = 0; i < n && n < LANES; i++)
        for (int k = 0; k < LANES; k++) to[i][k] = x[k * plane + i];
}

/* The same back. */
static FNN_NOINLINE void FN(turn_out)(const vec *from, ptrdiff_t n, real *y, ptrdiff_t plane) {
    for (ptrdiff_t i = 0; i < n && n >= LANES; i += LANES) {
        const ptrdiff_t at = fnn_min(i, n - LANES);
        vec v[LANES];
        FNN_UNROLL
        for (int k = 0; k < LANES; k++) v[k] = from[at + k];
        FN(transpose)(v);
        FNN_UNROLL
        for (int k = 0; k < LANES; k++) FN(store)(y + at + k * plane, v[k]);
    }
    for (ptrdiff_t i = 0; i < n && n < LANES; i++)
        for (int k = 0; k < LANES; k++) y[k * plane + i] = from[i][k];
}

/* How many rows of outputs fit at once; 0 if not even one does. */
FNN_INLINE ptrdiff_t FN(rows_in_lanes)(const fnn_pool_shape *s) {
    const ptrdiff_t reach = (s->r - 1) * s->dilation_h + 1;
    const ptrdiff_t more = fnn_max(0, FN(NEAR_PIXELS) / s->w - reach) / s->stride_h;
    if (reach * s->w > FN(LANE_PIXELS)) return 0;
    return fnn_min(more + 1, FN(LANE_OUTPUTS) / s->q);
}

/* Rows [p0, p1) of outputs and the first row of pixels that their windows see. */
typedef struct FN(lane_rows) {
    ptrdiff_t p0, p1, h0;
} FN(lane_rows);

/* These pixels of LANES planes from x on are turned to `pixels`. */
FNN_INLINE FN(lane_rows) FN(turn_rows_in)(const fnn_pool_shape *s, ptrdiff_t p0, ptrdiff_t p1,
                                          const real *x, vec *pixels) {
    const ptrdiff_t last = (p1 - 1) * s->stride_h - s->pad_h + (s->r - 1) * s->dilation_h;
    const ptrdiff_t h0 = fnn_min(fnn_max(p0 * s->stride_h - s->pad_h, 0), s->h);
    const ptrdiff_t h1 = fnn_max(h0, fnn_min(last + 1, s->h));
    FN(turn_in)(x + h0 * s->w, s->h * s->w, (h1 - h0) * s->w, pixels);
    return (FN(lane_rows)){p0, p1, h0};
}

/* Rows [from, to) of LANES planes. */
static FNN_NOINLINE void FN(max_lanes)(const fnn_pool_shape *s, ptrdiff_t from, ptrdiff_t to,
                                       const real *x, real *y, int32_t *index) {
    vec pixels[FN(LANE_PIXELS)], most[FN(LANE_OUTPUTS)], at[FN(LANE_OUTPUTS)];
    const ptrdiff_t outputs = s->p * s->q, step = FN(rows_in_lanes)(s);
    for (ptrdiff_t p0 = from; p0 < to; p0 += step) {
        const FN(lane_rows) rows = FN(turn_rows_in)(s, p0, fnn_min(p0 + step, to), x, pixels);
        ptrdiff_t i = 0;
        for (ptrdiff_t p = rows.p0; p < rows.p1; p++) {
            const ptrdiff_t top = p * s->stride_h - s->pad_h;
            ptrdiff_t r0, r1;
            FN(inside)(top, s->r, s->dilation_h, s->h, &r0, &r1);
            for (ptrdiff_t q = 0; q < s->q; q++, i++) {
                const ptrdiff_t column = q * s->stride_w - s->pad_w;
                ptrdiff_t k0, k1, here = (top + r0 * s->dilation_h) * s->w + column;
                FN(inside)(column, s->s, s->dilation_w, s->w, &k0, &k1);
                vec largest = FN(splat)((real)-INFINITY);
                ivec where = (ivec){0} + (FN(lane_int))(here + k0 * s->dilation_w);
                if (r0 == r1 || k0 == k1) where = (ivec){0} - 1;
                for (ptrdiff_t r = r0; r < r1; r++, here += s->dilation_h * s->w) {
                    for (ptrdiff_t k = k0; k < k1; k++) {
                        const ptrdiff_t tap = here + k * s->dilation_w;
                        FN(take_taps)(pixels[tap - rows.h0 * s->w],
                                      (ivec){0} + (FN(lane_int))tap, &largest, &where);
                    }
                }
                most[i] = largest;
                at[i] = (vec)where;
            }
        }
        FN(turn_out)(most, i, y + p0 * s->q, outputs);
        if (index) FN(turn_out)(at, i, (real *)(void *)(index + p0 * s->q), outputs);
    }
}

/* v over what the window divides by. */
FNN_INLINE vec FN(divided_in_lanes)(vec v, real divisor, int even) {
    const FN(division) by = FN(division_by)(divisor);
    return even ? FN(divided)(v, &by, 0) : v / by.by;
}

static FNN_NOINLINE void FN(avg_lanes)(const fnn_pool_shape *s, ptrdiff_t from, ptrdiff_t to,
                                       const real *x, real *y) {
    vec pixels[FN(LANE_PIXELS)], means[FN(LANE_OUTPUTS)];
    const ptrdiff_t outputs = s->p * s->q, step = FN(rows_in_lanes)(s);
    const int even = FN(divides_evenly)(s);
    for (ptrdiff_t p0 = from; p0 < to; p0 += step) {
        const FN(lane_rows) rows = FN(turn_rows_in)(s, p0, fnn_min(p0 + step, to), x, pixels);
        ptrdiff_t i = 0;
        for (ptrdiff_t p = rows.p0; p < rows.p1; p++) {
            const ptrdiff_t top = p * s->stride_h - s->pad_h;
            const ptrdiff_t r0 = fnn_max(top, 0), r1 = fnn_min(top + s->r, s->h);
            const ptrdiff_t height = FN(tap_count)(top, s->r, s->h, s->pad_h, s->count_include_pad);
            for (ptrdiff_t q = 0; q < s->q; q++) {
                const ptrdiff_t column = q * s->stride_w - s->pad_w;
                const ptrdiff_t c0 = fnn_max(column, 0), c1 = fnn_min(column + s->s, s->w);
                vec sum = FN(zero)();
                for (ptrdiff_t r = r0; r < r1; r++)
                    for (ptrdiff_t c = c0; c < c1; c++) sum += pixels[(r - rows.h0) * s->w + c];
                means[i++] = FN(divided_in_lanes)(sum, FN(divisor)(s, height, q), even);
            }
        }
        FN(turn_out)(means, i, y + p0 * s->q, outputs);
    }
}

/* How many rows of dx fit at once, with all rows of windows that give to them; 0 if none. */
FNN_INLINE ptrdiff_t FN(spread_rows_in_lanes)(const fnn_pool_shape *s) {
    const ptrdiff_t given = FN(LANE_OUTPUTS) / s->q; /* (rows + R - 2) / stride + 1 at most */
    const ptrdiff_t most = (given - 1) * s->stride_h + 1 - (s->r - 1);
    return given > 0 ? fnn_max(0, fnn_min(most, FN(NEAR_PIXELS) / s->w)) : 0;
}

static FNN_NOINLINE void FN(avg_lanes_backward)(const fnn_pool_shape *s, const real *dy, real *dx) {
    vec pixels[FN(NEAR_PIXELS)], share[FN(LANE_OUTPUTS)];
    const ptrdiff_t plane = s->h * s->w, outputs = s->p * s->q, step = FN(spread_rows_in_lanes)(s);
    const int even = FN(divides_evenly)(s);
    for (ptrdiff_t h0 = 0; h0 < s->h; h0 += step) {
        const ptrdiff_t h1 = fnn_min(h0 + step, s->h), first = h0 + s->pad_h - (s->r - 1);
        const ptrdiff_t p0 = fnn_min(s->p, first > 0 ? FN(steps)(first, s->stride_h) : 0);
        const ptrdiff_t p1 = fnn_max(p0, fnn_min(s->p, (h1 - 1 + s->pad_h) / s->stride_h + 1));
        FN(turn_in)(dy + p0 * s->q, outputs, (p1 - p0) * s->q, share);
        for (ptrdiff_t i = 0; i < (h1 - h0) * s->w; i++) pixels[i] = FN(zero)();
        const vec *given = share;
        for (ptrdiff_t p = p0; p < p1; p++) {
            const ptrdiff_t top = p * s->stride_h - s->pad_h;
            const ptrdiff_t r0 = fnn_max(top, h0), r1 = fnn_min(top + s->r, h1);
            const ptrdiff_t height = FN(tap_count)(top, s->r, s->h, s->pad_h, s->count_include_pad);
            for (ptrdiff_t q = 0; q < s->q; q++, given++) {
                const ptrdiff_t column = q * s->stride_w - s->pad_w;
                const ptrdiff_t c0 = fnn_max(column, 0), c1 = fnn_min(column + s->s, s->w);
                const vec v = FN(divided_in_lanes)(*given, FN(divisor)(s, height, q), even);
                for (ptrdiff_t r = r0; r < r1; r++)
                    for (ptrdiff_t c = c0; c < c1; c++) pixels[(r - h0) * s->w + c] += v;
            }
        }
        FN(turn_out)(pixels, (h1 - h0) * s->w, dx + h0 * s->w, plane);
    }
}

/* Whether planes go side by side: always but where windows have a way along the rows that is
 * `quick`, with `borders` too, and rows are long enough for it. */
FNN_INLINE int FN(goes_in_lanes)(const fnn_pool_shape *s, int quick, int borders) {
    if (s->h == 0 || s->w == 0 || s->p == 0 || s->q == 0 || FN(rows_in_lanes)(s) == 0) return 0;
    return !quick || s->w < (borders ? 14 : s->pad_w ? 20 : 8);
}

/* Means of windows side by side go along the rows of wide planes as fast or faster. */
FNN_INLINE int FN(means_in_lanes)(const fnn_pool_shape *s, int quick, int borders) {
    return FN(goes_in_lanes)(s, quick, borders) && (s->stride_w > 1 || s->w < 64);
}

FNN_INLINE int FN(spreads_in_lanes)(const fnn_pool_shape *s) {
    if (s->h == 0 || s->w == 0 || s->p == 0 || s->q == 0) return 0;
    return FN(spread_rows_in_lanes)(s) > 0;
}
#endif
