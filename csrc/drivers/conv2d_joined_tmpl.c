/* Pointwise products of several small maps as one, for one element type: y [K][images, pixels] =
 * w [K][C] x [C][images, pixels], or the same with w^T and dy. 49 pixels are 3 vectors and one lane
 * of a fourth; of 16 images they are 49 whole ones, and the weights pass once. Columns in order:
 *
 *   [image][whole vectors of its pixels]  [image][the pixels that are left]
 *
 * B is packed so from the images, C goes to a scratch matrix and from there to its places.
 *
 * Workspace: weights turned (backward-data) | scratch C | the product's own */

typedef struct FN(joined_plan) {
    ptrdiff_t images, pixels, whole, rest; /* pixels of an image, in whole vectors, and others */
    ptrdiff_t pitch, turned_pitch;         /* of scratch C and of turned weights */
    fnn_gemm_shape gemm;
    size_t turned_bytes, scratch_bytes, bytes;
} FN(joined_plan);

/* What the packing callback sees. */
typedef struct FN(joined_source) {
    const FN(joined_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *src;
} FN(joined_source);

typedef struct FN(joined_job) {
    const FN(joined_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *scratch;
    real *dst;
    FN(finishing) finishing;
} FN(joined_job);

/* Several images, maps of a vector to eight that do not fill theirs, and sums that are longer than
 * the result is wide: it is written twice. */
static int FN(joins)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const ptrdiff_t pixels = s->p * s->q, lanes = FN(table)(ctx)->lanes;
    return pass != FNN_BACKWARD_WEIGHT && s->groups == 1 && s->n >= 4 && fnn_conv2d_is_product(s) &&
           pixels > lanes && pixels < 8 * lanes && pixels % lanes != 0 &&
           fnn_min(s->c, s->k) >= 4 * lanes && (pass == FNN_FORWARD ? s->c > s->k : s->k > s->c);
}

static FN(joined_plan) FN(make_joined_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                            fnn_conv2d_pass pass) {
    const ptrdiff_t lanes = FN(table)(ctx)->lanes, pixels = s->p * s->q;
    const int data = pass == FNN_BACKWARD_DATA;
    FN(joined_plan) plan = {.images = s->n, .pixels = pixels, .whole = pixels / lanes * lanes,
                            .rest = pixels % lanes};
    fnn_gemm_shape *g = &plan.gemm;
    *g = (fnn_gemm_shape){.batch = 1, .m = data ? s->c : s->k, .n = s->n * pixels,
                          .k = data ? s->k : s->c, .a_cs = 1};
    plan.pitch = fnn_round_up(g->n, lanes) + lanes;
    plan.turned_pitch = fnn_round_up(g->k, lanes) + lanes;
    g->a_rs = data ? plan.turned_pitch : g->k;
    g->c_rs = plan.pitch;
    plan.turned_bytes = data ? FN(bytes)(g->m * plan.turned_pitch) : 0;
    plan.scratch_bytes = FN(bytes)(g->m * plan.pitch);
    plan.bytes = plan.turned_bytes + plan.scratch_bytes + FN(fnn_gemm_virtual_workspace)(ctx, g);
    return plan;
}

/* One vector of columns: pixels of one image, or the rest of several. */
static void FN(joined_vector)(const FN(joined_source) *from, ptrdiff_t k0, ptrdiff_t kc,
                              ptrdiff_t j, real *to) {
    const FN(joined_plan) *p = from->plan;
    const ptrdiff_t lanes = from->kernels->lanes, nr = from->kernels->gemm_nr, px = p->pixels;
    const ptrdiff_t image = p->gemm.k * px, first = p->images * p->whole;
    const real *src = from->src + k0 * px;
    if (j < first) {
        from->kernels->gemm_pack(kc, lanes, src + j / p->whole * image + j % p->whole, px, 1, to,
                                 nr, lanes);
        return;
    }
    for (ptrdiff_t l = 0; l < lanes; l++) {
        const ptrdiff_t left = j - first + l, n = left / p->rest;
        const real *pixel = src + n * image + p->whole + left % p->rest;
        if (n < p->images)
            for (ptrdiff_t k = 0; k < kc; k++) to[k * nr + l] = pixel[k * px];
        else
            for (ptrdiff_t k = 0; k < kc; k++) to[k * nr + l] = 0;
    }
}

static void FN(pack_joined)(const void *source, ptrdiff_t k0, ptrdiff_t kc, ptrdiff_t j0,
                            ptrdiff_t nc, real *panels) {
    const FN(joined_source) *from = source;
    const ptrdiff_t nr = from->kernels->gemm_nr, lanes = from->kernels->lanes;
    for (ptrdiff_t j = 0; j < nc; j += lanes)
        FN(joined_vector)(from, k0, kc, j0 + j, panels + j / nr * nr * kc + j % nr);
    for (ptrdiff_t j = fnn_round_up(nc, lanes); j % nr != 0; j += lanes)
        for (ptrdiff_t k = 0; k < kc; k++)
            memset(panels + j / nr * nr * kc + j % nr + k * nr, 0, (size_t)lanes * sizeof(real));
}

/* Rows of the scratch matrix to the places of one image. */
static void FN(spread_task)(void *argument, ptrdiff_t image, int worker) {
    const FN(joined_job) *job = argument;
    const FN(joined_plan) *p = job->plan;
    const ptrdiff_t m = p->gemm.m;
    const real *rest = job->scratch + p->images * p->whole + image * p->rest;
    real *dst = job->dst + image * m * p->pixels;
    (void)worker;
    job->kernels->gemm_pack(m, p->whole, job->scratch + image * p->whole, p->pitch, 1, dst,
                            p->pixels, p->whole);
    dst += p->whole;
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < p->rest; j++) dst[i * p->pixels + j] = rest[i * p->pitch + j];
    FN(finish)(job->kernels, &job->finishing,
               (FN(region)){m, p->pixels, 1, p->pixels, p->pixels}, image * m * p->pixels);
}

static void FN(run_joined)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                           const real *src, const real *w, const real *bias, real *dst,
                           char *workspace) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    FN(joined_plan) plan = FN(make_joined_plan)(ctx, s, pass);
    real *scratch = (real *)(workspace + plan.turned_bytes);
    const FN(joined_source) source = {.plan = &plan, .kernels = kernels, .src = src};
    FN(joined_job) job = {.plan = &plan, .kernels = kernels, .scratch = scratch, .dst = dst,
                          .finishing = FN(finishing_of)(s, dst)};
    plan.gemm.bias = bias ? FNN_BIAS_PER_ROW : FNN_NO_BIAS;
    if (plan.turned_bytes) {
        FN(turn_weights)(ctx, plan.gemm.m, plan.gemm.k, w, plan.turned_pitch, (real *)workspace);
        w = (const real *)workspace;
    }
    FN(fnn_gemm_virtual)(ctx, &plan.gemm, w, FN(pack_joined), &source, bias, scratch,
                         workspace + plan.turned_bytes + plan.scratch_bytes);
    fnn_parallel(ctx->threads, plan.images, FN(spread_task), &job);
}
