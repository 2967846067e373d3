/* The gradient of the weights for one vector of output channels. There a multiply-add is a load of
 * x, and loads would bind; but neighbouring taps read neighbouring pixels, so STEP pixels of dy stay
 * in registers and each number of x is loaded once for the taps of a run:
 *
 *   taps 3, STEP 4:   x[0]   x[1]    x[2]    x[3]    x[4]    x[5]
 *           tap 0     d[0]   d[1]    d[2]    d[3]
 *           tap 1            d[0]    d[1]    d[2]    d[3]
 *           tap 2                    d[0]    d[1]    d[2]    d[3]
 *
 * 6 loads instead of 12; where a pixel's taps start two columns behind the last one's, 9 for 12, 11
 * for 20 and 13 for 28. Contract in kernels/conv2d.h. */

#if CONV_REGISTERS == 32
#define CONV_OUTER_RUNS FNN_CONV2D_OUTER_RUNS_32
#else
#define CONV_OUTER_RUNS FNN_CONV2D_OUTER_RUNS_16
#endif

/* `step` pixels, a literal, from `at` on. */
FNN_INLINE void FN(conv2d_outer_runs_step)(int taps, int runs, int stride, int step,
                                           const real *const base[8], ptrdiff_t at, const real *dy,
                                           vec acc[8][7]) {
    vec held[4];
    const real *from[8];
    FNN_UNROLL
    for (int g = 0; g < runs; g++) from[g] = base[g] + at;
    FNN_UNROLL
    for (int u = 0; u < step; u++) held[u] = FN(pin)(FN(load)(dy + u * LANES));
    FNN_UNROLL
    for (int j = 0; j < (step - 1) * stride + taps; j++) {
        const int first = j < taps ? 0 : (j - taps) / stride + 1; /* pixel that meets the number */
        FNN_UNROLL
        for (int g = 0; g < runs; g++) {
            const vec xv = FN(splat)(from[g][j]);
            FNN_UNROLL
            for (int u = 0; u < step; u++) {
                const int t = j - u * stride;
                if (t >= 0 && t < taps) acc[g][t] = FN(fma)(xv, held[u], acc[g][t]);
            }
            from[g] = FN(after)(from[g], &acc[g][j - first * stride]);
        }
    }
}

FNN_INLINE void FN(conv2d_outer_runs_body)(int taps, int runs, int stride,
                                           const fnn_conv2d_pixels *pixels, const ptrdiff_t *row,
                                           const real *x, const real *dy, int add, real *g) {
    enum { STEP = 4 };
    vec acc[8][7];
    const real *base[8];
    FNN_UNROLL
    for (int i = 0; i < runs; i++) {
        base[i] = x + row[i * taps];
        FNN_UNROLL
        for (int t = 0; t < taps; t++) acc[i][t] = FN(zero)();
    }
    const ptrdiff_t whole = pixels->cols / STEP * STEP;
    for (int i = 0; !add && i < runs * taps; i++) FN(store)(g + i * LANES, FN(zero)());
    for (ptrdiff_t n = 0; n < pixels->images; n++) {
        ptrdiff_t at = n * pixels->x_image;
        for (ptrdiff_t p = 0; p < pixels->rows; p++) {
            const ptrdiff_t end = at + whole * stride;
            for (; at < end; at += STEP * stride, dy += STEP * LANES) {
                FN(conv2d_fetch_ahead)(pixels->ahead);
                FN(conv2d_outer_runs_step)(taps, runs, stride, STEP, base, at, dy, acc);
            }
            for (ptrdiff_t rest = pixels->cols - whole; rest > 0; rest--, at += stride, dy += LANES)
                FN(conv2d_outer_runs_step)(taps, runs, stride, 1, base, at, dy, acc);
            at += pixels->x_row - pixels->cols * stride;
        }
    }
    FNN_UNROLL
    for (int i = 0; i < runs; i++) {
        FNN_UNROLL
        for (int t = 0; t < taps; t++) {
            real *to = g + (i * taps + t) * LANES;
            FN(store)(to, FN(load)(to) + acc[i][t]);
        }
    }
}

#define X(T, G, S)                                                                            \
    static FNN_NOINLINE void FN(conv2d_outer_runs_##T##x##G##x##S)(                           \
        const fnn_conv2d_pixels *pixels, const ptrdiff_t *row, const real *x, const real *dy, \
        int add, real *g) {                                                                   \
        FN(conv2d_outer_runs_body)(T, G, S, pixels, row, x, dy, add, g);                      \
    }
CONV_OUTER_RUNS(X)
#undef X

static void FN(conv2d_outer_runs)(const fnn_conv2d_pixels *pixels, int tile, const ptrdiff_t *row,
                                  const real *x, const real *dy, int add, real *g) {
    static FN(conv2d_weight_fn) *const tiles[] = {
#define X(T, G, S) FN(conv2d_outer_runs_##T##x##G##x##S),
        CONV_OUTER_RUNS(X)
#undef X
    };
    tiles[tile](pixels, row, x, dy, add, g);
}

#undef CONV_OUTER_RUNS
