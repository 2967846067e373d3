/* Windows over planes that are copied to L1 with their zeros around them, whose rows of taps are
 * held in registers for a column of results. With a stride and a dilation of 2 the columns that one plane
 * leaves out have room for those of another: nothing is turned or shuffled but once for a result.
 * Contract in kernels/conv2d_window.h.
 *
 *   plane 0    a0 .  a1 .  a2 .         tile: ROWS rows of results x 1 vector, per column of taps s
 *   plane 1    b0 .  b1 .  b2 .           source row j      w[t][s] -> row j - t
 *   rows of L1 a0 b0 a1 b1 a2 b2 */

/* Two numbers in turn. */
FNN_INLINE vec FN(splat_pair)(const real *p) {
    double both;
    __builtin_memcpy(&both, p, sizeof both);
    return FN(pin)((vec)splat_f64(both));
}

/* Pixels from column `at` on of one plane, or of two in turn. */
FNN_INLINE void FN(near_move)(int planes, ptrdiff_t plane, ptrdiff_t at, const real *x,
                              real *row) {
    const vec v = FN(load)(x + at);
    FN(store)(row + at, planes == 1 ? v : FN(alternate)(v, FN(load)(x + plane + at - 1)));
}

FNN_INLINE void FN(near_copy)(int planes, const fnn_conv2d_near *a, const real *x, real *rows) {
    const ptrdiff_t end = planes * a->cols, pitch = planes * a->pitch, last = end - LANES;
    const ptrdiff_t plane = a->plane, row_step = a->row_step;
    const vmask part = FN(mask)(fnn_min(end, LANES));
    rows += a->top * pitch + planes * a->left;
    for (ptrdiff_t r = a->rows; r > 0; r--, x += row_step, rows += pitch) {
        if (last < 0) {
            FN(store_m)(rows, FN(load_m)(x, part), part);
            continue;
        }
        for (ptrdiff_t c = 0; c < last; c += LANES) FN(near_move)(planes, plane, c, x, rows);
        FN(near_move)(planes, plane, last, x, rows);
    }
}

FNN_INLINE void FN(near_tile)(int taps, int rows, fnn_conv2d_near *a, const real *x, const real *w,
                              vec bias, real *y) {
    vec acc[14], held[7];
    const ptrdiff_t step = a->planes, pitch = step * a->pitch, w_row = 2 * a->width;
    const char *next = a->ahead.at, *const to = a->to;
    ptrdiff_t left = a->ahead.left, written = 0;
    FNN_UNROLL
    for (int i = 0; i < rows; i++) acc[i] = bias;
    for (ptrdiff_t s = 0; s < a->width; s++, x += step, w += 2) {
        const real *by = w, *from = x;
        if (step == 1 && a->fetch > 0) { /* a loop costs more than lines that are fetched twice */
            FNN_UNROLL
            for (int i = 0; i < 3; i++) {
                __builtin_prefetch(next + i * FNN_LINE);
                __builtin_prefetch(to + written + i * FNN_LINE, 1);
            }
            next += a->fetch * FNN_LINE;
            written += a->fetch_to * FNN_LINE;
        } else if (a->fetch > 0) {
            for (ptrdiff_t i = a->fetch; i > 0; i--, next += FNN_LINE) {
                __builtin_prefetch(next);
                if (--left == 0) next += a->ahead.jump, left = a->ahead.lines;
            }
            for (ptrdiff_t i = a->fetch_to; i > 0; i--, written += FNN_LINE)
                __builtin_prefetch(to + written, 1);
        }
        FNN_UNROLL
        for (int t = 0; t < taps; t++, by += w_row) held[t] = FN(splat_pair)(by);
        FNN_UNROLL
        for (int j = 0; j < rows + taps - 1; j++) {
            const vec pixels = FN(pin)(FN(load)(from));
            FNN_UNROLL
            for (int t = 0; t < taps; t++)
                if (j - t >= 0 && j - t < rows) acc[j - t] = FN(fma)(held[t], pixels, acc[j - t]);
            from += pitch;
            __asm__("" : "+r"(from)); /* not a multiple of it for each row */
        }
    }
    a->ahead.at = next;
    a->ahead.left = left;
    a->to = to + written;
    if (step == 1) {
        const vmask part = FN(mask)(fnn_min(a->out_cols, LANES));
        FNN_UNROLL
        for (int i = 0; i < rows; i++, y += a->out_cols)
            FN(store_some)(FN(all_lanes)(part), y, acc[i], part);
        return;
    }
    FNN_UNROLL
    for (int i = 0; i < rows; i++, y += a->out_cols) {
        const vec apart = FN(part_pairs)(acc[i]);
        FN(store_low)(y, apart);
        FN(store_high)(y + a->out_plane, apart);
    }
}

#if CONV_REGISTERS == 32
#define NEAR_TILES FNN_CONV2D_NEAR_32
#else
#define NEAR_TILES FNN_CONV2D_NEAR_16
#endif
#define X(TAPS, ROWS)                                                                           \
    static FNN_NOINLINE void FN(conv2d_near_##TAPS##x##ROWS)(                                   \
        fnn_conv2d_near * a, const real *x, const real *w, vec bias, real *y) {                 \
        FN(near_tile)(TAPS, ROWS, a, x, w, bias, y);                                            \
    }
NEAR_TILES(X)
#undef X

static void FN(conv2d_near)(fnn_conv2d_near *a, const real *x, const real *w, real *rows,
                            real *y) {
    typedef void run(fnn_conv2d_near *, const real *, const real *, vec, real *);
    static run *const tiles[] = {
#define X(TAPS, ROWS) FN(conv2d_near_##TAPS##x##ROWS),
        NEAR_TILES(X)
#undef X
    };
    const vec bias = FN(splat_pair)(w);
    const ptrdiff_t size = a->tile_rows, columns = LANES / a->planes;
    if (a->planes == 1)
        FN(near_copy)(1, a, x, rows);
    else
        FN(near_copy)(2, a, x, rows);
    for (ptrdiff_t p = 0; p < a->out_rows; p += size) {
        const ptrdiff_t row = fnn_min(p, a->out_rows - size);
        for (ptrdiff_t q = 0; q < a->out_cols; q += columns) {
            const ptrdiff_t col = fnn_max(fnn_min(q, a->out_cols - columns), 0);
            tiles[a->tile](a, rows + a->planes * (row * a->pitch + col), w + 2, bias,
                           y + row * a->out_cols + col);
        }
    }
}
#undef NEAR_TILES
