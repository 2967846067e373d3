/* The entries of drivers/gemm.c, for one element type. */

FNN_INLINE int FN(empty)(const fnn_gemm_shape *s) {
    return s->m <= 0 || s->n <= 0 || s->batch <= 0;
}

size_t FN(fnn_gemm_workspace)(const fnn_ctx *ctx, const fnn_gemm_shape *shape) {
    plan p;
    fnn_gemm_shape room;
    way how;
    int exchanged;
    if (FN(empty)(shape)) return 0;
    shape = FN(normal)(shape, FN(table)(ctx), &room, &how, &exchanged);
    FN(make_plan)(ctx, shape, how, &p);
    return FN(plan_bytes)(ctx, &p);
}

fnn_status FN(fnn_gemm)(const fnn_ctx *ctx, const fnn_gemm_shape *shape, const real *a,
                        const real *b, const real *bias, real *c, void *workspace) {
    fnn_gemm_shape room;
    way how;
    int exchanged;
    FN(job) job;
    if (FN(empty)(shape)) return FNN_OK;
    job.ctx = ctx;
    job.table = FN(table)(ctx);
    job.shape = FN(normal)(shape, job.table, &room, &how, &exchanged);
    job.a = exchanged ? b : a;
    job.b = exchanged ? a : b;
    job.bias = bias;
    job.pack = NULL;
    job.c = c;
    job.workspace = workspace ? workspace : (void *)&job; /* untouched if there is none */
    FN(make_plan)(ctx, job.shape, how, &job.plan);
    FN(run)(&job);
    return FNN_OK;
}

size_t FN(fnn_gemm_virtual_workspace)(const fnn_ctx *ctx, const fnn_gemm_shape *shape) {
    plan p;
    if (FN(empty)(shape)) return 0;
    FN(make_plan)(ctx, shape, PACKED, &p);
    return FN(plan_bytes)(ctx, &p);
}

fnn_status FN(fnn_gemm_virtual)(const fnn_ctx *ctx, const fnn_gemm_shape *shape, const real *a,
                                FN(fnn_pack_fn) *pack, const void *source, const real *bias,
                                real *c, void *workspace) {
    if (FN(empty)(shape)) return FNN_OK;
    FN(job) job = {.ctx = ctx, .table = FN(table)(ctx), .shape = shape, .a = a, .bias = bias,
                   .pack = pack, .source = source, .c = c, .workspace = workspace};
    FN(make_plan)(ctx, shape, PACKED, &job.plan);
    FN(run)(&job);
    return FNN_OK;
}

size_t FN(fnn_gemm_packed_size)(const fnn_ctx *ctx, ptrdiff_t n, ptrdiff_t k) {
    return (size_t)(fnn_round_up(n, FN(table)(ctx)->gemm_nr) * k);
}

fnn_status FN(fnn_gemm_pack_b)(const fnn_ctx *ctx, ptrdiff_t n, ptrdiff_t k, const real *b,
                               ptrdiff_t b_rs, ptrdiff_t b_cs, real *packed) {
    FN(pack_panels)(FN(table)(ctx), b, b_rs, b_cs, k, n, packed);
    return FNN_OK;
}
