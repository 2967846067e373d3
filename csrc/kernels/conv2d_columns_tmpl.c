/* The matrix of columns (im2col) in pieces, and its adjoint; contracts in kernels/conv2d.h. */

/* Runs of pixels, neighbours in a plane, that make one vector of columns. */
typedef struct FN(conv2d_runs) {
    int count;
    ptrdiff_t from[LANES]; /* of the vector's first lane, were it in the run */
    vspan lanes[LANES];
} FN(conv2d_runs);

FNN_INLINE void FN(conv2d_find_runs)(const fnn_conv2d_columns *columns, ptrdiff_t j0,
                                     ptrdiff_t width, FN(conv2d_runs) *runs) {
    ptrdiff_t line = j0 / columns->cols, col = j0 % columns->cols;
    ptrdiff_t image = line / columns->rows, row = line % columns->rows;
    runs->count = 0;
    for (ptrdiff_t j = 0; j < width; col = 0) {
        const int i = runs->count++;
        const ptrdiff_t end = fnn_min(j + columns->cols - col, width);
        runs->from[i] = image * columns->image + row * columns->x_row + col - j;
        runs->lanes[i] = FN(span)(j, end);
        j = end;
        if (++row == columns->rows) row = 0, image++;
    }
    if (width == 0) runs->from[0] = 0, runs->lanes[0] = FN(span)(0, 0);
}

/* `depth` rows of one vector of columns. */
FNN_INLINE void FN(conv2d_columns_vector)(const fnn_conv2d_columns *columns,
                                          const FN(conv2d_runs) *runs, ptrdiff_t k0,
                                          ptrdiff_t depth, ptrdiff_t nr, const real *planes,
                                          real *panel) {
    ptrdiff_t t = k0 % columns->taps;
    const real *plane = planes + k0 / columns->taps * columns->channel;
    for (ptrdiff_t k = 0; k < depth; k++, panel += nr) {
        const real *at = plane + columns->tap[t];
        ivec x = (ivec)FN(load_span)(at + runs->from[0], runs->lanes[0]);
        for (int i = 1; i < runs->count; i++)
            x |= (ivec)FN(load_span)(at + runs->from[i], runs->lanes[i]);
        FN(store)(panel, (vec)x);
        if (++t == columns->taps) {
            t = 0;
            plane += columns->channel;
        }
    }
}

static FNN_NOINLINE void FN(conv2d_columns)(const fnn_conv2d_columns *columns, ptrdiff_t k0,
                                            ptrdiff_t depth, ptrdiff_t j0, ptrdiff_t width,
                                            ptrdiff_t nr, const real *planes, real *panel) {
    for (ptrdiff_t j = 0; j < nr; j += LANES, panel += LANES) {
        FN(conv2d_runs) runs;
        FN(conv2d_find_runs)(columns, j0 + j, fnn_max(fnn_min(width - j, LANES), 0), &runs);
        FN(conv2d_columns_vector)(columns, &runs, k0, depth, nr, planes, panel);
    }
}

/* Squares of LANES rows (channel and tap) by LANES neighbouring pixels, transposed. */
static FNN_NOINLINE void FN(conv2d_columns_transposed)(const fnn_conv2d_columns *columns,
                                                       ptrdiff_t k0, ptrdiff_t depth, ptrdiff_t j0,
                                                       ptrdiff_t width, ptrdiff_t nr,
                                                       const real *planes, real *panel) {
    for (ptrdiff_t j = 0; j < nr; j += LANES) {
        const real *row[LANES];
        for (ptrdiff_t i = 0; i < LANES; i++) {
            /* rows behind the last repeat the first, and are cleared below */
            const ptrdiff_t r = j + i < width ? j0 + j + i : j0;
            row[i] = planes + r / columns->taps * columns->channel +
                     columns->tap[r % columns->taps];
        }
        const ptrdiff_t used = fnn_max(fnn_min(width - j, LANES), 0);
        ptrdiff_t y = k0 / columns->cols, x = k0 % columns->cols;
        for (ptrdiff_t k = 0; k < depth;) {
            const ptrdiff_t run = fnn_min(fnn_min(columns->cols - x, depth - k), LANES);
            const ptrdiff_t at = y * columns->x_row + x;
            vec v[LANES];
            if (FNN_VBYTES == 32 && used == LANES) { /* of 64 bytes: as fast, and 3 KB more */
                FN(load_rows_transposed)(row, at, v);
            } else {
                for (ptrdiff_t i = 0; i < LANES; i++)
                    v[i] = i < used ? FN(load)(row[i] + at) : FN(zero)();
                FN(transpose)(v);
            }
            if (k + LANES <= depth) { /* the next square overwrites what is not of this row */
                FNN_UNROLL
                for (int i = 0; i < LANES; i++) FN(store)(panel + (k + i) * nr + j, v[i]);
            } else {
                for (ptrdiff_t i = 0; i < run; i++) FN(store)(panel + (k + i) * nr + j, v[i]);
            }
            k += run;
            x += run;
            if (x == columns->cols) {
                x = 0;
                y++;
            }
        }
    }
}

/* A row's end, `count` elements. Neighbouring taps and rows add to overlapping pieces, and a masked
 * load waits until the stores that it overlaps are done: few elements are faster one by one. */
FNN_INLINE void FN(conv2d_add_rest)(const real *src, real *to, ptrdiff_t count, vmask rest) {
    if (2 * count > LANES) {
        FN(store_m)(to, FN(load_m)(to, rest) + FN(load_m)(src, rest), rest);
        return;
    }
    for (; count > 0; count--) {
        *to++ += *src++;
        count = fnn_opaque(count);
    }
}

static FNN_NOINLINE void FN(conv2d_add_columns)(const fnn_conv2d_columns *columns, ptrdiff_t rows,
                                                ptrdiff_t channels, const real *src,
                                                real *planes) {
    const ptrdiff_t cols = columns->cols, whole = cols / LANES * LANES;
    const vmask rest = FN(mask)(cols - whole);
    FN(conv2d_clear)(planes, channels * columns->channel);
    for (ptrdiff_t c = 0; c < channels; c++, planes += columns->channel) {
        for (ptrdiff_t t = 0; t < columns->taps; t++) {
            real *to = planes + columns->tap[t];
            for (ptrdiff_t i = 0; i < rows; i++, src += cols, to += columns->x_row) {
                for (ptrdiff_t j = 0; j < whole; j += LANES)
                    FN(store)(to + j, FN(load)(to + j) + FN(load)(src + j));
                FN(conv2d_add_rest)(src + whole, to + whole, cols - whole, rest);
            }
        }
    }
}
