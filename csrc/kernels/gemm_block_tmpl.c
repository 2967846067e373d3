/* gemm_block: which tiles, in which order, by the operands; contract in kernels/gemm.h, the tiles in
 * kernels/gemm_tmpl.c. */

/* A B that streams goes by runs of columns: GEMM_RUN bytes of each row, which all rows of A pass
 * while the next run is fetched. So few rows that half of that is no more than GEMM_AHEAD in all
 * take the half, which L1 holds; so many that it is more than GEMM_RUNS take less, for L2 holds two
 * runs. */
#define GEMM_RUN 1024
#define GEMM_AHEAD (16 << 10)
#define GEMM_RUNS (256 << 10)

/* A shallow B: most bytes of a column of it, least vectors of a row. */
#define GEMM_SHALLOW 64
#define GEMM_SHALLOW_VECTORS 12

/* Tiles of even height: the first `more` have one row more. */
typedef struct FN(gemm_heights) {
    ptrdiff_t tiles, rows, more;
} FN(gemm_heights);

/* A B from beyond L2: runs of columns, each fetched while the one before is multiplied. Each stripe
 * of rows has its share of the panels, whose tiles fetch the line a run further on instead of the
 * next rows', which lie in L1: so calls are long, and fetching takes no step of its own. With the
 * last run the rows that follow B are fetched, the next depth or the next matrix of a batch. A
 * packed B is one run, with which the caller's `next` is fetched. */
static FNN_NOINLINE void FN(gemm_stream)(const FN(gemm_operands) *g, const FN(gemm_heights) *h) {
    const ptrdiff_t nr = GEMM_NV * LANES, size = sizeof(real);
    const ptrdiff_t bytes = g->k * GEMM_RUN <= 2 * GEMM_AHEAD ? GEMM_RUN / 2
                            : g->k * GEMM_RUN <= GEMM_RUNS    ? GEMM_RUN
                                                              : GEMM_RUNS / g->k;
    const ptrdiff_t next = FN(gemm_copies) ? g->next : 0;
    const ptrdiff_t most = next ? g->n : bytes / size;
    const ptrdiff_t runs = (g->n + most - 1) / most;
    const ptrdiff_t run = fnn_round_up((g->n + runs - 1) / runs, nr);
    FN(gemm_operands) fetching = *g;
    for (ptrdiff_t j = 0; j < g->n; j += run) {
        const ptrdiff_t end = g->n - j < run ? g->n : j + run, panels = (end - j + nr - 1) / nr;
        const ptrdiff_t behind = next ? next : g->k * g->b_ks - j;
        fetching.ahead = (end < g->n ? run : behind) - GEMM_AHEAD_STEPS * g->b_ks;
        for (ptrdiff_t t = 0, i = 0, from = j; t < h->tiles; t++) {
            const ptrdiff_t high = h->rows + (t < h->more), part = panels * (t + 1) / h->tiles;
            const ptrdiff_t to = t + 1 < h->tiles ? j + part * nr : end;
            if (from > j) FN(gemm_stripe)(g, i, high, j, from);
            if (to > from) FN(gemm_stripe)(&fetching, i, high, from, to);
            if (to < end) FN(gemm_stripe)(g, i, high, to, end);
            i += high;
            from = to;
        }
    }
}

/* A B in place of few rows: what takes time is C, which is written better by tiles of few rows and
 * longer ones. Vectors of such a B need no panels. */
static FNN_NOINLINE void FN(gemm_shallow)(const FN(gemm_operands) *g) {
    const ptrdiff_t rows = GEMM_SHALLOW_ROWS, end = g->n / (3 * LANES) * (3 * LANES);
    ptrdiff_t i = 0;
    for (; i + rows <= g->m; i += rows) {
        FN(gemm_tiles)[GEMM_SHALLOW_ROWS][3](g, i, 0, end, LANES);
        FN(gemm_stripe)(g, i, rows, end, g->n);
    }
    if (i < g->m) FN(gemm_stripe)(g, i, g->m - i, 0, g->n);
}

/* Three vectors of columns in place go by one tile instead of two: then A is read once, and its
 * rows need not wait in L1. Heights are a shallow B's or one row more. */
FNN_INLINE int FN(gemm_in_three)(const FN(gemm_operands) *g) {
    const ptrdiff_t most = GEMM_SHALLOW_ROWS + 1;
    return FNN_REAL_IS_F32 && GEMM_SHALLOW_ROWS > 0 && g->n == 3 * LANES &&
           g->b_ps == GEMM_NV * LANES && !g->streams && g->m >= GEMM_SHALLOW_ROWS &&
           g->m / ((g->m + most - 1) / most) >= GEMM_SHALLOW_ROWS;
}

/* Between one tile's C in order and its places. */
static FNN_NOINLINE void FN(gemm_place)(const FN(gemm_operands) *g, ptrdiff_t rows, ptrdiff_t j,
                                        ptrdiff_t width, real *room, int out) {
    for (ptrdiff_t v = 0; v < width; v += LANES) {
        real *c = g->c + g->c_at[(j + v) / LANES], *at = room + v;
        for (ptrdiff_t r = 0; r < rows; r++, c += g->c_rs, at += GEMM_NV * LANES)
            if (out)
                FN(store)(c, FN(load)(at));
            else
                FN(store)(at, FN(load)(c));
    }
}

/* Do these columns of C lie side by side? */
FNN_INLINE int FN(gemm_abreast)(const ptrdiff_t *at, ptrdiff_t width) {
    for (ptrdiff_t v = 1; v < width / LANES; v++)
        if (at[v] != at[0] + v * LANES) return 0;
    return 1;
}

/* C has places: a tile whose vectors are apart goes by way of L1, which spares tiles a table. */
static FNN_NOINLINE void FN(gemm_placed)(const FN(gemm_operands) *g) {
    enum { NR = GEMM_NV * LANES };
    real room[GEMM_MR * NR] __attribute__((aligned(FNN_LINE)));
    const ptrdiff_t tiles = (g->m + GEMM_MR - 1) / GEMM_MR, rows = g->m / tiles;
    FN(gemm_operands) part = *g, own = *g;
    for (ptrdiff_t t = 0; t < tiles; t++) {
        const ptrdiff_t high = rows + (t < g->m - rows * tiles);
        own.b = g->b;
        for (ptrdiff_t j = 0; j < g->n; j += NR, own.b += g->b_ps) {
            const ptrdiff_t width = g->n - j < NR ? g->n - j : NR, *at = g->c_at + j / LANES;
            const int abreast = FN(gemm_abreast)(at, width);
            own.c = abreast ? part.c + at[0] : room;
            own.c_rs = abreast ? g->c_rs : NR;
            if (!abreast && g->accumulate) FN(gemm_place)(&part, high, j, width, room, 0);
            FN(gemm_stripe)(&own, 0, high, 0, width);
            if (!abreast) FN(gemm_place)(&part, high, j, width, room, 1);
        }
        own.a += high * g->a_rs;
        if (own.bias_row) own.bias_row += high;
        part.c += high * g->c_rs;
    }
}

static void FN(gemm_block)(const FN(gemm_operands) *g);

/* Several products. What takes time of small ones is to begin and to end: those of one tile of one
 * vector follow each other as panels do. */
static FNN_SMALL void FN(gemm_many)(const FN(gemm_operands) *g) {
    FN(gemm_operands) one = *g;
    one.count = 1;
    if (g->m > 0 && g->m <= GEMM_NARROW_ROWS && g->n <= LANES) {
        one.a_more = g->a_bs;
        one.b_more = g->b_bs - g->b_ps;
        one.c_more = g->c_bs - LANES;
        FN(gemm_tiles)[g->m][1](&one, 0, 0, g->count * LANES, g->n);
        return;
    }
    for (ptrdiff_t i = 0; i < g->count; i++) {
        FN(gemm_block)(&one);
        one.a += g->a_bs;
        one.b += g->b_bs;
        one.c += g->c_bs;
    }
}

static void FN(gemm_block)(const FN(gemm_operands) *g) {
    if (FNN_UNLIKELY(g->count > 1)) {
        FN(gemm_many)(g);
        return;
    }
    if (g->c_at) {
        FN(gemm_placed)(g);
        return;
    }
#if FNN_VBYTES >= 32
    if (FNN_UNLIKELY(g->wide)) {
        FN(gemm_wide)(g);
        return;
    }
#endif
    if (GEMM_SHALLOW_ROWS > 0 && g->k * (ptrdiff_t)sizeof(real) <= GEMM_SHALLOW &&
        g->b_ps == GEMM_NV * LANES && !g->streams && g->m >= 2 * GEMM_SHALLOW_ROWS &&
        g->n >= GEMM_SHALLOW_VECTORS * LANES) {
        FN(gemm_shallow)(g);
        return;
    }
    /* one vector across leaves registers for more rows; but rows whole pages apart share a set
     * of L1, which has 8 or 12 ways */
    const int paged = g->a_rs * (ptrdiff_t)sizeof(real) % 4096 == 0;
    const int three = FN(gemm_in_three)(g);
    const ptrdiff_t few = g->n <= LANES && !paged ? GEMM_NARROW_ROWS : GEMM_MR;
    const ptrdiff_t most = three ? GEMM_SHALLOW_ROWS + 1 : few;
    const ptrdiff_t tiles = (g->m + most - 1) / most;
    if (tiles <= 1 && !g->streams) {
        if (g->m) FN(gemm_stripe)(g, 0, g->m, 0, g->n);
        return;
    }
    /* balanced: 30 rows are 10 + 10 + 10 */
    const ptrdiff_t rows = g->m / tiles;
    const FN(gemm_heights) heights = {tiles, rows, g->m - rows * tiles};
    if (g->streams) {
        FN(gemm_stream)(g, &heights);
        return;
    }
    for (ptrdiff_t t = 0, i = 0; t < tiles; t++) {
        const ptrdiff_t high = rows + (t < heights.more);
        if (three)
            FN(gemm_tiles)[high][3](g, i, 0, g->n, LANES);
        else
            FN(gemm_stripe)(g, i, high, 0, g->n);
        i += high;
    }
}
