/* Transposed products to their place; contract in kernels/gemm.h. */

/* Columns i .. of C, LANES or `count`, from one transposed square of T; rows j .. of `rows`. */
FNN_INLINE void FN(gemm_turn_square)(const FN(gemm_operands) *g, const real *t, ptrdiff_t t_rs,
                                     ptrdiff_t i, ptrdiff_t j, ptrdiff_t count, ptrdiff_t rows) {
    const vmask mask = FN(mask)(count);
    real *c = g->c + j * g->c_rs + i;
    vec x[LANES], bias = FN(zero)();
    FNN_UNROLL
    for (int l = 0; l < LANES; l++) x[l] = FN(load)(t + (l < count ? l : 0) * t_rs);
    FN(transpose)(x);
    if (g->bias_row) bias = FN(load_m)(g->bias_row + i, mask);
    for (int l = 0; l < rows; l++, c += g->c_rs) {
        vec y = x[l];
        if (g->accumulate) y += FN(load_m)(c, mask);
        if (g->bias_column) y += FN(splat)(g->bias_column[j + l]);
        if (g->bias_row) y += bias;
        if (g->relu) y = FN(maximum)(FN(zero)(), y);
        FN(store_some)(FN(all_lanes)(mask), c, y, mask);
    }
}

static FNN_NOINLINE void FN(gemm_turn)(const FN(gemm_operands) *g, const real *t, ptrdiff_t t_rs) {
    for (ptrdiff_t j = 0; j < g->n; j += LANES) {
        const ptrdiff_t rows = g->n - j < LANES ? g->n - j : LANES;
        for (ptrdiff_t i = 0; i < g->m; i += LANES)
            FN(gemm_turn_square)(g, t + i * t_rs + j, t_rs, i, j,
                                 g->m - i < LANES ? g->m - i : LANES, rows);
    }
}
