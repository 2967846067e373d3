/* LANES images side by side in the lanes of padded planes; contract in kernels/conv2d.h. */

/* Pixels at + 0 .. at + count of a plane of every image to x, one image per lane. */
FNN_INLINE void FN(conv2d_load_images)(const FN(conv2d_images) *a, const real *at, ptrdiff_t count,
                                       real *square) {
    vec x[LANES];
    if (a->images == LANES && count == LANES) {
        FN(load_transposed)(at, a->src_image, LANES, x);
    } else {
        const vmask some = FN(mask)(count);
        FNN_UNROLL
        for (int l = 0; l < LANES; l++)
            x[l] = l < a->images ? FN(load_m)(at + l * a->src_image, some) : FN(zero)();
        FN(transpose)(x);
    }
    FNN_UNROLL
    for (int j = 0; j < LANES; j++) FN(store)(square + j * LANES, x[j]);
}

FNN_INLINE void FN(conv2d_clear_pixels)(real *to, ptrdiff_t count) {
    for (ptrdiff_t j = 0; j < count; j++) FN(store)(to + j * LANES, FN(zero)());
}

/* One plane: its rows follow each other in the source, so a square may cross their ends. */
FNN_INLINE void FN(conv2d_pad_plane)(const FN(conv2d_images) *a, const real *from, ptrdiff_t rows,
                                     real *to) {
    const ptrdiff_t gap = (a->pitch - a->w) * LANES, total = rows * a->w;
    ptrdiff_t rest = a->w; /* of the row */
    for (ptrdiff_t p = 0; p < total; p += LANES) {
        const ptrdiff_t count = fnn_min(total - p, LANES);
        if (rest >= LANES && count == LANES) {
            FN(conv2d_load_images)(a, from + p, LANES, to);
            to += LANES * LANES;
            rest -= LANES;
        } else {
            real square[LANES * LANES] __attribute__((aligned(FNN_VBYTES)));
            FN(conv2d_load_images)(a, from + p, count, square);
            for (ptrdiff_t j = 0; j < count; j++) {
                if (rest == 0) {
                    to += gap;
                    rest = a->w;
                }
                FN(store)(to, FN(load)(square + j * LANES));
                to += LANES;
                rest--;
            }
        }
        if (rest == 0) {
            to += gap;
            rest = a->w;
        }
    }
}

/* Columns that come with one load of a row. */
enum { FN(QUARTER) = FNN_VBYTES < 16 ? 1 : 16 / sizeof(real) };

/* Columns from .. from + cols, a literal, of all of LANES images. */
FNN_INLINE void FN(conv2d_turn_columns)(int cols, const real *from, ptrdiff_t src_image, real *to) {
    vec x[LANES];
    FN(load_transposed)(from, src_image, cols, x);
    FNN_UNROLL
    for (int j = 0; j < cols; j++) FN(store)(to + j * LANES, x[j]);
}

/* One plane of LANES images by squares that stay within a row: of LANES columns, then of QUARTER,
 * whose last one moves back to end with the row, which has at least one. */
static FNN_NOINLINE void FN(conv2d_pad_rows)(const real *from, ptrdiff_t src_image, ptrdiff_t rows,
                                             ptrdiff_t w, ptrdiff_t pitch, real *to) {
    const ptrdiff_t whole = w / LANES * LANES;
    for (; rows > 0; rows--, from += w, to += pitch * LANES) {
        for (ptrdiff_t j = 0; j < whole; j += LANES)
            FN(conv2d_turn_columns)(LANES, from + j, src_image, to + j * LANES);
        for (ptrdiff_t j = whole; j < w; j += FN(QUARTER)) {
            const ptrdiff_t at = fnn_min(j, w - FN(QUARTER));
            FN(conv2d_turn_columns)(FN(QUARTER), from + at, src_image, to + at * LANES);
        }
    }
}

/* Rows before top and from end on, and what is beside the others. */
FNN_INLINE void FN(conv2d_clear_outside)(const FN(conv2d_images) *a, ptrdiff_t top, ptrdiff_t end,
                                         real *to) {
    const ptrdiff_t right = a->pitch - a->left - a->w;
    FN(conv2d_clear_pixels)(to, top * a->pitch);
    for (ptrdiff_t i = top; i < end; i++) {
        FN(conv2d_clear_pixels)(to + i * a->pitch * LANES, a->left);
        FN(conv2d_clear_pixels)(to + ((i + 1) * a->pitch - right) * LANES, right);
    }
    FN(conv2d_clear_pixels)(to + end * a->pitch * LANES, (a->rows - end) * a->pitch);
}

static FNN_NOINLINE void FN(conv2d_pad_images)(const FN(conv2d_images) *a, const real *src,
                                               real *dst) {
    const ptrdiff_t top = fnn_min(fnn_max(-a->row, 0), a->rows);
    const ptrdiff_t end = fnn_max(fnn_min(a->h - a->row, a->rows), top);
    for (ptrdiff_t c = 0; c < a->planes; c++) {
        real *to = dst + c * a->dst_plane;
        if (!a->clean) FN(conv2d_clear_outside)(a, top, end, to);
        const real *from = src + c * a->src_plane + (a->row + top) * a->w;
        to += (top * a->pitch + a->left) * LANES;
        if (a->images == LANES && a->w >= FN(QUARTER)) {
            const ptrdiff_t lines = a->pitch == a->w ? fnn_min(end - top, 1) : end - top;
            const ptrdiff_t w = a->pitch == a->w ? (end - top) * a->w : a->w;
            FN(conv2d_pad_rows)(from, a->src_image, lines, w, a->pitch, to);
        } else {
            FN(conv2d_pad_plane)(a, from, end - top, to);
        }
    }
}
