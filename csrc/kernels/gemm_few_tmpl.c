/* C = A B for rows of B that lie one behind another and are no longer than a line; contract in
 * kernels/gemm.h.
 *
 *   n = 3     B in memory    b00 b01 b02 b10 | b11 b12 b20 b21 | b22 b30 b31 b32    (k, column)
 *   4 lanes   A permuted     a0  a0  a0  a1  | a1  a1  a2  a2  | a2  a3  a3  a3
 *
 * A lane works for one column, the next one for the next column or the next k: all of them have work,
 * and every vector of a period, which holds whole rows of B, is a chain of additions of its own. Where
 * A is transposed, the elements that a vector needs lie a_ks apart, still within a vector. */

enum { FN(gemm_few_rows) = GEMM_FEW_ROWS };

#if GEMM_FEW_ROWS > 0
/* Vectors whose sums are in registers. Two neighbours share a vector of A where its elements lie side by
 * side and serve two columns or more: loads that cross a line are what takes time. */
#define FEW_VECTORS 4

/* Vectors of a period: A's elements for each are lanes `order` of the vector at `off`. */
typedef struct FN(gemm_few_pass) {
    ivec order[FEW_VECTORS];
    ptrdiff_t off[FEW_VECTORS];
    ptrdiff_t a_rs, a_step, b_step, steps;
} FN(gemm_few_pass);

/* Finds those of vector v, or of one that shares that of vector `from`. */
FNN_INLINE ivec FN(gemm_few_order)(const FN(gemm_operands) *g, ptrdiff_t from, ptrdiff_t v,
                                   ptrdiff_t *off) {
    typedef FN(lane_int) lane;
    const ptrdiff_t part = 65536 / g->n + 1; /* exact for so few */
    const ptrdiff_t first = from * LANES * part >> 16;
    const ivec row = (FN(lane_numbers)(1) + (lane)(v * LANES)) * (lane)part >> 16;
    *off = first * g->a_ks;
    return (row - (lane)first) * (lane)g->a_ks;
}

static FNN_SMALL void FN(gemm_few_find)(const FN(gemm_operands) *g, ptrdiff_t v, ptrdiff_t share,
                                        FN(gemm_few_pass) *p) {
    for (ptrdiff_t s = 0; s < FEW_VECTORS; s++)
        p->order[s] = FN(gemm_few_order)(g, v + (s & -share), v + s, &p->off[s]);
}

/* sums = all steps from `a` and `b` on, for `rows` rows of A; literals. */
FNN_INLINE void FN(gemm_few_sum)(const FN(gemm_few_pass) *p, const real *a, const real *b,
                                 real *sums, int rows, int share) {
    vec acc[GEMM_FEW_ROWS][FEW_VECTORS];
    ivec order[FEW_VECTORS];
    ptrdiff_t off[FEW_VECTORS];
    const ptrdiff_t a_rs = p->a_rs, a_step = p->a_step, b_step = p->b_step;
    FNN_UNROLL
    for (int s = 0; s < FEW_VECTORS; s++) {
        order[s] = p->order[s];
        off[s] = p->off[s];
        FNN_UNROLL
        for (int r = 0; r < rows; r++) acc[r][s] = FN(zero)();
    }
    for (ptrdiff_t steps = p->steps; steps > 0; steps--) {
        FNN_UNROLL
        for (int s = 0; s < FEW_VECTORS; s += 2) { /* as many as AVX2 has registers for */
            const vec low = FN(pin)(FN(load)(b + s * LANES));
            const vec high = FN(pin)(FN(load)(b + s * LANES + LANES));
            const real *row = a;
            FNN_UNROLL
            for (int r = 0; r < rows; r++) {
                const vec av = FN(pin)(FN(load)(row + off[s]));
                const vec next = share > 1 ? av : FN(load)(row + off[s + 1]);
                acc[r][s] = FN(fma)(FN(permute)(av, order[s]), low, acc[r][s]);
                acc[r][s + 1] = FN(fma)(FN(permute)(next, order[s + 1]), high, acc[r][s + 1]);
                row = FN(gemm_opaque)(row + a_rs);
            }
        }
        a += a_step;
        b += b_step;
    }
    FNN_UNROLL
    for (int r = 0; r < rows; r++) {
        FNN_UNROLL
        for (int s = 0; s < FEW_VECTORS; s++) FN(store)(sums + s * LANES, acc[r][s]);
        sums = (real *)FN(gemm_opaque)(sums + b_step);
    }
}

static FNN_NOINLINE void FN(gemm_few_row)(const FN(gemm_few_pass) *p, const real *a, const real *b,
                                          real *sums) {
    FN(gemm_few_sum)(p, a, b, sums, 1, 1);
}

static FNN_NOINLINE void FN(gemm_few_tile)(const FN(gemm_few_pass) *p, const real *a, const real *b,
                                           real *sums) {
    FN(gemm_few_sum)(p, a, b, sums, GEMM_FEW_ROWS, 2);
}

/* A single column, and A's row as it lies: nothing to permute. */
static FNN_NOINLINE real FN(gemm_few_dot)(const real *a, const real *b, ptrdiff_t k) {
    vec acc[FEW_VECTORS];
    FNN_UNROLL
    for (int s = 0; s < FEW_VECTORS; s++) acc[s] = FN(zero)();
    for (; k >= FEW_VECTORS * LANES; k -= FEW_VECTORS * LANES) {
        FNN_UNROLL
        for (int s = 0; s < FEW_VECTORS; s++)
            acc[s] = FN(fma)(FN(load)(a + s * LANES), FN(load)(b + s * LANES), acc[s]);
        a += FEW_VECTORS * LANES;
        b += FEW_VECTORS * LANES;
    }
    for (; k > 0; k -= LANES, a += LANES, b += LANES) {
        const vmask mask = FN(mask)(k < LANES ? k : LANES);
        acc[0] = FN(fma)(FN(load_m)(a, mask), FN(load_m)(b, mask), acc[0]);
    }
    FNN_UNROLL
    for (int s = 1; s < FEW_VECTORS; s++) acc[0] += acc[s];
    return FN(sum)(acc[0]);
}

/* sums += the last k vector by vector; nothing is read beyond A and B. */
static FNN_SMALL void FN(gemm_few_rest)(const FN(gemm_operands) *g, const real *a, const real *b,
                                        ptrdiff_t k, ptrdiff_t rows, ptrdiff_t size, real *sums) {
    ptrdiff_t at = 0, left = k * g->n;
    for (ptrdiff_t v = 0; left > 0; v++, b += LANES, left -= LANES) {
        ptrdiff_t off;
        const ivec order = FN(gemm_few_order)(g, v, v, &off);
        const ptrdiff_t readable = (k - 1) * g->a_ks + 1 - off;
        const vec bv = FN(load_m)(b, FN(mask)(left < LANES ? left : LANES));
        const vmask mask = FN(mask)(readable < LANES ? readable : LANES);
        const real *row = a + off;
        for (ptrdiff_t s = at; s < rows * size; s += size, row += g->a_rs) {
            const vec av = FN(permute)(FN(load_m)(row, mask), order);
            FN(store)(sums + s, FN(fma)(av, bv, FN(load)(sums + s)));
        }
        at = at + LANES == size ? 0 : at + LANES;
    }
}
#endif

static FNN_SMALL void FN(gemm_few)(const FN(gemm_operands) *g) {
#if GEMM_FEW_ROWS > 0
    real sums[(GEMM_FEW_ROWS * FN(GEMM_FEW_LONGEST) + 1) * LANES];
    const ptrdiff_t size = FN(gemm_few_period)(g->n) * LANES;
    const ptrdiff_t depth = FN(gemm_few_depth)(g->n, LANES);
    for (ptrdiff_t i = 0; g->n == 1 && g->a_ks == 1 && i < g->m; i++) {
        const real sum = FN(gemm_few_dot)(g->a + i * g->a_rs, g->b, g->k);
        FN(gemm_dot_finish)(g, &sum, 0, i, 1, 0, 1);
    }
    if (g->n == 1 && g->a_ks == 1) return;
    const ptrdiff_t most = g->n > 1 && g->a_ks == 1 ? GEMM_FEW_ROWS : 1;
    /* steps whose vectors of A end within A */
    const ptrdiff_t spare = (g->k - depth) * g->a_ks - LANES;
    FN(gemm_few_pass) pass = {.a_rs = g->a_rs, .a_step = depth * g->a_ks, .b_step = size};
    pass.steps = spare < 0 ? 0 : spare / pass.a_step + 1;
    for (ptrdiff_t i = 0, rows; i < g->m; i += rows) {
        const real *const a = g->a + i * g->a_rs;
        rows = g->m - i < most ? 1 : most;
        for (ptrdiff_t v = 0; v < size; v += FEW_VECTORS * LANES) {
            FN(gemm_few_find)(g, v / LANES, rows > 1 ? 2 : 1, &pass);
            (rows > 1 ? FN(gemm_few_tile) : FN(gemm_few_row))(&pass, a, g->b + v, sums + v);
        }
        FN(gemm_few_rest)(g, a + pass.steps * pass.a_step, g->b + pass.steps * size,
                          g->k - pass.steps * depth, rows, size, sums);
        for (ptrdiff_t r = 0; r < rows; r++) {
            real *const sum = sums + r * size;
            for (ptrdiff_t count = size; count > g->n;) { /* by halves, the first n are left */
                count >>= 1;
                for (ptrdiff_t e = 0; e < count; e += LANES)
                    FN(store)(sum + e, FN(load)(sum + e) + FN(load)(sum + e + count));
            }
            FN(gemm_dot_finish)(g, sum, 0, i + r, 1, 0, g->n);
        }
    }
#else
    (void)g;
#endif
}
