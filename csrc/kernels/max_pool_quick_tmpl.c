/* Max pooling of the commonest windows, and the kernel that chooses; contracts in
 * kernels/pool.h.
 *
 * Comparing tap after tap is a chain of ten cycles a tap. The quick way takes the maximum of all
 * taps first and then looks for the first tap that equals it: short chains only. That is wrong
 * if there is a NaN, which the sum of all taps tells; such a row is done again. (So is one with
 * both infinities: their sum is a NaN too.) */

/* n inner outputs from q on of `square` x `square` windows, all inside the plane; the taps are
 * added to the lanes of `sum`. */
FNN_INLINE void FN(quick_vector)(const FN(max_window) *window, ptrdiff_t q, ptrdiff_t n, int step,
                                 int square, int whole, vec *sum) {
    const fnn_pool_shape *s = window->shape;
    const ptrdiff_t corner = window->top * s->w + q * s->stride_w - s->pad_w;
    const ptrdiff_t down = s->dilation_h * s->w, right = s->dilation_w;
    vec v[9];
    FNN_UNROLL
    for (int i = 0; i < square * square; i++) {
        const ptrdiff_t here = corner + i / square * down + i % square * right;
        v[i] = FN(load_strided)(window->x + here, window->readable - here, s->stride_w, step,
                                whole);
        *sum += v[i];
    }
    vec most = FN(maximum)(FN(maximum)(v[0], v[1]), FN(maximum)(v[2], v[3]));
    if (square == 3) {
        const vec low = FN(maximum)(FN(maximum)(v[4], v[5]), FN(maximum)(v[6], v[7]));
        most = FN(maximum)(FN(maximum)(most, low), v[8]);
    }
    ivec at = FN(lane_numbers)(0);
    if (window->index) {
        const int last = square * square - 1;
        at += (FN(lane_int))(last / square * down + last % square * right);
        FNN_UNROLL
        for (int i = last - 1; i >= 0; i--) {
            const ivec here = FN(lane_numbers)(0) +
                              (FN(lane_int))(i / square * down + i % square * right);
            at = FN(iselect)(v[i] == most, here, at);
        }
        at += FN(lane_numbers)(step) + (FN(lane_int))corner;
    }
    FN(store_outputs)(window->y + q, window->index ? window->index + q : NULL, most, at, n);
}

/* Inner outputs [from, to) of the row; 0 if they are not to be trusted. */
FNN_INLINE int FN(quick_row)(const FN(max_window) *window, ptrdiff_t from, ptrdiff_t to, int step,
                             int square) {
    const fnn_pool_shape *s = window->shape;
    const ptrdiff_t last = (window->top + (square - 1) * s->dilation_h) * s->w +
                           (square - 1) * s->dilation_w - s->pad_w;
    vec sum = FN(zero)();
    for (ptrdiff_t q = from; q < to; q += LANES) {
        const ptrdiff_t n = fnn_min(LANES, to - q);
        if (FNN_LIKELY(last + q * s->stride_w + step * LANES <= window->readable))
            FN(quick_vector)(window, q, n, step, square, 1, &sum);
        else
            FN(quick_vector)(window, q, n, step, square, 0, &sum);
    }
    const real total = FN(sum_everywhere)(sum - sum)[0];
    return total == 0;
}

/* All rows [from, to), for a literal step and square window, or neither (0, 0). */
FNN_INLINE void FN(max_rows)(FN(max_window) *window, ptrdiff_t from, ptrdiff_t to, int step,
                             int square) {
    const fnn_pool_shape *s = window->shape;
    real *const y = window->y;
    int32_t *const index = window->index;
    ptrdiff_t inner0, inner1;
    FN(inner_outputs)(s, &inner0, &inner1);
    /* lanes filled one by one pay only if most are used */
    if (s->stride_w > 2 && inner1 - inner0 < LANES / 2) inner1 = inner0;
    for (ptrdiff_t p = from; p < to; p++) {
        window->y = y + p * s->q;
        window->index = index ? index + p * s->q : NULL;
        window->top = p * s->stride_h - s->pad_h;
        FN(inside)(window->top, s->r, s->dilation_h, s->h, &window->r0, &window->r1);
        if (window->r0 == window->r1) {
            for (ptrdiff_t q = 0; q < s->q; q++) FN(max_single)(window, q);
            continue;
        }
        for (ptrdiff_t q = 0; q < inner0; q++) FN(max_single)(window, q);
        const int full = square && window->r0 == 0 && window->r1 == square;
        if (!full || !FN(quick_row)(window, inner0, inner1, step, square))
            FN(max_inner)(window, inner0, inner1);
        for (ptrdiff_t q = inner1; q < s->q; q++) FN(max_single)(window, q);
    }
}

static FNN_NOINLINE void FN(max_pool)(const fnn_pool_shape *s, ptrdiff_t from, ptrdiff_t to,
                                      const real *x, ptrdiff_t readable, real *y, int32_t *index) {
    FN(max_window) window = {s, x, readable, 0, 0, 0, y, index};
    if (s->stride_w == 2 && s->r == 2 && s->s == 2)
        FN(max_rows)(&window, from, to, 2, 2);
    else if (s->stride_w == 2 && s->r == 3 && s->s == 3)
        FN(max_rows)(&window, from, to, 2, 3);
    else if (s->stride_w == 1 && s->r == 3 && s->s == 3)
        FN(max_rows)(&window, from, to, 1, 3);
    else
        FN(max_rows)(&window, from, to, 0, 0);
}
