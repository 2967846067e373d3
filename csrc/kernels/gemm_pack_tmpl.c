/* Packing for the gemm kernels; contract in kernels/gemm.h. */

/* Both sides have unit column stride. */
static FNN_NOINLINE void FN(gemm_pack_rows)(ptrdiff_t rows, ptrdiff_t cols, const real *src,
                                            ptrdiff_t src_rs, real *dst, ptrdiff_t dst_rs,
                                            ptrdiff_t width) {
    const ptrdiff_t whole = cols / LANES * LANES;
    const vmask rest = FN(mask)(cols - whole);
    for (ptrdiff_t i = 0; i < rows; i++, src += src_rs, dst += dst_rs) {
        ptrdiff_t j = 0;
        for (; j < whole; j += LANES) FN(store)(dst + j, FN(load)(src + j));
        if (j < cols) {
            FN(store)(dst + j, FN(load_m)(src + j, rest));
            j += LANES;
        }
        for (; j < width; j += LANES) FN(store)(dst + j, FN(zero)());
    }
}

/* LANES rows of dst from LANES contiguous columns of src, fewer of either if not `whole`. */
FNN_INLINE void FN(gemm_pack_square)(ptrdiff_t rows, ptrdiff_t cols, const real *src,
                                     ptrdiff_t src_cs, real *dst, ptrdiff_t dst_rs, int whole) {
    vec x[LANES];
    if (whole) {
        if (FNN_VBYTES == FNN_LINE) { /* vectors off a line would cross two */
            FN(load_transposed)(src, src_cs, LANES, x);
        } else {
            FNN_UNROLL
            for (int j = 0; j < LANES; j++) x[j] = FN(load)(src + j * src_cs);
            FN(transpose)(x);
        }
        FNN_UNROLL
        for (int i = 0; i < LANES; i++) FN(store)(dst + i * dst_rs, x[i]);
    } else {
        const vmask mask = FN(mask)(rows);
        for (int j = 0; j < LANES; j++)
            x[j] = j < cols ? FN(load_m)(src + j * src_cs, mask) : FN(zero)();
        FN(transpose)(x);
        for (int i = 0; i < rows; i++) FN(store)(dst + i * dst_rs, x[i]);
    }
}

/* src has unit row stride: a transposition. */
static FNN_NOINLINE void FN(gemm_pack_columns)(ptrdiff_t rows, ptrdiff_t cols, const real *src,
                                               ptrdiff_t src_cs, real *dst, ptrdiff_t dst_rs,
                                               ptrdiff_t width) {
    for (ptrdiff_t j = 0; j < width; j += LANES, src += LANES * src_cs, dst += LANES) {
        ptrdiff_t i = 0;
        if (cols - j >= LANES)
            for (; i <= rows - LANES; i += LANES)
                FN(gemm_pack_square)(LANES, LANES, src + i, src_cs, dst + i * dst_rs, dst_rs, 1);
        for (; i < rows; i += LANES)
            FN(gemm_pack_square)(rows - i < LANES ? rows - i : LANES, cols - j, src + i, src_cs,
                                 dst + i * dst_rs, dst_rs, 0);
    }
}

static void FN(gemm_pack)(ptrdiff_t rows, ptrdiff_t cols, const real *src, ptrdiff_t src_rs,
                          ptrdiff_t src_cs, real *dst, ptrdiff_t dst_rs, ptrdiff_t width) {
    if (src_cs == 1) {
        FN(gemm_pack_rows)(rows, cols, src, src_rs, dst, dst_rs, width);
    } else if (src_rs == 1) {
        FN(gemm_pack_columns)(rows, cols, src, src_cs, dst, dst_rs, width);
    } else {
        for (ptrdiff_t i = 0; i < rows; i++) {
            for (ptrdiff_t j = 0; j < cols; j++) dst[i * dst_rs + j] = src[i * src_rs + j * src_cs];
            for (ptrdiff_t j = cols; j < width; j++) dst[i * dst_rs + j] = 0;
        }
    }
}
