/* Max pooling of the commonest windows, and the kernel that chooses; contracts in
 * kernels/pool.h.
 *
 * Comparing tap after tap is a chain of ten cycles a tap. The quick way takes the maximum of all
 * taps first and then looks for the first tap that equals it: short chains only. That is wrong
 * if there is a NaN, which the sum of all taps tells; such rows are done again. (So are those with
 * both infinities: their sum is a NaN too.) */

/* Rows of outputs that are done again together. */
enum { FN(QUICK_ROWS) = 16 };

/* Windows of one row, from x on: what quick_vector needs, in registers. */
typedef struct FN(quick_windows) {
    const real *x;
    ptrdiff_t w;      /* width of the plane */
    ptrdiff_t corner; /* position of x in the plane */
    real *y;
    int32_t *index;
} FN(quick_windows);

/* The position of the first tap in LANES windows that equals the largest, relative to the window's
 * corner, given the largest of each row too: the first row that has it, then its first tap. */
FNN_INLINE ivec FN(first_largest)(int square, ptrdiff_t w, const vec v[9], const vec row_most[3],
                                  vec most) {
    const ivec one = (ivec){0} + 1;
    ivec at = one * (FN(lane_int))((square - 1) * w), column = one * (square - 1);
    vec tap[3];
    FNN_UNROLL
    for (int k = 0; k < square - 1; k++) tap[k] = v[(square - 1) * square + k];
    FNN_UNROLL
    for (int r = square - 2; r >= 0; r--) {
        const ivec here = row_most[r] == most;
        at = FN(iselect)(here, one * (FN(lane_int))(r * w), at);
        FNN_UNROLL
        for (int k = 0; k < square - 1; k++) tap[k] = FN(select)(here, v[r * square + k], tap[k]);
    }
    FNN_UNROLL
    for (int k = square - 2; k >= 0; k--) column = FN(iselect)(tap[k] == most, one * k, column);
    return at + column;
}

/* n outputs; returns the sum of the taps. Of equal taps the first stays. */
FNN_INLINE vec FN(quick_vector)(FN(quick_windows) windows, ptrdiff_t n, int step, int square,
                                int indexed) {
    vec v[9], row_most[3];
    FN(load_taps)(windows.x, windows.w, step, square, v);
    vec sum = FN(zero)(), most;
    FNN_UNROLL
    for (int r = 0; r < square; r++) {
        const vec *row = v + r * square;
        row_most[r] = FN(maximum)(row[1], row[0]);
        if (square == 3) row_most[r] = FN(maximum)(row[2], row_most[r]);
        sum += square == 3 ? (row[0] + row[1]) + row[2] : row[0] + row[1];
        most = r == 0 ? row_most[0] : FN(maximum)(row_most[r], most);
    }
    ivec at = {0};
    if (indexed)
        at = FN(first_largest)(square, windows.w, v, row_most, most) + FN(lane_numbers)(step) +
             (FN(lane_int))windows.corner;
    FN(store_outputs)(windows.y, indexed ? windows.index : NULL, most, at, n);
    return sum;
}

/* A row of n outputs; returns the sum of the taps. */
FNN_INLINE vec FN(quick_row)(FN(quick_windows) windows, ptrdiff_t n, int step, int square,
                             int indexed) {
    vec sum = FN(zero)();
    for (; n >= LANES; n -= LANES) {
        sum += FN(quick_vector)(windows, LANES, step, square, indexed);
        windows.x += step * LANES;
        windows.corner += step * LANES;
        windows.y += LANES;
        if (indexed) windows.index += LANES;
    }
    if (n > 0) sum += FN(quick_vector)(windows, n, step, square, indexed);
    return sum;
}

/* n outputs from column q on of the rows [p0, p1), all windows inside the plane (and what lies
 * behind them inside the array), and their positions if they are `indexed`; 0 if they are not to
 * be trusted. */
FNN_INLINE int FN(quick_rows)(const FN(max_window) *window, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t q,
                              ptrdiff_t n, int step, int square, int indexed) {
    const fnn_pool_shape *s = window->shape;
    const ptrdiff_t down = s->stride_h * s->w, outputs = s->q;
    const ptrdiff_t corner = p0 * down - s->pad_h * s->w + q * step - s->pad_w;
    FN(quick_windows) row = {window->x + corner, s->w, corner, window->y + p0 * outputs + q, NULL};
    if (indexed) row.index = window->index + p0 * outputs + q;
    vec sum = FN(zero)();
    for (ptrdiff_t p = p0; p < p1; p++) {
        sum += FN(quick_row)(row, n, step, square, indexed);
        row.x += down;
        row.corner += down;
        row.y += outputs;
        if (indexed) row.index += outputs;
    }
    return FN(sum_everywhere)(sum - sum)[0] == 0;
}

/* Row p of outputs by the book, the inner ones [inner0, inner1) too unless they are `done`. */
FNN_INLINE void FN(max_row)(FN(max_window) *window, ptrdiff_t p, ptrdiff_t inner0,
                            ptrdiff_t inner1, int done, real *y, int32_t *index) {
    const fnn_pool_shape *s = window->shape;
    window->y = y + p * s->q;
    window->index = index ? index + p * s->q : NULL;
    window->top = p * s->stride_h - s->pad_h;
    FN(inside)(window->top, s->r, s->dilation_h, s->h, &window->r0, &window->r1);
    if (window->r0 == window->r1) inner0 = inner1 = 0;
    for (ptrdiff_t q = 0; q < inner0; q++) FN(max_single)(window, q);
    if (!done && inner0 < inner1) FN(max_inner)(window, inner0, inner1);
    for (ptrdiff_t q = inner1; q < s->q; q++) FN(max_single)(window, q);
}

/* All rows [from, to), for a literal step and square window, or neither (0, 0). */
FNN_INLINE void FN(max_rows)(FN(max_window) *window, ptrdiff_t from, ptrdiff_t to, int step,
                             int square) {
    const fnn_pool_shape *s = window->shape;
    real *const y = window->y;
    int32_t *const index = window->index;
    ptrdiff_t inner0, inner1, full0, full1;
    FN(inner_columns)(s, &inner0, &inner1);
    FN(inner_rows)(s, &full0, &full1);
    full1 = fnn_min(full1, to);
    if (square)
        full1 = fnn_min(full1, FN(safe_rows)(s, window->readable, inner0, inner1, step, square));
    /* lanes filled one by one pay only if most are used */
    if (s->stride_w > 2 && inner1 - inner0 < LANES / 2) inner1 = inner0;
    const int sides = inner0 > 0 || inner1 < s->q;
    for (ptrdiff_t p = from, rows; p < to; p += rows) {
        const int quick = square && full0 <= p && p < full1;
        rows = quick ? fnn_min(FN(QUICK_ROWS), full1 - p) : 1;
        window->y = y;
        window->index = index;
        int done = 0;
        if (quick && index)
            done = FN(quick_rows)(window, p, p + rows, inner0, inner1 - inner0, step, square, 1);
        else if (quick)
            done = FN(quick_rows)(window, p, p + rows, inner0, inner1 - inner0, step, square, 0);
        if (done && !sides) continue;
        for (ptrdiff_t i = p; i < p + rows; i++)
            FN(max_row)(window, i, inner0, inner1, done, y, index);
    }
}

static FNN_NOINLINE void FN(max_pool)(const fnn_pool_shape *s, ptrdiff_t from, ptrdiff_t to,
                                      const real *x, ptrdiff_t readable, real *y, int32_t *index) {
    FN(max_window) window = {s, x, readable, 0, 0, 0, y, index};
    const int square = s->r == s->s && s->dilation_h == 1 && s->dilation_w == 1 ? (int)s->r : 0;
    if (s->stride_w == 2 && square == 2)
        FN(max_rows)(&window, from, to, 2, 2);
    else if (s->stride_w == 2 && square == 3)
        FN(max_rows)(&window, from, to, 2, 3);
    else if (s->stride_w == 1 && square == 3)
        FN(max_rows)(&window, from, to, 1, 3);
    else
        FN(max_rows)(&window, from, to, 0, 0);
}
