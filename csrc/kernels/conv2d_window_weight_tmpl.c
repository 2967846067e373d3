/* The gradient of a window over planes in place: its sums stay in registers over all images, the
 * rows of dy that a row of x meets rotate through registers, and each vector of x is loaded once.
 * Contract in kernels/conv2d_window.h.
 *
 *   step p, size 3, stride 1:   d[0] d[1] d[2] = dy rows p, p-1, p-2
 *     x row p - top: 3 loads (s)                acc[r][s] += x[s] * d[r]
 *
 * With 16 registers a window of 5 has its columns of taps done in twos. */

enum {
    FN(weight_bytes) = 12 * 1024,      /* of x and dy that stay in the L1 cache for all columns, and as
                                          many of the next band that are fetched meanwhile */
    FN(weight_fetch_bytes) = 32 * 1024 /* of both planes, up to which the next are fetched ahead */
};

/* Where a vector of dy stands: the lanes that it has, and those of x that are inside of its row. */
typedef struct FN(weight_place) {
    vspan live;
    const FN(window_spans) *spans; /* found once for both ends: it costs as much as some rows */
    ptrdiff_t x_next, dy_next; /* to what the next image or band reads */
} FN(weight_place);

/* Adds row r of the windows, and every stride-th one after it, whose x starts at `from`; with d[t]
 * where bit t of `rows` is set. `masked` where lanes are missing: x is cleared there too, as a NaN
 * beside the last column is nobody's. */
FNN_INLINE void FN(window_weight_row)(int size, int stride, int first, int count, int masked, int r,
                                      unsigned rows, const FN(weight_place) *place,
                                      const vspan span[3], const real *from, const vec d[5],
                                      vec acc[5][5]) {
    const FN(window_line) line = FN(window_read)(stride, masked, from, span);
    FNN_UNROLL
    for (int s = first; s < first + count; s++) {
        vec xv = FN(window_tap)(stride, masked, s, &line, from, place->spans->tap[s]);
        xv = FN(pin)(masked ? FN(keep)(xv, place->live) : xv);
        FNN_UNROLL
        for (int t = 0; r + t * stride < size; t++)
            if (rows >> t & 1)
                acc[r + t * stride][s - first] = FN(fma)(xv, d[t], acc[r + t * stride][s - first]);
    }
}

FNN_INLINE vec FN(window_weight_dy)(int masked, vspan live, const real *from) {
    return masked ? FN(load_span)(from, live) : FN(load)(from);
}

/* Steps p0 .. p1, of which some meet rows outside of x or dy. */
FNN_INLINE void FN(window_weight_edge)(int size, int stride, int first, int count, int masked,
                                       const fnn_conv2d_window *window,
                                       const FN(weight_place) *place, ptrdiff_t p0, ptrdiff_t p1,
                                       const real *x, const real *dy, vec d[5], vec acc[5][5]) {
    const int depth = (size + stride - 1) / stride;
    for (ptrdiff_t p = p0; p < p1; p++) {
        unsigned rows = 0;
        FNN_UNROLL
        for (int t = depth - 1; t > 0; t--) d[t] = d[t - 1];
        if (p < window->out_rows)
            d[0] = FN(window_weight_dy)(masked, place->live, dy + p * window->out_cols);
        for (int t = 0; t < depth; t++)
            rows |= (unsigned)((size_t)(p - t) < (size_t)window->out_rows) << t;
        FNN_UNROLL
        for (int r = 0; r < stride; r++) {
            const ptrdiff_t row = p * stride - window->top + r;
            if ((size_t)row < (size_t)window->in_rows)
                FN(window_weight_row)(size, stride, first, count, masked, r, rows, place,
                                      place->spans->tap[0], x + row * window->in_cols, d, acc);
        }
    }
}

/* Steps p0 .. p1 of one image at the column of dy and x where these two pointers stand. */
FNN_INLINE void FN(window_weight_column)(int size, int stride, int first, int count, int masked,
                                         const fnn_conv2d_window *window,
                                         const FN(weight_place) *at, ptrdiff_t p0, ptrdiff_t p1,
                                         const real *x, const real *dy, vec acc[5][5]) {
    const int depth = (size + stride - 1) / stride; /* rows of dy that a row of x meets */
    const ptrdiff_t in_cols = window->in_cols, out_cols = window->out_cols, top = window->top;
    const ptrdiff_t whole = window->in_rows + top >= stride ? (window->in_rows + top) / stride : 0;
    const ptrdiff_t from = fnn_max(fnn_max(depth - 1, p0), top > 0 ? fnn_ceil_div(top, stride) : 0);
    const ptrdiff_t lo = fnn_min(from, p1);
    const ptrdiff_t hi = fnn_max(fnn_min(fnn_min(window->out_rows, p1), whole), lo);
    const vspan live = at->live;
    const vspan span[3] = {at->spans->tap[0][0], at->spans->tap[0][1], at->spans->tap[0][2]};
    vec d[5];
    FNN_UNROLL
    for (int t = 0; t < depth; t++) {
        const ptrdiff_t row = p0 - 1 - t;
        d[t] = (size_t)row < (size_t)window->out_rows
                   ? FN(window_weight_dy)(masked, live, dy + row * out_cols)
                   : FN(zero)();
    }
    FN(window_weight_edge)(size, stride, first, count, masked, window, at, p0, lo, x, dy, d, acc);
    const real *x_row = x + (lo * stride - top) * in_cols, *dy_row = dy + lo * out_cols;
    for (ptrdiff_t p = lo; p < hi; p++, dy_row += out_cols) {
        FNN_UNROLL
        for (int t = depth - 1; t > 0; t--) d[t] = d[t - 1];
        d[0] = FN(window_weight_dy)(masked, live, dy_row);
        FNN_UNROLL
        for (int r = 0; r < stride; r++, x_row += in_cols)
            FN(window_weight_row)(size, stride, first, count, masked, r, ~0u, at, span, x_row, d,
                                  acc);
        __builtin_prefetch(dy_row + at->dy_next);
        FNN_UNROLL
        for (int r = 0; r < stride; r++) __builtin_prefetch(x_row + at->x_next - r * in_cols);
    }
    FN(window_weight_edge)(size, stride, first, count, masked, window, at, hi, p1, x, dy, d, acc);
}

/* Columns first .. first + count of the window. */
FNN_INLINE void FN(window_weight_sum)(int size, int stride, int first, int count,
                                      const fnn_conv2d_window *window, ptrdiff_t images,
                                      ptrdiff_t x_image, ptrdiff_t dy_image, const real *x,
                                      const real *dy, real *g) {
    vec acc[5][5];
    const ptrdiff_t cols = window->out_cols;
    const ptrdiff_t steps = window->out_rows + (size + stride - 1) / stride - 1;
    const ptrdiff_t row_bytes = (stride * window->in_cols + cols) * (ptrdiff_t)sizeof(real);
    const ptrdiff_t band = fnn_max(FN(weight_bytes) / row_bytes, 8);
    const ptrdiff_t x_band = band * stride * window->in_cols;
    const ptrdiff_t last = (cols - 1) / LANES * LANES;
    FN(window_spans) ends[2], other;
    FN(window_set_spans)(window, 0, &ends[0]);
    FN(window_set_spans)(window, last, &ends[1]);
    FNN_UNROLL
    for (int r = 0; r < size; r++) {
        FNN_UNROLL
        for (int s = 0; s < count; s++) acc[r][s] = FN(zero)();
    }
    for (ptrdiff_t n = 0; n < images; n++, x += x_image, dy += dy_image) {
        /* small planes are far apart, and no prefetcher follows the rows of a column of vectors */
        const int fetch = n + 1 < images && steps * row_bytes < FN(weight_fetch_bytes);
        for (ptrdiff_t p = 0; p < steps; p += band) {
            const ptrdiff_t end = fnn_min(p + band, steps);
            for (ptrdiff_t q = 0; q < cols; q += LANES) {
                const ptrdiff_t col = q * stride - window->left, lanes = fnn_min(cols - q, LANES);
                FN(weight_place) place = {.live = FN(span)(0, lanes), .spans = &ends[q > 0],
                                          .x_next = fetch ? x_image : x_band,
                                          .dy_next = fetch ? dy_image : band * cols};
                if (lanes == LANES && col >= 0 &&
                    col + FN(window_reach)(size, stride) <= window->in_cols) {
                    FN(window_weight_column)(size, stride, first, count, 0, window, &place, p, end,
                                             x + col, dy + q, acc);
                    continue;
                }
                if (q > 0 && q < last) {
                    FN(window_set_spans)(window, q, &other);
                    place.spans = &other;
                }
                FN(window_weight_column)(size, stride, first, count, 1, window, &place, p, end,
                                         x + col, dy + q, acc);
            }
        }
    }
    FNN_UNROLL
    for (int r = 0; r < size; r++) {
        FNN_UNROLL
        for (int s = 0; s < count; s++)
            FN(store)(g + (r * size + first + s) * LANES, FN(pin)(acc[r][s]));
    }
}

/* X(size, stride, first column of taps, columns) */
#if CONV_REGISTERS == 32
#define WEIGHT_3(X) X(3, 1, 0, 3) X(3, 2, 0, 3)
#define WEIGHT_5(X) X(5, 1, 0, 5) X(5, 2, 0, 5)
#else
#define WEIGHT_3(X) X(3, 2, 0, 3)
#define WEIGHT_5(X) X(5, 2, 0, 2) X(5, 2, 2, 2) X(5, 2, 4, 1)
#endif

#define X(SIZE, STRIDE, FIRST, COUNT)                                                           \
    static FNN_NOINLINE void FN(conv2d_window_weight_##SIZE##x##STRIDE##_##FIRST)(              \
        const fnn_conv2d_window *window, ptrdiff_t images, ptrdiff_t x_image, ptrdiff_t dy_image, \
        const real *x, const real *dy, real *g) {                                               \
        FN(window_weight_sum)(SIZE, STRIDE, FIRST, COUNT, window, images, x_image, dy_image, x, \
                              dy, g);                                                           \
    }
WEIGHT_3(X)
WEIGHT_5(X)
#undef X

#include "kernels/conv2d_roll_weight_tmpl.c"

static void FN(conv2d_window_weight)(const fnn_conv2d_window *window, ptrdiff_t images,
                                     ptrdiff_t x_image, ptrdiff_t dy_image, const real *x,
                                     const real *dy, real *g) {
    if (window->strips) {
        FN(conv2d_roll_weight)(window, images, x_image, dy_image, x, dy, g);
        return;
    }
#define X(SIZE, STRIDE, FIRST, COUNT)                                                          \
    if (window->size == SIZE && window->stride == STRIDE)                                      \
        FN(conv2d_window_weight_##SIZE##x##STRIDE##_##FIRST)(window, images, x_image, dy_image, \
                                                             x, dy, g);
    WEIGHT_3(X)
    WEIGHT_5(X)
#undef X
}

#undef WEIGHT_3
#undef WEIGHT_5
