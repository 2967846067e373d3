/* C = A B for contiguous columns of B, many rows and columns; contract in kernels/gemm.h.
 *
 *   columns of B                128 bits of each, straight to their lanes;
 *     b0 b1 .. b(LANES-1)       turned within 128 bits: x[k] = row k of B
 *   k |  |      |               sum of row i of C += A[i][k] x[k], element by element of A
 *     v  v      v
 *
 * No load is wider than 128 bits, so data that starts off a line costs nothing. SHARE rows or
 * columns go by one pointer, with offsets that all pointers share: what general registers hold. */

enum { FN(gemm_squares_rows) = GEMM_SQUARES_ROWS };

#if GEMM_SQUARES_ROWS > 0
/* Rows or columns that go by one pointer. */
#define SQUARES_SHARE 4

/* Bytes between what is read of a row or a column and what is fetched into L1: so many of both
 * pass at once that no prefetcher of the processor follows. */
#define SQUARES_AHEAD 256

/* acc += A B for as many k as 128 bits hold; a[] and b[] move on. Fetches one line of those
 * SHARE rows and columns that have the number `fetched`. */
FNN_INLINE void FN(gemm_squares_step)(const real **a, const ptrdiff_t *a_rs, const real **b,
                                      const ptrdiff_t *b_ps, vec *acc, int rows, int fetched) {
    enum { INNER = FN(INNER) };
    const int ahead = SQUARES_AHEAD / (int)sizeof(real);
    vec part[INNER], x[INNER];
    if (fetched * SQUARES_SHARE < LANES) {
        const real *next = FN(gemm_opaque)(b[fetched] + ahead);
        FNN_UNROLL
        for (int s = 0; s < SQUARES_SHARE; s++) __builtin_prefetch(next + b_ps[s]);
    }
    if (fetched * SQUARES_SHARE < rows) {
        const real *next = FN(gemm_opaque)(a[fetched] + ahead);
        FNN_UNROLL
        for (int r = 0; r < SQUARES_SHARE; r++) __builtin_prefetch(next + a_rs[r]);
    }
    FNN_UNROLL
    for (int s = 0; s < LANES; s++) {
        const real *from = b[s / SQUARES_SHARE] + b_ps[s % SQUARES_SHARE];
        vec *const to = &part[s % INNER];
        *to = s < INNER ? FN(load_quarter)(from) : FN(insert_quarter)(*to, s / INNER, from);
    }
    FN(transpose_inner)(part, x);
    FNN_UNROLL
    for (int k = 0; k < INNER; k++) {
        FNN_UNROLL
        for (int r = 0; r < rows; r++) {
            const vec av = FN(splat)(a[r / SQUARES_SHARE][a_rs[r % SQUARES_SHARE]]);
            acc[r] = FN(fma)(av, x[k], acc[r]);
        }
        FNN_UNROLL
        for (int r = 0; r < rows; r += SQUARES_SHARE)
            a[r / SQUARES_SHARE] = FN(gemm_opaque)(a[r / SQUARES_SHARE] + 1);
    }
    FNN_UNROLL
    for (int s = 0; s < LANES; s += SQUARES_SHARE)
        b[s / SQUARES_SHARE] = FN(gemm_opaque)(b[s / SQUARES_SHARE] + INNER);
}

/* sums[rows][LANES] of rows i .. and columns j .. += what is left from k on: less than a line. */
static FNN_NOINLINE void FN(gemm_squares_rest)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j,
                                               ptrdiff_t k, int rows, real *sums) {
    for (; k < g->k; k++) {
        real row[LANES];
        for (int s = 0; s < LANES; s++) row[s] = g->b[(j + s) * g->b_ps + k];
        const vec x = FN(load)(row);
        for (int r = 0; r < rows; r++) {
            const vec av = FN(splat)(g->a[(i + r) * g->a_rs + k]);
            FN(store)(sums + r * LANES, FN(fma)(av, x, FN(load)(sums + r * LANES)));
        }
    }
}

/* Rows i .. i+rows-1, a literal, and columns j .. j+LANES-1, of which those from i_new and j_new
 * on are stored. */
FNN_INLINE void FN(gemm_squares_tile)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j,
                                      ptrdiff_t i_new, ptrdiff_t j_new, int rows) {
    enum { INNER = FN(INNER), LINE = FNN_LINE / sizeof(real) };
    const ptrdiff_t row = fnn_opaque(g->a_rs), column = fnn_opaque(g->b_ps);
    const ptrdiff_t a_rs[SQUARES_SHARE] = {0, row, 2 * row, fnn_opaque(3 * row)};
    const ptrdiff_t b_ps[SQUARES_SHARE] = {0, column, 2 * column, fnn_opaque(3 * column)};
    const real *a[GEMM_SQUARES_ROWS / SQUARES_SHARE], *b[LANES / SQUARES_SHARE];
    vec acc[GEMM_SQUARES_ROWS];
    FNN_UNROLL
    for (int r = 0; r < rows; r++) acc[r] = FN(zero)();
    FNN_UNROLL
    for (int r = 0; r < rows; r += SQUARES_SHARE) a[r / SQUARES_SHARE] = g->a + (i + r) * row;
    FNN_UNROLL
    for (int s = 0; s < LANES; s += SQUARES_SHARE) b[s / SQUARES_SHARE] = g->b + (j + s) * column;
    ptrdiff_t k = g->k;
    for (; k >= LINE; k -= LINE)
        FNN_UNROLL
        for (int f = 0; f < LINE / INNER; f++)
            FN(gemm_squares_step)(a, a_rs, b, b_ps, acc, rows, f);
    real sums[GEMM_SQUARES_ROWS * LANES];
    FNN_UNROLL
    for (int r = 0; r < rows; r++) FN(store)(sums + r * LANES, acc[r]);
    if (k > 0) FN(gemm_squares_rest)(g, i, j, g->k - k, rows, sums);
    FN(gemm_dot_finish)(g, sums + (i_new - i) * LANES + j_new - j, LANES, i_new, i + rows - i_new,
                        j_new, j + LANES - j_new);
}

#define GEMM_SQUARES_INSTANCE(rows)                                                            \
    static FNN_NOINLINE void FN(gemm_squares_##rows)(const FN(gemm_operands) *g, ptrdiff_t i,  \
                                                     ptrdiff_t j, ptrdiff_t i_new,             \
                                                     ptrdiff_t j_new) {                        \
        FN(gemm_squares_tile)(g, i, j, i_new, j_new, rows);                                    \
    }
GEMM_SQUARES_INSTANCES(GEMM_SQUARES_INSTANCE)
#undef GEMM_SQUARES_INSTANCE

typedef void FN(gemm_squares_tile_fn)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j,
                                      ptrdiff_t i_new, ptrdiff_t j_new);

#define GEMM_SQUARES_INSTANCE(rows) [rows / SQUARES_SHARE] = FN(gemm_squares_##rows),
static FN(gemm_squares_tile_fn) *const
    FN(gemm_squares_tiles)[GEMM_SQUARES_ROWS / SQUARES_SHARE + 1] = {
        GEMM_SQUARES_INSTANCES(GEMM_SQUARES_INSTANCE)};
#undef GEMM_SQUARES_INSTANCE
#endif

static void FN(gemm_squares)(const FN(gemm_operands) *g) {
#if GEMM_SQUARES_ROWS > 0
    /* even tiles; the last one moves back, and stores what is new */
    const ptrdiff_t tiles = (g->m + GEMM_SQUARES_ROWS - 1) / GEMM_SQUARES_ROWS;
    if (tiles == 0) return;
    const ptrdiff_t even = (g->m + tiles - 1) / tiles, whole = (even + 3) / 4 * 4;
    ptrdiff_t rows = whole > g->m ? whole - 4 : whole;
    if (rows < GEMM_SQUARES_FEWEST) rows = GEMM_SQUARES_FEWEST;
    for (ptrdiff_t j = 0; j < g->n; j += LANES)
        for (ptrdiff_t i = 0; i < g->m; i += rows)
            FN(gemm_squares_tiles)[rows / SQUARES_SHARE](
                g, g->m - i < rows ? g->m - rows : i, g->n - j < LANES ? g->n - LANES : j, i, j);
#else
    (void)g;
#endif
}
