/* Winograd's products of a position, whose operands lie in one piece each; contracts in
 * kernels/winograd.h. Depths are short (32 channels, 56 tiles), so what a tile costs besides its
 * sums matters: strides are literals, nothing is masked, nothing chosen. */

#if FNN_REAL_IS_F32 && FNN_VBYTES >= 32
/* `rows` rows, `row` apart, of A and their elements of the sum, `step` apart. */
FNN_INLINE void FN(winograd_tile)(int rows, int row, int step, ptrdiff_t depth, const real *a,
                                  const real *b, int add, real *m) {
    enum { NR = GEMM_NV * LANES };
    vec acc[GEMM_MR][GEMM_NV];
    FNN_UNROLL
    for (int r = 0; r < rows; r++)
        FNN_UNROLL
        for (int v = 0; v < GEMM_NV; v++) acc[r][v] = FN(zero)();
    for (; depth > 0; depth--, a += step, b += NR) {
        vec bv[GEMM_NV];
        FNN_UNROLL
        for (int v = 0; v < GEMM_NV; v++) bv[v] = FN(pin)(FN(load)(b + v * LANES));
        FNN_UNROLL
        for (int r = 0; r < rows; r++) {
            const vec av = FN(splat)(a[r * row]);
            FNN_UNROLL
            for (int v = 0; v < GEMM_NV; v++) acc[r][v] = FN(fma)(av, bv[v], acc[r][v]);
        }
    }
    if (add)
        FNN_UNROLL
        for (int r = 0; r < rows; r++)
            FNN_UNROLL
            for (int v = 0; v < GEMM_NV; v++) acc[r][v] += FN(load)(m + r * NR + v * LANES);
    FNN_UNROLL
    for (int r = 0; r < rows; r++)
        FNN_UNROLL
        for (int v = 0; v < GEMM_NV; v++) FN(store)(m + r * NR + v * LANES, acc[r][v]);
}

#define WINOGRAD_HEIGHT(R)                                                               \
    static FNN_NOINLINE void FN(winograd_height_##R)(ptrdiff_t depth, const real *v,     \
                                                     const real *u, int add, real *m) {  \
        FN(winograd_tile)(R, 32, 1, depth, v, u, add, m);                                \
    }
#if GEMM_MR == 14
#define WINOGRAD_HEIGHTS(X) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#else
#define WINOGRAD_HEIGHTS(X) X(3) X(4) X(5) X(6)
#endif
WINOGRAD_HEIGHTS(WINOGRAD_HEIGHT)

static FNN_NOINLINE void FN(winograd_product)(ptrdiff_t tiles, ptrdiff_t channels, const real *v,
                                              const real *u, int add, real *m) {
    typedef void height(ptrdiff_t, const real *, const real *, int, real *);
#define WINOGRAD_POINTER(R) FN(winograd_height_##R),
    static height *const heights[] = {WINOGRAD_HEIGHTS(WINOGRAD_POINTER)};
#undef WINOGRAD_POINTER
    /* balanced: 30 are 10 + 10 + 10; 15, the worst, are 8 + 7, half of the highest */
    for (ptrdiff_t of = (tiles + GEMM_MR - 1) / GEMM_MR; of > 0; of--) {
        const ptrdiff_t rows = (tiles + of - 1) / of;
        heights[rows - GEMM_MR / 2](channels, v, u, add, m);
        tiles -= rows, v += rows * 32, m += rows * GEMM_NV * LANES;
    }
}

static FNN_NOINLINE void FN(winograd_depth)(ptrdiff_t tiles, const real *v, const real *d, int add,
                                            real *m) {
    enum { ROWS = GEMM_MR >= 8 ? 8 : 4 };
    for (int c = 0; c < 16; c += ROWS)
        FN(winograd_tile)(ROWS, 1, 16, tiles, v + c, d, add, m + c * GEMM_NV * LANES);
}
#undef WINOGRAD_HEIGHT
#undef WINOGRAD_HEIGHTS
#elif FNN_REAL_IS_F32
#define winograd_product_f32 NULL
#define winograd_depth_f32 NULL
#else
#define winograd_product_f64 NULL
#define winograd_depth_f64 NULL
#endif
