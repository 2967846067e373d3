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

/* Every second pixel of a row, with zeros behind them as above. What is read ends with the last of
 * them: the rest of its vector is masked. */
FNN_INLINE void FN(conv2d_copy_halves)(const real *src, real *dst, ptrdiff_t count,
                                       ptrdiff_t end) {
    ptrdiff_t j = 0;
    for (; j + LANES < count; j += LANES)
        FN(store)(dst + j, FN(even_lanes)(FN(load)(src + 2 * j), FN(load)(src + 2 * j + LANES)));
    if (j < count) {
        const ptrdiff_t some = 2 * (count - j) - 1;
        const vec a = FN(load_m)(src + 2 * j, FN(mask)(fnn_min(some, LANES)));
        const vec b = FN(load_m)(src + 2 * j + LANES, FN(mask)(fnn_max(some - LANES, 0)));
        FN(store)(dst + j, FN(even_lanes)(a, b));
        j += LANES;
    }
    for (; j < end; j += LANES) FN(store)(dst + j, FN(zero)());
}

FNN_INLINE void FN(conv2d_clear)(real *dst, ptrdiff_t count) {
    for (ptrdiff_t j = 0; j < count; j++) dst[j] = 0;
}

/* Rows of at most a vector, of every pixel or every second: whole vectors are stored, and the next
 * row overwrites what is not of the one before. */
FNN_INLINE void FN(conv2d_copy_short)(const real *src, ptrdiff_t src_row, int halves, real *dst,
                                      ptrdiff_t dst_row, ptrdiff_t count, ptrdiff_t rows) {
    const ptrdiff_t read = halves ? 2 * count - 1 : count;
    const vmask a = FN(mask)(fnn_min(read, LANES)), b = FN(mask)(fnn_max(read - LANES, 0));
    for (; rows > 0; rows--, src += src_row, dst += dst_row) {
        vec x = FN(load_m)(src, a);
        if (halves) x = FN(even_lanes)(x, FN(load_m)(src + LANES, b));
        FN(store)(dst, x);
    }
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

/* The rows i, or columns, of a crop that fall inside of its image. */
typedef struct FN(conv2d_span) {
    ptrdiff_t lo, hi;
} FN(conv2d_span);

static FNN_NOINLINE FN(conv2d_span) FN(conv2d_inside)(ptrdiff_t start, ptrdiff_t step,
                                                      ptrdiff_t extent, ptrdiff_t count) {
    FN(conv2d_span) span;
    span.lo = fnn_min(FN(conv2d_first)(start, step, 0), count);
    span.hi = fnn_max(span.lo, fnn_min(FN(conv2d_first)(start, step, extent), count));
    return span;
}

#if FNN_VBYTES >= 32 && FNN_REAL_IS_F32
static FNN_NOINLINE void FN(conv2d_clear_twins)(real *dst, ptrdiff_t twin, ptrdiff_t count) {
    FN(conv2d_clear)(dst, count);
    FN(conv2d_clear)(dst + twin, count);
}

/* Two phases of columns at once: each pixel is loaded once. The second one's pixels begin, and end,
 * at most one column earlier. */
static FNN_NOINLINE void FN(conv2d_pad_twins)(const FN(conv2d_crop) *crop, const real *src,
                                              real *dst) {
    const ptrdiff_t cols = crop->cols, twin = crop->twin;
    const FN(conv2d_span) rows =
        FN(conv2d_inside)(crop->row, crop->row_step, crop->h, crop->rows);
    const FN(conv2d_span) a = FN(conv2d_inside)(crop->col, 2, crop->w, cols);
    const FN(conv2d_span) b = FN(conv2d_inside)(crop->col + 1, 2, crop->w, cols);
    const ptrdiff_t both = fnn_max(b.hi - a.lo, 0), whole = both / LANES * LANES;
    const ptrdiff_t some = 2 * (both - whole), end = a.lo + both;
    const vmask low = FN(mask)(fnn_min(some, LANES)), high = FN(mask)(fnn_max(some - LANES, 0));
    for (ptrdiff_t c = 0; c < crop->planes; c++, src += crop->src_plane, dst += crop->dst_plane) {
        const real *row = src + (crop->row + rows.lo * crop->row_step) * crop->w + crop->col;
        real *to = dst + rows.lo * cols;
        FN(conv2d_clear_twins)(dst, twin, rows.lo * cols + (rows.lo < rows.hi ? a.lo : 0));
        for (ptrdiff_t i = rows.lo; i < rows.hi; i++, to += cols, row += crop->row_step * crop->w) {
            const real *from = row + 2 * a.lo;
            real *at = to + a.lo;
            ptrdiff_t j = 0;
            for (; j < whole; j += LANES, from += 2 * LANES) {
                const vec x = FN(load)(from), y = FN(load)(from + LANES);
                FN(store)(at + j, FN(even_lanes)(x, y));
                FN(store)(at + twin + j, FN(odd_lanes)(x, y));
            }
            if (some > 0) {
                const vec x = FN(load_m)(from, low), y = FN(load_m)(from + LANES, high);
                FN(store)(at + j, FN(even_lanes)(x, y));
                FN(store)(at + twin + j, FN(odd_lanes)(x, y));
                j += LANES;
            }
            /* the zeros reach to the next row's first pixel */
            for (; j < (i + 1 < rows.hi ? cols : cols - a.lo); j += LANES) {
                FN(store)(at + j, FN(zero)());
                FN(store)(at + twin + j, FN(zero)());
            }
            if (b.lo < a.lo) to[twin + b.lo] = row[2 * b.lo + 1];
            if (end < a.hi) to[end] = row[2 * end];
        }
        FN(conv2d_clear_twins)(dst + rows.hi * cols, twin,
                               (crop->rows - rows.hi) * cols + crop->slack);
    }
}
#else /* rarer, or no quicker */
static void FN(conv2d_pad)(const FN(conv2d_crop) *crop, const real *src, real *dst);
static FNN_NOINLINE void FN(conv2d_pad_twins)(const FN(conv2d_crop) *crop, const real *src,
                                              real *dst) {
    FN(conv2d_crop) one = *crop;
    one.twin = 0;
    FN(conv2d_pad)(&one, src, dst);
    one.col++;
    FN(conv2d_pad)(&one, src, dst + crop->twin);
}
#endif

static FNN_NOINLINE void FN(conv2d_pad)(const FN(conv2d_crop) *crop, const real *src, real *dst) {
    const ptrdiff_t cols = crop->cols;
    if (crop->twin) {
        FN(conv2d_pad_twins)(crop, src, dst);
        return;
    }
    const FN(conv2d_span) rows =
        FN(conv2d_inside)(crop->row, crop->row_step, crop->h, crop->rows);
    const FN(conv2d_span) span = FN(conv2d_inside)(crop->col, crop->col_step, crop->w, cols);
    const ptrdiff_t run = span.hi - span.lo, behind = crop->rows - rows.hi;
    const vmask rest = FN(mask)(run % LANES);
    const int short_rows =
        FNN_VBYTES >= 32 && run > 0 && cols <= LANES && crop->col_step <= 2;
    for (ptrdiff_t c = 0; c < crop->planes; c++) {
        /* whole vectors reach into the next planes, which follow, or into the slack */
        const int room = crop->slack >= LANES || (crop->planes - 1 - c) * crop->dst_plane >= LANES;
        const real *from = src + c * crop->src_plane + crop->col + span.lo * crop->col_step;
        real *to = dst + c * crop->dst_plane;
        FN(conv2d_clear)(to, rows.lo * cols + (rows.lo < rows.hi ? span.lo : 0));
        to += rows.lo * cols + span.lo;
        const int at_once = short_rows && (room || crop->col_step == 1);
        const ptrdiff_t others = at_once ? rows.hi : rows.lo; /* from which they go one by one */
        if (at_once) {
            from += (crop->row + rows.lo * crop->row_step) * crop->w;
            FN(conv2d_copy_short)(from, crop->row_step * crop->w, crop->col_step == 2, to, cols,
                                  run, rows.hi - rows.lo);
        }
        for (ptrdiff_t i = others; i < rows.hi; i++, to += cols) {
            const real *row = from + (crop->row + i * crop->row_step) * crop->w;
            /* the zeros reach to the next row's first pixel */
            const ptrdiff_t end = i + 1 < rows.hi ? cols : cols - span.lo;
            if (crop->col_step == 1) {
                FN(conv2d_copy_clear)(row, to, run, end, rest);
            } else if (crop->col_step == 2 && room) {
                FN(conv2d_copy_halves)(row, to, run, end);
            } else {
                FN(conv2d_copy_steps)(row, crop->col_step, to, 1, run);
                FN(conv2d_clear)(to + run, end - run);
            }
        }
        FN(conv2d_clear)(dst + c * crop->dst_plane + rows.hi * cols, behind * cols + crop->slack);
    }
}

/* One row of two neighbouring phases, from columns that are both inside. */
FNN_INLINE void FN(conv2d_interleave)(const real *a, const real *b, real *to, ptrdiff_t count,
                                      vmask rest, vmask first, vmask second) {
    vec x, y;
    for (; count >= LANES; count -= LANES, a += LANES, b += LANES, to += 2 * LANES) {
        FN(interleave)(FN(load)(a), FN(load)(b), &x, &y);
        FN(store)(to, x);
        FN(store)(to + LANES, y);
    }
    if (count > 0) {
        FN(interleave)(FN(load_m)(a, rest), FN(load_m)(b, rest), &x, &y);
        FN(store_m)(to, x, first);
        FN(store_m)(to + LANES, y, second);
    }
}

static FNN_NOINLINE void FN(conv2d_unpad)(const FN(conv2d_crop) *crop, real *src,
                                          const real *dst) {
    const ptrdiff_t step = crop->col_step, twin = crop->twin;
    const FN(conv2d_span) rows =
        FN(conv2d_inside)(crop->row, crop->row_step, crop->h, crop->rows);
    const FN(conv2d_span) a = FN(conv2d_inside)(crop->col, step, crop->w, crop->cols);
    const FN(conv2d_span) b = FN(conv2d_inside)(crop->col + 1, step, crop->w, crop->cols);
    const ptrdiff_t both = fnn_max(b.hi - a.lo, 0), some = both % LANES;
    const vmask rest = FN(mask)(some), first = FN(mask)(fnn_min(2 * some, LANES)),
                second = FN(mask)(fnn_max(2 * some - LANES, 0));
    for (ptrdiff_t c = 0; c < crop->planes; c++) {
        for (ptrdiff_t i = rows.lo; i < rows.hi; i++) {
            const real *from = dst + c * crop->dst_plane + i * crop->cols;
            real *to = src + c * crop->src_plane + (crop->row + i * crop->row_step) * crop->w +
                       crop->col;
            if (twin && step == 2) {
                /* b starts at most one column earlier and ends at most one earlier */
                if (b.lo < a.lo) to[2 * b.lo + 1] = from[twin + b.lo];
                if (b.hi < a.hi) to[2 * b.hi] = from[b.hi];
                FN(conv2d_interleave)(from + a.lo, from + twin + a.lo, to + 2 * a.lo, both, rest,
                                      first, second);
                continue;
            }
            FN(conv2d_copy_steps)(from + a.lo, 1, to + a.lo * step, step, a.hi - a.lo);
            if (twin)
                FN(conv2d_copy_steps)(from + twin + b.lo, 1, to + b.lo * step + 1, step,
                                      b.hi - b.lo);
        }
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
