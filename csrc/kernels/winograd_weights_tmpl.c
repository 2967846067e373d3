/* Winograd transforms of the weights and of their gradient; contracts in kernels/winograd.h. */

FNN_INLINE void FN(winograd_weight_row)(int m, int i, ptrdiff_t channels, const real *taps, real *u,
                                        ptrdiff_t position) {
    enum { NR = GEMM_NV * LANES };
    real row[3];
    FN(winograd_g_row)(m, i, row);
    const vec w0 = FN(splat)(row[0]), w1 = FN(splat)(row[1]), w2 = FN(splat)(row[2]);
    for (ptrdiff_t c = 0; c < channels; c++, taps += 9 * NR, u += NR) {
        for (int k = 0; k < NR; k += LANES) {
            vec g[3], o[6];
            FNN_UNROLL
            for (int s = 0; s < 3; s++) {
                const real *tap = taps + s * NR + k;
                g[s] = FN(fma)(w2, FN(load)(tap + 6 * NR),
                               FN(fma)(w1, FN(load)(tap + 3 * NR), w0 * FN(load)(tap)));
            }
            FN(winograd_g)(m, g, o);
            FNN_UNROLL
            for (int j = 0; j < m + 2; j++) FN(store)(u + j * position + k, o[j]);
        }
    }
}

static FNN_NOINLINE void FN(winograd_weights)(int m, int i, ptrdiff_t channels, const real *taps,
                                              real *u, ptrdiff_t position) {
    if (m == 2)
        FN(winograd_weight_row)(2, i, channels, taps, u, position);
    else
        FN(winograd_weight_row)(4, i, channels, taps, u, position);
}

FNN_INLINE void FN(winograd_fold_taps)(int m, ptrdiff_t channels, const real *u, ptrdiff_t position,
                                       int add, real *taps) {
    enum { NR = GEMM_NV * LANES };
    const int side = m + 2;
    for (ptrdiff_t c = 0; c < channels; c++, taps += 9 * NR, u += NR) {
        for (int k = 0; k < NR; k += LANES) {
            vec half[3][6];
            FNN_UNROLL
            for (int j = 0; j < side; j++) {
                vec d[6], o[3];
                FNN_UNROLL
                for (int i = 0; i < side; i++)
                    d[i] = FN(load)(u + (i * side + j) * position + k);
                FN(winograd_gt)(m, d, o);
                FNN_UNROLL
                for (int r = 0; r < 3; r++) half[r][j] = o[r];
            }
            FNN_UNROLL
            for (int r = 0; r < 3; r++) {
                vec o[3];
                FN(winograd_gt)(m, half[r], o);
                FNN_UNROLL
                for (int s = 0; s < 3; s++) {
                    real *tap = taps + (r * 3 + s) * NR + k;
                    FN(store)(tap, add ? FN(load)(tap) + o[s] : o[s]);
                }
            }
        }
    }
}

static FNN_NOINLINE void FN(winograd_taps)(int m, ptrdiff_t channels, const real *u,
                                           ptrdiff_t position, int add, real *taps) {
    if (m == 2)
        FN(winograd_fold_taps)(2, channels, u, position, add, taps);
    else
        FN(winograd_fold_taps)(4, channels, u, position, add, taps);
}
