/* C = A B for contiguous columns of B; contract in kernels/gemm.h. */

enum { FN(gemm_dot_rows) = GEMM_DOT_ROWS, FN(gemm_dot_piece) = GEMM_DOT_PIECE, FN(DOT_MOST) = 4 };

/* Rows of C from their sums, which lie `pitch` apart. */
static FNN_NOINLINE void FN(gemm_dot_finish)(const FN(gemm_operands) *g, const real *sums,
                                             ptrdiff_t pitch, ptrdiff_t i, ptrdiff_t rows,
                                             ptrdiff_t j, ptrdiff_t count) {
    for (; rows > 0; rows--, i++, sums += pitch)
        for (ptrdiff_t s = 0; s < count; s += LANES) {
            const vmask mask = FN(mask)(count - s < LANES ? count - s : LANES);
            real *c = g->c + i * g->c_rs + j + s;
            vec x = FN(load_m)(sums + s, mask);
            if (g->accumulate) x += FN(load_m)(c, mask);
            if (g->bias_column) x += FN(load_m)(g->bias_column + j + s, mask);
            if (g->bias_row) x += FN(splat)(g->bias_row[i]);
            if (g->relu) x = FN(maximum)(FN(zero)(), x);
            FN(store_m)(c, x, mask);
        }
}

/* acc[rows][cols] += rows of A times columns of B, from one element to another, by whole vectors; both
 * counts are literals. With `fetches`, which is one as well, a line of `ahead` for each vector. Where it
 * ended. */
FNN_INLINE ptrdiff_t FN(gemm_dot_sums)(const real *const *a, const real *const *b, ptrdiff_t from,
                                       ptrdiff_t to, vec acc[FN(DOT_MOST)][GEMM_DOT_COLS],
                                       int rows, int cols, int fetches, const real *ahead) {
    vec av[FN(DOT_MOST)];
    for (; from + LANES <= to; from += LANES) {
        if (fetches) {
            __builtin_prefetch(ahead, 0, 2);
            ahead += FNN_LINE / sizeof(real);
        }
        FNN_UNROLL
        for (int r = 0; r < rows; r++) av[r] = FN(load)(a[r] + from);
        FNN_UNROLL
        for (int s = 0; s < cols; s++) {
            const vec bv = FN(pin)(FN(load)(b[s] + from)); /* once, not for each multiply-add */
            FNN_UNROLL
            for (int r = 0; r < rows; r++) acc[r][s] = FN(fma)(av[r], bv, acc[r][s]);
        }
    }
    return from;
}

/* rows x cols sums in registers; both are literals. Columns beyond g->n repeat the last one. */
FNN_INLINE void FN(gemm_dot_tile)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j, int rows,
                                  int cols) {
    const real *a[FN(DOT_MOST)], *b[GEMM_DOT_COLS];
    const ptrdiff_t k = g->k, last = g->n - 1;
    vec acc[FN(DOT_MOST)][GEMM_DOT_COLS], av[FN(DOT_MOST)];
    FNN_UNROLL
    for (int r = 0; r < rows; r++) a[r] = g->a + (i + r) * g->a_rs;
    FNN_UNROLL
    for (int s = 0; s < cols; s++) b[s] = g->b + (j + s < last ? j + s : last) * g->b_ps;
    FNN_UNROLL
    for (int r = 0; r < rows; r++)
        FNN_UNROLL
        for (int s = 0; s < cols; s++) acc[r][s] = FN(zero)();
    const ptrdiff_t p = FN(gemm_dot_sums)(a, b, 0, k, acc, rows, cols, 0, NULL);
    if (p < k) {
        const vmask mask = FN(mask)(k - p);
        FNN_UNROLL
        for (int r = 0; r < rows; r++) av[r] = FN(load_m)(a[r] + p, mask);
        FNN_UNROLL
        for (int s = 0; s < cols; s++) {
            const vec bv = FN(load_m)(b[s] + p, mask);
            FNN_UNROLL
            for (int r = 0; r < rows; r++) acc[r][s] = FN(fma)(av[r], bv, acc[r][s]);
        }
    }
    real sums[GEMM_DOT_ROWS * GEMM_DOT_COLS + LANES];
    FNN_UNROLL
    for (int t = 0; t < rows * cols; t += LANES) {
        vec x[LANES];
        FNN_UNROLL
        for (int l = 0; l < LANES; l++)
            x[l] = t + l < rows * cols ? acc[(t + l) / cols][(t + l) % cols] : FN(zero)();
        FN(store)(sums + t, FN(sum_each)(x, rows * cols - t < LANES ? rows * cols - t : LANES));
    }
    const ptrdiff_t count = g->n - j < cols ? g->n - j : cols;
    if (count == cols && !(g->accumulate || g->bias_column || g->bias_row || g->relu))
        FNN_UNROLL
        for (int r = 0; r < rows; r++)
            __builtin_memcpy(g->c + (i + r) * g->c_rs + j, sums + r * cols,
                             (size_t)cols * sizeof(real));
    else
        FN(gemm_dot_finish)(g, sums, cols, i, rows, j, count);
}

#define GEMM_DOT_INSTANCE(rows, cols)                                                              \
    static FNN_NOINLINE void FN(gemm_dot_##rows##x##cols)(const FN(gemm_operands) *g, ptrdiff_t i, \
                                                          ptrdiff_t j) {                           \
        FN(gemm_dot_tile)(g, i, j, rows, cols);                                                    \
    }
GEMM_DOT_INSTANCES(GEMM_DOT_INSTANCE)
GEMM_DOT_WIDE_INSTANCES(GEMM_DOT_INSTANCE)
GEMM_DOT_THIN_INSTANCES(GEMM_DOT_INSTANCE)
#undef GEMM_DOT_INSTANCE

typedef struct FN(gemm_dot_kind) {
    void (*tile)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j);
    int cols;
} FN(gemm_dot_kind);

#define GEMM_DOT_INSTANCE(rows, cols) [rows] = {FN(gemm_dot_##rows##x##cols), cols},
/* by rows; more rows go with columns that divide those of fewer rows */
static const FN(gemm_dot_kind) FN(gemm_dots)[GEMM_DOT_ROWS + 1] = {
    GEMM_DOT_INSTANCES(GEMM_DOT_INSTANCE)};
/* one more column where a tile has few: for numbers of columns that fit better */
static const FN(gemm_dot_kind) FN(gemm_wide_dots)[GEMM_DOT_ROWS + 1] = {
    GEMM_DOT_WIDE_INSTANCES(GEMM_DOT_INSTANCE)};
/* for a single column, such as the last of a map's 49 */
static const FN(gemm_dot_kind) FN(gemm_thin_dots)[GEMM_DOT_ROWS + 1] = {
    GEMM_DOT_THIN_INSTANCES(GEMM_DOT_INSTANCE)};
#undef GEMM_DOT_INSTANCE

/* Rows i .. by tiles, against columns j0 .. j1. */
FNN_INLINE void FN(gemm_dot_stripe)(const FN(gemm_operands) *g, const FN(gemm_dot_kind) *kind,
                                    ptrdiff_t i, ptrdiff_t j0, ptrdiff_t j1) {
    for (ptrdiff_t j = j0; j < j1; j += kind->cols) kind->tile(g, i, j);
}

#if GEMM_DOT_PIECE
/* Rows and columns of at least LONG_LEAST elements, at most LONG of each: a piece of all of them stays in
 * L1 while they meet, and their sums wait in memory, [row][column][lane]. So many pass at once that no
 * prefetcher of the processor follows: each tile fetches a line for each of its vectors into L2, of one
 * row or column after another, which is two pieces. */
enum {
    FN(LONG) = 16,
    FN(LONG_COLS) = 4,
    FN(LONG_PIECE) = GEMM_DOT_PIECE / (int)sizeof(real),
    FN(LONG_LEAST) = 8 * FN(LONG_PIECE)
};

FNN_INLINE void FN(gemm_dot_long_tile)(const real *const *a, const real *const *b, ptrdiff_t k,
                                       ptrdiff_t end, const real *ahead, vec *sums, int rows) {
    enum { COLS = FN(LONG_COLS) };
    const real *row[FN(DOT_MOST)], *column[GEMM_DOT_COLS];
    vec acc[FN(DOT_MOST)][GEMM_DOT_COLS];
    FNN_UNROLL
    for (int r = 0; r < rows; r++) row[r] = a[r];
    FNN_UNROLL
    for (int s = 0; s < COLS; s++) column[s] = b[s];
    FNN_UNROLL
    for (int t = 0; t < rows * COLS; t++)
        acc[t / COLS][t % COLS] = sums[t / COLS * FN(LONG) + t % COLS];
    FN(gemm_dot_sums)(row, column, k, end, acc, rows, COLS, 1, ahead);
    FNN_UNROLL
    for (int t = 0; t < rows * COLS; t++)
        sums[t / COLS * FN(LONG) + t % COLS] = acc[t / COLS][t % COLS];
}

#define GEMM_DOT_LONG_INSTANCE(rows)                                                            \
    static FNN_NOINLINE void FN(gemm_dot_long_##rows)(                                          \
        const real *const *a, const real *const *b, ptrdiff_t k, ptrdiff_t end,                 \
        const real *ahead, vec *sums) {                                                         \
        FN(gemm_dot_long_tile)(a, b, k, end, ahead, sums, rows);                                \
    }
GEMM_DOT_LONG_INSTANCE(2)
GEMM_DOT_LONG_INSTANCE(3)
#undef GEMM_DOT_LONG_INSTANCE

/* Rows i .. and columns j .. */
static FNN_NOINLINE void FN(gemm_dot_pieces)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t m,
                                             ptrdiff_t j, ptrdiff_t n) {
    enum { MOST = FN(LONG), COLS = FN(LONG_COLS), PIECE = FN(LONG_PIECE) };
    const real *all[2 * MOST], **const row = all + MOST; /* columns, rows; the last ones again */
    vec sums[MOST * MOST];
    real folded[MOST * MOST];
    const ptrdiff_t tiles = (m + 2) / 3, whole = g->k / LANES * LANES;
    ptrdiff_t fetched = 0;
    for (ptrdiff_t s = 0; s < MOST; s++) {
        all[s] = g->b + (j + (s < n ? s : n - 1)) * g->b_ps;
        row[s] = g->a + (i + (s < m ? s : m - 1)) * g->a_rs;
    }
    __builtin_memset(sums, 0, (size_t)(m * MOST) * sizeof(vec));
    for (ptrdiff_t k = 0; k < whole; k += PIECE) {
        const ptrdiff_t end = k + PIECE < whole ? k + PIECE : whole;
        for (ptrdiff_t t = 0, r = 0, rows; t < tiles; t++, r += rows) {
            rows = m * (t + 1) / tiles - r;
            for (ptrdiff_t s = 0; s < n; s += COLS)
                (rows == 2 ? FN(gemm_dot_long_2) : FN(gemm_dot_long_3))(
                    row + r, all + s, k, end, all[fetched++ % (2 * MOST)] + k + PIECE,
                    sums + r * MOST + s);
        }
    }
    if (whole < g->k) { /* in the lanes, as the tiles do: others may have single rows of the same C */
        const vmask mask = FN(mask)(g->k - whole);
        for (ptrdiff_t t = 0; t < m * MOST; t++)
            sums[t] = FN(fma)(FN(load_m)(row[t / MOST] + whole, mask),
                              FN(load_m)(all[t % MOST] + whole, mask), sums[t]);
    }
    for (ptrdiff_t t = 0; t < m * MOST; t += LANES)
        FN(store)(folded + t, FN(sum_each)(sums + t, LANES));
    FN(gemm_dot_finish)(g, folded, MOST, i, m, j, n);
}
#endif

static void FN(gemm_dot)(const FN(gemm_operands) *g) {
    const ptrdiff_t tiles = (g->m + GEMM_DOT_ROWS - 1) / GEMM_DOT_ROWS;
    if (tiles == 0) return;
#if GEMM_DOT_PIECE
    if (g->k >= FN(LONG_LEAST) && g->m > 1 && g->n >= FN(LONG_COLS)) {
        const ptrdiff_t down = fnn_ceil_div(g->m, FN(LONG));
        for (ptrdiff_t t = 0, i = 0, end; t < down; t++, i = end) {
            end = g->m * (t + 1) / down;
            for (ptrdiff_t j = 0; j < g->n; j += FN(LONG))
                FN(gemm_dot_pieces)(g, i, end - i, j, fnn_min(g->n - j, FN(LONG)));
        }
        return;
    }
#endif
    const ptrdiff_t rows = g->m / tiles, more = g->m - rows * tiles;
    /* the larger operand passes by once, and its tile stays in L1 while all of the other does */
    const ptrdiff_t cols = g->m > g->n ? g->n : FN(gemm_dots)[rows].cols;
    const ptrdiff_t narrow = FN(gemm_dots)[GEMM_DOT_ROWS].cols;
    const int wide = g->m > g->n && (g->n + narrow) / (narrow + 1) < (g->n + narrow - 1) / narrow;
    for (ptrdiff_t j = 0; j < g->n; j += cols)
        for (ptrdiff_t t = 0, i = 0; t < tiles; t++) {
            const ptrdiff_t some = rows + (t < more);
            const FN(gemm_dot_kind) *kind = &FN(gemm_dots)[some];
            if (wide && FN(gemm_wide_dots)[some].tile) kind = &FN(gemm_wide_dots)[some];
            if (g->n == 1 && FN(gemm_thin_dots)[some].tile) kind = &FN(gemm_thin_dots)[some];
            FN(gemm_dot_stripe)(g, kind, i, j, g->n - j < cols ? g->n : j + cols);
            i += some;
        }
}
