/* Windows of stride 1 over small planes in place, one channel each, where vectors are shorter than
 * cache lines or a multiply-add takes as long as a load that straddles two: a strip of one vector
 * runs down the plane, and the result rows that a source row meets rotate. No row is read for two
 * tiles, and only what is above and below the plane is tested. Part of conv2d_window.
 *
 *   size 3, source row y, P = y + top:   acc[0] acc[1] acc[2] = result rows P-2, P-1, P
 *     x[s] for each column s             w[2][s] -> P-2, which is stored, w[1][s] -> P-1, w[0][s] -> P
 *
 * Wide rows lose by it: a strip leaves half a line of each row of the result to the next one. */

enum { FN(roll_ahead) = 2048 / sizeof(real) }; /* elements: planes lie side by side */

/* One by one: Clang would move the sums as a piece of memory, and keep them there. */
FNN_INLINE void FN(roll_next)(int size, vec start, vec acc[5]) {
    FNN_UNROLL
    for (int i = 0; i + 1 < size; i++) acc[i] = FN(pin)(acc[i + 1]);
    acc[size - 1] = start;
}

FNN_INLINE void FN(roll_row)(int size, int edge, const vspan span[5], const real *src,
                             vec held[5][5], vec acc[5]) {
    __builtin_prefetch(src + FN(roll_ahead));
    FNN_UNROLL
    for (int s = 0; s < size; s++) {
        const vec x = FN(pin)(edge ? FN(load_span)(src + s, span[s]) : FN(load)(src + s));
        FNN_UNROLL
        for (int r = 0; r < size; r++)
            acc[size - 1 - r] = FN(fma)(held[r][s], x, acc[size - 1 - r]);
    }
}

/* Where a vector is a line, rows may be shorter. */
FNN_INLINE void FN(roll_store)(int edge, vmask results, real *dst, vec sum) {
    if (edge && FNN_VBYTES == FNN_LINE)
        FN(store_m)(dst, sum, results);
    else
        FN(store)(dst, sum);
}

/* Rows first .. last of a strip, where src and dst are row 0 at its column; `edge` if it reaches
 * over the ends of source rows: spans[s][0] are the lanes that column s of the taps finds there. */
FNN_INLINE void FN(roll_strip)(int size, int edge, const fnn_conv2d_window *window,
                               const FN(window_spans) *spans, ptrdiff_t first, ptrdiff_t last,
                               const real *src, const real *w, vec bias, real *dst) {
    const ptrdiff_t in_cols = window->in_cols, out_cols = window->out_cols;
    const vmask results = FN(mask)(fnn_min(out_cols, LANES));
    const ptrdiff_t end = last + size - 1, stored = first + size - 1;
    const ptrdiff_t from = fnn_max(fnn_min(window->top, end), first);
    const ptrdiff_t until = fnn_max(fnn_min(window->top + window->in_rows, end), from);
    vec held[5][5], acc[5];
    vspan span[5];
    FNN_UNROLL
    for (int r = 0; r < size; r++) {
        span[r] = spans->tap[r][0];
        acc[r] = bias;
        FNN_UNROLL
        for (int s = 0; s < size; s++) held[r][s] = FN(splat)(w[r * size + s]);
    }
    src += (from - window->top) * in_cols;
    dst += (first - size + 1) * out_cols;
    ptrdiff_t p = first;
    for (; p < from; p++, dst += out_cols) {
        FN(roll_next)(size, bias, acc);
        if (p >= stored) FN(roll_store)(edge, results, dst, acc[0]);
    }
    for (; p < until && p < stored; p++, src += in_cols, dst += out_cols) {
        FN(roll_next)(size, bias, acc);
        FN(roll_row)(size, edge, span, src, held, acc);
    }
    for (; p < until; p++, src += in_cols, dst += out_cols) {
        FN(roll_next)(size, bias, acc);
        FN(roll_row)(size, edge, span, src, held, acc);
        FN(roll_store)(edge, results, dst, acc[0]);
    }
    for (; p < end; p++, dst += out_cols) {
        FN(roll_next)(size, bias, acc);
        if (p >= stored) FN(roll_store)(edge, results, dst, acc[0]);
    }
}

/* All strips of one plane; the last one moves back to end with the rows. */
FNN_INLINE void FN(roll_plane)(int size, const fnn_conv2d_window *window,
                               const FN(window_spans) spans[FNN_CONV2D_STRIP_COLUMNS / 8],
                               ptrdiff_t first, ptrdiff_t last, const real *src, const real *w,
                               vec bias, real *dst) {
    const ptrdiff_t cols = window->out_cols;
    for (ptrdiff_t q = window->from; q < window->to; q += LANES, spans++) {
        const ptrdiff_t at = fnn_max(fnn_min(q, cols - LANES), 0), col = at - window->left;
        /* masks of vectors that are a line cost nothing */
        if (FNN_VBYTES < FNN_LINE && col >= 0 && col + size - 1 + LANES <= window->in_cols)
            FN(roll_strip)(size, 0, window, spans, first, last, src + col, w, bias, dst + at);
        else
            FN(roll_strip)(size, 1, window, spans, first, last, src + col, w, bias, dst + at);
    }
}

#define X(SIZE)                                                                                  \
    static FNN_NOINLINE void FN(conv2d_roll_##SIZE)(                                             \
        const fnn_conv2d_window *window, const FN(window_spans) *spans, ptrdiff_t first,         \
        ptrdiff_t last, const real *src, const real *w, vec bias, real *dst) {                   \
        FN(roll_plane)(SIZE, window, spans, first, last, src, w, bias, dst);                     \
    }
X(3)
X(5)
#undef X

static void FN(conv2d_roll)(const fnn_conv2d_window *window, const fnn_conv2d_walk *walk,
                            ptrdiff_t first, ptrdiff_t last, const real *src, const real *w,
                            const real *bias, real *dst) {
    FN(window_spans) spans[FNN_CONV2D_STRIP_COLUMNS / 8];
    for (ptrdiff_t i = 0, q = window->from; q < window->to; i++, q += LANES)
        FN(window_set_spans)(window, fnn_max(fnn_min(q, window->out_cols - LANES), 0), &spans[i]);
    for (ptrdiff_t j = 0; j < walk->planes; j++) {
        (window->size == 5 ? FN(conv2d_roll_5) : FN(conv2d_roll_3))(
            window, spans, first, last, src, w,
            bias ? FN(splat)(bias[j * walk->bias_plane]) : FN(zero)(), dst);
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
    }
}
