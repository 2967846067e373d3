/* Windows over planes in place whose rows are short: a row of at most EIGHT pixels is one vector of
 * eight lanes (also where vectors have 16: half would be empty), and the columns of taps are loads
 * that leave out what is beside the row. Contracts in kernels/conv2d_window.h.
 *
 *   tile: 7 output rows       per block of 3x3, 3x1 or 1x1 neighbouring taps (t, s)
 *     source row j            w[t][s] -> row j - t
 *
 * Loops over taps cost as much as the sums of seven rows, so nine of them are one piece of code
 * where registers hold their weights. */
#if FNN_VBYTES == 64
#define SHORT(name) FN(eight_##name)
#define SHORT_STORE FN(eight_store_m)
typedef eight_f32 FN(short_row);
typedef __mmask8 FN(short_span);
#else
#define SHORT(name) FN(name)
#define SHORT_STORE FN(store_first_lanes)
typedef vec FN(short_row);
typedef vspan FN(short_span);
#endif
#define row FN(short_row)

enum {
    FN(EIGHT) = 8,
    FN(SHORT_TILE) = 7,
    FN(SHORT_COLUMNS) = CONV_REGISTERS == 32 ? 3 : 1, /* of a block of three rows of taps */
    FN(short_ahead) = 1024 / sizeof(real)             /* elements: planes lie side by side */
};

/* A block of taps of a tile: where the first one's source and weight stand in their planes, which
 * of the source rows that it meets there are, as bits, and which lanes each column finds in a row. */
typedef struct FN(short_block) {
    ptrdiff_t src, w;
    int rows, cols;
    unsigned inside;
    FN(short_span) span[FN(SHORT_COLUMNS)];
} FN(short_block);

/* The blocks of the tile from row p on; returns how many there are. */
static FNN_NOINLINE int FN(short_set_blocks)(const fnn_conv2d_window *a, ptrdiff_t p,
                                             FN(short_block) *block) {
    int count = 0;
    for (ptrdiff_t r = 0, rows; r < a->height; r += rows) {
        rows = a->row_step == 1 && r + 3 <= a->height ? 3 : 1;
        const ptrdiff_t top = p + r * a->row_step - a->top, met = FN(SHORT_TILE) + rows - 1;
        const ptrdiff_t from = fnn_max(fnn_min(-top, met), 0);
        const ptrdiff_t end = fnn_max(fnn_min(a->in_rows - top, met), 0);
        for (ptrdiff_t s = 0, cols; s < a->width && from < end; s += cols) {
            FN(short_block) *const at = block + count++;
            ptrdiff_t col = fnn_opaque(s * a->col_step - a->left); /* not by vectors */
            cols = rows == 3 && a->col_step == 1 && s + FN(SHORT_COLUMNS) <= a->width
                       ? FN(SHORT_COLUMNS) : 1;
            *at = (FN(short_block)){.src = top * a->in_cols + col, .w = r * a->width + s,
                                    .rows = (int)rows, .cols = (int)cols,
                                    .inside = (1u << end) - (1u << from)};
            for (ptrdiff_t i = 0; i < cols; i++, col = fnn_opaque(col + 1))
                at->span[i] = SHORT(span)(fnn_max(fnn_min(-col, FN(EIGHT)), 0),
                                          fnn_max(fnn_min(fnn_min(a->in_cols - col, a->out_cols),
                                                          FN(EIGHT)), 0));
        }
    }
    return count;
}

/* src + step, which GCC would turn into a multiple of `step` for each row, kept on the stack. */
FNN_INLINE const real *FN(short_next)(const real *src, ptrdiff_t step) {
    src += step;
    __asm__("" : "+r"(src));
    return src;
}

/* All source rows that a block of rows x cols taps, literals, meets: lines[j - t] += taps[t][s] x for
 * column s of row j or, for the gradient, taps[t][s] += x lines[j - t]. */
FNN_INLINE void FN(short_meet)(int gradient, int rows, int cols, const FN(short_block) *block,
                               ptrdiff_t in_cols, const real *src, row taps[3][3], row lines[7]) {
    FN(short_span) span[3];
    const unsigned inside = block->inside;
    FNN_UNROLL
    for (int s = 0; s < cols; s++) span[s] = block->span[s];
    FNN_UNROLL
    for (int j = 0; j < FN(SHORT_TILE) + rows - 1; j++, src = FN(short_next)(src, in_cols)) {
        if (!(fnn_opaque(inside) >> j & 1)) continue;
        FNN_UNROLL
        for (int s = 0; s < cols; s++) {
            const row x = SHORT(pin)(SHORT(load_span)(src + s, span[s]));
            FNN_UNROLL
            for (int t = 0; t < rows; t++)
                if (j - t >= 0 && j - t < FN(SHORT_TILE)) {
                    if (gradient)
                        taps[t][s] = SHORT(fma)(x, lines[j - t], taps[t][s]);
                    else
                        lines[j - t] = SHORT(fma)(taps[t][s], x, lines[j - t]);
                }
        }
    }
}

/* Their weights stand w_step apart from row to row. */
FNN_INLINE void FN(short_taps)(int rows, int cols, const FN(short_block) *block,
                               ptrdiff_t in_cols, ptrdiff_t w_step, const real *src,
                               const real *w, row acc[7]) {
    row taps[3][3];
    FNN_UNROLL
    for (int t = 0; t < rows; t++) {
        FNN_UNROLL
        for (int s = 0; s < cols; s++) taps[t][s] = SHORT(splat)(w[t * w_step + s]);
    }
    FN(short_meet)(0, rows, cols, block, in_cols, src, taps, acc);
}

/* Rows of a tile; beside a row it may write what the next row overwrites. */
FNN_INLINE void FN(short_store)(ptrdiff_t rows, ptrdiff_t cols, const row acc[7], real *dst) {
    const int last = FN(SHORT_TILE) - 1;
    if (rows >= FN(SHORT_TILE)) {
        FNN_UNROLL
        for (int i = 0; i < last; i++) SHORT(store)(dst + i * cols, acc[i]);
        SHORT_STORE(dst + last * cols, acc[last], SHORT(mask)(fnn_min(cols, FN(EIGHT))));
        return;
    }
    FNN_UNROLL
    for (int i = 0; i < last; i++)
        if (i < rows)
            SHORT_STORE(dst + i * cols, acc[i], SHORT(mask)(fnn_min(cols, FN(EIGHT))));
}

/* Columns q .. q + EIGHT of a tile of one plane. */
FNN_INLINE void FN(short_tile)(const fnn_conv2d_window *a, const FN(short_block) *at,
                               const FN(short_block) *end, ptrdiff_t rows, const real *src,
                               const real *w, row bias, real *dst) {
    row acc[7];
    FNN_UNROLL
    for (int i = 0; i < FN(SHORT_TILE); i++) acc[i] = bias;
    for (; at < end; at++) {
        const real *const from = src + at->src, *const by = w + at->w;
        if (FN(SHORT_COLUMNS) == 3 && at->cols == 3)
            FN(short_taps)(3, FN(SHORT_COLUMNS), at, a->in_cols, a->width, from, by, acc);
        else if (at->rows == 3)
            FN(short_taps)(3, 1, at, a->in_cols, a->width, from, by, acc);
        else
            FN(short_taps)(1, 1, at, a->in_cols, a->width, from, by, acc);
    }
    FN(short_store)(rows, a->out_cols, acc, dst);
}

static FNN_NOINLINE void FN(conv2d_short)(const fnn_conv2d_window *a, const fnn_conv2d_walk *walk,
                                          ptrdiff_t first, ptrdiff_t last, const real *src,
                                          const real *w, const real *bias, real *dst) {
    FN(short_block) block[FNN_CONV2D_SHORT_TAPS];
    const ptrdiff_t cols = a->out_cols, end = fnn_max(cols - FN(EIGHT), 0);
    int blocks = 0;
    for (ptrdiff_t j = 0; j < walk->planes; j++) {
        const row start = SHORT(splat)(bias ? bias[j * walk->bias_plane] : 0);
        FNN_UNROLL
        for (int i = 0; i < 4; i++)
            __builtin_prefetch(src + FN(short_ahead) + i * (ptrdiff_t)(FNN_LINE / sizeof(real)));
        for (ptrdiff_t p = first; p < last; p += FN(SHORT_TILE)) {
            if (j == 0 || last - first > FN(SHORT_TILE)) blocks = FN(short_set_blocks)(a, p, block);
            for (ptrdiff_t q = 0; q < cols; q += FN(EIGHT)) {
                const ptrdiff_t at = fnn_min(q, end);
                FN(short_tile)(a, block, block + blocks, last - p, src + at, w, start,
                               dst + p * cols + at);
            }
        }
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
    }
}

/* The same for the gradient: d are rows of dy, g vectors of sums. */
FNN_INLINE void FN(short_weight_taps)(int rows, int cols, const FN(short_block) *block,
                                      ptrdiff_t in_cols, ptrdiff_t g_step, const real *src,
                                      row d[7], real *g) {
    row taps[3][3];
    FNN_UNROLL
    for (int t = 0; t < rows; t++) {
        FNN_UNROLL
        for (int s = 0; s < cols; s++) taps[t][s] = SHORT(load)(g + t * g_step + s * LANES);
    }
    FN(short_meet)(1, rows, cols, block, in_cols, src, taps, d);
    FNN_UNROLL
    for (int t = 0; t < rows; t++) {
        FNN_UNROLL
        for (int s = 0; s < cols; s++) SHORT(store)(g + t * g_step + s * LANES, taps[t][s]);
    }
}

static FNN_NOINLINE void FN(conv2d_short_weight)(const fnn_conv2d_window *a, ptrdiff_t planes,
                                                 int add, ptrdiff_t next, const real *x,
                                                 const real *dy, real *g) {
    FN(short_block) block[FNN_CONV2D_SHORT_TAPS];
    const ptrdiff_t taps = a->height * a->width, cols = a->out_cols, g_step = a->width * LANES;
    const ptrdiff_t x_plane = a->in_rows * a->in_cols, dy_plane = a->out_rows * cols;
    for (ptrdiff_t i = 0; i < (add ? 0 : planes * taps); i++)
        FN(store)(g + i * LANES, FN(zero)());
    for (ptrdiff_t p = 0; p < a->out_rows; p += FN(SHORT_TILE)) {
        const FN(short_block) *const end = block + FN(short_set_blocks)(a, p, block);
        for (ptrdiff_t j = 0; j < planes; j++) {
            const real *const from = x + j * x_plane, *by = dy + j * dy_plane + p * cols;
            row d[7];
            FNN_UNROLL
            for (int i = 0; i < FN(SHORT_TILE); i++)
                d[i] = SHORT(load_span)(by + i * cols, SHORT(span)(0, cols));
            FNN_UNROLL
            for (int i = 0; i < 4; i++) {
                __builtin_prefetch(by + next + i * (ptrdiff_t)(FNN_LINE / sizeof(real)));
                __builtin_prefetch(from + next + i * (ptrdiff_t)(FNN_LINE / sizeof(real)));
            }
            for (const FN(short_block) *at = block; at < end; at++)
                FN(short_weight_taps)(3, FN(SHORT_COLUMNS), at, a->in_cols, g_step, from + at->src,
                                      d, g + (j * taps + at->w) * LANES);
        }
    }
}
static FNN_NOINLINE void FN(conv2d_few_spread)(const fnn_conv2d_few *a, ptrdiff_t planes,
                                               const real *dy, const real *w, real *dx) {
    FN(short_span) span[FNN_CONV2D_FEW_TERMS];
    const ptrdiff_t cols = a->out_cols, rows = a->out_rows;
    for (ptrdiff_t i = 0; i < a->start[rows]; i++)
        span[i] = SHORT(span)(fnn_opaque(a->term[i].lo), a->term[i].hi); /* not by vectors */
    for (ptrdiff_t j = 0; j < planes; j++, dy += a->rows * a->cols, w += a->taps) {
        for (ptrdiff_t h = 0; h < rows; h++, dx += cols) {
            row acc = SHORT(zero)();
            for (ptrdiff_t i = a->start[h]; i < a->start[h + 1]; i++) {
                const fnn_conv2d_term *const t = a->term + i;
                acc = SHORT(fma)(SHORT(splat)(dy[t->dy]), SHORT(load_span)(w + t->w, span[i]), acc);
            }
            if (h + 1 < rows) /* the next row overwrites what is beside this one */
                SHORT(store)(dx, acc);
            else
                SHORT_STORE(dx, acc, SHORT(mask)(cols));
        }
    }
}
#undef SHORT
#undef SHORT_STORE
#undef row
