/* Register tiles of the gradient of the weights; contracts in kernels/conv2d.h. */

#if CONV_REGISTERS == 32
#define CONV_DOTS FNN_CONV2D_DOTS_32
#define CONV_OUTERS FNN_CONV2D_OUTERS_32
#else
#define CONV_DOTS FNN_CONV2D_DOTS_16
#define CONV_OUTERS FNN_CONV2D_OUTERS_16
#endif

/* Two lines of what the next step reads. The copies between two steps are short runs that no
 * prefetcher of the processor follows, and wait for a far cache; the sums have time to spare. */
FNN_INLINE void FN(conv2d_fetch_ahead)(fnn_conv2d_ahead *ahead) {
    if (!ahead) return;
    ahead += ahead->planes == 0;
    if (ahead->planes == 0) return;
    __builtin_prefetch(ahead->at, 0, 2);
    __builtin_prefetch(ahead->at + FNN_LINE, 0, 2);
    ahead->at += 2 * FNN_LINE;
    ahead->left -= 2;
    if (ahead->left > 0) return;
    ahead->at += ahead->jump + ahead->left * FNN_LINE;
    ahead->left = ahead->lines;
    if (--ahead->rest > 0) return;
    ahead->at += ahead->turn;
    ahead->rest = ahead->runs;
    ahead->planes--;
}

FNN_INLINE void FN(conv2d_dot_body)(int outs, int rows, const fnn_conv2d_pixels *pixels,
                                    const ptrdiff_t *row, const real *x, const real *dy, int add,
                                    real *g) {
    vec acc[12][4];
    const real *base[12];
    const ptrdiff_t channel = pixels->dy_channel, cols = pixels->cols;
    const ptrdiff_t whole = cols / LANES * LANES, x_step = pixels->x_step;
    const ptrdiff_t behind = pixels->x_row - whole / LANES * x_step;
    const vmask rest = FN(mask)(cols - whole);
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        base[i] = x + row[i];
        FNN_UNROLL
        for (int k = 0; k < outs; k++) acc[i][k] = FN(zero)();
    }
    for (ptrdiff_t n = 0; n < pixels->images; n++) {
        const real *d = dy + n * pixels->dy_image;
        ptrdiff_t at = n * pixels->x_image;
        for (ptrdiff_t p = 0; p < pixels->rows; p++) {
            vec held[4];
            FN(conv2d_fetch_ahead)(pixels->ahead);
            for (const real *end = d + whole; d != end; d += LANES, at += x_step) {
                FNN_UNROLL
                for (int k = 0; k < outs; k++) held[k] = FN(load)(d + k * channel);
                FNN_UNROLL
                for (int i = 0; i < rows; i++) {
                    vec xv = FN(load)(base[i] + at);
                    if (outs > 1) xv = FN(pin)(xv);
                    FNN_UNROLL
                    for (int k = 0; k < outs; k++) acc[i][k] = FN(fma)(xv, held[k], acc[i][k]);
                }
            }
            if (whole < cols) {
                FNN_UNROLL
                for (int k = 0; k < outs; k++) held[k] = FN(load_m)(d + k * channel, rest);
                FNN_UNROLL
                for (int i = 0; i < rows; i++) {
                    const vec xv = FN(load_m)(base[i] + at, rest);
                    FNN_UNROLL
                    for (int k = 0; k < outs; k++) acc[i][k] = FN(fma)(xv, held[k], acc[i][k]);
                }
            }
            d += cols - whole;
            at += behind;
        }
    }
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        FNN_UNROLL
        for (int k = 0; k < outs; k++) {
            real *to = g + (i * outs + k) * LANES;
            FN(store)(to, add ? FN(load)(to) + acc[i][k] : acc[i][k]);
        }
    }
}

FNN_INLINE void FN(conv2d_outer_body)(int vectors, int rows, const fnn_conv2d_pixels *pixels,
                                      const ptrdiff_t *row, const real *x, const real *dy, int add,
                                      real *g) {
    vec acc[12][4];
    const real *base[12];
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        base[i] = x + row[i];
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) acc[i][v] = FN(zero)();
    }
    for (ptrdiff_t n = 0; n < pixels->images; n++) {
        ptrdiff_t at = n * pixels->x_image;
        for (ptrdiff_t p = 0; p < pixels->rows; p++) {
            for (ptrdiff_t j = 0; j < pixels->cols; j += 16)
                FN(conv2d_fetch_ahead)(pixels->ahead);
            for (const ptrdiff_t end = at + pixels->cols; at < end; at++) {
                vec held[4];
                FNN_UNROLL
                for (int v = 0; v < vectors; v++) held[v] = FN(pin)(FN(load)(dy + v * LANES));
                FNN_UNROLL
                for (int i = 0; i < rows; i++) {
                    const vec xv = FN(splat)(base[i][at]);
                    FNN_UNROLL
                    for (int v = 0; v < vectors; v++) acc[i][v] = FN(fma)(xv, held[v], acc[i][v]);
                }
                dy += vectors * LANES;
            }
            at += pixels->x_row - pixels->cols;
        }
    }
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) {
            real *to = g + (i * vectors + v) * LANES;
            FN(store)(to, add ? FN(load)(to) + acc[i][v] : acc[i][v]);
        }
    }
}

#define CONV_INSTANCE(KIND, A, B)                                                             \
    static FNN_NOINLINE void FN(conv2d_##KIND##_##A##x##B)(                                   \
        const fnn_conv2d_pixels *pixels, const ptrdiff_t *row, const real *x, const real *dy, \
        int add, real *g) {                                                                   \
        FN(conv2d_##KIND##_body)(A, B, pixels, row, x, dy, add, g);                           \
    }
#define X(A, B) CONV_INSTANCE(dot, A, B)
CONV_DOTS(X)
#undef X
#define X(A, B) CONV_INSTANCE(outer, A, B)
CONV_OUTERS(X)
#undef X
#undef CONV_INSTANCE

typedef void FN(conv2d_weight_fn)(const fnn_conv2d_pixels *, const ptrdiff_t *, const real *,
                                  const real *, int, real *);

static void FN(conv2d_dot)(const fnn_conv2d_pixels *pixels, int tile, const ptrdiff_t *row,
                           const real *x, const real *dy, int add, real *g) {
    static FN(conv2d_weight_fn) *const tiles[] = {
#define X(A, B) FN(conv2d_dot_##A##x##B),
        CONV_DOTS(X)
#undef X
    };
    tiles[tile](pixels, row, x, dy, add, g);
}

static void FN(conv2d_outer)(const fnn_conv2d_pixels *pixels, int tile, const ptrdiff_t *row,
                             const real *x, const real *dy, int add, real *g) {
    static FN(conv2d_weight_fn) *const tiles[] = {
#define X(A, B) FN(conv2d_outer_##A##x##B),
        CONV_OUTERS(X)
#undef X
    };
    tiles[tile](pixels, row, x, dy, add, g);
}

#undef CONV_DOTS
#undef CONV_OUTERS

/* Columns that are turned at once: their results may all fall into one set of the L1 cache, which
 * has room for 8 lines at least. */
enum { FN(TURNED) = LANES < 8 ? LANES : 8 };

/* LANES rows by `cols` columns, `count` times. */
FNN_INLINE void FN(conv2d_transpose_run)(int cols, ptrdiff_t count, const real *src,
                                         ptrdiff_t src_row, real *dst, ptrdiff_t dst_row) {
    for (; count > 0; count--, src += LANES * src_row, dst += LANES) {
        vec x[LANES];
        FN(load_transposed)(src, src_row, cols, x);
        FNN_UNROLL
        for (int j = 0; j < cols; j++) FN(store)(dst + j * dst_row, x[j]);
    }
}

/* Fewer; stores the first `stored` elements of each row of dst. */
FNN_INLINE void FN(conv2d_transpose_rest)(ptrdiff_t rows, ptrdiff_t cols, const real *src,
                                          ptrdiff_t src_row, real *dst, ptrdiff_t dst_row,
                                          ptrdiff_t stored) {
    vec x[LANES];
    const vmask read = FN(mask)(cols), write = FN(mask)(stored);
    FNN_UNROLL
    for (int i = 0; i < LANES; i++)
        x[i] = i < rows ? FN(load_m)(src + i * src_row, read) : FN(zero)();
    FN(transpose)(x);
    FNN_UNROLL
    for (int j = 0; j < FN(TURNED); j++)
        if (j < cols) FN(store_m)(dst + j * dst_row, x[j], write);
}

/* Rows that are vectors, for results in different sets of the L1 cache; the last square moves back
 * to end with the rows. */
FNN_INLINE void FN(conv2d_transpose_pixels)(ptrdiff_t rows, const real *src, real *dst,
                                            ptrdiff_t dst_row) {
    for (ptrdiff_t i = 0; i < rows; i += LANES) {
        const ptrdiff_t at = fnn_min(i, rows - LANES);
        vec x[LANES];
        FNN_UNROLL
        for (int j = 0; j < LANES; j++) x[j] = FN(load)(src + (at + j) * LANES);
        FN(transpose)(x);
        FNN_UNROLL
        for (int j = 0; j < LANES; j++) FN(store)(dst + j * dst_row + at, x[j]);
    }
}

static FNN_NOINLINE void FN(conv2d_transpose)(ptrdiff_t rows, ptrdiff_t cols, const real *src,
                                              ptrdiff_t src_row, real *dst, ptrdiff_t dst_row,
                                              ptrdiff_t padded) {
    if (src_row == LANES && cols == LANES && rows >= LANES && padded == rows &&
        dst_row * (ptrdiff_t)sizeof(real) % 4096) {
        FN(conv2d_transpose_pixels)(rows, src, dst, dst_row);
        return;
    }
#if FNN_REAL_IS_F32 && FNN_VBYTES >= 32
    if (cols == 9 && src_row == 9) { /* windows side by side */
        for (; rows >= LANES; rows -= LANES, padded -= LANES, src += 9 * LANES, dst += LANES) {
            vec x[9];
            FN(load_nines)(src, x);
            FNN_UNROLL
            for (int j = 0; j < 9; j++) FN(store)(dst + j * dst_row, x[j]);
        }
        if (padded == 0) return;
    }
#endif
    for (ptrdiff_t at = 0; at < cols; at += FN(TURNED)) {
        /* the last columns move back: whole squares, and halves, are the quick ones */
        const int half = FN(TURNED) == 8 && cols > 8 && cols - at <= 4;
        const ptrdiff_t turned = half ? 4 : FN(TURNED);
        const ptrdiff_t j = fnn_max(fnn_min(at, cols - turned), 0);
        const ptrdiff_t some = fnn_min(cols - j, turned);
        ptrdiff_t i = 0;
        if (some == turned) {
            i = rows / LANES * LANES;
            if (half)
                FN(conv2d_transpose_run)(4, rows / LANES, src + j, src_row, dst + j * dst_row,
                                         dst_row);
            else
                FN(conv2d_transpose_run)(FN(TURNED), rows / LANES, src + j, src_row,
                                         dst + j * dst_row, dst_row);
        }
        for (; i < padded; i += LANES)
            FN(conv2d_transpose_rest)(fnn_max(fnn_min(rows - i, LANES), 0), some,
                                      src + i * src_row + j, src_row, dst + j * dst_row + i,
                                      dst_row, fnn_min(padded - i, LANES));
    }
}

static FNN_NOINLINE void FN(conv2d_fold)(ptrdiff_t count, const real *x, ptrdiff_t x_step,
                                         real *y) {
    vec v[LANES];
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        const ptrdiff_t some = fnn_min(count - i, LANES);
        for (int j = 0; j < LANES; j++)
            v[j] = j < some ? FN(load)(x + (i + j) * x_step) : FN(zero)();
        const vec sums = FN(sum_each)(v, LANES);
        FN(store_m)(y + i, sums, FN(mask)(some));
    }
}
