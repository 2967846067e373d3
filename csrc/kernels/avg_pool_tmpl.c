/* The average pooling kernels; contracts in kernels/pool.h. */

/* How many taps a window that starts at `start` divides by, in one direction. */
FNN_INLINE ptrdiff_t FN(tap_count)(ptrdiff_t start, ptrdiff_t taps, ptrdiff_t size, ptrdiff_t pad,
                                   int count_pad) {
    const ptrdiff_t end = fnn_min(start + taps, size + pad);
    if (count_pad) return end - start;
    return fnn_min(end, size) - fnn_max(start, 0);
}

/* The divisor of outputs in a row of windows `rows` tall (as tap_count has it). */
FNN_INLINE real FN(divisor)(const fnn_pool_shape *s, ptrdiff_t rows, ptrdiff_t q) {
    if (s->divisor_override) return (real)s->divisor_override;
    return (real)(rows * FN(tap_count)(q * s->stride_w - s->pad_w, s->s, s->w, s->pad_w,
                                       s->count_include_pad));
}

/* n neighbouring inner outputs: taps from x on, in rows w apart. */
FNN_INLINE void FN(avg_vector)(const fnn_pool_shape *s, const real *x, ptrdiff_t readable,
                               ptrdiff_t rows, ptrdiff_t n, int step, int whole, real divisor,
                               real *y) {
    vec sum = FN(zero)();
    for (ptrdiff_t r = 0; r < rows; r++, x += s->w, readable -= s->w)
        for (ptrdiff_t k = 0; k < s->s; k++)
            sum += FN(load_strided)(x + k, readable - k, s->stride_w, step, whole);
    sum /= FN(splat)(divisor);
    if (n == LANES)
        FN(store)(y, sum);
    else
        FN(store_m)(y, sum, FN(mask)(n));
}

/* Outputs [q0, q1) of the rows [p0, p1), for 2x2 and 3x3 windows all inside the plane and what
 * lies behind them inside the array. */
FNN_INLINE void FN(avg_squares)(const fnn_pool_shape *s, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t q0,
                                ptrdiff_t q1, const real *x, int square, real *y) {
    const real divisor = FN(divisor)(s, square, q0), inverse = FN(exact_inverse)(divisor);
    const vec by = FN(splat)(inverse != 0 ? inverse : divisor);
    const vmask tail = FN(mask)((q1 - q0) & (LANES - 1));
    const ptrdiff_t w = s->w, down = s->stride_h * w, outputs = s->q;
    x += p0 * down - s->pad_h * w + q0 * 2 - s->pad_w;
    y += p0 * outputs + q0;
    for (ptrdiff_t p = p0; p < p1; p++, x += down, y += outputs) {
        for (ptrdiff_t q = 0; q < q1 - q0; q += LANES) {
            vec v[9], sum = FN(zero)();
            FN(load_taps)(x + 2 * q, w, 2, square, v);
            FNN_UNROLL
            for (int i = 0; i < square * square; i++) sum += v[i];
            sum = FN(divided)(sum, by, inverse);
            if (q + LANES <= q1 - q0)
                FN(store)(y + q, sum);
            else
                FN(store_m)(y + q, sum, tail);
        }
    }
}

#if FNN_BUNDLES
/* The taps of a row of 3x3 windows of `count` (a literal) vectors side by side, the last not full: third
 * taps are moved out of first ones. */
FNN_INLINE void FN(three_taps)(int count, const real *x, vec v[2][3]) {
    FNN_UNROLL
    for (int k = 0; k < count; k++) FN(load_taps_of_row)(x + 2 * k * LANES, 2, 2, v[k]);
    FNN_UNROLL
    for (int k = 0; k < count; k++) v[k][2] = FN(slide)(v[k][0], v[count - 1][0], 1);
}

/* `rows` rows of n outputs of 3x3 windows from x on, as many vectors as that; each row of x that two rows
 * of windows share is loaded once. */
FNN_INLINE void FN(avg_threes)(int count, const real *x, ptrdiff_t w, ptrdiff_t rows, ptrdiff_t n,
                               ptrdiff_t outputs, real divisor, real *y) {
    const real inverse = FN(exact_inverse)(divisor);
    const vec by = FN(splat)(inverse != 0 ? inverse : divisor);
    const vmask tail = FN(mask)(n - (count - 1) * LANES);
    vec v[3][2][3];
    FN(three_taps)(count, x, v[2]);
    for (; rows > 0; rows--, y += outputs) {
        FNN_UNROLL
        for (int i = 0; i < 3 * count; i++) v[0][i / 3][i % 3] = v[2][i / 3][i % 3];
        FNN_UNROLL
        for (int r = 1; r < 3; r++) FN(three_taps)(count, x += w, v[r]);
        FNN_UNROLL
        for (int k = 0; k < count; k++) {
            vec sum = FN(zero)();
            FNN_UNROLL
            for (int i = 0; i < 9; i++) sum += v[i / 3][k][i % 3];
            sum = FN(divided)(sum, by, inverse);
            FN(store_m)(y + k * LANES, sum, k < count - 1 ? (vmask)-1 : tail);
        }
    }
}

/* The same for the outputs that avg_squares takes, if they are those; else 0. */
FNN_INLINE int FN(avg_narrow)(const fnn_pool_shape *s, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t q0,
                              ptrdiff_t n, const real *x, real *y) {
    const real divisor = FN(divisor)(s, 3, q0);
    if (s->r != 3 || s->stride_h != 2 || n >= 2 * LANES || n == LANES) return 0;
    x += (2 * p0 - s->pad_h) * s->w + 2 * q0 - s->pad_w;
    y += p0 * s->q + q0;
    if (n > LANES)
        FN(avg_threes)(2, x, s->w, p1 - p0, n, s->q, divisor, y);
    else
        FN(avg_threes)(1, x, s->w, p1 - p0, n, s->q, divisor, y);
    return 1;
}
#endif

static FNN_NOINLINE void FN(avg_quick_rows)(const fnn_pool_shape *s, ptrdiff_t p0, ptrdiff_t p1,
                                            ptrdiff_t q0, ptrdiff_t q1, const real *x, real *y) {
#if FNN_BUNDLES
    if (FN(avg_narrow)(s, p0, p1, q0, q1 - q0, x, y)) return;
#endif
    if (s->r == 2)
        FN(avg_squares)(s, p0, p1, q0, q1, x, 2, y);
    else
        FN(avg_squares)(s, p0, p1, q0, q1, x, 3, y);
}

#if FNN_BUNDLES
/* The first planes, by bundles: how many of them are done; 0 if they are not among those of
 * pool_bundle_tmpl.h. */
static FNN_NOINLINE ptrdiff_t FN(avg_short)(const fnn_pool_shape *s, ptrdiff_t planes,
                                            const real *x, ptrdiff_t readable, real *y) {
    if (!FN(is_short)(s)) return 0;
    const FN(bundle) b = FN(plan_bundle)(s);
    const FN(bundle_runs) runs = FN(runs_of_rows)(s, planes);
    const real divisor = FN(divisor)(s, 2, 0), inverse = FN(exact_inverse)(divisor);
    const vec by = FN(splat)(inverse != 0 ? inverse : divisor);
    ptrdiff_t done = 0;
    for (ptrdiff_t i = 0; i < runs.runs; i++, x += runs.step, readable -= runs.step) {
        const ptrdiff_t rows = FN(bundled_rows)(&b, runs.rows, readable);
        const real *from = x;
        ptrdiff_t left = rows * s->q;
        for (; left > 0; left -= b.outputs, from += b.step) {
            vec v[4];
            if (b.rows > 2)
                FN(bundle_taps)(&b, 1, from, v);
            else
                FN(bundle_taps)(&b, 0, from, v);
            /* a sum starts from 0: -0 becomes 0 */
            const vec all = (((FN(zero)() + v[0]) + v[1]) + v[2]) + v[3];
            const vec sum = FN(divided)(all, by, inverse);
            FN(store_m)(y, sum, FN(mask)(fnn_min(b.outputs, left)));
            y += fnn_min(b.outputs, left);
        }
        done += rows;
        if (rows < runs.rows) break;
    }
    return done / s->p;
}
#endif

/* One output, anywhere: the mean of `rows` rows of n taps. */
FNN_INLINE real FN(avg_single)(const real *x, ptrdiff_t w, ptrdiff_t rows, ptrdiff_t n,
                               real divisor) {
    real sum = 0;
    if (n < FN(WIDE_WINDOW)) {
        for (ptrdiff_t r = 0; r < rows; r++, x += w)
            for (ptrdiff_t c = 0; c < n; c++) sum += x[c];
        return sum / divisor;
    }
    vec wide = FN(zero)();
    for (ptrdiff_t r = 0; r < rows; r++, x += w) {
        ptrdiff_t c = 0;
        for (; c + LANES <= n; c += LANES) wide += FN(load)(x + c);
        if (c < n) wide += FN(load_m)(x + c, FN(mask)(n - c));
    }
    return FN(sum)(wide) / divisor;
}

/* Rows [from, to); `step` is a literal as for load_strided; `square`: 2 or 3 for square windows of
 * stride 2, else 0. */
FNN_INLINE void FN(avg_rows)(const fnn_pool_shape *s, ptrdiff_t from, ptrdiff_t to, const real *x,
                             ptrdiff_t readable, real *y, int step, int square) {
    ptrdiff_t inner0, inner1, full0, full1;
    FN(inner_columns)(s, &inner0, &inner1);
    FN(inner_rows)(s, &full0, &full1);
    if (step == 0 && inner1 - inner0 < LANES / 2) inner1 = inner0;
    full0 = fnn_max(full0, from);
    full1 = square && inner0 < inner1 ? fnn_min(full1, to) : full0;
    if (square) full1 = FN(safe_rows)(s, readable, full1, inner0, inner1, step, square);
    if (full0 < full1) FN(avg_quick_rows)(s, full0, full1, inner0, inner1, x, y);
    const int sides = inner0 > 0 || inner1 < s->q;
    for (ptrdiff_t p = from; p < to; p++) {
        const int done = full0 <= p && p < full1;
        if (done && !sides) continue;
        const ptrdiff_t top = p * s->stride_h - s->pad_h;
        const ptrdiff_t r0 = fnn_max(top, 0), rows = fnn_max(0, fnn_min(top + s->r, s->h) - r0);
        const ptrdiff_t height = FN(tap_count)(top, s->r, s->h, s->pad_h, s->count_include_pad);
        real *out = y + p * s->q;
        for (ptrdiff_t q = 0; q < s->q;) {
            if (done && q == inner0) {
                q = inner1;
                continue;
            }
            const ptrdiff_t column = q * s->stride_w - s->pad_w;
            const real divisor = FN(divisor)(s, height, q);
            if (q < inner0 || q >= inner1) {
                const ptrdiff_t c = fnn_max(column, 0);
                const ptrdiff_t n = fnn_max(0, fnn_min(column + s->s, s->w) - c);
                out[q++] = FN(avg_single)(x + r0 * s->w + c, s->w, rows, n, divisor);
                continue;
            }
            const ptrdiff_t n = fnn_min(LANES, inner1 - q), first = r0 * s->w + column;
            const ptrdiff_t last = first + (rows - 1) * s->w + s->s - 1;
            if (step && last + step * LANES <= readable)
                FN(avg_vector)(s, x + first, readable - first, rows, n, step, 1, divisor, out + q);
            else
                FN(avg_vector)(s, x + first, readable - first, rows, n, step, 0, divisor, out + q);
            q += n;
        }
    }
}

/* Rows [from, to) of all planes. */
FNN_INLINE void FN(avg_planes)(const fnn_pool_shape *s, ptrdiff_t planes, ptrdiff_t from,
                               ptrdiff_t to, const real *x, ptrdiff_t readable, real *y, int step,
                               int square) {
    const ptrdiff_t size = s->h * s->w;
    for (; planes > 0; planes--, x += size, readable -= size, y += s->p * s->q)
        FN(avg_rows)(s, from, to, x, readable, y, step, square);
}

static FNN_NOINLINE void FN(avg_pool)(const fnn_pool_shape *shape, ptrdiff_t planes, ptrdiff_t from,
                                      ptrdiff_t to, const real *x, ptrdiff_t readable, real *y) {
    const int square = shape->r == shape->s && (shape->r == 2 || shape->r == 3) ? (int)shape->r : 0;
#if FNN_BUNDLES
    if (from == 0 && to == shape->p) {
        const ptrdiff_t whole = FN(avg_short)(shape, planes, x, readable, y);
        const ptrdiff_t size = shape->h * shape->w;
        planes -= whole;
        x += whole * size;
        readable -= whole * size;
        y += whole * shape->p * shape->q;
    }
#endif
    if (shape->stride_w == 1)
        FN(avg_planes)(shape, planes, from, to, x, readable, y, 1, 0);
    else if (shape->stride_w == 2)
        FN(avg_planes)(shape, planes, from, to, x, readable, y, 2, square);
    else
        FN(avg_planes)(shape, planes, from, to, x, readable, y, 0, 0);
}

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
    if (s->p > 0 && s->q > 0 && FN(spreads_by_vectors)(s)) {
#if FNN_BUNDLES
        if (FN(spread_short_means)(s, planes, FN(divisor)(s, s->r, 0), dy, dx)) return;
#endif
        FN(spread_means)(s, planes, FN(divisor)(s, s->r, 0), dy, dx);
        return;
    }
    for (; planes > 0; planes--, dy += s->p * s->q, dx += s->h * s->w)
        FN(avg_plane_backward)(s, dy, dx);
}
