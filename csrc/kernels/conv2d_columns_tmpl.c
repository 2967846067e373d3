/* The matrix of columns (im2col) in pieces, and its adjoint; contracts in kernels/conv2d.h. */

/* Runs of pixels, neighbours in a plane, that make one vector of columns. */
typedef struct FN(conv2d_runs) {
    int count;
    ptrdiff_t from[LANES]; /* of the vector's first lane, were it in the run */
    vspan lanes[LANES];
} FN(conv2d_runs);

static FNN_NOINLINE void FN(conv2d_find_runs)(const fnn_conv2d_columns *columns, ptrdiff_t j0,
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

#if FNN_VBYTES >= 32 && FNN_REAL_IS_F32
/* Of neighbouring pixels, which are `step` columns and as many taps: the one or two runs of each of their
 * vectors, and where those of the next panel begin. */
typedef struct FN(conv2d_pixel_spans) {
    ptrdiff_t first[4], second[4], next[4];
    vspan head[4], tail[4];
    int two; /* bits: there are two */
} FN(conv2d_pixel_spans);

static FNN_NOINLINE void FN(conv2d_find_pixels)(const fnn_conv2d_columns *columns, ptrdiff_t j0,
                                                ptrdiff_t width, ptrdiff_t nr,
                                                FN(conv2d_pixel_spans) *to) {
    const ptrdiff_t step = columns->step;
    fnn_conv2d_columns pixels = *columns;
    pixels.cols *= step;
    to->two = 0;
    for (ptrdiff_t p = 0; p < step; p++) {
        FN(conv2d_runs) runs;
        const ptrdiff_t j = step * j0 + p * LANES, ahead = j + step * nr;
        const ptrdiff_t left = step * width - p * LANES;
        FN(conv2d_find_runs)(&pixels, j, fnn_max(fnn_min(left, LANES), 0), &runs);
        const int last = runs.count > 1;
        to->first[p] = runs.from[0], to->head[p] = runs.lanes[0];
        to->second[p] = runs.from[last], to->tail[p] = runs.lanes[last];
        to->two |= last << p;
        to->next[p] = ahead / pixels.cols * pixels.x_row + ahead % pixels.cols;
    }
}

/* The same with a step: vectors of neighbouring pixels are handed out to columns and taps. */
FNN_INLINE void FN(conv2d_columns_deinterleaved)(const fnn_conv2d_columns *columns, ptrdiff_t step,
                                                 ptrdiff_t k0, ptrdiff_t depth, ptrdiff_t nr,
                                                 const FN(conv2d_pixel_spans) *runs, const real *x,
                                                 real *panel) {
    ptrdiff_t t = k0 % columns->taps;
    x += k0 / columns->taps * columns->channel;
    for (ptrdiff_t k = 0; k < depth; k += step, panel += step * nr) {
        const real *at = x + columns->tap[t];
        vec v[4];
        FNN_UNROLL
        for (int p = 0; p < step; p++) {
            v[p] = FN(load_span)(at + runs->first[p], runs->head[p]);
            if (runs->two >> p & 1)
                v[p] = (vec)((ivec)v[p] |
                             (ivec)FN(load_span)(at + runs->second[p], runs->tail[p]));
            __builtin_prefetch(at + runs->next[p], 0, 2);
        }
        vec even = FN(even_lanes)(v[0], v[1]), odd = FN(odd_lanes)(v[0], v[1]);
        if (step == 4) {
            const vec evens = FN(even_lanes)(v[2], v[3]), odds = FN(odd_lanes)(v[2], v[3]);
            FN(store)(panel + 2 * nr, FN(odd_lanes)(even, evens));
            FN(store)(panel + 3 * nr, FN(odd_lanes)(odd, odds));
            even = FN(even_lanes)(even, evens), odd = FN(even_lanes)(odd, odds);
        }
        FN(store)(panel, even);
        FN(store)(panel + nr, odd);
        t += step;
        if (t == columns->taps) {
            t = 0;
            x += columns->channel;
        }
    }
}
#endif

#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
/* A vector of pixels by permutations of a channel. */
static FNN_NOINLINE void FN(conv2d_columns_permuted)(const fnn_conv2d_columns *columns, ptrdiff_t k0,
                                                     ptrdiff_t depth, ptrdiff_t j0, ptrdiff_t nr,
                                                     const real *x, real *panel) {
    const ptrdiff_t pixels = columns->rows * columns->cols, taps = columns->taps;
    const int32_t *place = columns->place + j0 % pixels, *at = place + k0 % taps * pixels;
    vmask parts[4];
    for (int p = 0; p < 4; p++)
        parts[p] = FN(mask)(fnn_max(fnn_min(columns->channel - p * LANES, LANES), 0));
    x += j0 / pixels * columns->image + k0 / taps * columns->channel;
    for (; depth > 0; at = place, x += columns->channel) {
        vec v[4];
        FNN_UNROLL
        for (int p = 0; p < 4; p++) v[p] = FN(load_m)(x + p * LANES, parts[p]);
        for (; depth > 0 && at < place + taps * pixels; depth--, at += pixels, panel += nr) {
            const ivec i = (ivec)FN(load)((const real *)(const void *)at);
            FN(store)(panel, (vec)((ivec)FN(permute_two)(v[0], v[1], i) |
                                   (ivec)FN(permute_two)(v[2], v[3], i - 2 * LANES)));
        }
    }
}
#endif

static FNN_NOINLINE void FN(conv2d_columns)(const fnn_conv2d_columns *columns, ptrdiff_t k0,
                                            ptrdiff_t depth, ptrdiff_t j0, ptrdiff_t width,
                                            ptrdiff_t nr, const real *planes, real *panel) {
    for (ptrdiff_t j = 0; j < nr; j += LANES, panel += LANES) {
#if FNN_VBYTES >= 32 && FNN_REAL_IS_F32
        if (columns->step) {
            FN(conv2d_pixel_spans) at;
            FN(conv2d_find_pixels)(columns, j0 + j, width - j, nr, &at);
            if (columns->step == 2)
                FN(conv2d_columns_deinterleaved)(columns, 2, k0, depth, nr, &at, planes, panel);
            else
                FN(conv2d_columns_deinterleaved)(columns, 4, k0, depth, nr, &at, planes, panel);
            continue;
        }
#endif
#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
        if (columns->place && j < width) {
            FN(conv2d_columns_permuted)(columns, k0, depth, j0 + j, nr, planes, panel);
            continue;
        }
#endif
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
