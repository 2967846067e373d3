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

static FNN_CHOSEN_F32 void FN(winograd_weights)(int m, int i, ptrdiff_t channels, const real *taps,
                                                real *u, ptrdiff_t position) {
    if (m == 2)
        FN(winograd_weight_row)(2, i, channels, taps, u, position);
    else if (FNN_REAL_IS_F32 && m == 3)
        FN(winograd_weight_row)(3, i, channels, taps, u, position);
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

static FNN_CHOSEN_F32 void FN(winograd_taps)(int m, ptrdiff_t channels, const real *u,
                                             ptrdiff_t position, int add, real *taps) {
    if (m == 2)
        FN(winograd_fold_taps)(2, channels, u, position, add, taps);
    else
        FN(winograd_fold_taps)(4, channels, u, position, add, taps);
}

static FNN_CHOSEN_F32 void FN(winograd_four)(int i, ptrdiff_t channels, const real *taps,
                                             const real *v, ptrdiff_t v_tile, ptrdiff_t v_position,
                                             int add, real *m, ptrdiff_t m_position,
                                             const real *ahead, ptrdiff_t ahead_row,
                                             ptrdiff_t ahead_half) {
    enum { NR = GEMM_NV * LANES };
    real row[3];
    FN(winograd_g_row)(4, i, row);
    for (int k = 0; k < NR; k += LANES, ahead += ahead_half) {
        vec acc[6][4];
        const real *tap = taps + k, *at[6], *far = ahead;
        FNN_UNROLL
        for (int j = 0; j < 6; j++) {
            at[j] = v + j * v_position;
            FNN_UNROLL
            for (int t = 0; t < 4; t++) acc[j][t] = FN(zero)();
        }
        for (ptrdiff_t c = channels; c > 0; c--, tap += 9 * NR, far += ahead_row) {
            __builtin_prefetch(far, 0, 2);
            __builtin_prefetch(far + FNN_LINE * 3 / 4 / (int)sizeof(real), 0, 2);
            vec g[3], u[6];
            FNN_UNROLL
            for (int s = 0; s < 3; s++)
                g[s] = FN(fma)(FN(splat)(row[2]), FN(load)(tap + (6 + s) * NR),
                               FN(fma)(FN(splat)(row[1]), FN(load)(tap + (3 + s) * NR),
                                       FN(splat)(row[0]) * FN(load)(tap + s * NR)));
            FN(winograd_g)(4, g, u);
            FNN_UNROLL
            for (int j = 0; j < 6; j++) {
                FNN_UNROLL
                for (int t = 0; t < 4; t++)
                    acc[j][t] = FN(fma)(FN(splat)(at[j][t * v_tile]), u[j], acc[j][t]);
                at[j]++;
            }
        }
        FNN_UNROLL
        for (int j = 0; j < 6; j++)
            FNN_UNROLL
            for (int t = 0; t < 4; t++) {
                real *to = m + j * m_position + t * NR + k;
                FN(store)(to, add ? FN(load)(to) + acc[j][t] : acc[j][t]);
            }
    }
}

#if FNN_REAL_IS_F32 && CONV_REGISTERS == 32 && FNN_VBYTES == 64
/* All positions of U of one input channel, each 16 vectors from the next. */
FNN_INLINE void FN(winograd_window)(const vec tap[9], int turned, real *u) {
    vec half[4][6];
    FNN_UNROLL
    for (int s = 0; s < 3; s++) {
        vec g[3], o[6];
        FNN_UNROLL
        for (int r = 0; r < 3; r++) g[r] = tap[turned ? 8 - 3 * r - s : 3 * r + s];
        FN(winograd_g)(2, g, o);
        FNN_UNROLL
        for (int i = 0; i < 4; i++) half[i][s] = o[i];
    }
    FNN_UNROLL
    for (int i = 0; i < 4; i++) {
        vec o[6];
        FN(winograd_g)(2, half[i], o);
        FNN_UNROLL
        for (int j = 0; j < 4; j++) FN(store)(u + (i * 4 + j) * 16 * LANES, o[j]);
    }
}

static FNN_CHOSEN_F32 void FN(winograd_sixteen)(const real *w, ptrdiff_t w_out, ptrdiff_t w_in,
                                                int turned, real *u, const real *v,
                                                ptrdiff_t v_position, int add, real *m,
                                                ptrdiff_t m_position, const real *ahead,
                                                ptrdiff_t ahead_row) {
    if (turned) {
        for (int c = 0; c < 16; c++) {
            vec tap[9];
            FN(load_nines)(w + c * w_in, tap);
            FN(winograd_window)(tap, 1, u + c * LANES);
        }
    } else {
        for (int c = 0; c < 16; c += 4) { /* four windows are whole quarters of vectors */
            vec tap[36];
            for (int t = 0; t < 36; t += 4) FN(load_transposed)(w + c * 9 + t, w_out, 4, tap + t);
            for (int i = 0; i < 4; i++) FN(winograd_window)(tap + i * 9, 0, u + (c + i) * LANES);
        }
    }
    for (int p = 0; p < 16; p++, v += v_position, u += 16 * LANES, m += m_position) {
        vec acc[16];
        const real *from = v, *by = u;
        FNN_UNROLL
        for (int i = 0; i < 9; i++) __builtin_prefetch(ahead + p * ahead_row + i * LANES, 0, 2);
        FNN_UNROLL
        for (int t = 0; t < 16; t++) acc[t] = FN(zero)();
        for (int c = 0; c < 16; c++, from++, by += LANES) {
            const vec b = FN(load)(by);
            FNN_UNROLL
            for (int t = 0; t < 16; t++) acc[t] = FN(fma)(FN(splat)(from[t * 16]), b, acc[t]);
        }
        FNN_UNROLL
        for (int t = 0; t < 16; t++) {
            real *to = m + t * LANES;
            FN(store)(to, add ? FN(load)(to) + acc[t] : acc[t]);
        }
    }
}
#elif FNN_REAL_IS_F32
#define winograd_sixteen_f32 NULL
#else
#define winograd_sixteen_f64 NULL
#endif
