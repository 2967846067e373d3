/* C = A B for few rows of A and a wide B in place whose rows lie whole pages or halves of them apart:
 * some rows of B at a time from end to end, as prefetchers of the processor follow them, while C waits
 * in L1. Tiles would take a strip of every row, and strips share few sets of L1. */

#if FNN_VBYTES >= 32
/* Rows of B at a time, of which L1 has room for as many in a set. */
#define GEMM_WIDE_STEP 4

/* c[j] += a[0] b[j] + a[a_ks] b[b_ks + j] + .. for j < n, a multiple of two vectors. */
static FNN_NOINLINE void FN(gemm_wide_step)(ptrdiff_t n, const real *a, ptrdiff_t a_ks,
                                            const real *b, ptrdiff_t b_ks, real *c) {
    vec av[GEMM_WIDE_STEP];
    FNN_UNROLL
    for (int r = 0; r < GEMM_WIDE_STEP; r++) av[r] = FN(splat)(a[r * a_ks]);
    for (; n > 0; n -= 2 * LANES, b += 2 * LANES, c += 2 * LANES) {
        vec low = FN(zero)(), high = FN(zero)();
        FNN_UNROLL
        for (int r = 0; r < GEMM_WIDE_STEP; r++) {
            low = FN(fma)(av[r], FN(load)(b + r * b_ks), low);
            high = FN(fma)(av[r], FN(load)(b + r * b_ks + LANES), high);
        }
        FN(store)(c, FN(load)(c) + low);
        FN(store)(c + LANES, FN(load)(c + LANES) + high);
    }
}

static void FN(gemm_block)(const FN(gemm_operands) *g);

/* Tiles begin with what is no whole step, and end with bias and ReLU. */
static FNN_SMALL void FN(gemm_wide)(const FN(gemm_operands) *g) {
    FN(gemm_operands) part = *g;
    part.wide = part.relu = 0;
    part.bias_column = part.bias_row = NULL;
    part.k = GEMM_WIDE_STEP + g->k % GEMM_WIDE_STEP;
    FN(gemm_block)(&part);
    for (ptrdiff_t k = part.k; k < g->k; k += GEMM_WIDE_STEP)
        for (ptrdiff_t i = 0; i < g->m; i++)
            FN(gemm_wide_step)(g->n, g->a + i * g->a_rs + k * g->a_ks, g->a_ks, g->b + k * g->b_ks,
                               g->b_ks, g->c + i * g->c_rs);
    if (!g->bias_column && !g->bias_row && !g->relu) return;
    part = *g;
    part.wide = 0;
    part.accumulate = 1;
    part.k = 0;
    FN(gemm_block)(&part);
}
#endif
