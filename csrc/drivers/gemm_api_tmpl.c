/* The entries of drivers/gemm.c, for one element type. */

FNN_INLINE int FN(empty)(const fnn_gemm_shape *s) {
    return s->m <= 0 || s->n <= 0 || s->batch <= 0;
}

/* The rows' sums of an A that the product reads in another order. */
static void FN(all_sums)(const FN(fnn_table) *t, const fnn_gemm_shape *s, const real *a) {
    const FN(gemm_operands) g = {.m = s->m, .k = s->k, .a = a, .a_rs = s->a_rs, .a_ks = s->a_cs};
    const fnn_fpstate state = fnn_fp_flush();
    FN(row_sums)(t, &g, s->sums);
    fnn_fp_set(state);
}

/* A product whose matrices are one call of the kernel each: see one_call. */
typedef struct FN(calls) {
    const fnn_gemm_shape *shape;
    FN(gemm_block_fn) *kernel;
    FN(gemm_operands) first;
    ptrdiff_t share; /* matrices of a task */
} FN(calls);

static void FN(calls_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(calls) *calls = argument;
    const fnn_gemm_shape *s = calls->shape;
    const ptrdiff_t from = task * calls->share, to = fnn_min(from + calls->share, s->batch);
    FN(gemm_operands) g = calls->first;
    /* dot products are single calls, and so are products with biases */
    const ptrdiff_t step = s->n == 1 || s->bias ? 1 : to - from;
    (void)worker;
    g.count = step;
    for (ptrdiff_t i = from; i < to; i += step) {
        g.a = calls->first.a + i * s->a_bs;
        g.b = calls->first.b + i * s->b_bs;
        g.c = calls->first.c + i * s->c_bs;
        calls->kernel(&g);
    }
}

static void FN(run_calls)(const FN(fnn_table) *t, int threads, const fnn_gemm_shape *s,
                          const real *a, const real *b, const real *bias, real *c) {
    /* field by field: what an initializer clears takes as long as half a product of 8 x 8 matrices */
    FN(calls) calls;
    FN(gemm_operands) *const g = &calls.first;
    calls.shape = s;
    calls.kernel = s->n == 1 ? t->gemm_few : t->gemm_block;
    g->m = s->m, g->n = s->n, g->k = s->k;
    g->a = a, g->a_rs = s->a_rs, g->a_ks = s->a_cs, g->a_bs = s->a_bs;
    g->b = b, g->b_ks = s->b_rs, g->b_ps = t->gemm_nr, g->b_bs = s->b_bs;
    g->c = c, g->c_rs = s->c_rs, g->c_bs = s->c_bs, g->c_at = NULL;
    g->bias_column = s->bias == FNN_BIAS_PER_COLUMN ? bias : NULL;
    g->bias_row = s->bias == FNN_BIAS_PER_ROW ? bias : NULL;
    g->accumulate = s->accumulate, g->relu = s->relu;
    g->segments = g->a_jump = g->b_jump = g->next = g->ahead = g->count = 0;
    g->a_more = g->b_more = g->c_more = 0;
    g->panels = NULL;
    g->wide = g->streams = 0;
    const fnn_fpstate state = fnn_fp_flush();
    if (s->sums) FN(row_sums)(t, &calls.first, s->sums);
    if (s->batch == 1) {
        calls.kernel(&calls.first);
    } else {
        calls.share = 1 + GRAIN / fnn_max(1, s->m * s->n * s->k);
        fnn_parallel(threads, fnn_ceil_div(s->batch, calls.share), FN(calls_task), &calls);
    }
    fnn_fp_set(state);
}

/* Whether the product has a plan at all, and which. */
static FNN_NOINLINE int FN(planned)(const fnn_ctx *ctx, const fnn_gemm_shape *shape, plan *p) {
    fnn_gemm_shape room;
    way how;
    int exchanged;
    if (FN(empty)(shape) || FN(one_call)(ctx, shape)) return 0;
    shape = FN(normal)(ctx, shape, &room, &how, &exchanged);
    FN(make_plan)(ctx, shape, how, p);
    return 1;
}

size_t FN(fnn_gemm_workspace)(const fnn_ctx *ctx, const fnn_gemm_shape *shape) {
    plan p;
    return FN(planned)(ctx, shape, &p) ? FN(plan_bytes)(ctx, &p) : 0;
}

ptrdiff_t FN(fnn_gemm_depth)(const fnn_ctx *ctx, const fnn_gemm_shape *shape) {
    plan p;
    return FN(planned)(ctx, shape, &p) ? p.kc : shape->k;
}

fnn_status FN(fnn_gemm)(const fnn_ctx *ctx, const fnn_gemm_shape *shape, const real *a,
                        const real *b, const real *bias, real *c, void *workspace) {
    fnn_gemm_shape room;
    way how;
    int exchanged;
    FN(job) job;
    job.table = FN(table)(ctx);
    if (FN(empty)(shape)) {
        if (shape->sums) FN(all_sums)(job.table, shape, a);
        return FNN_OK;
    }
    const FN(fnn_table) *whole = FN(one_call)(ctx, shape);
    if (whole) {
        FN(run_calls)(whole, ctx->threads, shape, a, b, bias, c);
        if (shape->gate) FN(gate)(job.table, shape, c, c, shape->m, shape->n);
        return FNN_OK;
    }
    job.ctx = ctx;
    job.shape = FN(normal)(ctx, shape, &room, &how, &exchanged);
    job.a = exchanged ? b : a;
    job.b = exchanged ? a : b;
    job.bias = bias;
    job.pack = NULL;
    job.c = c;
    job.c_at = NULL;
    job.workspace = workspace ? workspace : (void *)&job; /* untouched if there is none */
    FN(make_plan)(ctx, job.shape, how, &job.plan);
    job.sums = NULL;
    if (shape->sums) {
        const plan *p = &job.plan;
        if (!job.shape->sums || p->a_whole)
            FN(all_sums)(job.table, shape, a);
        else
            job.sums = p->sums_bytes ? (real *)(job.workspace + FN(plan_bytes)(ctx, p) - p->sums_bytes)
                                     : shape->sums;
    }
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
                                real *c, const ptrdiff_t *c_at, void *workspace) {
    if (FN(empty)(shape)) return FNN_OK;
    FN(job) job = {.ctx = ctx, .table = FN(table)(ctx), .shape = shape, .a = a, .bias = bias,
                   .pack = pack, .source = source, .c = c, .c_at = c_at, .workspace = workspace};
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
