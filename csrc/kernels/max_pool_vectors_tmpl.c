/* Rows and columns of the commonest windows of max pooling, by vectors; contracts in
 * kernels/pool.h.
 *
 * All return a sum that tells whether there is a NaN (max_pool_quick_tmpl.c). */

/* Rows of outputs that are done again together. */
enum { FN(QUICK_ROWS) = 16 };

/* Windows of one row, from x on: what quick_vector needs, in registers. */
typedef struct FN(quick_windows) {
    const real *x;
    ptrdiff_t w; /* width of the plane */
    ivec corner; /* positions of the first LANES windows in the plane */
    real *y;
    int32_t *index;
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
#endif
