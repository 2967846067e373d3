/* Register tiles of whole rows, stored in place: for windows so small that taking a conv2d_tile
 * to its places would cost as much as the sum. Contract in kernels/conv2d.h. */

#if CONV_REGISTERS == 32
#define CONV_ROWS FNN_CONV2D_ROWS_32
#else
#define CONV_ROWS FNN_CONV2D_ROWS_16
#endif

FNN_INLINE void FN(conv2d_rows_step)(int outs, int rows, int vectors, const real *x, ptrdiff_t x_row,
                                     const real *w, ptrdiff_t w_out, vec acc[14][6][7]) {
    vec held[6];
    FNN_UNROLL
    for (int o = 0; o < outs; o++) held[o] = FN(splat)(w[o * w_out]);
    FNN_UNROLL
    for (int r = 0; r < rows; r++) {
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) {
            vec xv = FN(load)(x + r * x_row + v * LANES);
            if (outs > 1) xv = FN(pin)(xv);
            FNN_UNROLL
            for (int o = 0; o < outs; o++) acc[r][o][v] = FN(fma)(held[o], xv, acc[r][o][v]);
        }
    }
}

FNN_INLINE void FN(conv2d_rows_body)(int outs, int rows, int vectors, const fnn_conv2d_sum *sum,
                                     const FN(conv2d_place) *place, const real *x, const real *w,
                                     const real *bias, real *y) {
    vec acc[14][6][7];
    FNN_UNROLL
    for (int o = 0; o < outs; o++) {
        const vec b = bias ? FN(splat)(bias[o]) : FN(zero)();
        FNN_UNROLL
        for (int r = 0; r < rows; r++)
            FNN_UNROLL
            for (int v = 0; v < vectors; v++) acc[r][o][v] = b;
    }
    const fnn_conv2d_tap *const tap = sum->tap, *const end = tap + sum->taps;
    const ptrdiff_t x_channel = sum->x_channel, w_in = sum->w_in, w_out = sum->w_out;
    const ptrdiff_t x_row = place->x_row;
    for (ptrdiff_t c = sum->channels; c > 0; c--) {
        for (const fnn_conv2d_tap *t = tap; t != end; t++)
            FN(conv2d_rows_step)(outs, rows, vectors, x + t->x, x_row, w + t->w, w_out, acc);
        x += x_channel;
        w += w_in;
    }
    const vmask rest = FN(mask)(place->last);
    FNN_UNROLL
    for (int r = 0; r < rows; r++) {
        FNN_UNROLL
        for (int o = 0; o < outs; o++) {
            real *to = y + o * place->y_channel + r * place->y_row;
            FNN_UNROLL
            for (int v = 0; v + 1 < vectors; v++) FN(store)(to + v * LANES, acc[r][o][v]);
            FN(store_m)(to + (vectors - 1) * LANES, acc[r][o][vectors - 1], rest);
        }
    }
}

#define X(O, R, V)                                                                            \
    static FNN_NOINLINE void FN(conv2d_rows_##O##x##R##x##V)(                                 \
        const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, const real *x, const real *w, \
        const real *bias, real *y) {                                                          \
        FN(conv2d_rows_body)(O, R, V, sum, place, x, w, bias, y);                             \
    }
CONV_ROWS(X)
#undef X

static void FN(conv2d_rows)(const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, int tile,
                            const real *x, const real *w, const real *bias, real *y) {
    typedef void rows_fn(const fnn_conv2d_sum *, const FN(conv2d_place) *, const real *,
                         const real *, const real *, real *);
    static rows_fn *const tiles[] = {
#define X(O, R, V) FN(conv2d_rows_##O##x##R##x##V),
        CONV_ROWS(X)
#undef X
    };
    tiles[tile](sum, place, x, w, bias, y);
}

#undef CONV_ROWS
