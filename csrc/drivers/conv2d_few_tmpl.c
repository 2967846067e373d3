/* Tasks are runs of groups of one image or, where these share weights, of a part of all. */
typedef struct FN(few_job) {
    fnn_conv2d_few few;
    const FN(fnn_table) *kernels;
    ptrdiff_t groups, runs, images, parts;
    int backward;
    const real *src, *w, *bias;
    real *dst;
    FN(finishing) finishing;
} FN(few_job);

static void FN(few_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(few_job) *job = argument;
    fnn_conv2d_few part = job->few, *const few = &part;
    const ptrdiff_t places = few->rows * few->cols, run = task % job->runs;
    const ptrdiff_t g = job->groups * run / job->runs;
    const ptrdiff_t count = job->groups * (run + 1) / job->runs - g;
    const ptrdiff_t first = job->images * (task / job->runs) / job->parts;
    const ptrdiff_t at = first * job->groups + g;
    const ptrdiff_t plane = job->backward ? few->plane : places;
    const real *w = job->w + g * few->taps;
    few->images = job->images * (task / job->runs + 1) / job->parts - first;
    (void)worker;
    if (job->backward)
        job->kernels->conv2d_few_spread(few, count, job->src + at * places, w,
                                        job->dst + at * plane);
    else
        job->kernels->conv2d_few(few, count, job->src + at * few->plane, w,
                                 job->bias ? job->bias + g : NULL, job->dst + at * plane);
    for (ptrdiff_t n = 0; n < few->images; n++)
        FN(finish)(job->kernels, &job->finishing, (FN(region)){count, plane, 1, plane, plane},
                   (at + n * job->groups) * plane);
}

static void FN(few_run)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, FN(few_job) *job) {
    job->kernels = FN(table)(ctx);
    job->groups = s->groups;
    job->finishing = FN(finishing_of)(s, job->dst);
    const int shared = !job->backward && job->kernels->lanes == 16 && fnn_conv2d_is_fives(&job->few);
    const ptrdiff_t pixels = s->groups * job->few.plane; /* of an image */
    job->images = s->n;
    job->parts = shared ? fnn_ceil_div(s->n, SHARED_IMAGES) : s->n;
    job->runs = fnn_max(fnn_min(s->n / fnn_max(job->parts, 1) * pixels / GRAIN_PIXELS, s->groups), 1);
    fnn_parallel(s->n * pixels > GRAIN_PIXELS ? ctx->threads : 1, job->parts * job->runs, FN(few_task),
                 job);
}

void FN(fnn_conv2d_few_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                const real *w, const real *bias, real *y) {
    FN(few_job) job = {.few = few_places(shape), .src = x, .w = w, .bias = bias, .dst = y};
    FN(few_run)(ctx, shape, &job);
}

void FN(fnn_conv2d_few_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      const real *dy, const real *w, real *dx) {
    ptrdiff_t start[FNN_CONV2D_FEW_TERMS + 1];
    fnn_conv2d_term term[FNN_CONV2D_FEW_TERMS];
    FN(few_job) job = {.few = few_places(shape), .backward = 1, .src = dy, .w = w, .dst = dx};
    few_terms(shape, start, term);
    job.few.start = start, job.few.term = term;
    FN(few_run)(ctx, shape, &job);
}
