/* Forward and backward-data register tiles; contracts in kernels/conv2d.h. */

#if CONV_REGISTERS == 32
#define CONV_TILES FNN_CONV2D_TILES_32
#else
#define CONV_TILES FNN_CONV2D_TILES_16
#endif

/* Loops that begin on a line: a step has 117 bytes, see GEMM_LOOPS. */
#undef CONV_LOOPS
#if FNN_VBYTES == 32 && defined(__GNUC__) && !defined(__clang__)
#define CONV_LOOPS __attribute__((optimize("align-loops=64")))
#else
#define CONV_LOOPS
#endif

/* acc[v * pixel + o * out] += the sum with packed weights (fnn_conv2d_packs) for result o and
 * vector v of pixels, x_step apart. */
FNN_INLINE void FN(conv2d_packed_sum)(const fnn_conv2d_sum *sum, const real *x, ptrdiff_t x_step,
                                      const real *w, vec *acc, int pixel, int out) {
    enum { TAP = sizeof(fnn_conv2d_tap) };
    const ptrdiff_t taps = sum->taps, x_channel = sum->x_channel, w_in = sum->w_in;
    const char *const end = (const char *)(sum->tap + taps);
    w += 4 * taps;
    for (ptrdiff_t c = sum->channels; c > 0; c--, x += x_channel, w += w_in) {
        const real *from[3];
        FNN_UNROLL
        for (int v = 0; v < 3; v++) {
            from[v] = x + v * x_step;
            __asm__("" : "+r"(from[v]));
        }
        for (ptrdiff_t i = -taps * TAP; i != 0; i += TAP) {
            const ptrdiff_t at = ((const fnn_conv2d_tap *)(end + i))->x;
            vec held[3];
            FNN_UNROLL
            for (int v = 0; v < 3; v++) held[v] = FN(pin)(FN(load)(from[v] + at));
            FNN_UNROLL
            for (int o = 0; o < 4; o++) {
                const char *by = (const char *)(w + o) + i * (ptrdiff_t)(4 * sizeof(real) / TAP);
                const vec wv = FN(splat)(*(const real *)by);
                FNN_UNROLL
                for (int v = 0; v < 3; v++) {
                    vec *to = &acc[v * pixel + o * out];
                    *to = FN(fma)(wv, held[v], *to);
                    if (o < 3) i = FN(index_after)(i, to);
                }
            }
        }
    }
}

/* Output channels whose weights are read through one pointer, at offsets that all of them share. */
#define CONV_SHARE 4

/* Whichever operand has fewer vectors stays in registers while the other one streams. */
FNN_INLINE void FN(conv2d_tile_step)(int outs, int vectors, const real *x, const real *w,
                                     ptrdiff_t w_out, vec acc[12][12]) {
    vec held[12];
    if (outs <= vectors) {
        FNN_UNROLL
        for (int o = 0; o < outs; o++) held[o] = FN(splat)(w[o * w_out]);
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) {
            vec xv = FN(load)(x + v * LANES);
            if (outs > 1) xv = FN(pin)(xv);
            FNN_UNROLL
            for (int o = 0; o < outs; o++) acc[o][v] = FN(fma)(held[o], xv, acc[o][v]);
        }
    } else {
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) held[v] = FN(pin)(FN(load)(x + v * LANES));
        FNN_UNROLL
        for (int o = 0; o < outs; o++) {
            const vec wv = FN(splat)(w[o % CONV_SHARE * w_out]);
            FNN_UNROLL
            for (int v = 0; v < vectors; v++) {
                acc[o][v] = FN(fma)(wv, held[v], acc[o][v]);
                w = FN(after)(w, &acc[o][v]);
            }
            if (o % CONV_SHARE == CONV_SHARE - 1 && o + 1 < outs) w += CONV_SHARE * w_out;
        }
    }
}

FNN_INLINE void FN(conv2d_tile_body)(int outs, int vectors, const fnn_conv2d_sum *sum,
                                     const real *x, const real *w, const real *bias, real *y) {
    vec acc[12][12];
    FNN_UNROLL
    for (int o = 0; o < outs; o++) {
        const vec b = FN(pin)(bias ? FN(splat)(bias[o]) : FN(zero)());
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) acc[o][v] = b;
    }
    const fnn_conv2d_tap *const tap = sum->tap, *const end = tap + sum->taps;
    const ptrdiff_t x_channel = sum->x_channel, w_in = sum->w_in, w_out = sum->w_out;
    const int packed = fnn_conv2d_packs(CONV_REGISTERS, outs, vectors);
    if (packed) FN(conv2d_packed_sum)(sum, x, LANES, w, acc[0], 1, 12);
    for (ptrdiff_t c = packed ? 0 : sum->channels; c > 0; c--) {
        for (const fnn_conv2d_tap *t = tap; t != end; t++)
            FN(conv2d_tile_step)(outs, vectors, x + t->x, w + t->w, w_out, acc);
        x += x_channel;
        w += w_in;
    }
    FNN_UNROLL
    for (int o = 0; o < outs; o++) {
        FNN_UNROLL
        for (int v = 0; v < vectors; v++)
            FN(store)(y + (o * vectors + v) * LANES, FN(pin)(acc[o][v]));
    }
}

#define X(O, V)                                                                               \
    CONV_LOOPS static FNN_NOINLINE void FN(conv2d_tile_##O##x##V)(                            \
        const fnn_conv2d_sum *sum, const real *x, const real *w, const real *bias, real *y) { \
        FN(conv2d_tile_body)(O, V, sum, x, w, bias, y);                                       \
    }
CONV_TILES(X)
#undef X

static void FN(conv2d_tile)(const fnn_conv2d_sum *sum, int tile, const real *x, const real *w,
                            const real *bias, real *y) {
    typedef void tile_fn(const fnn_conv2d_sum *, const real *, const real *, const real *, real *);
    static tile_fn *const tiles[] = {
#define X(O, V) FN(conv2d_tile_##O##x##V),
        CONV_TILES(X)
#undef X
    };
    tiles[tile](sum, x, w, bias, y);
}

#undef CONV_TILES
#undef CONV_SHARE
