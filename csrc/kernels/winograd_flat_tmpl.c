/* F(4, 4) along rows, pixels being vectors; contracts and formulas in kernels/winograd.h. */

/* The points are +-A, +-B, +-C and infinity: the polynomials of a pair share their even and their odd
 * part. */
#define A2 (FNN_FLAT_A * FNN_FLAT_A)
#define B2 (FNN_FLAT_B * FNN_FLAT_B)
#define C2 (FNN_FLAT_C * FNN_FLAT_C)

/* Of the pair +-a, whose others are +-b and +-c. */
FNN_INLINE void FN(winograd_flat_pair)(real a, real others, real product, const vec d[7], real *v,
                                       ptrdiff_t v_position) {
    const vec s = FN(splat)(-others), p = FN(splat)(product);
    const vec even = FN(fma)(p, d[0], FN(fma)(s, d[2], d[4]));
    const vec odd = FN(fma)(p, d[1], FN(fma)(s, d[3], d[5]));
    FN(store)(v, FN(fma)(FN(splat)(a), even, odd));
    FN(store)(v + v_position, FN(fma)(FN(splat)(-a), even, odd));
}

static FNN_NOINLINE void FN(winograd_flat_input)(ptrdiff_t channels, ptrdiff_t x_channel,
                                                 ptrdiff_t tiles, const real *x, ptrdiff_t x_step,
                                                 real *v, ptrdiff_t v_channel,
                                                 ptrdiff_t v_tile, ptrdiff_t v_position) {
    const vec sum = FN(splat)(-(A2 + B2 + C2)), pairs = FN(splat)(A2 * B2 + A2 * C2 + B2 * C2);
    const vec all = FN(splat)(-(A2 * B2 * C2));
    for (ptrdiff_t c = 0; c < channels; c++, x += x_channel, v += v_channel) {
        vec d[7];
        const real *from = x;
        real *to = v;
        FNN_UNROLL
        for (int i = 0; i < 3; i++) d[i] = FN(load)(from + i * x_step);
        for (ptrdiff_t t = 0; t < tiles; t++, to += v_tile) {
            from += 3 * x_step;
            FNN_UNROLL
            for (int i = 0; i < 4; i++) d[3 + i] = FN(load)(from + i * x_step);
            FN(winograd_flat_pair)((real)FNN_FLAT_A, (real)(B2 + C2), (real)(B2 * C2), d, to,
                                   v_position);
            FN(winograd_flat_pair)((real)FNN_FLAT_B, (real)(A2 + C2), (real)(A2 * C2), d,
                                   to + 2 * v_position, v_position);
            FN(winograd_flat_pair)((real)FNN_FLAT_C, (real)(A2 + B2), (real)(A2 * B2), d,
                                   to + 4 * v_position, v_position);
            FN(store)(to + 6 * v_position,
                      FN(fma)(all, d[0], FN(fma)(pairs, d[2], FN(fma)(sum, d[4], d[6]))));
            FNN_UNROLL
            for (int i = 0; i < 3; i++) d[i] = d[4 + i];
            from += x_step;
        }
    }
}

static FNN_NOINLINE void FN(winograd_flat_output)(ptrdiff_t outs, ptrdiff_t tiles, const real *m,
                                                  ptrdiff_t m_position, const real *bias, real *y) {
    const vec a = FN(splat)((real)FNN_FLAT_A), b = FN(splat)((real)FNN_FLAT_B);
    const vec c = FN(splat)((real)FNN_FLAT_C);
    const vec a2 = FN(splat)((real)A2), b2 = FN(splat)((real)B2), c2 = FN(splat)((real)C2);
    for (ptrdiff_t o = 0; o < outs; o++) {
        const vec start = bias ? FN(splat)(bias[o]) : FN(zero)();
        for (ptrdiff_t t = 0; t < tiles; t++, m += LANES, y += 4 * LANES) {
            vec sum[3], gap[3];
            FNN_UNROLL
            for (int i = 0; i < 3; i++) {
                const vec up = FN(load)(m + 2 * i * m_position);
                const vec down = FN(load)(m + (2 * i + 1) * m_position);
                sum[i] = up + down, gap[i] = up - down;
            }
            gap[0] = a * gap[0], gap[1] = b * gap[1], gap[2] = c * gap[2];
            const vec last = start + FN(load)(m + 6 * m_position);
            FN(store)(y, (start + sum[0]) + (sum[1] + sum[2]));
            FN(store)(y + LANES, (start + gap[0]) + (gap[1] + gap[2]));
            FN(store)(y + 2 * LANES,
                      FN(fma)(a2, sum[0], FN(fma)(b2, sum[1], FN(fma)(c2, sum[2], start))));
            FN(store)(y + 3 * LANES,
                      FN(fma)(a2, gap[0], FN(fma)(b2, gap[1], FN(fma)(c2, gap[2], last))));
        }
    }
}
#undef A2
#undef B2
#undef C2
