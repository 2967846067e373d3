/* Register tiles of whole rows, stored in place: for windows so small that taking a conv2d_tile
 * to its places would cost as much as the sum. Contract in kernels/conv2d.h. */

#if CONV_REGISTERS == 32
#define CONV_ROWS FNN_CONV2D_ROWS_32
#define CONV_PIXELS FNN_CONV2D_PIXELS_32
#define CONV_PIXEL_RUNS FNN_CONV2D_PIXEL_RUNS_32
#define CONV_ROWS3 FNN_CONV2D_ROWS3_32
#else
#define CONV_ROWS FNN_CONV2D_ROWS_16
#define CONV_PIXELS FNN_CONV2D_PIXELS_16
#define CONV_PIXEL_RUNS FNN_CONV2D_PIXEL_RUNS_16
#define CONV_ROWS3 FNN_CONV2D_ROWS3_16
#endif

/* The weights of a tap stay in registers while pixels stream, or the pixels of rows of one vector
 * where only these fit beside the sums. */
FNN_INLINE void FN(conv2d_rows_step)(int outs, int rows, int vectors, const real *x,
                                     ptrdiff_t x_row, const real *w, ptrdiff_t w_out,
                                     vec acc[14][8][7]) {
    vec held[8];
    if (vectors == 1 && outs * (rows + 1) >= CONV_REGISTERS &&
        (outs + 1) * rows < CONV_REGISTERS) {
        FNN_UNROLL
        for (int r = 0; r < rows; r++) held[r] = FN(pin)(FN(load)(x + r * x_row));
        FNN_UNROLL
        for (int o = 0; o < outs; o++) {
            const vec wv = FN(splat)(w[o % 4 * w_out]);
            FNN_UNROLL
            for (int r = 0; r < rows; r++) {
                acc[r][o][0] = FN(fma)(wv, held[r], acc[r][o][0]);
                w = FN(after)(w, &acc[r][o][0]);
            }
            if (o % 4 == 3 && o + 1 < outs) w += 4 * w_out;
        }
        return;
    }
    FNN_UNROLL
    for (int o = 0; o < outs; o++) held[o] = FN(splat)(w[o * w_out]);
    FNN_UNROLL
    for (int r = 0; r < rows; r++, x += x_row) {
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) {
            vec xv = FN(load)(x + v * LANES);
            if (outs > 1) xv = FN(pin)(xv);
            FNN_UNROLL
            for (int o = 0; o < outs; o++) acc[r][o][v] = FN(fma)(held[o], xv, acc[r][o][v]);
        }
    }
}

FNN_INLINE void FN(conv2d_rows_body)(int outs, int rows, int vectors, const fnn_conv2d_sum *sum,
                                     const FN(conv2d_place) *place, const real *x, const real *w,
                                     const real *bias, real *y) {
    vec acc[14][8][7];
    FNN_UNROLL
    for (int o = 0; o < outs; o++) {
        const vec b = FN(pin)(bias ? FN(splat)(bias[o]) : FN(zero)());
        FNN_UNROLL
        for (int r = 0; r < rows; r++) {
            FNN_UNROLL
            for (int v = 0; v < vectors; v++) acc[r][o][v] = b;
        }
    }
    const fnn_conv2d_tap *const tap = sum->tap, *const end = tap + sum->taps;
    const ptrdiff_t x_channel = sum->x_channel, w_in = sum->w_in, w_out = sum->w_out;
    const ptrdiff_t x_row = place->x_row;
    const int packed = vectors == 1 && fnn_conv2d_packs(CONV_REGISTERS, outs, rows);
    if (packed) FN(conv2d_packed_sum)(sum, x, x_row, w, acc[0][0], 8 * 7, 7);
    for (ptrdiff_t c = packed ? 0 : sum->channels; c > 0; c--) {
        for (const fnn_conv2d_tap *t = tap; t != end; t++)
            FN(conv2d_rows_step)(outs, rows, vectors, x + t->x, x_row, w + t->w, w_out, acc);
        x += x_channel;
        w += w_in;
    }
    const ptrdiff_t last = place->last;
    FNN_UNROLL
    for (int r = 0; r < rows; r++) {
        FNN_UNROLL
        for (int o = 0; o < outs; o++) {
            real *to = y + o * place->y_channel + r * place->y_row;
            FNN_UNROLL
            for (int v = 0; v + 1 < vectors; v++)
                FN(store)(to + v * LANES, FN(pin)(acc[r][o][v]));
            FN(store_some)(last == LANES, to + (vectors - 1) * LANES,
                           FN(pin)(acc[r][o][vectors - 1]), FN(mask)(last));
        }
    }
}

#define X(O, R, V)                                                                            \
    CONV_LOOPS static FNN_NOINLINE void FN(conv2d_rows_##O##x##R##x##V)(                      \
        const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, const real *x, const real *w, \
        const real *bias, real *y) {                                                          \
        FN(conv2d_rows_body)(O, R, V, sum, place, x, w, bias, y);                             \
    }
CONV_ROWS(X)
#undef X

#define X(O, P)                                                                               \
    static FNN_NOINLINE void FN(conv2d_pixels_##O##x##P)(                                     \
        const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, const real *x, const real *w, \
        const real *bias, real *y) {                                                          \
        FN(conv2d_rows_body)(O, P, 1, sum, place, x, w, bias, y);                             \
    }
CONV_PIXELS(X)
#undef X

/* `framed` rows of x begin and end with taps - 1 zeros, which are passed over. */
FNN_INLINE void FN(conv2d_runs_body)(int taps, int rows, int vectors, int framed,
                                     const fnn_conv2d_sum *sum, const FN(conv2d_place) *place,
                                     const real *x, const real *w, const real *bias, real *y) {
    vec acc[16][4], held[5];
    const vec b = FN(pin)(bias ? FN(splat)(bias[0]) : FN(zero)());
    FNN_UNROLL
    for (int r = 0; r < rows; r++) {
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) acc[r][v] = b;
    }
    const fnn_conv2d_tap *const tap = sum->tap, *const end = tap + sum->taps;
    const ptrdiff_t x_row = place->x_row;
    const int first = framed ? taps - 1 : 0, behind = framed ? rows : rows + taps - 1;
    for (ptrdiff_t c = sum->channels; c > 0; c--) {
        for (const fnn_conv2d_tap *t = tap; t != end; t += taps) {
            FNN_UNROLL
            for (int i = 0; i < taps; i++) held[i] = FN(splat)(w[t[i].w]);
            const real *from = x + t->x + first * x_row;
            FNN_UNROLL
            for (int r = first; r < behind; r++, from += x_row) {
                FNN_UNROLL
                for (int v = 0; v < vectors; v++) {
                    const vec xv = FN(pin)(FN(load)(from + v * LANES));
                    FNN_UNROLL
                    for (int i = 0; i < taps; i++)
                        if (r >= i && r - i < rows)
                            acc[r - i][v] = FN(fma)(held[i], xv, acc[r - i][v]);
                    from = FN(after)(from, &acc[r > taps - 1 ? r - taps + 1 : 0][v]);
                }
            }
        }
        x += sum->x_channel;
        w += sum->w_in;
    }
    const ptrdiff_t last = place->last;
    FNN_UNROLL
    for (int r = 0; r < rows; r++) {
        FNN_UNROLL
        for (int v = 0; v + 1 < vectors; v++)
            FN(store)(y + r * place->y_row + v * LANES, FN(pin)(acc[r][v]));
        FN(store_some)(last == LANES, y + r * place->y_row + (vectors - 1) * LANES,
                       FN(pin)(acc[r][vectors - 1]), FN(mask)(last));
    }
}

#define X(R, V)                                                                               \
    static FNN_NOINLINE void FN(conv2d_rows3_##R##x##V)(                                      \
        const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, const real *x, const real *w, \
        const real *bias, real *y) {                                                          \
        FN(conv2d_runs_body)(3, R, V, 0, sum, place, x, w, bias, y);                             \
    }
CONV_ROWS3(X)
#undef X

#define X(T, P, F)                                                                            \
    static FNN_NOINLINE void FN(conv2d_pixel_runs_##T##x##P##x##F)(                           \
        const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, const real *x, const real *w, \
        const real *bias, real *y) {                                                          \
        FN(conv2d_runs_body)(T, P, 1, F, sum, place, x, w, bias, y);                          \
    }
CONV_PIXEL_RUNS(X)
#undef X

typedef void FN(conv2d_rows_tile)(const fnn_conv2d_sum *, const FN(conv2d_place) *, const real *,
                                  const real *, const real *, real *);

static void FN(conv2d_rows)(const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, int tile,
                            const real *x, const real *w, const real *bias, real *y) {
    static FN(conv2d_rows_tile) *const tiles[] = {
#define X(O, R, V) FN(conv2d_rows_##O##x##R##x##V),
        CONV_ROWS(X)
#undef X
    };
    tiles[tile](sum, place, x, w, bias, y);
}

static void FN(conv2d_pixels)(const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, int tile,
                              const real *x, const real *w, const real *bias, real *y) {
    static FN(conv2d_rows_tile) *const tiles[] = {
#define X(O, P) FN(conv2d_pixels_##O##x##P),
        CONV_PIXELS(X)
#undef X
    };
    tiles[tile](sum, place, x, w, bias, y);
}

static void FN(conv2d_pixel_runs)(const fnn_conv2d_sum *sum, const FN(conv2d_place) *place,
                                  int tile, const real *x, const real *w, const real *bias,
                                  real *y) {
    static FN(conv2d_rows_tile) *const tiles[] = {
#define X(T, P, F) FN(conv2d_pixel_runs_##T##x##P##x##F),
        CONV_PIXEL_RUNS(X)
#undef X
    };
    tiles[tile](sum, place, x, w, bias, y);
}

static void FN(conv2d_rows3)(const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, int tile,
                             const real *x, const real *w, const real *bias, real *y) {
    static FN(conv2d_rows_tile) *const tiles[] = {
#define X(R, V) FN(conv2d_rows3_##R##x##V),
        CONV_ROWS3(X)
#undef X
    };
    tiles[tile](sum, place, x, w, bias, y);
}

#undef CONV_ROWS
#undef CONV_PIXELS
#undef CONV_PIXEL_RUNS
#undef CONV_ROWS3
