/* What every driver needs of the context, for one element type. The driver's .c file includes
 * kernels/kernels.h before it opens an element type. */

FNN_INLINE const FN(fnn_table) *FN(table_of)(const fnn_kernels *kernels) {
#if FNN_REAL_IS_F32
    return &kernels->f32;
#else
    return &kernels->f64;
#endif
}

FNN_INLINE const FN(fnn_table) *FN(table)(const fnn_ctx *ctx) {
    return FN(table_of)(ctx->kernels);
}
