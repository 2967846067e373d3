/* The gradient of few 3x3 windows by three results at a time (conv2d_three_weight): bands of rows of
 * an image lie in L1 while all channels of x meet dy. Parts of the images are summed apart, and
 * added in their order. Workspace: sums for the bias | [part][k][channel][9] vectors of sums. */

typedef struct FN(three_job) {
    const fnn_conv2d_shape *shape;
    const FN(fnn_table) *kernels;
    const real *dy, *x;
    FN(bias_sums) bias;
    real *sums;
    ptrdiff_t parts, part; /* elements of a part's sums */
} FN(three_job);

FNN_INLINE ptrdiff_t FN(three_parts)(const fnn_conv2d_shape *s) {
    const ptrdiff_t work = s->n * s->p * s->q * s->c * s->k * 9;
    return fnn_max(fnn_min(fnn_min(work / GRAIN, THREE_PARTS), s->n), 1);
}

static void FN(three_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(three_job) *job = argument;
    const fnn_conv2d_shape *s = job->shape;
    const fnn_conv2d_window window = conv2d_window(s);
    const ptrdiff_t plane = s->p * s->q, row = (s->c + s->k) * s->w * (ptrdiff_t)sizeof(real);
    const ptrdiff_t band = fnn_max(THREE_BYTES / row, 1), lanes = job->kernels->lanes;
    const ptrdiff_t from = s->n * task / job->parts, to = s->n * (task + 1) / job->parts;
    const FN(bias_region) all = {.rows = 1, .channels = s->k, .channel = plane, .pixels = plane};
    real *const sums = job->sums + task * job->part;
    (void)worker;
    memset(sums, 0, (size_t)job->part * sizeof(real));
    for (ptrdiff_t n = from; n < to; n++) {
        const real *const x = job->x + n * s->c * s->h * s->w;
        const real *const dy = job->dy + n * s->k * plane;
        for (ptrdiff_t first = 0; first < s->h; first += band)
            for (ptrdiff_t k = 0; k < s->k; k += 3)
                job->kernels->conv2d_three_weight(
                    &window, s->c, first, fnn_min(first + band, s->h), x, dy + k * plane,
                    sums + k * s->c * 9 * lanes);
        FN(add_bias)(job->kernels, &job->bias, task, all, dy, n > from);
    }
}

FNN_INLINE size_t FN(three_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *s) {
    const ptrdiff_t lanes = FN(table)(ctx)->lanes, parts = FN(three_parts)(s);
    return FN(bias_bytes)(parts, s->k, lanes) +
           (size_t)(parts * s->k * s->c * 9 * lanes) * sizeof(real);
}

static void FN(three_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, const real *dy,
                             const real *x, real *dw, real *db, void *workspace) {
    FN(three_job) job = {.shape = s, .kernels = FN(table)(ctx), .dy = dy, .x = x,
                         .parts = FN(three_parts)(s)};
    const ptrdiff_t lanes = job.kernels->lanes, windows = s->k * s->c * 9, n = windows * lanes;
    job.part = n;
    job.bias = (FN(bias_sums)){db, workspace, s->k, lanes};
    job.sums = (real *)(void *)((char *)workspace + FN(bias_bytes)(job.parts, s->k, lanes));
    fnn_parallel(ctx->threads, job.parts, FN(three_task), &job);
    for (ptrdiff_t part = 1; part < job.parts; part++)
        job.kernels->add(1, n, job.sums, n, 1, job.sums + part * n, n, 1, job.sums);
    job.kernels->conv2d_fold(windows, job.sums, lanes, dw);
    FN(finish_bias)(job.kernels, &job.bias, job.parts);
}
