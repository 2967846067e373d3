/* The convolution's entry points: empty problems, floating-point control, and the algorithm. */

FNN_INLINE int FN(conv2d_empty)(const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const ptrdiff_t x = s->n * s->c * s->h * s->w, y = s->n * s->k * s->p * s->q;
    const ptrdiff_t w = s->k * (s->c / s->groups) * s->r * s->s;
    return pass == FNN_FORWARD ? y == 0 : pass == FNN_BACKWARD_DATA ? x == 0 : w == 0;
}

/* One algorithm's entries, as drivers/conv2d.h declares them. */
typedef struct FN(method) {
    size_t (*workspace)(const fnn_ctx *, const fnn_conv2d_shape *, fnn_conv2d_pass);
    void (*forward)(const fnn_ctx *, const fnn_conv2d_shape *, const real *, const real *,
                    const real *, real *, void *);
    void (*backward_data)(const fnn_ctx *, const fnn_conv2d_shape *, const real *, const real *,
                          real *, void *);
    void (*backward_weight)(const fnn_ctx *, const fnn_conv2d_shape *, const real *, const real *,
                            real *, real *, void *);
    void (*describe)(const fnn_ctx *, const fnn_conv2d_shape *, fnn_conv2d_pass,
                     fnn_conv2d_plan *); /* kernel, notes, share and basis; NULL: nothing to tell */
} FN(method);

static const FN(method) FN(methods)[] = {
    [FNN_DIRECT] = {FN(fnn_conv2d_direct_workspace), FN(fnn_conv2d_direct_forward),
                    FN(fnn_conv2d_direct_backward_data), FN(fnn_conv2d_direct_backward_weight),
                    FN(fnn_conv2d_direct_describe)},
    [FNN_IM2COL] = {FN(fnn_conv2d_im2col_workspace), FN(fnn_conv2d_im2col_forward),
                    FN(fnn_conv2d_im2col_backward_data), FN(fnn_conv2d_im2col_backward_weight),
                    FN(fnn_conv2d_im2col_describe)},
    [FNN_BATCH] = {FN(fnn_conv2d_batch_workspace), FN(fnn_conv2d_batch_forward),
                   FN(fnn_conv2d_batch_backward_data), FN(fnn_conv2d_batch_backward_weight),
                   FN(fnn_conv2d_batch_describe)},
    [FNN_WINOGRAD] = {FN(fnn_conv2d_winograd_workspace), FN(fnn_conv2d_winograd_forward),
                      FN(fnn_conv2d_winograd_backward_data),
                      FN(fnn_conv2d_winograd_backward_weight), FN(fnn_conv2d_winograd_describe)},
};

/* `direct` for groups of few channels. */
static const FN(method) FN(depthwise) = {
    FN(fnn_conv2d_depthwise_workspace), FN(fnn_conv2d_depthwise_forward),
    FN(fnn_conv2d_depthwise_backward_data), FN(fnn_conv2d_depthwise_backward_weight),
    FN(fnn_conv2d_depthwise_describe)};

/* `winograd` for dilated windows. */
static const FN(method) FN(phases) = {
    FN(fnn_conv2d_phases_workspace), FN(fnn_conv2d_phases_forward),
    FN(fnn_conv2d_phases_backward_data), FN(fnn_conv2d_phases_backward_weight),
    FN(fnn_conv2d_phases_describe)};

#if FNN_REAL_IS_F32
/* `winograd` along rows of wide windows: no gradient of the weights. */
static const FN(method) FN(flat) = {.workspace = FN(fnn_conv2d_flat_workspace),
                                    .forward = FN(fnn_conv2d_flat_forward),
                                    .backward_data = FN(fnn_conv2d_flat_backward_data),
                                    .describe = FN(fnn_conv2d_flat_describe)};

/* `im2col` for few input channels: no gradient of the data. */
static const FN(method) FN(patches) = {.workspace = FN(fnn_conv2d_patches_workspace),
                                       .forward = FN(fnn_conv2d_patches_forward),
                                       .backward_weight = FN(fnn_conv2d_patches_backward_weight),
                                       .describe = FN(fnn_conv2d_patches_describe)};

/* `im2col` by rows of pixels, the gradient of the weights. */
static const FN(method) FN(rows_weight) = {.workspace = FN(fnn_conv2d_rows_weight_workspace),
                                           .backward_weight = FN(fnn_conv2d_rows_backward_weight),
                                           .describe = FN(fnn_conv2d_rows_weight_describe)};
#endif

/* `im2col` where it packs no columns: but of whole planes no gradient of the weights. */
static const FN(method) FN(joined) = {.workspace = FN(fnn_conv2d_joined_workspace),
                                      .forward = FN(fnn_conv2d_joined_forward),
                                      .backward_data = FN(fnn_conv2d_joined_backward_data),
                                      .describe = FN(fnn_conv2d_joined_describe)};
static const FN(method) FN(whole) = {FN(fnn_conv2d_whole_workspace), FN(fnn_conv2d_whole_forward),
                                     FN(fnn_conv2d_whole_backward_data),
                                     FN(fnn_conv2d_whole_backward_weight),
                                     FN(fnn_conv2d_whole_describe)};
static const FN(method) FN(rows) = {.workspace = FN(fnn_conv2d_rows_workspace),
                                    .forward = FN(fnn_conv2d_rows_forward),
                                    .backward_data = FN(fnn_conv2d_rows_backward_data),
                                    .describe = FN(fnn_conv2d_rows_describe)};

/* The method that fnn_conv2d_choose has found before, or that of the choice, which is then told by
 * `found`; NULL if the forced algorithm cannot do the shape. */
static const FN(method) *FN(find_method)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         fnn_conv2d_pass pass, choice *found) {
    if (ctx->chosen) return ctx->chosen;
    features f = features_of(ctx, shape, !FNN_REAL_IS_F32);
    *found = choose(ctx, shape, &f, pass, !FNN_REAL_IS_F32);
    const fnn_conv2d_sizes sizes = fnn_conv2d_sizes_of(ctx, !FNN_REAL_IS_F32);
    switch (found->algorithm) {
    case FNN_AUTO: return NULL;
    case FNN_DIRECT:
        if (fnn_conv2d_depthwise_suits(ctx, shape, pass, !FNN_REAL_IS_F32)) return &FN(depthwise);
        break;
    case FNN_IM2COL:
        if (fnn_conv2d_is_whole(shape)) return &FN(whole);
#if FNN_REAL_IS_F32
        if (fnn_conv2d_takes_patches(ctx, shape, pass, 0)) return &FN(patches);
        if (fnn_conv2d_takes_rows_weight(ctx, shape, pass)) return &FN(rows_weight);
#endif
        if (FN(fnn_conv2d_joins)(ctx, shape, pass)) return &FN(joined);
        if (fnn_conv2d_takes_rows(shape, pass, &sizes, f.rows)) return &FN(rows);
        break;
    case FNN_WINOGRAD:
#if FNN_REAL_IS_F32
        if (shape->r == 1 || fnn_conv2d_flat_can(shape, pass)) return &FN(flat);
#endif
        if (shape->dilation_h > 1) return &FN(phases);
        break;
    default: break;
    }
    return &FN(methods)[found->algorithm];
}

size_t FN(fnn_conv2d_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                fnn_conv2d_pass pass) {
    if (FN(conv2d_empty)(shape, pass) || FN(conv2d_empty)(shape, FNN_FORWARD)) return 0;
    choice found;
    const FN(method) *method = FN(find_method)(ctx, shape, pass, &found);
    return method ? method->workspace(ctx, shape, pass) : 0;
}

void FN(fnn_conv2d_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                             fnn_conv2d_pass pass, fnn_conv2d_plan *plan) {
    fnn_ctx fresh = *ctx; /* which has to choose, for the reason */
    fresh.chosen = NULL;
    choice found;
    const FN(method) *method = FN(find_method)(&fresh, shape, pass, &found);
    *plan = (fnn_conv2d_plan){.algorithm = found.algorithm, .reason = found.reason};
    if (!method) return;
    if (FN(conv2d_empty)(shape, pass) || FN(conv2d_empty)(shape, FNN_FORWARD)) {
        plan->reason = "nothing to compute";
        return;
    }
    plan->workspace = method->workspace(ctx, shape, pass);
    if (method->describe) method->describe(ctx, shape, pass, plan);
}

fnn_status FN(fnn_conv2d_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace) {
    choice found;
    const FN(method) *method = FN(find_method)(ctx, shape, FNN_FORWARD, &found);
    if (!method) return FNN_UNSUPPORTED;
    if (FN(conv2d_empty)(shape, FNN_FORWARD)) return FNN_OK;
    const fnn_fpstate state = fnn_fp_flush();
    method->forward(ctx, shape, x, w, bias, y, workspace);
    fnn_fp_set(state);
    return FNN_OK;
}

fnn_status FN(fnn_conv2d_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx, void *workspace) {
    choice found;
    const FN(method) *method = FN(find_method)(ctx, shape, FNN_BACKWARD_DATA, &found);
    if (!method) return FNN_UNSUPPORTED;
    if (FN(conv2d_empty)(shape, FNN_BACKWARD_DATA)) return FNN_OK;
    if (FN(conv2d_empty)(shape, FNN_FORWARD)) {
        memset(dx, 0, (size_t)(shape->n * shape->c * shape->h * shape->w) * sizeof(real));
        return FNN_OK;
    }
    const fnn_fpstate state = fnn_fp_flush();
    method->backward_data(ctx, shape, dy, w, dx, workspace);
    fnn_fp_set(state);
    return FNN_OK;
}

fnn_status FN(fnn_conv2d_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
                                          void *workspace) {
    choice found;
    const FN(method) *method = FN(find_method)(ctx, shape, FNN_BACKWARD_WEIGHT, &found);
    if (!method) return FNN_UNSUPPORTED;
    if (FN(conv2d_empty)(shape, FNN_BACKWARD_WEIGHT) || FN(conv2d_empty)(shape, FNN_FORWARD)) {
        const ptrdiff_t count = shape->k * (shape->c / shape->groups) * shape->r * shape->s;
        if (count) memset(dw, 0, (size_t)count * sizeof(real));
        return db ? FN(fnn_conv2d_backward_bias)(ctx, shape, dy, db) : FNN_OK;
    }
    const fnn_fpstate state = fnn_fp_flush();
    method->backward_weight(ctx, shape, dy, x, dw, db, workspace);
    fnn_fp_set(state);
    return FNN_OK;
}

typedef struct FN(bias_job) {
    const FN(fnn_table) *kernels;
    const fnn_conv2d_shape *shape;
    const real *dy;
    real *db;
    ptrdiff_t tasks;
} FN(bias_job);

/* A task owns whole channels; images are added in their order. */
static void FN(bias_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(bias_job) *job = argument;
    const fnn_conv2d_shape *s = job->shape;
    (void)worker;
    const ptrdiff_t pixels = s->p * s->q, end = s->k * (task + 1) / job->tasks;
    _Alignas(FNN_LINE) real sums[BIAS_CHANNELS * FNN_LINE / sizeof(real)];
    for (ptrdiff_t k = s->k * task / job->tasks; k < end; k += BIAS_CHANNELS) {
        const ptrdiff_t some = fnn_min(end - k, BIAS_CHANNELS);
        job->kernels->conv2d_channel_sums(s->n, s->k * pixels, some, pixels, pixels,
                                          job->dy + k * pixels, 0, sums);
        job->kernels->conv2d_fold(some, sums, job->kernels->lanes, job->db + k);
    }
}

fnn_status FN(fnn_conv2d_backward_bias)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, real *db) {
    if (shape->k == 0) return FNN_OK;
    const ptrdiff_t count = shape->n * shape->k * shape->p * shape->q;
    /* the channels of a task lie side by side, and a page of them keeps the prefetcher going */
    const ptrdiff_t page = 4096 / (ptrdiff_t)sizeof(real);
    const ptrdiff_t group = fnn_ceil_div(page, fnn_max(shape->p * shape->q, 1));
    const ptrdiff_t tasks = fnn_max(fnn_min(count / BIAS_GRAIN, shape->k / group), 1);
    FN(bias_job) job = {FN(table)(ctx), shape, dy, db, tasks};
    const fnn_fpstate state = fnn_fp_flush();
    fnn_parallel(ctx->threads, tasks, FN(bias_task), &job);
    fnn_fp_set(state);
    return FNN_OK;
}
