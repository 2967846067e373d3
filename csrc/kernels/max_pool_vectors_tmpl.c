/* Rows and columns of the commonest windows of max pooling, by vectors; contracts in
 * kernels/pool.h.
 *
 * All return a sum that tells whether there is a NaN (max_pool_quick_tmpl.c). */

/* Windows of one row, from x on: what quick_vector needs, in registers. */
typedef struct FN(quick_windows) {
    const real *x;
    ptrdiff_t w; /* width of the plane */
    ivec corner; /* positions of the first LANES windows in the plane */
    real *y;
    int32_t *index;
    /* the first row is above the plane, the first column left of it, the last row below it */
    int above, beside, below;
    ptrdiff_t whole; /* windows that do not reach over the right border */
} FN(quick_windows);

/* The largest of 2x2 taps of LANES windows at `corner`, the first of equals, and its position. */
FNN_INLINE vec FN(largest_of_four)(const vec v[4], ivec corner, ptrdiff_t w, int indexed,
                                   ivec *at) {
    const vec upper = FN(maximum)(v[1], v[0]), lower = FN(maximum)(v[3], v[2]);
    const vec most = FN(maximum)(lower, upper);
    if (!indexed) return most;
    const ivec one = (ivec){0} + 1;
    const FN(cond) below = FN(above)(lower, upper);
    *at = FN(iadd_where)(below, corner, one * (FN(lane_int))w, corner);
    *at = FN(iadd_where)(FN(unlike)(FN(where)(below, v[2], v[0]), most), *at, one, *at);
    return most;
}

/* The same of a row of three taps. */
FNN_INLINE vec FN(largest_of_row)(const vec v[3], ivec corner, int indexed, ivec *at) {
    const vec two = FN(maximum)(v[1], v[0]), most = FN(maximum)(v[2], two);
    if (!indexed) return most;
    const ivec one = (ivec){0} + 1;
    *at = FN(iadd_where)(FN(above)(v[1], v[0]), corner, one, corner);
    *at = FN(iadd_where)(FN(above)(v[2], two), corner, one + one, *at);
    return most;
}

/* How far ahead lines of outputs are asked for (in L2 1.1x), and of short rows, which are no stream
 * to a processor (in L2 another 1.1x). */
enum { FN(OUTPUTS_AHEAD) = 512 / sizeof(real), FN(ROWS_AHEAD) = 1024 / sizeof(real) };

FNN_INLINE void FN(fetch_outputs)(const FN(quick_windows) *windows, int indexed) {
    if (FNN_VBYTES < 64) return;
    __builtin_prefetch(windows->y + FN(OUTPUTS_AHEAD), 1);
    if (indexed) __builtin_prefetch(windows->index + FN(OUTPUTS_AHEAD), 1);
}

/* n outputs of 2x2 windows; returns the sum of the taps. */
FNN_INLINE vec FN(quick_vector)(const FN(quick_windows) *windows, ptrdiff_t n, int indexed) {
    vec v[9];
    FN(fetch_outputs)(windows, indexed);
    ivec at = {0};
    FN(load_taps)(windows->x, windows->w, 2, 2, v);
    const vec most = FN(largest_of_four)(v, windows->corner, windows->w, indexed, &at);
    FN(store_outputs)(windows->y, indexed ? windows->index : NULL, most, at, n);
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/* A row of n outputs; returns the sum of the taps. */
FNN_INLINE vec FN(quick_row)(FN(quick_windows) windows, ptrdiff_t n, int indexed) {
    vec sum = FN(zero)();
    for (; n >= LANES; n -= LANES) {
        sum += FN(quick_vector)(&windows, LANES, indexed);
        windows.x += 2 * LANES;
        windows.corner += 2 * LANES;
        windows.y += LANES;
        if (indexed) windows.index += LANES;
    }
    if (n > 0) sum += FN(quick_vector)(&windows, n, indexed);
    return sum;
}

/* A column of `rows` times n outputs of 3x3 windows; returns the sum of the taps. The last `step`
 * rows of a window are the first of the one below, or one of them is. */
FNN_INLINE vec FN(quick_column)(FN(quick_windows) windows, ptrdiff_t rows, ptrdiff_t outputs,
                                ptrdiff_t n, int step, int indexed) {
    vec sum = FN(zero)(), most[3] = {sum, sum, sum}, v[3];
    ivec at[3] = {{0}}, here = windows.corner;
    const ivec down = (ivec){0} + (FN(lane_int))windows.w;
    FNN_UNROLL
    for (int r = step; r < 3; r++, windows.x += windows.w, here += down) {
        FN(load_taps_of_row)(windows.x, step, 3, v);
        most[r] = FN(largest_of_row)(v, here, indexed, &at[r]);
        sum += (v[0] + v[1]) + v[2];
    }
    for (; rows > 0; rows--) {
        FNN_UNROLL
        for (int r = 0; r < 3 - step; r++) {
            most[r] = most[r + step];
            at[r] = at[r + step];
        }
        FNN_UNROLL
        for (int r = 3 - step; r < 3; r++, windows.x += windows.w, here += down) {
            FN(load_taps_of_row)(windows.x, step, 3, v);
            most[r] = FN(largest_of_row)(v, here, indexed, &at[r]);
            sum += (v[0] + v[1]) + v[2];
        }
        vec all = FN(maximum)(most[1], most[0]);
        ivec where = at[0];
        if (indexed) {
            where = FN(iwhere)(FN(above)(most[1], most[0]), at[1], where);
            where = FN(iwhere)(FN(above)(most[2], all), at[2], where);
        }
        all = FN(maximum)(most[2], all);
        FN(store_outputs)(windows.y, indexed ? windows.index : NULL, all, where, n);
        windows.y += outputs;
        if (indexed) windows.index += outputs;
    }
    return sum;
}

#if FNN_BUNDLES
/* A column of `rows` rows, `down` elements apart, of n outputs of 2x2 windows, a vector at most;
 * returns the sum of the taps. */
FNN_INLINE vec FN(quick_down)(FN(quick_windows) windows, ptrdiff_t rows, ptrdiff_t down,
                              ptrdiff_t outputs, ptrdiff_t n, int indexed) {
    vec sum = FN(zero)();
    const ivec on = (ivec){0} + (FN(lane_int))down;
    for (; rows > 0; rows--, windows.x += down, windows.corner += on) {
        for (int line = 0; line < 4; line++)
            __builtin_prefetch(windows.x + FN(ROWS_AHEAD) + line * LANES);
        sum += FN(quick_vector)(&windows, n, indexed);
        windows.y += outputs;
        if (indexed) windows.index += outputs;
    }
    return sum;
}

/* A row outside the plane. */
FNN_INLINE void FN(nothing)(int count, vec most[2], ivec at[2]) {
    FNN_UNROLL
    for (int k = 0; k < count; k++) most[k] = FN(splat)((real)-INFINITY), at[k] = (ivec){0};
}

/* Lanes of what is in the plane: of a row's first vector, and of each vector's third taps. */
typedef struct FN(inside_lanes) {
    vmask first, third[2];
} FN(inside_lanes);

/* The largest of a row of three taps of `count` (a literal) vectors of windows side by side, and
 * which they are of the row's elements, the first of which are `first`; third taps are moved out of
 * first ones, the last, if all lanes are used (`full`, a literal), out of the row. What is loaded is
 * added to the sum. */
FNN_INLINE vec FN(largest_of_rows)(int count, int full, int pad, int indexed, const real *x,
                                   const FN(inside_lanes) *in, const ivec first[2], vec most[2],
                                   ivec at[2], vec sum) {
    const vec least = FN(splat)((real)-INFINITY);
    vec v[2][3];
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        const real *from = x + 2 * k * LANES;
        const int border = pad && k == 0;
        vec low = FN(pin)(border ? FN(load_m)(from, in->first) : FN(load)(from));
        const vec high = FN(pin)(FN(load)(from + LANES));
        sum += low + high;
        if (border) low = FN(load_over)(least, in->first, from);
        v[k][0] = FN(even_lanes)(low, high);
        v[k][1] = FN(odd_lanes)(low, high);
    }
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        const int last = full && k + 1 == count;
        const vec next = last ? FN(splat)(x[2 * count * LANES]) : v[count - 1][0];
        v[k][2] = FN(slide)(v[k][0], next, 1);
        if (pad) v[k][2] = FN(where)(in->third[k], v[k][2], least);
        most[k] = FN(largest_of_row)(v[k], first[k], indexed, &at[k]);
    }
    return full ? sum + FN(splat)(x[2 * count * LANES]) : sum;
}

/* quick_column of stride 2 for n outputs in `count` (a literal) vectors, `full` or not, of planes
 * with a border of one element or not (`pad`, a literal): fewer loads. */
FNN_INLINE vec FN(quick_rows_of)(int count, int full, int pad, int indexed,
                                 FN(quick_windows) windows, ptrdiff_t rows, ptrdiff_t outputs,
                                 ptrdiff_t n) {
    vec most[3][2];
    ivec at[3][2], corner = windows.corner;
    const ivec down = (ivec){0} + (FN(lane_int))windows.w;
    const ivec first[2] = {FN(lane_numbers)(2), FN(lane_numbers)(2) + 2 * LANES};
    const FN(inside_lanes) in = {
        FN(mask)(LANES) & ~FN(mask)(windows.beside),
        {FN(mask)(fnn_min(windows.whole, LANES)),
         FN(mask)(fnn_max(0, fnn_min(windows.whole - LANES, LANES)))}};
    vec sum = FN(zero)();
    if (pad && windows.above)
        FN(nothing)(count, most[2], at[2]);
    else
        sum = FN(largest_of_rows)(count, full, pad, indexed, windows.x, &in, first, most[2], at[2],
                                  sum);
    corner -= first[0];
    for (; rows > 0; rows--, corner += down + down) {
        FNN_UNROLL
        for (int k = 0; k < count; k++) most[0][k] = most[2][k], at[0][k] = at[2][k];
        sum = FN(largest_of_rows)(count, full, pad, indexed, windows.x += windows.w, &in, first,
                                  most[1], at[1], sum);
        windows.x += windows.w;
        if (pad && windows.below && rows == 1)
            FN(nothing)(count, most[2], at[2]);
        else
            sum = FN(largest_of_rows)(count, full, pad, indexed, windows.x, &in, first, most[2],
                                      at[2], sum);
        FN(fetch_outputs)(&windows, indexed);
        FNN_UNROLL
        for (int k = 0; k < count; k++) {
            const vec upper = FN(maximum)(most[1][k], most[0][k]);
            ivec where = at[0][k];
            if (indexed) {
                where = FN(iadd_where)(FN(above)(most[1][k], most[0][k]), at[1][k], down, where);
                where = FN(iadd_where)(FN(above)(most[2][k], upper), at[2][k], down + down, where);
                where += corner;
            }
            FN(store_outputs)(windows.y + k * LANES, indexed ? windows.index + k * LANES : NULL,
                              FN(maximum)(most[2][k], upper), where,
                              k < count - 1 ? LANES : n - k * LANES);
        }
        windows.y += outputs;
        if (indexed) windows.index += outputs;
    }
    return sum;
}

/* The same for n outputs, but no single whole vector of them. */
FNN_INLINE vec FN(quick_threes)(int pad, int indexed, FN(quick_windows) row, ptrdiff_t rows,
                                ptrdiff_t outputs, ptrdiff_t n) {
    vec sum = FN(zero)();
    for (; n >= 2 * LANES; n -= 2 * LANES) {
        sum += FN(quick_rows_of)(2, 1, pad, indexed, row, rows, outputs, 2 * LANES);
        row.x += 4 * LANES;
        row.corner += 4 * LANES;
        row.y += 2 * LANES;
        if (indexed) row.index += 2 * LANES;
        row.beside = 0;
        row.whole -= 2 * LANES;
    }
    if (n > LANES) sum += FN(quick_rows_of)(2, 0, pad, indexed, row, rows, outputs, n);
    if (0 < n && n < LANES) sum += FN(quick_rows_of)(1, 0, pad, indexed, row, rows, outputs, n);
    return sum;
}

#endif

