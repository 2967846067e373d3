/* The adjoint of a window of stride 2: tap (r, s) of source pixel (p, q) goes to padded pixel
 * (2p + r, 2q + s), so each row and column of taps has a parity of its own. A tile is some padded
 * rows by one vector of even and one of odd padded columns, which are woven together when they are
 * stored. Contract in kernels/conv2d_window.h.
 *
 *   tile, size 3:                     even columns (taps 0, 2)     odd columns (tap 1)
 *     padded row 2p     (taps 0, 2)   src rows p, p-1              src rows p, p-1
 *     padded row 2p + 1 (tap 1)       src row p                    src row p               */

#if CONV_REGISTERS == 32
#define SPREAD_ROWS 8
#else
#define SPREAD_ROWS 4
#endif

/* Where a vector of each parity starts, and which lanes each column of taps finds in the source. */
typedef struct FN(spread_column) {
    int odd; /* the first stored column is an odd padded one */
    ptrdiff_t src[5];
    vspan span[5];
} FN(spread_column);

/* The lanes of a vector that starts at column q of the source which are inside. */
FNN_INLINE vspan FN(spread_span)(const fnn_conv2d_window *window, ptrdiff_t q) {
    return FN(span)(fnn_max(fnn_min(-q, LANES), 0),
                    fnn_max(fnn_min(window->out_cols - q, LANES), 0));
}

/* Of the two vectors that start at column v of the result. */
FNN_INLINE int FN(spread_set)(const fnn_conv2d_window *window, ptrdiff_t v,
                              FN(spread_column) *column) {
    const ptrdiff_t padded = v + window->left;
    int inside = 1;
    column->odd = (int)(padded & 1);
    for (int s = 0; s < window->size; s++) {
        /* an odd start puts the first even column one further */
        const ptrdiff_t pair = (padded - column->odd) / 2 + (s & 1 ? 0 : column->odd);
        const ptrdiff_t q = pair - s / 2;
        column->src[s] = q;
        column->span[s] = FN(spread_span)(window, q);
        inside &= q >= 0 && window->out_cols - q >= LANES;
    }
    return inside;
}

FNN_INLINE void FN(spread_store)(int odd, ptrdiff_t cols, const vec acc[2], real *dst) {
    vec lower, upper;
    if (odd)
        FN(interleave)(acc[1], acc[0], &lower, &upper);
    else
        FN(interleave)(acc[0], acc[1], &lower, &upper);
    if (cols >= 2 * LANES) {
        FN(store)(dst, lower);
        FN(store)(dst + LANES, upper);
        return;
    }
    FN(store_m)(dst, lower, FN(mask)(fnn_min(cols, LANES)));
    if (cols > LANES) FN(store_m)(dst + LANES, upper, FN(mask)(cols - LANES));
}

/* dst is the tile's place in the result's row 0; `padded` its first padded row, an even one. */
FNN_INLINE void FN(spread_tile)(int size, int edge, const fnn_conv2d_window *window,
                                const fnn_conv2d_walk *walk, const FN(spread_column) *column,
                                ptrdiff_t padded, ptrdiff_t first, ptrdiff_t last, const real *src,
                                const real *w, real *dst) {
    vec acc[8][2];
    const ptrdiff_t cols = window->out_cols, row = padded / 2 - size / 2;
    FNN_UNROLL
    for (int i = 0; i < SPREAD_ROWS; i++) acc[i][0] = acc[i][1] = FN(zero)();
    for (ptrdiff_t c = walk->channels; c > 0; c--, src += walk->src_channel, w += walk->w_channel) {
        FNN_UNROLL
        for (int s = 0; s < size; s++) {
            vec held[5];
            FNN_UNROLL
            for (int r = 0; r < size; r++) held[r] = FN(splat)(w[r * size + s]);
            const real *from = src + row * cols + column->src[s];
            FNN_UNROLL
            for (int j = 0; j < SPREAD_ROWS / 2 + size / 2; j++, from += cols) {
                if (edge && (size_t)(row + j) >= (size_t)window->out_rows) continue;
                const vec x = edge ? FN(load_span)(from, column->span[s]) : FN(load)(from);
                FNN_UNROLL
                for (int r = 0; r < size; r++) {
                    const int i = 2 * (j - size / 2) + r;
                    if (i < 0 || i >= SPREAD_ROWS) continue;
                    acc[i][s & 1] = FN(fma)(held[r], x, acc[i][s & 1]);
                }
            }
        }
    }
    const ptrdiff_t top = padded - window->top, wide = edge ? window->in_cols : 2 * LANES;
    FNN_UNROLL
    for (int i = 0; i < SPREAD_ROWS; i++)
        if (!edge || (top + i >= first && top + i < last))
            FN(spread_store)(column->odd, wide, acc[i], dst + (top + i) * window->in_cols);
}

/* The padded rows padded .. padded + SPREAD_ROWS of one plane. */
FNN_INLINE void FN(spread_rows)(int size, const fnn_conv2d_window *window,
                                const fnn_conv2d_walk *walk, ptrdiff_t padded, ptrdiff_t first,
                                ptrdiff_t last, const real *src, const real *w, real *dst) {
    const ptrdiff_t row = padded / 2 - size / 2, top = padded - window->top;
    const int inside = row >= 0 && row + SPREAD_ROWS / 2 + size / 2 <= window->out_rows &&
                       top >= first && top + SPREAD_ROWS <= last;
    FN(spread_column) column;
    for (ptrdiff_t v = 0; v < window->in_cols; v += 2 * LANES) {
        const ptrdiff_t at = fnn_max(fnn_min(v, window->in_cols - 2 * LANES), 0);
        if (FN(spread_set)(window, at, &column) && inside && window->in_cols >= 2 * LANES)
            FN(spread_tile)(size, 0, window, walk, &column, padded, first, last, src, w, dst + at);
        else
            FN(spread_tile)(size, 1, window, walk, &column, padded, first, last, src, w, dst + at);
    }
}

#define X(SIZE)                                                                                  \
    static FNN_NOINLINE void FN(conv2d_spread_##SIZE)(                                           \
        const fnn_conv2d_window *window, const fnn_conv2d_walk *walk, ptrdiff_t padded,          \
        ptrdiff_t first, ptrdiff_t last, const real *src, const real *w, real *dst) {            \
        FN(spread_rows)(SIZE, window, walk, padded, first, last, src, w, dst);                   \
    }
X(3)
X(5)
#undef X

/* One channel: two vectors of the result from column `at` on, down the rows. A row of the source is
 * loaded at the pixels of tap 1, which are those of tap 0 or 2 as well, and at those of the other. */
static FNN_NOINLINE void FN(conv2d_spread_strip)(const fnn_conv2d_window *window, ptrdiff_t at,
                                                 ptrdiff_t first, ptrdiff_t last, const real *src,
                                                 const real *w, real *dst) {
    const ptrdiff_t rows = window->out_rows, cols = window->out_cols, wide = window->in_cols;
    const int odd = (int)((at + window->left) & 1); /* column `at` takes tap 1 */
    const ptrdiff_t near = (at + window->left - odd) / 2, beside = odd ? near + 1 : near - 1;
    const vspan near_span = FN(spread_span)(window, near);
    const vspan beside_span = FN(spread_span)(window, beside);
    vec own[3], other[3], middle[3], a = FN(zero)(), b = a;
    FNN_UNROLL
    for (int r = 0; r < 3; r++) {
        own[r] = FN(splat)(w[3 * r + 2 * odd]);
        middle[r] = FN(splat)(w[3 * r + 1]);
        other[r] = FN(splat)(w[3 * r + 2 - 2 * odd]);
    }
    for (ptrdiff_t p = (first + window->top) / 2 - 1, h = 2 * p - window->top; h < last;
         p++, h += 2) {
        const int inside = (size_t)p < (size_t)rows;
        const real *from = src + p * cols;
        const vec c = inside ? FN(load_span)(from + near, near_span) : FN(zero)();
        const vec d = inside ? FN(load_span)(from + beside, beside_span) : FN(zero)();
        real *to = dst + h * wide + at;
        if (h >= first) {
            const vec above = FN(fma)(own[2], a, other[2] * b);
            const vec x[2] = {FN(fma)(own[0], c, FN(fma)(other[0], d, above)),
                              FN(fma)(middle[0], c, middle[2] * a)};
            FN(spread_store)(odd, wide, x, to);
        }
        if (h + 1 >= first && h + 1 < last) {
            const vec x[2] = {FN(fma)(own[1], c, other[1] * d), middle[1] * c};
            FN(spread_store)(odd, wide, x, to + wide);
        }
        a = c, b = d;
    }
}

/* Strips of so few rows that L1 keeps them until all have passed. */
static void FN(spread_strips)(const fnn_conv2d_window *window, ptrdiff_t first, ptrdiff_t last,
                              const real *src, const real *w, real *dst) {
    enum { BYTES = 8 << 10, LEAST = 8 };
    const ptrdiff_t wide = window->in_cols, end = fnn_max(wide - 2 * LANES, 0);
    const ptrdiff_t band = fnn_max(BYTES / (wide * (ptrdiff_t)sizeof(real)), LEAST);
    for (ptrdiff_t h = first; h < last; h += band)
        for (ptrdiff_t v = 0; v < wide; v += 2 * LANES)
            FN(conv2d_spread_strip)(window, fnn_min(v, end), h, fnn_min(h + band, last), src, w,
                                    dst);
}

#if FNN_VBYTES == FNN_LINE
/* One channel, and rows of the result that are a vector, both parities of columns in it: column v
 * takes tap 0 or 1 of source pixel (v + left) / 2 and, if v + left is even, tap 2 of the one before.
 * Lanes of a source row beyond its pixels are 0 and stand for what is outside, and for no tap. */
static FNN_NOINLINE void FN(conv2d_spread_narrow)(const fnn_conv2d_window *window,
                                                  const fnn_conv2d_walk *walk, ptrdiff_t first,
                                                  ptrdiff_t last, const real *src, const real *w,
                                                  real *dst) {
    const ptrdiff_t rows = window->out_rows, cols = window->out_cols, wide = window->in_cols;
    const vmask pixels = FN(mask)(cols), results = FN(mask)(wide), taps = FN(mask)(3);
    ivec near, before, tap, second;
    for (int v = 0; v < LANES; v++) {
        const int padded = v + (int)window->left, odd = padded & 1;
        near[v] = padded / 2;
        before[v] = odd ? LANES - 1 : (padded / 2 - 1) & (LANES - 1);
        tap[v] = odd;
        second[v] = odd ? LANES - 1 : 2;
    }
    for (ptrdiff_t j = 0; j < walk->planes; j++) {
        vec own[3], other[3], a = FN(zero)(), b = a;
        FNN_UNROLL
        for (int r = 0; r < 3; r++) {
            const vec row = FN(load_m)(w + 3 * r, taps);
            own[r] = FN(permute)(row, tap);
            other[r] = FN(permute)(row, second);
        }
        for (ptrdiff_t p = (first + window->top) / 2 - 1, h = 2 * p - window->top; h < last;
             p++, h += 2) {
            const int inside = (size_t)p < (size_t)rows;
            const vec x = inside ? FN(load_m)(src + p * cols, pixels) : FN(zero)();
            const vec c = FN(permute)(x, near), d = FN(permute)(x, before);
            real *to = dst + h * wide;
            if (h >= first)
                FN(store_m)(to,
                            FN(fma)(own[0], c, other[0] * d) + FN(fma)(own[2], a, other[2] * b),
                            results);
            if (h + 1 >= first && h + 1 < last)
                FN(store_m)(to + wide, FN(fma)(own[1], c, other[1] * d), results);
            a = c, b = d;
        }
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
    }
}
#endif

static void FN(conv2d_spread)(const fnn_conv2d_window *window, const fnn_conv2d_walk *walk,
                              ptrdiff_t first, ptrdiff_t last, const real *src, const real *w,
                              real *dst) {
    const int strips = window->size == 3 && walk->channels == 1;
#if FNN_VBYTES == FNN_LINE
    if (strips && window->in_cols <= LANES && window->out_cols < LANES && window->left < LANES) {
        FN(conv2d_spread_narrow)(window, walk, first, last, src, w, dst);
        return;
    }
#endif
    const ptrdiff_t start = (first + window->top) & ~(ptrdiff_t)1;
    for (ptrdiff_t j = 0; j < walk->planes; j++) {
        if (strips)
            FN(spread_strips)(window, first, last, src, w, dst);
        else
            for (ptrdiff_t padded = start; padded - window->top < last; padded += SPREAD_ROWS)
                (window->size == 5 ? FN(conv2d_spread_5) : FN(conv2d_spread_3))(
                    window, walk, padded, first, last, src, w, dst);
        src += walk->src_plane;
        w += walk->w_plane;
        dst += walk->dst_plane;
    }
}

#undef SPREAD_ROWS
