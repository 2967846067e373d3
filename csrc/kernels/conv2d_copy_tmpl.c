/* Copies between images and the direct kernels' padded planes; contracts in kernels/conv2d.h. */

FNN_INLINE void FN(conv2d_copy_run)(const real *src, real *dst, ptrdiff_t count) {
    ptrdiff_t j = 0;
    for (; j + LANES <= count; j += LANES) FN(store)(dst + j, FN(load)(src + j));
    if (j < count) {
        const vmask rest = FN(mask)(count - j);
        FN(store_m)(dst + j, FN(load_m)(src + j, rest), rest);
    }
}

/* As above with zeros behind the run up to `end`; up to LANES - 1 elements further are cleared. */
FNN_INLINE void FN(conv2d_copy_clear)(const real *src, real *dst, ptrdiff_t count, ptrdiff_t end,
                                      vmask rest) {
    ptrdiff_t j = 0;
    for (; j + LANES <= count; j += LANES) FN(store)(dst + j, FN(load)(src + j));
    if (j < count) {
        FN(store)(dst + j, FN(load_m)(src + j, rest));
        j += LANES;
    }
    for (; j < end; j += LANES) FN(store)(dst + j, FN(zero)());
}

FNN_INLINE void FN(conv2d_clear)(real *dst, ptrdiff_t count) {
    for (ptrdiff_t j = 0; j < count; j++) dst[j] = 0;
}

/* steps of 2 and 1 have bodies of their own: a constant stride vectorises */
FNN_INLINE void FN(conv2d_copy_steps)(const real *src, ptrdiff_t src_step, real *dst,
                                      ptrdiff_t dst_step, ptrdiff_t count) {
    if (src_step == 1 && dst_step == 1) {
        FN(conv2d_copy_run)(src, dst, count);
    } else if (src_step == 2 && dst_step == 1) {
        for (ptrdiff_t j = 0; j < count; j++) dst[j] = src[2 * j];
    } else if (src_step == 1 && dst_step == 2) {
        for (ptrdiff_t j = 0; j < count; j++) dst[2 * j] = src[j];
    } else {
        for (ptrdiff_t j = 0; j < count; j++) dst[j * dst_step] = src[j * src_step];
    }
}

/* first index i >= 0 with start + i*step >= bound */
FNN_INLINE ptrdiff_t FN(conv2d_first)(ptrdiff_t start, ptrdiff_t step, ptrdiff_t bound) {
    return start >= bound ? 0 : fnn_ceil_div(bound - start, step);
}

static FNN_NOINLINE void FN(conv2d_pad)(const FN(conv2d_crop) *crop, const real *src, real *dst) {
    const ptrdiff_t cols = crop->cols;
    const ptrdiff_t row_lo = fnn_min(FN(conv2d_first)(crop->row, crop->row_step, 0), crop->rows);
    const ptrdiff_t row_hi =
        fnn_max(row_lo, fnn_min(FN(conv2d_first)(crop->row, crop->row_step, crop->h), crop->rows));
    const ptrdiff_t col_lo = fnn_min(FN(conv2d_first)(crop->col, crop->col_step, 0), cols);
    const ptrdiff_t col_hi =
        fnn_max(col_lo, fnn_min(FN(conv2d_first)(crop->col, crop->col_step, crop->w), cols));
    const ptrdiff_t run = col_hi - col_lo;
    const vmask rest = FN(mask)(run % LANES);
    for (ptrdiff_t c = 0; c < crop->planes; c++) {
        const real *from = src + c * crop->src_plane;
        real *to = dst + c * crop->dst_plane;
        FN(conv2d_clear)(to, row_lo * cols);
        for (ptrdiff_t i = row_lo; i < row_hi; i++) {
            const ptrdiff_t first = (crop->row + i * crop->row_step) * crop->w + crop->col;
            real *row = to + i * cols;
            for (ptrdiff_t j = 0; j < col_lo; j++) row[j] = 0;
            if (crop->col_step == 1) {
                FN(conv2d_copy_clear)(from + first + col_lo, row + col_lo, run, cols - col_lo, rest);
            } else {
                FN(conv2d_copy_steps)(from + first + col_lo * crop->col_step, crop->col_step,
                                      row + col_lo, 1, run);
                FN(conv2d_clear)(row + col_hi, cols - col_hi);
            }
        }
        FN(conv2d_clear)(to + row_hi * cols, (crop->rows - row_hi) * cols + crop->slack);
    }
}

static FNN_NOINLINE void FN(conv2d_scatter)(const FN(conv2d_grid) *grid, ptrdiff_t j0,
                                            ptrdiff_t count, ptrdiff_t outs, const real *tile,
                                            ptrdiff_t tile_stride, real *dst) {
    ptrdiff_t row = j0 / grid->pitch, col = j0 % grid->pitch;
    for (ptrdiff_t j = 0; j < count; row++, col = 0) {
        const ptrdiff_t run = fnn_min(grid->cols - col, count - j);
        real *to = dst + row * grid->row_step + col * grid->col_step;
        if (run > 0)
            for (ptrdiff_t o = 0; o < outs; o++)
                FN(conv2d_copy_steps)(tile + o * tile_stride + j, 1, to + o * grid->dst_plane,
                                      grid->col_step, run);
        j += grid->pitch - col;
    }
}

static FNN_NOINLINE real FN(conv2d_plane_sum)(ptrdiff_t count, const real *x) {
    vec acc[4] = {FN(zero)(), FN(zero)(), FN(zero)(), FN(zero)()};
    ptrdiff_t j = 0;
    for (; j + 4 * LANES <= count; j += 4 * LANES) {
        FNN_UNROLL
        for (int v = 0; v < 4; v++) acc[v] += FN(load)(x + j + v * LANES);
    }
    for (; j + LANES <= count; j += LANES) acc[0] += FN(load)(x + j);
    if (j < count) acc[1] += FN(load_m)(x + j, FN(mask)(count - j));
    return FN(sum)((acc[0] + acc[1]) + (acc[2] + acc[3]));
}
