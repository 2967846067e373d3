/* Windows of 5x5, two pixels apart, over planes of 5x5 to 7x7: a plane's result is one vector, row
 * by row as in memory. Contract in kernels/conv2d_window.h.
 *
 *   rows 0, 2 | 4, 6 and 1, 3 | 5       a column of taps: even or odd rows,     sums of taps' rows
 *   in halves of vectors            ->  every second pixel, by permutation  ->  0, 1 | 2, 3 | 4
 *
 * Rows of taps two apart meet the same pixels, a row of the result apart: two sums move by a row at
 * the end, instead of what each of 25 taps reads. */

enum { FN(single_ahead) = 4096 / sizeof(real) }; /* elements */

/* Where the lanes that each column of taps meets in even and in odd rows lie in two vectors of
 * rows, and which lanes of the result have a row above in the first sum and below in the last. */
typedef struct FN(single_lanes) {
    ivec column[2][5];
    ivec above, below;
    vspan has_above, has_below;
} FN(single_lanes);

FNN_INLINE void FN(single_set)(const fnn_conv2d_window *window, FN(single_lanes) *lanes) {
    const FN(lane_int) cols = (FN(lane_int))window->out_cols, wide = (FN(lane_int))window->in_cols;
    const FN(lane_int) left = (FN(lane_int))window->left, rows = (FN(lane_int))window->in_rows;
    const ivec lane = FN(lane_numbers)(1), none = (ivec){0} + (2 * LANES - 1); /* which is 0 */
    const ivec k = lane * (64 / cols + 1) >> 6; /* lane / cols */
    FNN_UNROLL
    for (int n = 0; n < 10; n++) {
        const ivec col = (lane - k * cols) * 2 + (n % 5 - left);
        const ivec there = (2 * k + n / 5 < rows) & (col >= 0) & (col < wide);
        lanes->column[n / 5][n % 5] = (there & (k * (LANES / 2) + col)) | (~there & none);
    }
    lanes->above = lane - cols;
    lanes->below = lane + cols;
    lanes->has_above = FN(span)(cols, LANES);
    lanes->has_below = FN(span)(0, LANES / cols * cols - cols);
}

static FNN_NOINLINE void FN(conv2d_single)(const fnn_conv2d_window *window,
                                           const fnn_conv2d_walk *walk, const real *src,
                                           const real *w, const real *bias, real *dst) {
    FN(single_lanes) lanes;
    const ptrdiff_t cols = window->in_cols;
    const vspan fourth = FN(span)(0, cols), fifth = FN(span)(0, window->in_rows > 5 ? cols : 0);
    const vspan sixth = FN(span)(LANES / 2, LANES / 2 + (window->in_rows > 6 ? cols : 0));
    /* without two rows of padding on top the first row of the result is what is second with them */
    const ptrdiff_t second = window->top == 0 ? window->out_cols : 0;
    const vspan results = FN(span)(second, second + window->out_rows * window->out_cols);
    FN(single_set)(window, &lanes);
    for (ptrdiff_t j = 0; j < walk->planes; j++) {
        const vec start = bias ? FN(splat)(bias[j * walk->bias_plane]) : FN(zero)();
        vec sum[3] = {FN(zero)(), start, FN(zero)()};
        FNN_UNROLL
        for (int i = 0; i < 4; i++)
            __builtin_prefetch(src + FN(single_ahead) + i * (ptrdiff_t)(FNN_LINE / sizeof(real)));
        FNN_UNROLL
        for (int odd = 0; odd < 2; odd++) {
            const vec a = FN(load_halves)(src + odd * cols, src + (odd + 2) * cols);
            const vec b = odd ? FN(load_span)(src + 5 * cols, fifth)
                              : FN(load_over)(FN(load_span)(src + 4 * cols, fourth), sixth,
                                              src + 6 * cols - LANES / 2);
            FNN_UNROLL
            for (int s = 0; s < 5; s++) {
                const vec x = FN(pick)(a, b, lanes.column[odd][s]);
                FNN_UNROLL
                for (int r = odd; r < 5; r += 2)
                    sum[r / 2] = FN(fma)(FN(splat)(w[r * 5 + s]), x, sum[r / 2]);
            }
        }
        sum[0] = FN(keep)(FN(permute)(sum[0], lanes.above), lanes.has_above);
        sum[2] = FN(keep)(FN(permute)(sum[2], lanes.below), lanes.has_below);
        FN(store_m)(dst - second, sum[0] + sum[1] + sum[2], results);
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
    }
}
