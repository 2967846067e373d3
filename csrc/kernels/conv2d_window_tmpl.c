/* Windows over planes in place: some output rows of one vector stay in registers; each vector of
 * the source is loaded once per column of taps, for all rows of taps. The last vector of a row
 * moves back to end with the row, so that only rows shorter than a vector are stored in part.
 * Contract in kernels/conv2d_window.h.
 *
 *   tile: ROWS output rows x 1 vector       per column of taps s
 *
 *     source row 0   . x x x x .            w0 -> row 0
 *     source row 1   . x x x x .            w0 -> row 1, w1 -> row 0
 *     source row 2   . x x x x .            w0 -> row 2, w1 -> row 1, w2 -> row 0
 */

/* Where a vector is a whole cache line every shifted load straddles two, which costs twice a
 * multiply-add and more: there the columns of taps are shuffled out of the vectors that a row
 * holds anyway, three columns at a time while 32 registers last. Elsewhere each is loaded. */

/* Which lanes are inside of a row, of the three vectors that start at each column of taps. */
typedef struct FN(window_spans) {
    vspan tap[5][3];
} FN(window_spans);

/* Of the vector that starts at output column q. */
static FNN_NOINLINE void FN(window_set_spans)(const fnn_conv2d_window *window, ptrdiff_t q,
                                              FN(window_spans) *spans) {
    for (int s = 0; s < window->size; s++) {
        for (int i = 0; i < 3; i++) {
            const ptrdiff_t col = q * window->stride - window->left + s + i * LANES;
            spans->tap[s][i] = FN(span)(fnn_max(fnn_min(-col, LANES), 0),
                                        fnn_max(fnn_min(window->in_cols - col, LANES), 0));
        }
    }
}

/* The source columns that a tile reads of one row. */
typedef struct FN(window_line) {
    vec part[3];
} FN(window_line);

FNN_INLINE FN(window_line) FN(window_read)(int stride, int masked, const real *p,
                                           const vspan span[3]) {
    FN(window_line) line = {{FN(zero)()}};
#if FNN_VBYTES == FNN_LINE
    FNN_UNROLL
    for (int i = 0; i <= stride; i++)
        line.part[i] = FN(pin)(masked ? FN(load_span)(p + i * LANES, span[i])
                                      : FN(load)(p + i * LANES));
#else
    (void)stride, (void)masked, (void)p, (void)span;
#endif
    return line;
}

/* The source of column s of the taps: every stride-th pixel from p[s] on. */
FNN_INLINE vec FN(window_tap)(int stride, int masked, int s, const FN(window_line) *line,
                              const real *p, const vspan span[3]) {
#if FNN_VBYTES == FNN_LINE
    const vec *part = line->part;
    (void)masked, (void)p, (void)span;
    if (stride == 1) return FN(slide)(part[0], part[1], s);
    if (s & 1)
        return FN(slide)(FN(odd_lanes)(part[0], part[1]), FN(odd_lanes)(part[2], part[2]), s / 2);
    return FN(slide)(FN(even_lanes)(part[0], part[1]), FN(even_lanes)(part[2], part[2]), s / 2);
#else
    (void)line;
    p += s;
    const vec a = masked ? FN(load_span)(p, span[0]) : FN(load)(p);
    if (stride == 1) return a;
    return FN(even_lanes)(
        a, masked ? FN(load_span)(p + LANES, span[1]) : FN(load)(p + LANES));
#endif
}

/* Columns that a tile reads from its first on; what is masked off counts where it is not. */
FNN_INLINE ptrdiff_t FN(window_reach)(int size, int stride) {
    return FNN_VBYTES == FNN_LINE ? (stride + 1) * LANES : size - 1 + stride * LANES;
}

/* Adds the columns group .. group + count of the taps of one source plane, whose first row and
 * column for this tile are `top` and the one that src points to. */
FNN_INLINE void FN(window_columns)(int size, int stride, int rows, int edge, int group, int count,
                                   const fnn_conv2d_window *window, const vspan spans[3],
                                   ptrdiff_t top, const real *src, const real *w, vec acc[8]) {
    vec held[5][3];
    const vspan span[3] = {spans[0], spans[1], spans[2]};
    const ptrdiff_t in_cols = window->in_cols, first = edge ? fnn_opaque(top) : top;
    FNN_UNROLL
    for (int r = 0; r < size; r++) {
        FNN_UNROLL
        for (int s = 0; s < count; s++) held[r][s] = FN(splat)(w[r * size + group + s]);
    }
    FNN_UNROLL
    for (int j = 0; j < (rows - 1) * stride + size; j++, src += in_cols) {
        if (edge && (size_t)(first + j) >= (size_t)window->in_rows) continue;
        const FN(window_line) line = FN(window_read)(stride, edge, src, span);
        FNN_UNROLL
        for (int s = 0; s < count; s++) {
            const vec x = FN(window_tap)(stride, edge, group + s, &line, src, span);
            FNN_UNROLL
            for (int r = size - 1; r >= 0; r--) {
                const int i = j - r;
                if (i < 0 || i % stride || i / stride >= rows) continue;
                acc[i / stride] = FN(fma)(held[r][s], x, acc[i / stride]);
            }
        }
    }
}

/* Fetches the source of the tile below, which at the end of a plane is that of the next one. */
FNN_INLINE void FN(window_fetch)(int size, int stride, int rows, ptrdiff_t in_cols,
                                 const real *src) {
    FNN_UNROLL
    for (int j = 0; j < rows * stride; j++)
        __builtin_prefetch(src + ((rows - 1) * stride + size + j) * in_cols + LANES / 2);
}

/* src is the source plane, moved to the tile's first column; `top` its first source row. */
FNN_INLINE void FN(window_tile)(int size, int stride, int rows, int edge,
                                const fnn_conv2d_window *window, const fnn_conv2d_walk *walk,
                                const FN(window_spans) *spans, ptrdiff_t top, const real *src,
                                const real *w, vec bias, real *dst) {
    vec acc[8];
    src += top * window->in_cols;
    FNN_UNROLL
    for (int i = 0; i < rows; i++) acc[i] = bias;
    FN(window_fetch)(size, stride, rows, window->in_cols, src);
    for (ptrdiff_t c = walk->channels; c > 0; c--) {
#if FNN_VBYTES == FNN_LINE
        FN(window_columns)(size, stride, rows, edge, 0, 3, window, spans->tap[0], top, src, w, acc);
        if (size == 5)
            FN(window_columns)(size, stride, rows, edge, 3, 2, window, spans->tap[0], top, src, w,
                               acc);
#else
        for (int s = 0; s < size; s++)
            FN(window_columns)(size, stride, rows, edge, s, 1, window, spans->tap[s], top, src, w,
                               acc);
#endif
        src += walk->src_channel;
        w += walk->w_channel;
    }
    const vmask part = FN(mask)(fnn_min(window->out_cols, LANES));
#if FNN_VBYTES == FNN_LINE
    /* the tile of large maps */
    if (size == 3 && stride == 1 && rows == 8 && walk->past) {
        FNN_UNROLL
        for (int i = 0; i < rows; i++) FN(store_past)(dst + i * window->out_cols, acc[i]);
        return;
    }
#endif
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        if (edge)
            FN(store_some)(FN(all_lanes)(part), dst + i * window->out_cols, acc[i], part);
        else
            FN(store)(dst + i * window->out_cols, acc[i]);
    }
}

/* Output rows row .. row + rows of one plane. */
FNN_INLINE void FN(window_rows)(int size, int stride, int rows, const fnn_conv2d_window *window,
                                const fnn_conv2d_walk *walk, const FN(window_spans) ends[2],
                                ptrdiff_t row, const real *src, const real *w, vec bias,
                                real *dst) {
    const ptrdiff_t top = row * stride - window->top, cols = window->out_cols;
    const ptrdiff_t last = fnn_max(cols - LANES, 0);
    const int inside = rows > 4 && top >= 0 && top + (rows - 1) * stride + size <= window->in_rows;
    FN(window_spans) other;
    dst += row * cols;
    for (ptrdiff_t q = 0; q < cols; q += LANES) {
        const ptrdiff_t at = fnn_min(q, last), col = at * stride - window->left;
        if (inside && col >= 0 && LANES <= cols &&
            col + FN(window_reach)(size, stride) <= window->in_cols) {
            FN(window_tile)(size, stride, rows, 0, window, walk, ends, top, src + col, w, bias,
                            dst + at);
            continue;
        }
        const FN(window_spans) *spans = &ends[at == last];
        if (at > 0 && at < last) {
            FN(window_set_spans)(window, at, &other);
            spans = &other;
        }
        FN(window_tile)(size, stride, rows, 1, window, walk, spans, top, src + col, w, bias,
                        dst + at);
    }
}

/* Heights of the tiles: fewer where windows are large, for the sake of the code's size; 7 rows go
 * into the maps of 7, 14, 28 ... that nets have. */
#define WINDOW_ROWS_3(X, STRIDE) X(3, STRIDE, 8) X(3, STRIDE, 7) X(3, STRIDE, 4) X(3, STRIDE, 1)
#if FNN_VBYTES == FNN_LINE
#define WINDOW_ROWS_3_2(X) /* conv2d_stride */
#else
#define WINDOW_ROWS_3_2(X) WINDOW_ROWS_3(X, 2)
#endif
#define WINDOW_ROWS_5(X, STRIDE) X(5, STRIDE, 7) X(5, STRIDE, 4) X(5, STRIDE, 1)
#define X(SIZE, STRIDE, ROWS)                                                                   \
    static FNN_NOINLINE void FN(conv2d_window_##SIZE##x##STRIDE##x##ROWS)(                      \
        const fnn_conv2d_window *window, const fnn_conv2d_walk *walk,                           \
        const FN(window_spans) ends[2], ptrdiff_t row, const real *src, const real *w, vec bias, \
        real *dst) {                                                                            \
        FN(window_rows)(SIZE, STRIDE, ROWS, window, walk, ends, row, src, w, bias, dst);        \
    }
WINDOW_ROWS_3(X, 1)
WINDOW_ROWS_3_2(X)
WINDOW_ROWS_5(X, 1)
WINDOW_ROWS_5(X, 2)
#undef X

typedef void FN(window_rows_fn)(const fnn_conv2d_window *, const fnn_conv2d_walk *,
                                const FN(window_spans) *, ptrdiff_t, const real *, const real *,
                                vec, real *);

typedef struct FN(window_height) {
    int rows;
    FN(window_rows_fn) *run;
} FN(window_height);

/* The tallest tile that wastes nothing on `rows`, else the one that wastes least: its last one
 * moves up and writes again what is there. A list ends with the height 1. */
FNN_INLINE FN(window_height) FN(window_choose)(const FN(window_height) *heights, ptrdiff_t rows) {
    FN(window_height) best = {0};
    ptrdiff_t least = PTRDIFF_MAX;
    for (;; heights++) {
        const ptrdiff_t cost = fnn_ceil_div(rows, heights->rows) * (heights->rows + 2);
        if (heights->rows <= rows && cost < least) {
            least = cost;
            best = *heights;
        }
        if (heights->rows == 1) return best;
    }
}

#include "kernels/conv2d_roll_tmpl.c"
#if FNN_VBYTES == FNN_LINE
#include "kernels/conv2d_three_tmpl.c"
#include "kernels/conv2d_single_tmpl.c"
#include "kernels/conv2d_stride_tmpl.c"
#endif

static void FN(conv2d_window)(const fnn_conv2d_window *window, const fnn_conv2d_walk *walk,
                              ptrdiff_t first, ptrdiff_t last, const real *src, const real *w,
                              const real *bias, real *dst) {
    if (window->strips) {
        FN(conv2d_roll)(window, walk, first, last, src, w, bias, dst);
        return;
    }
    ptrdiff_t j = 0;
#if FNN_VBYTES == FNN_LINE
    if (walk->channels == 1 && fnn_conv2d_is_single(window) && last - first == window->out_rows) {
        FN(conv2d_single)(window, walk, src, w, bias, dst);
        return;
    }
    if (window->size == 3 && window->stride == 2) {
        FN(conv2d_stride)(window, walk, first, last, src, w, bias, dst);
        return;
    }
    j = FN(conv2d_three)(window, walk, first, last, src, w, bias, dst);
    if (j == walk->planes) return;
    w += j * walk->w_plane;
    dst += j * walk->dst_plane;
#endif
#define X(SIZE, STRIDE, ROWS) {ROWS, FN(conv2d_window_##SIZE##x##STRIDE##x##ROWS)},
    static const FN(window_height) heights[4][4] = {
        {WINDOW_ROWS_3(X, 1)}, {WINDOW_ROWS_3_2(X)}, {WINDOW_ROWS_5(X, 1)}, {WINDOW_ROWS_5(X, 2)}};
#undef X
    const FN(window_height) tile = FN(window_choose)(
        heights[(window->size == 5) * 2 + window->stride - 1], last - first);
    FN(window_spans) ends[2];
    FN(window_set_spans)(window, 0, &ends[0]);
    FN(window_set_spans)(window, fnn_max(window->out_cols - LANES, 0), &ends[1]);
    for (; j < walk->planes; j++) {
        const vec start = bias ? FN(splat)(bias[j * walk->bias_plane]) : FN(zero)();
        for (ptrdiff_t row = first; row < last; row += tile.rows)
            tile.run(window, walk, ends, fnn_min(row, last - tile.rows), src, w, start, dst);
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
    }
#if FNN_VBYTES == FNN_LINE
    if (walk->past) FN(fence_past)();
#endif
}

#undef WINDOW_ROWS_3
#undef WINDOW_ROWS_3_2
#undef WINDOW_ROWS_5
