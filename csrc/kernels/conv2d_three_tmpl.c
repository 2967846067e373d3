/* Windows of 3x3 over planes in place whose rows are whole vectors: three results, or gradients of
 * the windows of three results, at a time. What rows of a source are shifted to serves all three, and
 * every load is of a whole line. Contracts in kernels/conv2d_window.h. */

/* The vector at p of a row and its neighbours', shifted to the columns of taps. */
FNN_INLINE void FN(three_columns)(const real *p, int from_left, int to_right, vec tap[3]) {
    const vec left = FN(load_m)(from_left ? p - LANES : p, FN(mask)(from_left ? LANES : 0));
    const vec right = FN(load_m)(to_right ? p + LANES : p, FN(mask)(to_right ? LANES : 0));
    tap[1] = FN(pin)(FN(load)(p));
    tap[0] = FN(slide_last)(left, tap[1]);
    tap[2] = FN(slide)(tap[1], right, 1);
}

enum { FN(three_rows) = 2, FN(three_wide) = 2 }; /* of a tile; vectors */

/* A tile of three results at column q; the first row of its source is `top`. */
FNN_INLINE void FN(three_tile)(const fnn_conv2d_window *window, const fnn_conv2d_walk *walk,
                               ptrdiff_t top, ptrdiff_t q, const real *src, const real *w,
                               const real *bias, real *dst) {
    enum { ROWS = FN(three_rows), WIDE = FN(three_wide) };
    const ptrdiff_t cols = window->out_cols;
    vec acc[ROWS][3][WIDE];
    FNN_UNROLL
    for (int k = 0; k < 3; k++) {
        const vec start = bias ? FN(splat)(bias[k * walk->bias_plane]) : FN(zero)();
        FNN_UNROLL
        for (int i = 0; i < ROWS * WIDE; i++) acc[i / WIDE][k][i % WIDE] = start;
    }
    src += top * cols + q;
    for (ptrdiff_t c = walk->channels; c > 0; c--, src += walk->src_channel, w += walk->w_channel) {
        const real *const at[3] = {w, w + walk->w_plane, w + 2 * walk->w_plane};
        const ptrdiff_t first = fnn_opaque(top);
        FNN_UNROLL
        for (int j = 0; j < ROWS + 2; j++) {
            if ((size_t)(first + j) >= (size_t)window->in_rows) continue;
            vec tap[WIDE][3];
            FNN_UNROLL
            for (int v = 0; v < WIDE; v++)
                FN(three_columns)(src + j * cols + v * LANES, v > 0 || q > 0,
                                  v < WIDE - 1 || q + WIDE * LANES < cols, tap[v]);
            FNN_UNROLL
            for (int r = 2; r >= 0; r--) {
                if (j < r || j - r >= ROWS) continue;
                FNN_UNROLL
                for (int n = 0; n < 9; n++) {
                    const vec wv = FN(splat)(at[n % 3][r * 3 + n / 3]);
                    FNN_UNROLL
                    for (int v = 0; v < WIDE; v++)
                        acc[j - r][n % 3][v] = FN(fma)(wv, tap[v][n / 3], acc[j - r][n % 3][v]);
                }
            }
        }
    }
    FNN_UNROLL
    for (int i = 0; i < ROWS; i++)
        FNN_UNROLL
        for (int n = 0; n < 3 * WIDE; n++)
            FN(store)(dst + i * cols + q + n / WIDE * walk->dst_plane + n % WIDE * LANES,
                      acc[i][n / WIDE][n % WIDE]);
}

/* Results by threes, if the windows and planes are such: how many. */
static FNN_NOINLINE ptrdiff_t FN(conv2d_three)(const fnn_conv2d_window *window,
                                               const fnn_conv2d_walk *walk, ptrdiff_t first,
                                               ptrdiff_t last, const real *src, const real *w,
                                               const real *bias, real *dst) {
    const ptrdiff_t cols = window->out_cols, rows = FN(three_rows), wide = FN(three_wide) * LANES;
    ptrdiff_t j = 0;
    if (walk->src_plane || window->size != 3 || window->stride != 1 || window->left != 1 ||
        window->in_cols != cols || cols % wide || last - first < rows)
        return 0;
    for (; j + 3 <= walk->planes; j += 3) {
        for (ptrdiff_t row = first; row < last; row += rows) {
            const ptrdiff_t at = fnn_min(row, last - rows); /* the last again */
            for (ptrdiff_t q = 0; q < cols; q += wide)
                FN(three_tile)(window, walk, at - window->top, q, src, w + j * walk->w_plane,
                               bias ? bias + j * walk->bias_plane : NULL,
                               dst + j * walk->dst_plane + at * cols);
        }
    }
    return j;
}

/* Rows first .. last of a channel of x, which three rows of three planes of dy meet each. */
FNN_INLINE void FN(three_weight_rows)(const fnn_conv2d_window *window, ptrdiff_t first,
                                      ptrdiff_t last, const real *x, const real *dy,
                                      vec acc[3][9]) {
    const ptrdiff_t cols = window->out_cols, rows = window->out_rows, plane = rows * cols;
    for (ptrdiff_t row = first; row < last; row++) {
        for (ptrdiff_t q = 0; q < cols; q += LANES) {
            const ptrdiff_t p = fnn_opaque(row + window->top);
            const real *from = dy + p * cols + q;
            vec tap[3];
            FN(three_columns)(x + row * cols + q, q > 0, q + LANES < cols, tap);
            FNN_UNROLL
            for (int r = 0; r < 3; r++, from -= cols) {
                if ((size_t)(p - r) >= (size_t)rows) continue;
                FNN_UNROLL
                for (int k = 0; k < 3; k++) {
                    const vec d = FN(pin)(FN(load)(from + k * plane));
                    FNN_UNROLL
                    for (int t = 0; t < 3; t++)
                        acc[k][r * 3 + t] = FN(fma)(tap[t], d, acc[k][r * 3 + t]);
                }
            }
        }
    }
}

static FNN_NOINLINE void FN(conv2d_three_weight)(const fnn_conv2d_window *window,
                                                 ptrdiff_t channels, ptrdiff_t first,
                                                 ptrdiff_t last, const real *x, const real *dy,
                                                 real *g) {
    for (ptrdiff_t c = 0; c < channels; c++, x += window->in_rows * window->in_cols) {
        vec acc[3][9];
        FNN_UNROLL
        for (int i = 0; i < 27; i++)
            acc[i / 9][i % 9] = FN(load)(g + ((i / 9 * channels + c) * 9 + i % 9) * LANES);
        FN(three_weight_rows)(window, first, last, x, dy, acc);
        FNN_UNROLL
        for (int i = 0; i < 27; i++)
            FN(store)(g + ((i / 9 * channels + c) * 9 + i % 9) * LANES, acc[i / 9][i % 9]);
    }
}
