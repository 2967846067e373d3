/* C = A B for contiguous columns of B; contract in kernels/gemm.h. */

enum { FN(gemm_dot_rows) = GEMM_DOT_ROWS };

/* One row of C from its sums. */
FNN_INLINE void FN(gemm_dot_finish)(const FN(gemm_operands) *g, const real *sums, ptrdiff_t i,
                                    ptrdiff_t j, ptrdiff_t count) {
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

/* rows x cols sums in registers; both are literals. Columns beyond g->n repeat the last one. */
FNN_INLINE void FN(gemm_dot_tile)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j, int rows,
                                  int cols) {
    const real *a = g->a + i * g->a_rs, *b[GEMM_DOT_COLS];
    const ptrdiff_t a_rs = g->a_rs, k = g->k, last = g->n - 1;
    vec acc[GEMM_DOT_ROWS][GEMM_DOT_COLS], av[GEMM_DOT_ROWS];
    FNN_UNROLL
    for (int s = 0; s < cols; s++) b[s] = g->b + (j + s < last ? j + s : last) * g->b_ps;
    FNN_UNROLL
    for (int r = 0; r < rows; r++)
        FNN_UNROLL
        for (int s = 0; s < cols; s++) acc[r][s] = FN(zero)();
    ptrdiff_t p = 0;
    for (; p + LANES <= k; p += LANES) {
        FNN_UNROLL
        for (int r = 0; r < rows; r++) av[r] = FN(load)(a + r * a_rs + p);
        FNN_UNROLL
        for (int s = 0; s < cols; s++) {
            const vec bv = FN(pin)(FN(load)(b[s] + p)); /* once, not for each multiply-add */
            FNN_UNROLL
            for (int r = 0; r < rows; r++) acc[r][s] = FN(fma)(av[r], bv, acc[r][s]);
        }
    }
    if (p < k) {
        const vmask mask = FN(mask)(k - p);
        FNN_UNROLL
        for (int r = 0; r < rows; r++) av[r] = FN(load_m)(a + r * a_rs + p, mask);
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
        for (int r = 0; r < rows; r++) FN(gemm_dot_finish)(g, sums + r * cols, i + r, j, count);
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

static void FN(gemm_dot)(const FN(gemm_operands) *g) {
    const ptrdiff_t tiles = (g->m + GEMM_DOT_ROWS - 1) / GEMM_DOT_ROWS;
    if (tiles == 0) return;
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
