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
    FN(SHORT_COLUMNS) = CONV_REGISTERS == 32 ? 3 : 1, /* of a block of a gradient's three rows of taps */
    FN(SHORT_WIDE) = CONV_REGISTERS == 32 ? 5 : 1,    /* of any block */
    FN(short_ahead) = 1024 / sizeof(real),            /* elements: planes lie side by side */
    FN(short_after) = 768 / sizeof(real)              /* and for gradients */
};

/* A block of taps of a tile: where the first one's source and weight stand in their planes, which
 * of the source rows that it meets there are, as bits, and which lanes each column finds in a row. */
typedef struct FN(short_block) {
    ptrdiff_t src, w;
    int rows, cols;
    unsigned inside;
    FN(short_span) span[FN(SHORT_WIDE)];
} FN(short_block);

/* The blocks of the tile from row p on, of at most `wide` columns; returns how many there are. */
static FNN_NOINLINE int FN(short_set_blocks)(const fnn_conv2d_window *a, ptrdiff_t p, int wide,
                                             FN(short_block) *block) {
    int count = 0;
    for (ptrdiff_t r = 0, rows; r < a->height; r += rows) {
        rows = wide == 5 ? 5 : a->row_step == 1 && r + 3 <= a->height ? 3 : 1;
        const ptrdiff_t top = p + r * a->row_step - a->top, met = FN(SHORT_TILE) + rows - 1;
        const ptrdiff_t from = fnn_max(fnn_min(-top, met), 0);
        const ptrdiff_t end = fnn_max(fnn_min(a->in_rows - top, met), 0);
        for (ptrdiff_t s = 0, cols; s < a->width && from < end; s += cols) {
            FN(short_block) *const at = block + count++;
            ptrdiff_t col = fnn_opaque(s * a->col_step - a->left); /* not by vectors */
            cols = rows > 1 && a->col_step == 1 && s + wide <= a->width ? wide : 1;
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
                               ptrdiff_t in_cols, const real *src, row taps[5][5], row lines[7]) {
    FN(short_span) span[5];
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
    row taps[5][5];
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
        if (at->rows == 3)
            FN(short_taps)(3, 1, at, a->in_cols, a->width, from, by, acc);
        else
            FN(short_taps)(1, 1, at, a->in_cols, a->width, from, by, acc);
    }
    FN(short_store)(rows, a->out_cols, acc, dst);
}

#if CONV_REGISTERS == 32
/* A tile of `rows` rows of all planes, and one block of size x size taps, in parts of three columns and
 * two. Masks of loads wait behind multiply-adds if they come from memory, so that they stay in
 * registers from plane to plane, and what walks along the planes lies there. */
FNN_INLINE void FN(short_squares)(int size, const fnn_conv2d_window *a, const fnn_conv2d_walk *walk,
                                  const FN(short_block) *block, ptrdiff_t rows, const real *src,
                                  const real *w, const real *bias, real *dst) {
    const FN(short_block) one = *block;
    FN(short_block) two = one;
    two.span[0] = one.span[3], two.span[1] = one.span[4];
    const ptrdiff_t in_cols = a->in_cols;
    src += one.src;
    for (ptrdiff_t j = walk->planes; j > 0; j--) {
        row acc[7];
        acc[0] = SHORT(splat)(bias ? *bias : 0);
        FNN_UNROLL
        for (int i = 1; i < FN(SHORT_TILE); i++) acc[i] = acc[0];
        FNN_UNROLL
        for (int i = 0; i < 4; i++)
            __builtin_prefetch(src + FN(short_ahead) + i * (ptrdiff_t)(FNN_LINE / sizeof(real)));
        FN(short_taps)(size, 3, &one, in_cols, size, src, w, acc);
        if (size == 5) FN(short_taps)(5, 2, &two, in_cols, size, src + 3, w + 3, acc);
        __asm__("" : "+r"(walk), "+r"(a) : : "memory");
        FN(short_store)(rows, a->out_cols, acc, dst);
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
        if (bias) bias += walk->bias_plane;
    }
}

#define X(NAME, SIZE)                                                                               \
    static FNN_NOINLINE void FN(NAME)(const fnn_conv2d_window *a, const fnn_conv2d_walk *walk,      \
                                      const FN(short_block) *block, ptrdiff_t rows,                 \
                                      const real *src, const real *w, const real *bias, real *dst) { \
        FN(short_squares)(SIZE, a, walk, block, rows, src, w, bias, dst);                           \
    }
X(short_threes, 3)
X(short_fives, 5)
#undef X
#endif

static FNN_NOINLINE void FN(conv2d_short)(const fnn_conv2d_window *a, const fnn_conv2d_walk *walk,
                                          ptrdiff_t first, ptrdiff_t last, const real *src,
                                          const real *w, const real *bias, real *dst) {
    FN(short_block) block[FNN_CONV2D_SHORT_TAPS];
    const ptrdiff_t cols = a->out_cols, end = fnn_max(cols - FN(EIGHT), 0);
    int blocks = 0;
#if CONV_REGISTERS == 32
    const ptrdiff_t size = a->height;
    if ((size == 3 || size == 5) && a->width == size && a->row_step == 1 && a->col_step == 1 &&
        cols <= FN(EIGHT)) {
        for (ptrdiff_t p = first; p < last; p += FN(SHORT_TILE)) {
            *block = (FN(short_block)){.inside = 0}; /* if no tap meets a row */
            FN(short_set_blocks)(a, p, (int)size, block);
            (size == 3 ? FN(short_threes) : FN(short_fives))(a, walk, block, last - p, src, w, bias,
                                                             dst + p * cols);
        }
        return;
    }
#endif
    for (ptrdiff_t j = 0; j < walk->planes; j++) {
        const row start = SHORT(splat)(bias ? bias[j * walk->bias_plane] : 0);
        FNN_UNROLL
        for (int i = 0; i < 4; i++)
            __builtin_prefetch(src + FN(short_ahead) + i * (ptrdiff_t)(FNN_LINE / sizeof(real)));
        for (ptrdiff_t p = first; p < last; p += FN(SHORT_TILE)) {
            if (j == 0 || last - first > FN(SHORT_TILE)) blocks = FN(short_set_blocks)(a, p, 1, block);
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

/* What a gradient walks along: a tile of one plane after the other, of each in some images. It lies in memory
 * and is read anew for each plane: GCC would keep it in vectors, and what comes from there comes behind
 * all multiply-adds that wait for their turn. */
typedef struct FN(short_walk) {
    ptrdiff_t planes, images, x_image, dy_image, x_plane, dy_plane;
    const real *x, *dy; /* rows of x from the plane's first, of dy from the tile's first */
    real *g;
} FN(short_walk);

/* A gradient's sums of a block of three rows of taps. */
FNN_INLINE void FN(short_sums)(int write, row taps[5][5], real *g) {
    FNN_UNROLL
    for (int t = 0; t < 3; t++) {
        FNN_UNROLL
        for (int s = 0; s < FN(SHORT_COLUMNS); s++) {
            real *const at = g + (t * 3 + s) * LANES;
            if (write)
                SHORT(store)(at, taps[t][s]);
            else
                taps[t][s] = SHORT(load)(at);
        }
    }
}

/* Seven rows of dy, and what comes is fetched. */
FNN_INLINE void FN(short_lines)(ptrdiff_t cols, FN(short_span) live, const real *x, const real *dy,
                                row d[7]) {
    FNN_UNROLL
    for (int i = 0; i < 3; i++) {
        __builtin_prefetch(dy + FN(short_after) + i * (ptrdiff_t)(FNN_LINE / sizeof(real)));
        __builtin_prefetch(x + FN(short_after) + i * (ptrdiff_t)(FNN_LINE / sizeof(real)));
    }
    FNN_UNROLL
    for (int i = 0; i < FN(SHORT_TILE); i++, dy = FN(short_next)(dy, cols))
        d[i] = SHORT(load_span)(dy, live);
}

/* A tile of all planes, whose blocks of taps are one or, with 16 registers, three: there all sums wait in
 * memory, with 32 registers from image to image there. */
FNN_INLINE void FN(short_weight_tile)(FN(short_walk) *walk, const FN(short_block) block[3],
                                      ptrdiff_t in_cols, ptrdiff_t cols) {
    const FN(short_span) live = SHORT(span)(0, cols);
    row taps[5][5], d[7];
#if CONV_REGISTERS == 32
    const FN(short_block) one = *block;
    walk->x += one.src;
    for (; walk->planes > 0; walk->planes--) {
        const real *from = walk->x, *by = walk->dy;
        FN(short_sums)(0, taps, walk->g);
        for (ptrdiff_t n = walk->images; n > 0; n--) {
            FN(short_lines)(cols, live, from, by, d);
            FN(short_meet)(1, 3, 3, &one, in_cols, from, taps, d);
            __asm__("" : "+r"(walk) : : "memory");
            from += walk->x_image;
            by += walk->dy_image;
        }
        FN(short_sums)(1, taps, walk->g);
        walk->x += walk->x_plane;
        walk->dy += walk->dy_plane;
        walk->g += 9 * LANES;
        __asm__("" : "+r"(walk) : : "memory");
    }
#else
    for (ptrdiff_t n = walk->images; n > 0; n--, walk->x += walk->x_image, walk->dy += walk->dy_image) {
        for (ptrdiff_t j = 0; j < walk->planes; j++) {
            const real *const from = walk->x + j * walk->x_plane;
            FN(short_lines)(cols, live, from, walk->dy + j * walk->dy_plane, d);
            for (ptrdiff_t s = 0; s < 3; s++) {
                real *const sums = walk->g + (j * 9 + s) * LANES;
                FN(short_sums)(0, taps, sums);
                FN(short_meet)(1, 3, 1, block + s, in_cols, from + block[s].src, taps, d);
                FN(short_sums)(1, taps, sums);
            }
        }
    }
#endif
}

static FNN_NOINLINE void FN(conv2d_short_weight)(const fnn_conv2d_window *a, ptrdiff_t planes,
                                                 ptrdiff_t images, ptrdiff_t x_image,
                                                 ptrdiff_t dy_image, int add, const real *x,
                                                 const real *dy, real *g) {
    FN(short_block) block[9];
    for (ptrdiff_t i = 0; i < (add ? 0 : planes * 9); i++) FN(store)(g + i * LANES, FN(zero)());
    for (ptrdiff_t p = 0; p < a->out_rows; p += FN(SHORT_TILE), dy += FN(SHORT_TILE) * a->out_cols) {
        FN(short_walk) walk = {planes, images, x_image, dy_image, a->in_rows * a->in_cols,
                               a->out_rows * a->out_cols, x, dy, g};
        if (FN(short_set_blocks)(a, p, FN(SHORT_COLUMNS), block) > 0)
            FN(short_weight_tile)(&walk, block, a->in_cols, a->out_cols);
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
