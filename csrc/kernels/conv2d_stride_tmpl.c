/* Windows of 3x3, two pixels apart: one or two vectors of results go down the rows, channel by channel,
 * so that each source row is loaded once, where it begins, and parted once. Part of conv2d_window.
 *
 *   a source row  |x x x x x x x x|  tap 1: even lanes   row 2p - top      taps 0 of p, taps 2 of p - 1
 *   from tap 1 on                    tap 2: odd lanes    row 2p - top + 1  taps 1 of p
 *                                    tap 0: tap 2's of the pixel before */

enum { FN(stride_rows) = 32 }; /* of a strip */

/* Adds row r of the taps to the sums of `vectors` vectors. */
FNN_INLINE void FN(stride_add)(int vectors, const vec w[3], vec x[3][2], vec sum[2]) {
    FNN_UNROLL
    for (int s = 0; s < 3; s++) {
        FNN_UNROLL
        for (int i = 0; i < vectors; i++) sum[i] = FN(fma)(w[s], x[s][i], sum[i]);
    }
}

/* The pixels of each column of taps: src is the one of tap 1 of the first result. */
FNN_INLINE void FN(stride_read)(int vectors, const vspan span[5], const real *src, vec x[3][2]) {
    vec before = FN(load_span)(src - LANES, span[0]);
    FNN_UNROLL
    for (int i = 0; i < vectors; i++) {
        const vec a = FN(load_span)(src + 2 * i * LANES, span[2 * i + 1]);
        const vec b = FN(load_span)(src + (2 * i + 1) * LANES, span[2 * i + 2]);
        x[1][i] = FN(even_lanes)(a, b);
        x[2][i] = FN(odd_lanes)(a, b);
        x[0][i] = FN(slide_last)(before, x[2][i]);
        before = x[2][i];
    }
}

/* Rows first .. last of `vectors` vectors of results from column `at` on, of some planes; the last row
 * read gives taps 0 of a row that is not asked for. */
FNN_INLINE void FN(stride_strip)(int vectors, const fnn_conv2d_window *window,
                                 const fnn_conv2d_walk *walk, ptrdiff_t planes, ptrdiff_t at,
                                 ptrdiff_t first, ptrdiff_t last, const real *src, const real *w,
                                 const real *bias, real *dst) {
    const ptrdiff_t cols = window->in_cols, col = 2 * at - window->left + 1;
    const ptrdiff_t top = 2 * first - window->top;
    const vmask results = FN(mask)(fnn_min(window->out_cols - at - (vectors - 1) * LANES, LANES));
    _Alignas(FNN_LINE) real sums[(FN(stride_rows) + 1) * 2 * LANES]; /* from channel to channel */
    vspan span[5];
    /* of what is before the first pixel the last lane alone */
    span[0] = FN(span)(col > 0 && col <= cols ? LANES - 1 : LANES, LANES);
    FNN_UNROLL
    for (int i = 0; i < 2 * vectors; i++)
        span[i + 1] = FN(span)(fnn_max(fnn_min(-col - i * LANES, LANES), 0),
                               fnn_max(fnn_min(cols - col - i * LANES, LANES), 0));
    src += top * cols + col;
    dst += first * window->out_cols + at;
    for (; planes > 0; planes--) {
        const vec start = FN(splat)(bias ? *bias : 0);
        for (ptrdiff_t c = 0; c < walk->channels; c++) {
            const real *from = src + c * walk->src_channel, *const by = w + c * walk->w_channel;
            vec held[3][3], x[3][2], sum[2] = {start, start}, next[2];
            real *to = dst, *kept = sums;
            FNN_UNROLL
            for (int r = 0; r < 3; r++) {
                FNN_UNROLL
                for (int s = 0; s < 3; s++) held[r][s] = FN(splat)(by[r * 3 + s]);
            }
            for (ptrdiff_t p = first - 1, row = top; p < last; p++, row += 2, from += 2 * cols) {
                FNN_UNROLL
                for (int i = 0; i < vectors; i++)
                    next[i] = c > 0 ? FN(load)(kept + i * LANES) : start;
                if ((size_t)row < (size_t)window->in_rows) {
                    FN(stride_read)(vectors, span, from, x);
                    FN(stride_add)(vectors, held[2], x, sum);
                    FN(stride_add)(vectors, held[0], x, next);
                }
                if (p >= first && c + 1 == walk->channels) {
                    FNN_UNROLL
                    for (int i = 0; i < vectors - 1; i++) FN(store)(to + i * LANES, sum[i]);
                    FN(store_m)(to + (vectors - 1) * LANES, sum[vectors - 1], results);
                    to += window->out_cols;
                } else if (p >= first) {
                    FNN_UNROLL
                    for (int i = 0; i < vectors; i++) FN(store)(kept + (i - vectors) * LANES, sum[i]);
                }
                kept += vectors * LANES;
                if ((size_t)(row + 1) < (size_t)window->in_rows) {
                    FN(stride_read)(vectors, span, from + cols, x);
                    FN(stride_add)(vectors, held[1], x, next);
                }
                FNN_UNROLL
                for (int i = 0; i < vectors; i++) sum[i] = next[i];
            }
        }
        /* what walks along the planes is read anew: GCC would keep it in vectors */
        __asm__("" : "+r"(walk), "+r"(window) : : "memory");
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
        if (bias) bias += walk->bias_plane;
    }
}

static FNN_NOINLINE void FN(conv2d_stride)(const fnn_conv2d_window *window,
                                           const fnn_conv2d_walk *walk, ptrdiff_t first,
                                           ptrdiff_t last, const real *src, const real *w,
                                           const real *bias, real *dst) {
    const ptrdiff_t cols = window->out_cols;
    /* strips of a wide plane share lines */
    const ptrdiff_t some = cols > 2 * LANES || last - first > FN(stride_rows) ? 1 : walk->planes;
    for (ptrdiff_t j = 0; j < walk->planes; j += some) {
        for (ptrdiff_t p = first; p < last; p += FN(stride_rows)) {
            const ptrdiff_t end = fnn_min(p + FN(stride_rows), last);
            for (ptrdiff_t q = 0; q < cols; q += 2 * LANES) {
                if (cols - q > LANES)
                    FN(stride_strip)(2, window, walk, some, fnn_max(fnn_min(q, cols - 2 * LANES), 0),
                                     p, end, src, w, bias, dst);
                else
                    FN(stride_strip)(1, window, walk, some, fnn_max(fnn_min(q, cols - LANES), 0), p,
                                     end, src, w, bias, dst);
            }
        }
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
        if (bias) bias += walk->bias_plane;
    }
}
