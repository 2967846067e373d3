/* The gradient of a 3x3 window for one output channel: three rows of dy stay in registers while
 * the rows of x go by, so that each vector of x is loaded once. Contract in kernels/conv2d.h. */

enum { FN(DOT3_BYTES) = 12 * 1024, FN(DOT3_ROWS) = 4 };

/* Adds one row of x, which is row r of the windows whose dy is d[r], for first <= r <= last. */
FNN_INLINE void FN(conv2d_dot3_row)(int whole, vmask mask, int first, int last,
                                    const real *const base[3], ptrdiff_t at, const vec d[3],
                                    vec acc[9]) {
    FNN_UNROLL
    for (int s = 0; s < 3; s++) {
        const vec xv = FN(pin)(whole ? FN(load)(base[s] + at) : FN(load_m)(base[s] + at, mask));
        FNN_UNROLL
        for (int r = first; r <= last; r++) acc[3 * r + s] = FN(fma)(xv, d[r], acc[3 * r + s]);
    }
}

/* One column of vectors of some rows: rows 0 and 1 of x belong to fewer windows, and so do the last
 * two. */
FNN_INLINE void FN(conv2d_dot3_column)(int whole, vmask mask, const fnn_conv2d_pixels *pixels,
                                       ptrdiff_t rows, const real *const base[3], ptrdiff_t at,
                                       const real *dy, vec acc[9]) {
    const ptrdiff_t cols = pixels->cols, x_row = pixels->x_row;
    vec d[3];
    d[0] = whole ? FN(load)(dy) : FN(load_m)(dy, mask);
    FN(conv2d_dot3_row)(whole, mask, 0, 0, base, at, d, acc);
    if (rows == 1) {
        d[1] = d[2] = d[0];
        FN(conv2d_dot3_row)(whole, mask, 1, 1, base, at + x_row, d, acc);
        FN(conv2d_dot3_row)(whole, mask, 2, 2, base, at + 2 * x_row, d, acc);
        return;
    }
    d[1] = d[0];
    dy += cols;
    at += x_row;
    d[0] = whole ? FN(load)(dy) : FN(load_m)(dy, mask);
    FN(conv2d_dot3_row)(whole, mask, 0, 1, base, at, d, acc);
    for (ptrdiff_t p = 2; p < rows; p++) {
        d[2] = d[1];
        d[1] = d[0];
        dy += cols;
        at += x_row;
        d[0] = whole ? FN(load)(dy) : FN(load_m)(dy, mask);
        __builtin_prefetch(dy + rows * cols);
        FN(conv2d_dot3_row)(whole, mask, 0, 2, base, at, d, acc);
    }
    d[2] = d[1];
    d[1] = d[0];
    FN(conv2d_dot3_row)(whole, mask, 1, 2, base, at + x_row, d, acc);
    d[2] = d[1];
    FN(conv2d_dot3_row)(whole, mask, 2, 2, base, at + 2 * x_row, d, acc);
}

static FNN_NOINLINE void FN(conv2d_dot3)(const fnn_conv2d_pixels *pixels, int tile,
                                         const ptrdiff_t *row, const real *x, const real *dy,
                                         int add, real *g) {
    vec acc[9];
    const real *const base[3] = {x + row[0], x + row[1], x + row[2]};
    const ptrdiff_t whole = pixels->cols / LANES * LANES;
    const vmask rest = FN(mask)(pixels->cols - whole);
    /* a column of a large plane is a line of each row, which no prefetcher follows */
    const ptrdiff_t row_bytes = 2 * pixels->cols * (ptrdiff_t)sizeof(real);
    const ptrdiff_t band = fnn_max(FN(DOT3_BYTES) / row_bytes, FN(DOT3_ROWS));
    (void)tile;
    FNN_UNROLL
    for (int i = 0; i < 9; i++) acc[i] = FN(zero)();
    for (ptrdiff_t n = 0; n < pixels->images; n++) {
        const real *d = dy + n * pixels->dy_image;
        ptrdiff_t at = n * pixels->x_image;
        for (ptrdiff_t p = 0; p < pixels->rows;
             p += band, at += band * pixels->x_row, d += band * pixels->cols) {
            const ptrdiff_t rows = fnn_min(band, pixels->rows - p);
            for (ptrdiff_t q = 0; q < whole; q += LANES)
                FN(conv2d_dot3_column)(1, rest, pixels, rows, base, at + q, d + q, acc);
            if (whole < pixels->cols)
                FN(conv2d_dot3_column)(0, rest, pixels, rows, base, at + whole, d + whole, acc);
        }
    }
    FNN_UNROLL
    for (int i = 0; i < 9; i++) {
        real *to = g + i * LANES;
        FN(store)(to, add ? FN(load)(to) + acc[i] : acc[i]);
    }
}
