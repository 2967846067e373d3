/* The average pooling kernels; contracts in kernels/pool.h. */

/* n neighbouring inner outputs: taps from x on, in rows w apart; the literals `step` and `whole` as
 * for load_strided. */
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
        FN(store_first_lanes)(y, sum, FN(mask)(n));
}

/* A row of outputs: `rows` rows of taps are inside the plane, the first at x; they count as
 * `height`. */
typedef struct FN(avg_line) {
    const real *x;
    ptrdiff_t readable, rows, height;
    real *y;
} FN(avg_line);

/* Outputs [from, to), whose windows are inside the plane in width. */
FNN_INLINE void FN(avg_vectors)(const fnn_pool_shape *s, const FN(avg_line) *line, ptrdiff_t from,
                                ptrdiff_t to, int step) {
    const ptrdiff_t reach = (line->rows - 1) * s->w + s->s - 1 + step * LANES;
    for (ptrdiff_t q = from; q < to; q += LANES) {
        const ptrdiff_t n = fnn_min(LANES, to - q), column = q * s->stride_w - s->pad_w;
        const real divisor = FN(divisor)(s, line->height, q);
        if (step && column + reach <= line->readable)
            FN(avg_vector)(s, line->x + column, line->readable - column, line->rows, n, step, 1,
                           divisor, line->y + q);
        else
            FN(avg_vector)(s, line->x + column, line->readable - column, line->rows, n, step, 0,
                           divisor, line->y + q);
    }
}

static FNN_NOINLINE void FN(avg_middle)(const fnn_pool_shape *s, const FN(avg_line) *line,
                                        ptrdiff_t from, ptrdiff_t to) {
    if (s->stride_w == 1)
        FN(avg_vectors)(s, line, from, to, 1);
    else if (s->stride_w == 2)
        FN(avg_vectors)(s, line, from, to, 2);
    else
        FN(avg_vectors)(s, line, from, to, 0);
}

/* `rows` rows of n outputs of 2x2 or 3x3 windows from x on. */
FNN_INLINE void FN(avg_squares)(const fnn_pool_shape *s, const real *x, ptrdiff_t rows, ptrdiff_t n,
                                int square, const FN(division) *by, real *y) {
    const vmask tail = FN(mask)(n & (LANES - 1));
    const ptrdiff_t w = s->w, down = s->stride_h * w, outputs = s->q;
    for (; rows > 0; rows--, x += down, y += outputs) {
        for (ptrdiff_t q = 0; q < n; q += LANES) {
            vec v[9], sum = FN(zero)();
            FN(load_taps)(x + 2 * q, w, 2, square, v);
            FNN_UNROLL
            for (int i = 0; i < square * square; i++) sum += v[i];
            sum = FN(divided)(sum, by, square == 2 && by->exact);
            if (q + LANES <= n)
                FN(store)(y + q, sum);
            else
                FN(store_first_lanes)(y + q, sum, tail);
        }
    }
}

#if FNN_BUNDLES
/* Rows of 3x3 windows of stride 2 from x on. Of planes with a border of one element the first row
 * and column may lie `above` and `beside` the plane, the last row `below`; from the first column on
 * `width` elements are inside. */
typedef struct FN(avg_rows) {
    const real *x;
    real *y;
    ptrdiff_t w, rows, outputs, width;
    int above, beside, below;
} FN(avg_rows);

/* A row of x under `count` (a literal) vectors of windows side by side: two vectors each, and the
 * element after them everywhere; of those of padded rows (`pad`, a literal) what `seen` tells. */
FNN_INLINE void FN(load_threes)(int count, int pad, const real *x, const vmask seen[5],
                                vec v[5]) {
    FNN_UNROLL
    for (int i = 0; i < 2 * count; i++)
        v[i] = pad ? FN(load_m)(x + i * LANES, seen[i]) : FN(load)(x + i * LANES);
    v[2 * count] = !pad || seen[2 * count] ? FN(splat)(x[2 * count * LANES]) : FN(zero)();
}

/* n outputs of each row, as many vectors as that. Columns are summed first, three elements each:
 * half as many movements between lanes as taps of three rows would take. Each row of x that two
 * rows of windows share is loaded once. */
FNN_INLINE void FN(avg_threes)(int count, int pad, FN(avg_rows) at, ptrdiff_t n,
                               const FN(division) *by) {
    const vmask tail = FN(mask)(n - (count - 1) * LANES);
    vec upper[5], middle[5], lower[5], left[3];
    vmask seen[5];
    for (int i = 0; pad && i <= 2 * count; i++)
        seen[i] = FN(mask)(fnn_max(0, fnn_min(at.width - i * LANES, LANES)));
    if (pad && at.beside) seen[0] &= ~FN(mask)(1);
    if (pad && at.above)
        for (int i = 0; i <= 2 * count; i++) lower[i] = FN(zero)();
    else
        FN(load_threes)(count, pad, at.x, seen, lower);
    for (; at.rows > 0; at.rows--, at.y += at.outputs) {
        FNN_UNROLL
        for (int i = 0; i <= 2 * count; i++) upper[i] = lower[i];
        FN(load_threes)(count, pad, at.x += at.w, seen, middle);
        at.x += at.w;
        if (pad && at.below && at.rows == 1)
            for (int i = 0; i <= 2 * count; i++) lower[i] = FN(zero)();
        else
            FN(load_threes)(count, pad, at.x, seen, lower);
        FNN_UNROLL
        for (int i = 0; i <= 2 * count; i++) upper[i] = (upper[i] + middle[i]) + lower[i];
        FNN_UNROLL
        for (int k = 0; k < count; k++) left[k] = FN(even_lanes)(upper[2 * k], upper[2 * k + 1]);
        left[count] = upper[2 * count];
        FNN_UNROLL
        for (int k = 0; k < count; k++) {
            const vec pair = left[k] + FN(odd_lanes)(upper[2 * k], upper[2 * k + 1]);
            const vec sum = pair + FN(slide)(left[k], left[k + 1], 1);
            FN(store_m)(at.y + k * LANES, FN(divided)(sum, by, 0),
                        k < count - 1 ? (vmask)-1 : tail);
        }
    }
}

/* The same for any n. */
FNN_INLINE void FN(avg_rows_of_threes)(int pad, FN(avg_rows) at, ptrdiff_t n,
                                       const FN(division) *by) {
    for (; n > LANES; n -= 2 * LANES) {
        FN(avg_threes)(2, pad, at, fnn_min(n, 2 * LANES), by);
        at.x += 4 * LANES;
        at.y += 2 * LANES;
        at.width -= 4 * LANES;
        at.beside = 0;
    }
    if (n > 0) FN(avg_threes)(1, pad, at, n, by);
}
#endif

/* Outputs [q0, q0 + n) of the rows [p0, p1) of all planes, for 2x2 and 3x3 windows all inside them
 * and what lies behind them inside the array. */
static FNN_NOINLINE void FN(avg_quick)(const fnn_pool_shape *s, ptrdiff_t planes, ptrdiff_t p0,
                                       ptrdiff_t p1, ptrdiff_t q0, ptrdiff_t n, const real *x,
                                       real *y) {
    const FN(division) by = FN(division_by)(FN(divisor)(s, s->r, q0));
    const ptrdiff_t w = s->w, size = s->h * w, outputs = s->p * s->q, rows = p1 - p0;
    x += (p0 * s->stride_h - s->pad_h) * w + q0 * 2 - s->pad_w;
    y += p0 * s->q + q0;
    for (; planes > 0; planes--, x += size, y += outputs) {
        if (s->r == 2) {
            FN(avg_squares)(s, x, rows, n, 2, &by, y);
            continue;
        }
#if FNN_BUNDLES
        if (s->stride_h == 2) {
            const FN(avg_rows) at = {.x = x, .y = y, .w = w, .rows = rows, .outputs = s->q};
            FN(avg_rows_of_threes)(0, at, n, &by);
            continue;
        }
#endif
        FN(avg_squares)(s, x, rows, n, 3, &by, y);
    }
}

#if FNN_BUNDLES
/* Rows [p0, p1) of all planes for 3x3 windows that reach over the borders. */
static FNN_NOINLINE void FN(avg_bordered)(const fnn_pool_shape *s, ptrdiff_t planes, ptrdiff_t p0,
                                          ptrdiff_t p1, const real *x, real *y) {
    const FN(division) by = FN(division_by)(FN(divisor)(s, 3, 0));
    FN(avg_rows) at = {.x = x + (2 * p0 - 1) * s->w - 1, .y = y + p0 * s->q, .w = s->w,
                       .rows = p1 - p0, .outputs = s->q, .width = s->w + 1, .above = p0 == 0,
                       .beside = 1, .below = 2 * p1 > s->h};
    for (; planes > 0; planes--, at.x += s->h * s->w, at.y += s->p * s->q)
        FN(avg_rows_of_threes)(1, at, s->q, &by);
}

/* The first planes, by bundles: how many of them are done; 0 if they are not among those of
 * pool_bundle_tmpl.h. */
static FNN_NOINLINE ptrdiff_t FN(avg_short)(const fnn_pool_shape *s, ptrdiff_t planes,
                                            const real *x, ptrdiff_t readable, real *y) {
    if (!FN(is_short)(s)) return 0;
    const FN(bundle) b = FN(plan_bundle)(s);
    const FN(bundle_runs) runs = FN(runs_of_rows)(s, planes);
    const FN(division) by = FN(division_by)(FN(divisor)(s, 2, 0));
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
            const vec sum = FN(divided)(all, &by, by.exact);
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

/* The rows and columns of outputs whose windows are inside the plane. */
typedef struct FN(avg_inner) {
    ptrdiff_t column0, column1, row0, row1;
} FN(avg_inner);

/* Row p: outputs inside the plane in width, those at the `sides`, or both. */
FNN_INLINE void FN(avg_row)(const fnn_pool_shape *s, const FN(avg_inner) *in, ptrdiff_t p,
                            int inner, int sides, const real *x, ptrdiff_t readable, real *y) {
    const ptrdiff_t top = p * s->stride_h - s->pad_h;
    const ptrdiff_t r0 = fnn_max(top, 0), rows = fnn_max(0, fnn_min(top + s->r, s->h) - r0);
    const ptrdiff_t height = FN(tap_count)(top, s->r, s->h, s->pad_h, s->count_include_pad);
    real *out = y + p * s->q;
    for (ptrdiff_t q = 0; sides && q < s->q; q++) {
        if (q == in->column0) q = in->column1;
        if (q == s->q) break;
        const ptrdiff_t column = q * s->stride_w - s->pad_w, c = fnn_max(column, 0);
        const ptrdiff_t n = fnn_max(0, fnn_min(column + s->s, s->w) - c);
        out[q] = FN(avg_single)(x + r0 * s->w + c, s->w, rows, n, FN(divisor)(s, height, q));
    }
    const FN(avg_line) line = {x + r0 * s->w, readable - r0 * s->w, rows, height, out};
    if (inner) FN(avg_middle)(s, &line, in->column0, in->column1);
}

/* Rows [from, to) of all planes; `square`: 2 or 3 for square windows of stride 2, else 0. */
FNN_INLINE void FN(avg_planes)(const fnn_pool_shape *s, ptrdiff_t planes, ptrdiff_t from,
                               ptrdiff_t to, const real *x, ptrdiff_t readable, real *y,
                               int square) {
    const ptrdiff_t size = s->h * s->w;
    FN(avg_inner) inner;
    FN(inner_columns)(s, &inner.column0, &inner.column1);
    FN(inner_rows)(s, &inner.row0, &inner.row1);
    const ptrdiff_t column = inner.column0, n = inner.column1 - column;
    const ptrdiff_t row0 = fnn_max(inner.row0, from);
    const ptrdiff_t row1 = square && n > 0 ? fnn_max(row0, fnn_min(inner.row1, to)) : row0;
    if (s->stride_w > 2 && n < LANES / 2) inner.column1 = column;
    const int sides = inner.column1 - column < s->q, others = row0 > from || row1 < to;
    ptrdiff_t count;
    for (ptrdiff_t i = 0; i < planes; i += count) {
        const ptrdiff_t left = readable - i * size;
        ptrdiff_t safe = row1;
        count = 1;
        if (row0 < row1) { /* planes with others behind them at once */
            count = FN(whole_planes)(s, planes - i, left, row1, column, n, 2, square);
            if (count == 0) {
                count = 1;
                safe = fnn_max(row0, FN(safe_rows)(s, left, row1, column, n, 2, square));
            }
            if (row0 < safe)
                FN(avg_quick)(s, count, row0, safe, column, n, x + i * size, y + i * s->p * s->q);
        }
        if (safe == row1 && row0 < row1 && !others && !sides) continue;
        for (ptrdiff_t k = i; k < i + count; k++) {
            for (ptrdiff_t p = from; p < to; p++) {
                const int middle = p < row0 || p >= safe;
                if (middle || sides)
                    FN(avg_row)(s, &inner, p, middle, sides, x + k * size, readable - k * size,
                                y + k * s->p * s->q);
            }
        }
    }
}

/* Whether 3x3 windows of stride 2 that reach over the borders go along the rows, too. */
FNN_INLINE int FN(means_pass_borders)(const fnn_pool_shape *s) {
    return FNN_BUNDLES && FN(counts_borders)(s) && FN(spreads_by_vectors)(s) &&
           FN(divides_evenly)(s);
}

static FNN_NOINLINE void FN(avg_pool)(const fnn_pool_shape *shape, ptrdiff_t planes, ptrdiff_t from,
                                      ptrdiff_t to, const real *x, ptrdiff_t readable, real *y) {
    const int even = FN(divides_evenly)(shape);
    const int two_or_three = shape->r == shape->s && (shape->r == 2 || shape->r == 3);
    const int square = even && two_or_three && shape->stride_w == 2 ? (int)shape->r : 0;
#if FNN_BUNDLES
    if (even && from == 0 && to == shape->p) {
        const ptrdiff_t whole = FN(avg_short)(shape, planes, x, readable, y);
        const ptrdiff_t size = shape->h * shape->w;
        planes -= whole;
        x += whole * size;
        readable -= whole * size;
        y += whole * shape->p * shape->q;
    }
#endif
#if FNN_POOL_LANES
    if (planes >= LANES && FN(means_in_lanes)(shape, square, FN(means_pass_borders)(shape))) {
        FN(avg_lanes)(shape, planes, from, to, x, y);
        return;
    }
#endif
#if FNN_BUNDLES
    if (FN(means_pass_borders)(shape)) {
        FN(avg_bordered)(shape, planes, from, to, x, y);
        return;
    }
#endif
    FN(avg_planes)(shape, planes, from, to, x, readable, y, square);
}
