/* Pooling with planes in the lanes, for windows that have no quick way; contracts in
 * kernels/pool.h.
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
/* Pixels and outputs that are turned at once, and rows of windows between them, on the stack, 98 KB
 * at most: what a second cache holds with ease, or what more one row of windows takes. */
enum {
    FN(LANE_PIXELS) = 784,
    FN(NEAR_PIXELS) = 640,
    FN(LANE_ROWS) = 512,
    FN(LANE_OUTPUTS) = 256
};

/* n neighbouring pixels of LANES planes, `plane` elements apart, to `to`: the last ones together
 * with some before them once more. */
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

/* Whether windows overlap enough for two passes: all their rows once, then the columns of what these
 * gave. A window then costs S taps in each of stride_h rows and R taps down instead of R S; short
 * vectors make less of that. */
FNN_INLINE int FN(passes_twice)(const fnn_pool_shape *s) {
    const ptrdiff_t reach = (s->r - 1) * s->dilation_h + 1, percent = LANES == 16 ? 85 : 70;
    return 100 * (s->stride_h * s->s + s->r) < percent * s->r * s->s &&
           reach * fnn_max(s->w, s->q) <= FN(LANE_ROWS);
}

/* How many rows of outputs fit at once; 0 if not even one does. */
FNN_INLINE ptrdiff_t FN(rows_in_lanes)(const fnn_pool_shape *s) {
    const ptrdiff_t reach = (s->r - 1) * s->dilation_h + 1;
    const ptrdiff_t near = FN(passes_twice)(s) ? FN(LANE_ROWS) / fnn_max(s->w, s->q)
                                               : FN(NEAR_PIXELS) / s->w;
    if (reach * s->w > FN(LANE_PIXELS)) return 0;
    return fnn_min(fnn_max(0, near - reach) / s->stride_h + 1, FN(LANE_OUTPUTS) / s->q);
}

/* Rows of a plane. */
typedef struct FN(lane_rows) {
    ptrdiff_t from, to;
} FN(lane_rows);

/* Those that the windows of outputs [p0, p1) see. */
FNN_INLINE FN(lane_rows) FN(rows_seen)(const fnn_pool_shape *s, ptrdiff_t p0, ptrdiff_t p1) {
    const ptrdiff_t last = (p1 - 1) * s->stride_h - s->pad_h + (s->r - 1) * s->dilation_h;
    const ptrdiff_t from = fnn_min(fnn_max(p0 * s->stride_h - s->pad_h, 0), s->h);
    return (FN(lane_rows)){from, fnn_max(from, fnn_min(last + 1, s->h))};
}

/* Of rows of n vectors that are `held` those from row `from` on go to the front: the first row that
 * is missing after them. */
FNN_INLINE ptrdiff_t FN(keep_rows)(FN(lane_rows) held, ptrdiff_t from, ptrdiff_t n, vec *rows) {
    if (held.to <= from) return from;
    __builtin_memmove(rows, rows + (from - held.from) * n,
                      (size_t)((held.to - from) * n) * sizeof *rows);
    return held.to;
}

/* The largest taps of rows [p0, p1) of windows and their positions, which are those in the planes
 * or which `places` tells (`told`, a literal). `pixels` and `places` start with row h0. */
FNN_INLINE void FN(max_taps)(const fnn_pool_shape *s, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t h0,
                             const vec *pixels, int told, const vec *places, vec *most, vec *at) {
    for (ptrdiff_t p = p0; p < p1; p++) {
        const ptrdiff_t top = p * s->stride_h - s->pad_h;
        ptrdiff_t r0, r1;
        FN(inside)(top, s->r, s->dilation_h, s->h, &r0, &r1);
        for (ptrdiff_t q = 0; q < s->q; q++) {
            const ptrdiff_t column = q * s->stride_w - s->pad_w;
            ptrdiff_t k0, k1, here = (top + r0 * s->dilation_h) * s->w + column;
            FN(inside)(column, s->s, s->dilation_w, s->w, &k0, &k1);
            vec largest = FN(splat)((real)-INFINITY);
            ivec where = (ivec){0} - 1;
            if (r0 < r1 && k0 < k1) {
                const ptrdiff_t tap = here + k0 * s->dilation_w;
                where = told ? (ivec)places[tap - h0 * s->w] : (ivec){0} + (FN(lane_int))tap;
            }
            for (ptrdiff_t r = r0; r < r1; r++, here += s->dilation_h * s->w) {
                for (ptrdiff_t k = k0; k < k1; k++) {
                    const ptrdiff_t tap = here + k * s->dilation_w, i = tap - h0 * s->w;
                    const ivec place = told ? (ivec)places[i] : (ivec){0} + (FN(lane_int))tap;
                    FN(take_taps)(pixels[i], place, &largest, &where);
                }
            }
            *most++ = largest;
            *at++ = (vec)where;
        }
    }
}

static FNN_NOINLINE void FN(max_of_pixels)(const fnn_pool_shape *s, ptrdiff_t p0, ptrdiff_t p1,
                                           ptrdiff_t h0, const vec *pixels, vec *most, vec *at) {
    FN(max_taps)(s, p0, p1, h0, pixels, 0, NULL, most, at);
}

/* Rows [from, to) of LANES planes. */
static FNN_NOINLINE void FN(max_lanes_once)(const fnn_pool_shape *s, ptrdiff_t from, ptrdiff_t to,
                                       const real *x, real *y, int32_t *index) {
    vec pixels[FN(LANE_PIXELS)], most[FN(LANE_OUTPUTS)], at[FN(LANE_OUTPUTS)];
    const ptrdiff_t outputs = s->p * s->q, step = FN(rows_in_lanes)(s);
    for (ptrdiff_t p = from; p < to; p += step) {
        const ptrdiff_t end = fnn_min(p + step, to), n = (end - p) * s->q;
        const FN(lane_rows) rows = FN(rows_seen)(s, p, end);
        FN(turn_in)(x + rows.from * s->w, s->h * s->w, (rows.to - rows.from) * s->w, pixels);
        FN(max_of_pixels)(s, p, end, rows.from, pixels, most, at);
        FN(turn_out)(most, n, y + p * s->q, outputs);
        if (index) FN(turn_out)(at, n, (real *)(void *)(index + p * s->q), outputs);
    }
}

/* The same in two passes. */
static FNN_NOINLINE void FN(max_lanes_twice)(const fnn_pool_shape *s, ptrdiff_t from, ptrdiff_t to,
                                             const real *x, real *y, int32_t *index) {
    /* pixels, before they make way for outputs and their positions */
    vec pixels[2 * FN(LANE_OUTPUTS)], row_most[FN(LANE_ROWS)], row_at[FN(LANE_ROWS)];
    vec *const most = pixels, *const at = pixels + FN(LANE_OUTPUTS);
    const ptrdiff_t q = s->q, step = FN(rows_in_lanes)(s), some = 2 * FN(LANE_OUTPUTS) / s->w;
    /* windows of one row, and of one column of what these gave */
    fnn_pool_shape along = *s, down = *s;
    along.r = along.stride_h = along.dilation_h = down.s = down.stride_w = down.dilation_w = 1;
    along.pad_h = down.pad_w = 0;
    down.w = q;
    FN(lane_rows) held = {0, 0};
    for (ptrdiff_t p = from; p < to; p += step) {
        const ptrdiff_t end = fnn_min(p + step, to), n = (end - p) * q;
        const FN(lane_rows) rows = FN(rows_seen)(s, p, end);
        FN(keep_rows)(held, rows.from, q, row_at);
        ptrdiff_t h = FN(keep_rows)(held, rows.from, q, row_most);
        for (held = rows; h < rows.to; h += some) {
            const ptrdiff_t next = fnn_min(h + some, rows.to), i = (h - rows.from) * q;
            FN(turn_in)(x + h * s->w, s->h * s->w, (next - h) * s->w, pixels);
            FN(max_of_pixels)(&along, h, next, h, pixels, row_most + i, row_at + i);
        }
        FN(max_taps)(&down, p, end, rows.from, row_most, 1, row_at, most, at);
        FN(turn_out)(most, n, y + p * q, s->p * q);
        if (index) FN(turn_out)(at, n, (real *)(void *)(index + p * q), s->p * q);
    }
}

/* Rows [from, to) of at least LANES planes. */
FNN_INLINE void FN(max_lanes)(const fnn_pool_shape *s, ptrdiff_t planes, ptrdiff_t from,
                              ptrdiff_t to, const real *x, real *y, int32_t *index) {
    for (ptrdiff_t done = 0; done < planes; done += LANES) {
        const ptrdiff_t i = fnn_min(done, planes - LANES), out = i * s->p * s->q;
        int32_t *const places = index ? index + out : NULL;
        if (FN(passes_twice)(s))
            FN(max_lanes_twice)(s, from, to, x + i * s->h * s->w, y + out, places);
        else
            FN(max_lanes_once)(s, from, to, x + i * s->h * s->w, y + out, places);
    }
}

/* v over what the window divides by. */
FNN_INLINE vec FN(divided_in_lanes)(vec v, real divisor, int even) {
    const FN(division) by = FN(division_by)(divisor);
    return even ? FN(divided)(v, &by, 0) : v / by.by;
}

/* Neighbours in a row that are summed. */
typedef struct FN(lane_run) {
    short from, to;
} FN(lane_run);

/* The sums of n runs of each of `rows` rows, `width` pixels wide. */
static FNN_NOINLINE void FN(sum_along)(const vec *pixels, ptrdiff_t rows, ptrdiff_t width,
                                       const FN(lane_run) *runs, ptrdiff_t n, vec *sums) {
    for (; rows > 0; rows--, pixels += width) {
        for (ptrdiff_t i = 0; i < n; i++) {
            vec sum = FN(zero)();
            for (ptrdiff_t k = runs[i].from; k < runs[i].to; k++) sum += pixels[k];
            *sums++ = sum;
        }
    }
}

/* The sum of rows [from, to), each n pixels wide; `count` (a literal) neighbours together, the last
 * ones with some before them once more. */
FNN_INLINE void FN(sum_blocks)(int count, const vec *pixels, ptrdiff_t from, ptrdiff_t to,
                               ptrdiff_t n, vec *sums) {
    for (ptrdiff_t left = n; left > 0; left -= count) {
        const ptrdiff_t i = fnn_min(n - left, n - count);
        vec sum[4];
        FNN_UNROLL
        for (int k = 0; k < count; k++) sum[k] = FN(zero)();
        for (ptrdiff_t r = from; r < to; r++) {
            FNN_UNROLL
            for (int k = 0; k < count; k++) sum[k] += pixels[r * n + i + k];
        }
        FNN_UNROLL
        for (int k = 0; k < count; k++) sums[i + k] = sum[k];
    }
}

static FNN_NOINLINE void FN(sum_down)(const vec *pixels, ptrdiff_t from, ptrdiff_t to, ptrdiff_t n,
                                      vec *sums) {
    if (n < 4)
        FN(sum_blocks)(1, pixels, from, to, n, sums);
    else
        FN(sum_blocks)(4, pixels, from, to, n, sums);
}

/* How many rows of taps windows p of a plane count. */
FNN_INLINE ptrdiff_t FN(height_of)(const fnn_pool_shape *s, ptrdiff_t p) {
    return FN(tap_count)(p * s->stride_h - s->pad_h, s->r, s->h, s->pad_h, s->count_include_pad);
}

/* The means of a row of windows from their sums, or what gradients give to each of their taps. */
static FNN_NOINLINE void FN(divide_row)(const fnn_pool_shape *s, ptrdiff_t p, int even,
                                        vec *sums) {
    const ptrdiff_t height = FN(height_of)(s, p);
    for (ptrdiff_t q = 0; q < s->q; q++)
        sums[q] = FN(divided_in_lanes)(sums[q], FN(divisor)(s, height, q), even);
}

/* The means of windows p, whose taps are runs of the rows [from, to). */
FNN_INLINE void FN(mean_row)(const fnn_pool_shape *s, ptrdiff_t p, int even, const vec *pixels,
                             ptrdiff_t from, ptrdiff_t to, const FN(lane_run) *runs, vec *means) {
    const ptrdiff_t height = FN(height_of)(s, p), w = s->w;
    for (ptrdiff_t q = 0; q < s->q; q++) {
        const ptrdiff_t c0 = runs[q].from, c1 = runs[q].to;
        vec sum = FN(zero)();
        for (ptrdiff_t r = from; r < to; r++)
            for (ptrdiff_t c = c0; c < c1; c++) sum += pixels[r * w + c];
        means[q] = FN(divided_in_lanes)(sum, FN(divisor)(s, height, q), even);
    }
}

/* Rows [from, to) of LANES planes, whose windows see these runs of their rows. */
FNN_INLINE void FN(means_of_lanes)(const fnn_pool_shape *s, ptrdiff_t from, ptrdiff_t to,
                                   const FN(lane_run) *runs, const real *x, real *y) {
    vec pixels[FN(LANE_PIXELS)], means[FN(LANE_OUTPUTS)], sums[FN(LANE_ROWS)];
    const ptrdiff_t w = s->w, n = s->q, step = FN(rows_in_lanes)(s);
    const int even = FN(divides_evenly)(s), twice = FN(passes_twice)(s);
    FN(lane_rows) held = {0, 0};
    for (ptrdiff_t p0 = from; p0 < to; p0 += step) {
        const ptrdiff_t p1 = fnn_min(p0 + step, to);
        const FN(lane_rows) rows = FN(rows_seen)(s, p0, p1);
        const ptrdiff_t h = twice ? FN(keep_rows)(held, rows.from, n, sums) : rows.from;
        FN(turn_in)(x + h * w, s->h * w, (rows.to - h) * w, pixels);
        if (twice) FN(sum_along)(pixels, rows.to - h, w, runs, n, sums + (h - rows.from) * n);
        held = rows;
        for (ptrdiff_t p = p0; p < p1; p++) {
            vec *mean = means + (p - p0) * n;
            const ptrdiff_t top = p * s->stride_h - s->pad_h;
            const ptrdiff_t r0 = fnn_max(top, 0) - rows.from;
            const ptrdiff_t r1 = fnn_min(top + s->r, s->h) - rows.from;
            if (twice) {
                FN(sum_down)(sums, r0, r1, n, mean);
                FN(divide_row)(s, p, even, mean);
            } else {
                FN(mean_row)(s, p, even, pixels, r0, r1, runs, mean);
            }
        }
        FN(turn_out)(means, (p1 - p0) * n, y + p0 * n, s->p * n);
    }
}

/* The columns that a row's windows see. (What calls a cold function each time is cold to GCC, so
 * this is not FNN_SMALL; it hides a number from GCC, which would make 2 KB of vectors of it.) */
static FNN_NOINLINE void FN(columns_of)(const fnn_pool_shape *s, FN(lane_run) *runs) {
    ptrdiff_t column = -s->pad_w;
    for (ptrdiff_t q = 0; q < s->q; q++, column += s->stride_w) {
        __asm__("" : "+r"(column));
        const ptrdiff_t c = fnn_min(fnn_max(column, 0), s->w);
        runs[q] = (FN(lane_run)){(short)c, (short)fnn_max(c, fnn_min(column + s->s, s->w))};
    }
}

/* Rows [from, to) of at least LANES planes. */
static FNN_NOINLINE void FN(avg_lanes)(const fnn_pool_shape *s, ptrdiff_t planes, ptrdiff_t from,
                                       ptrdiff_t to, const real *x, real *y) {
    FN(lane_run) runs[FN(LANE_OUTPUTS)];
    FN(columns_of)(s, runs);
    for (ptrdiff_t done = 0; done < planes; done += LANES) {
        const ptrdiff_t i = fnn_min(done, planes - LANES);
        FN(means_of_lanes)(s, from, to, runs, x + i * s->h * s->w, y + i * s->p * s->q);
    }
}

/* On from the windows that hold an element before i of a line to those that hold element i. */
FNN_INLINE void FN(advance)(FN(lane_run) *windows, ptrdiff_t i, ptrdiff_t taps, ptrdiff_t stride,
                            ptrdiff_t pad, ptrdiff_t outputs) {
    while (windows->to < outputs && windows->to * stride - pad <= i) windows->to++;
    while (windows->from < windows->to && windows->from * stride - pad + taps <= i) windows->from++;
}

/* How many rows of dx fit at once, with all rows of windows that give to them; 0 if none. */
FNN_INLINE ptrdiff_t FN(spread_rows_in_lanes)(const fnn_pool_shape *s) {
    /* of windows: (step + R - 2) / stride + 1 at most */
    const ptrdiff_t rows = FN(NEAR_PIXELS) / s->w;
    const ptrdiff_t most = (rows - 1) * s->stride_h + 1 - (s->r - 1);
    return s->q <= FN(LANE_OUTPUTS) && rows > 0 ? fnn_max(0, fnn_min(most, rows)) : 0;
}

/* The gradients of LANES planes, in whose columns these runs of windows have a tap: each row of
 * windows is spread along its row once, for all rows of dx that it gives to. */
FNN_INLINE void FN(spread_lanes)(const fnn_pool_shape *s, const FN(lane_run) *runs, const real *dy,
                                 real *dx) {
    vec pixels[FN(NEAR_PIXELS)], wide[FN(NEAR_PIXELS)], share[FN(LANE_OUTPUTS)];
    const ptrdiff_t w = s->w, n = s->q, some = FN(LANE_OUTPUTS) / n;
    const ptrdiff_t step = FN(spread_rows_in_lanes)(s);
    const int even = FN(divides_evenly)(s);
    FN(lane_rows) held = {0, 0};
    FN(lane_run) windows = {0, 0};
    for (ptrdiff_t h0 = 0; h0 < s->h; h0 += step) {
        const ptrdiff_t h1 = fnn_min(h0 + step, s->h);
        FN(advance)(&windows, h0, s->r, s->stride_h, s->pad_h, s->p);
        FN(lane_run) last = windows;
        FN(advance)(&last, h1 - 1, s->r, s->stride_h, s->pad_h, s->p);
        const FN(lane_rows) rows = {windows.from, last.to};
        ptrdiff_t p = FN(keep_rows)(held, rows.from, w, wide);
        for (held = rows; p < rows.to; p += some) {
            const ptrdiff_t count = fnn_min(some, rows.to - p);
            FN(turn_in)(dy + p * n, s->p * n, count * n, share);
            for (ptrdiff_t i = 0; i < count; i++) FN(divide_row)(s, p + i, even, share + i * n);
            FN(sum_along)(share, count, n, runs, w, wide + (p - rows.from) * w);
        }
        for (ptrdiff_t h = h0; h < h1; h++) {
            const FN(lane_run) before = windows;
            vec *const row = pixels + (h - h0) * w;
            FN(advance)(&windows, h, s->r, s->stride_h, s->pad_h, s->p);
            if (h > h0 && windows.from == before.from && windows.to == before.to)
                __builtin_memcpy(row, row - w, (size_t)w * sizeof *row);
            else
                FN(sum_down)(wide, windows.from - rows.from, windows.to - rows.from, w, row);
        }
        FN(turn_out)(pixels, (h1 - h0) * w, dx + h0 * w, s->h * w);
    }
}

/* The gradients of at least LANES planes. */
static FNN_NOINLINE void FN(avg_lanes_backward)(const fnn_pool_shape *s, ptrdiff_t planes,
                                                const real *dy, real *dx) {
    FN(lane_run) runs[FN(NEAR_PIXELS)], windows = {0, 0};
    for (ptrdiff_t c = 0; c < s->w; c++) {
        FN(advance)(&windows, c, s->s, s->stride_w, s->pad_w, s->q);
        runs[c] = windows;
    }
    for (ptrdiff_t done = 0; done < planes; done += LANES) {
        const ptrdiff_t i = fnn_min(done, planes - LANES);
        FN(spread_lanes)(s, runs, dy + i * s->p * s->q, dx + i * s->h * s->w);
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
