/* The gemm kernels; contracts in kernels/gemm.h. */

enum {
    FN(gemm_mr) = GEMM_MR,
    FN(gemm_nr) = GEMM_NV * LANES,
    FN(gemm_kc) = GEMM_KC / sizeof(real),
    FN(gemm_b_block) = GEMM_B_BLOCK,
    FN(gemm_masked) = GEMM_MASKED,
    FN(gemm_copies) = FNN_REAL_IS_F32 && FNN_VBYTES >= 32 /* the largest tile copies B */
};

/* Steps of k between the fetching of a row of B into L1 and its use, unless `ahead` says another
 * distance. */
#define GEMM_AHEAD_STEPS 4

/* Tiles with many rows and more than a panel are 3 whole vectors wide: GEMM_SHALLOW_ROWS high for
 * a shallow B, which lies in L1, and as high or one row higher for a B of just so many columns. */
#define GEMM_IS_WHOLE(rows, vectors) ((rows) > GEMM_WIDE_ROWS && (vectors) > GEMM_NV)

#define GEMM_COPIES(rows, vectors) \
    (FN(gemm_copies) && (rows) == GEMM_MR && (vectors) == GEMM_NV)

/* Loops that begin on a line. A step of AVX2's largest tile has 121 bytes: where they lie on three
 * lines instead of two, a 1024 x 1024 product takes 6 % longer. Longer steps do not mind. */
#undef GEMM_LOOPS
#if FNN_VBYTES == 32 && defined(__GNUC__) && !defined(__clang__)
#define GEMM_LOOPS __attribute__((optimize("align-loops=64")))
#else
#define GEMM_LOOPS
#endif

/* Of a row of two vectors of half a line, the element whose line is fetched: the first, or the last
 * if the row begins in the first half of a line (16 bytes behind its begin, as NumPy's arrays do).
 * No load then touches the row's second line but one across both, and such a load waits longest.
 * Runs of lines that are `ahead` begin with their first. */
FNN_INLINE ptrdiff_t FN(gemm_fetched)(const FN(gemm_operands) *g, const real *b, int rows,
                                      int vectors) {
    const size_t off = (uintptr_t)b % FNN_LINE;
    const int largest = 2 * FNN_VBYTES == FNN_LINE && rows == GEMM_MR && vectors == 2;
    return largest && off > 0 && off < FNN_LINE / 2 && g->ahead == 0 ? 2 * LANES - 1 : 0;
}

/* A pointer whose origin the compiler cannot see: else Clang gives every row of A a pointer of its
 * own and keeps most of them on the stack. */
FNN_INLINE const real *FN(gemm_opaque)(const real *p) {
    __asm__("" : "+r"(p));
    return p;
}

FNN_INLINE vec FN(gemm_load)(const real *p, int last, vmask mask) {
    return last ? FN(load_m)(p, mask) : FN(load)(p);
}

FNN_INLINE void FN(gemm_finish)(const FN(gemm_operands) *g, vec acc[GEMM_NARROW_ROWS][2 * GEMM_NV],
                                real *c, ptrdiff_t c_rs, ptrdiff_t j, vmask mask, int rows,
                                int vectors) {
    if (g->accumulate) {
        const real *row = c;
        FNN_UNROLL
        for (int r = 0; r < rows; r++) {
            FNN_UNROLL
            for (int v = 0; v < vectors; v++)
                acc[r][v] += FN(gemm_load)(row + v * LANES, v == vectors - 1, mask);
            row = FN(gemm_opaque)(row + c_rs);
        }
    }
    if (g->bias_column)
        FNN_UNROLL
        for (int v = 0; v < vectors; v++) {
            const vec bias = FN(gemm_load)(g->bias_column + j + v * LANES, v == vectors - 1, mask);
            FNN_UNROLL
            for (int r = 0; r < rows; r++) acc[r][v] += bias;
        }
    if (g->relu)
        FNN_UNROLL
        for (int r = 0; r < rows; r++)
            FNN_UNROLL
            for (int v = 0; v < vectors; v++) acc[r][v] = FN(maximum)(FN(zero)(), acc[r][v]);
    const int all = FN(all_lanes)(mask);
    FNN_UNROLL
    for (int r = 0; r < rows; r++) {
        FNN_UNROLL
        for (int v = 0; v < vectors - 1; v++) FN(store)(c + v * LANES, acc[r][v]);
        FN(store_some)(all, c + (vectors - 1) * LANES, acc[r][vectors - 1], mask);
        c = (real *)FN(gemm_opaque)(c + c_rs);
    }
}

/* acc += rows of A, `away` from those at a[], times columns of B from b[] on; `partial`: the last
 * vector of B is loaded under the mask; `copies`: what is loaded goes to `to`, too, in one segment.
 * Each step fetches what the step after GEMM_AHEAD_STEPS will load, from element `fetched` on, or
 * what is `ahead`: rows of a B in place are too far apart for a prefetcher of the processor. There
 * are as few additions as can be: on Intel cores they take turns with multiply-adds. */
FNN_INLINE void FN(gemm_sum)(const FN(gemm_operands) *g, const ptrdiff_t away[GEMM_SHARE],
                             const real **a, const real **b, ptrdiff_t fetched,
                             vec acc[GEMM_NARROW_ROWS][2 * GEMM_NV], vmask mask, int rows,
                             int vectors, int partial, int copies, real *to) {
    const ptrdiff_t a_ks = g->a_ks, b_ks = g->b_ks;
    const ptrdiff_t ahead = GEMM_AHEAD_STEPS * b_ks + g->ahead + fetched;
    const int line = FNN_LINE / (int)sizeof(real);
    const int shallow = GEMM_IS_WHOLE(rows, vectors) && rows == GEMM_SHALLOW_ROWS;
    for (ptrdiff_t rest = g->segments;;) {
        for (ptrdiff_t k = g->k; k > 0; k--) {
            vec bv[2 * GEMM_NV];
            FNN_UNROLL
            for (int v = 0; v < vectors; v++)
                if (v * LANES % line == 0 && !shallow)
                    __builtin_prefetch(b[v / GEMM_NV] + ahead + v % GEMM_NV * LANES);
            FNN_UNROLL
            for (int v = 0; v < vectors; v++)
                bv[v] = FN(gemm_load)(b[v / GEMM_NV] + v % GEMM_NV * LANES,
                                      partial && v == vectors - 1, mask);
            if (copies) {
                FNN_UNROLL
                for (int v = 0; v < vectors; v++) FN(store)(to + v * LANES, bv[v]);
                to += vectors * LANES;
            }
            FNN_UNROLL
            for (int r = 0; r < rows; r++) {
                const vec av = FN(splat)(a[r / GEMM_SHARE][away[r % GEMM_SHARE]]);
                FNN_UNROLL
                for (int v = 0; v < vectors; v++) acc[r][v] = FN(fma)(av, bv[v], acc[r][v]);
            }
            FNN_UNROLL
            for (int r = 0; r < rows; r += GEMM_SHARE)
                a[r / GEMM_SHARE] = FN(gemm_opaque)(a[r / GEMM_SHARE] + a_ks);
            b[0] = FN(gemm_opaque)(b[0] + b_ks);
            if (vectors > GEMM_NV) b[1] = FN(gemm_opaque)(b[1] + b_ks);
        }
        if (copies || FNN_LIKELY(--rest <= 0)) return;
        FNN_UNROLL
        for (int r = 0; r < rows; r += GEMM_SHARE) a[r / GEMM_SHARE] += g->a_jump;
        b[0] += g->b_jump;
        if (vectors > GEMM_NV) b[1] += g->b_jump;
    }
}

/* Rows i .. i+rows-1 and columns j .. end-1 by tiles of `vectors` vectors; of several products a tile
 * is all of one. A last vector has `tail` lanes: all of them, unless it is the only tile. Vectors
 * beyond NV belong to the next panel. `rows` and `vectors` are literals in every instance. A masked
 * load costs a multiply-add's place, so whole vectors have a loop without. From tile to tile there are only additions:
 * Intel cores multiply integers at a port of the multiply-adds, so that an address would wait for
 * all of the tile before; and C's stride is read before its stores, which could change it. */
FNN_INLINE void FN(gemm_tile)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j, ptrdiff_t end,
                              ptrdiff_t tail, int rows, int vectors) {
    enum { NR = GEMM_NV * LANES };
    const vmask mask = FN(mask)(tail);
    const ptrdiff_t a_rs = g->a_rs, b_ps = g->b_ps, c_rs = g->c_rs;
    const real *a_i = g->a + i * a_rs, *b_j = g->b + j / NR * b_ps + j % NR;
    const ptrdiff_t fetched = FN(gemm_fetched)(g, b_j, rows, vectors);
    real *c = g->c + i * c_rs + j;
    ptrdiff_t away[GEMM_SHARE] = {0, fnn_opaque(a_rs)};
    away[2] = 2 * away[1]; /* a scaled address */
    FNN_UNROLL
    for (int r = 3; r < GEMM_SHARE; r++) away[r] = fnn_opaque(r * a_rs);
    do {
        const real *a[GEMM_NARROW_ROWS / GEMM_SHARE + 1], *b[2] = {b_j, b_j + b_ps};
        vec acc[GEMM_NARROW_ROWS][2 * GEMM_NV];
        FNN_UNROLL
        for (int r = 0; r < rows; r += GEMM_SHARE)
            a[r / GEMM_SHARE] = FN(gemm_opaque)(a_i + r * a_rs);
        const real *const bias = g->bias_row ? g->bias_row + fnn_opaque(i) : NULL;
        FNN_UNROLL
        for (int r = 0; r < rows; r++)
            FNN_UNROLL
            for (int v = 0; v < vectors; v++) acc[r][v] = FN(zero)();
        if (bias)
            FNN_UNROLL
            for (int r = 0; r < rows; r++) {
                const vec first = FN(splat)(bias[r]);
                FNN_UNROLL
                for (int v = 0; v < vectors; v++) acc[r][v] = first;
            }
        if (GEMM_COPIES(rows, vectors) && FNN_UNLIKELY(g->panels != NULL))
            FN(gemm_sum)(g, away, a, b, fetched, acc, mask, rows, vectors, 0, 1,
                         g->panels + j * g->k);
        else if (!GEMM_MASKED || GEMM_IS_WHOLE(rows, vectors) || tail == LANES)
            FN(gemm_sum)(g, away, a, b, fetched, acc, mask, rows, vectors, 0, 0, NULL);
        else
            FN(gemm_sum)(g, away, a, b, fetched, acc, mask, rows, vectors, 1, 0, NULL);
        FN(gemm_finish)(g, acc, c, c_rs, j, mask, rows, vectors);
        j += vectors * LANES;
        c += vectors * LANES;
        b_j += vectors == 3 ? 3 * LANES : vectors > GEMM_NV ? 2 * b_ps : b_ps;
        if (vectors == 1) { /* to another product, or nothing */
            a_i += g->a_more;
            b_j += g->b_more;
            c += g->c_more;
        }
    } while (j < end);
}

typedef void FN(gemm_tile_fn)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j, ptrdiff_t end,
                              ptrdiff_t tail);

/* Maps of 7x7 floats are three vectors and a pixel. */
#undef GEMM_TILES
#if FNN_REAL_IS_F32 && GEMM_SHALLOW_ROWS == 8
#define GEMM_TILES(X) GEMM_INSTANCES(X) X(9, 3)
#else
#define GEMM_TILES(X) GEMM_INSTANCES(X)
#endif

#define GEMM_INSTANCE(rows, vectors)                                                               \
    GEMM_LOOPS static FNN_NOINLINE void FN(gemm_tile_##rows##x##vectors)(                          \
        const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t j, ptrdiff_t end, ptrdiff_t tail) {     \
        FN(gemm_tile)(g, i, j, end, tail, rows, vectors);                                          \
    }
GEMM_TILES(GEMM_INSTANCE)
#undef GEMM_INSTANCE

static FN(gemm_tile_fn) *const FN(gemm_tiles)[GEMM_NARROW_ROWS + 1][2 * GEMM_NV + 1] = {
#define GEMM_INSTANCE(rows, vectors) [rows][vectors] = FN(gemm_tile_##rows##x##vectors),
    GEMM_TILES(GEMM_INSTANCE)
#undef GEMM_INSTANCE
};

_Static_assert((GEMM_NV & (GEMM_NV - 1)) == 0, "gemm_stripe cuts by a mask");

/* Rows i .. i+rows-1 of columns j .. end, j <= end. */
FNN_INLINE void FN(gemm_stripe)(const FN(gemm_operands) *g, ptrdiff_t i, ptrdiff_t rows,
                                ptrdiff_t j, ptrdiff_t end) {
    /* few rows: two panels at a time keep enough sums in flight; either is a power of two wide */
    const ptrdiff_t most = rows <= GEMM_WIDE_ROWS ? 2 * GEMM_NV : GEMM_NV;
    const ptrdiff_t whole = (end - j) & -(most * LANES);
    if (whole) FN(gemm_tiles)[rows][most](g, i, j, j + whole, LANES);
    j += whole;
    if (j < end) {
        const ptrdiff_t vectors = (end - j + LANES - 1) / LANES;
        FN(gemm_tiles)[rows][vectors](g, i, j, end, end - j - (vectors - 1) * LANES);
    }
}
