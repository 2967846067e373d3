/* Of float32 alone. Tasks are runs of planes, or of pairs of them, of all images. Workspace:
 *
 *   shared   [plane or pair][bias | tap][2] weights
 *   worker   rows of pixels, with zeros around them */

typedef struct FN(near_job) {
    fnn_conv2d_near near;
    fnn_conv2d_pick pick;
    const FN(fnn_table) *kernels;
    ptrdiff_t groups, total, tasks; /* planes or pairs of an image, of all */
    ptrdiff_t weights;              /* elements of those of a plane or pair */
    int turn;                       /* half a turn of the windows */
    const real *src;
    real *w, *dst;
    FN(finishing) finishing;
    size_t weight_bytes, worker_bytes;
    char *workers;
} FN(near_job);

/* What the next planes read and write, spread over the columns of taps of all tiles. */
static void FN(near_fetch)(FN(near_job) *job) {
    fnn_conv2d_near *near = &job->near;
    const ptrdiff_t row = near->planes * near->cols, plane = near->rows * near->row_step;
    const int whole = near->plane == plane; /* planes as one run of rows, rows as one of lines */
    const ptrdiff_t steps = fnn_ceil_div(near->out_rows, near->tile_rows) * near->width *
                            fnn_ceil_div(near->out_cols * near->planes, job->kernels->lanes);
    near->ahead = FN(look_ahead)(NULL, row == near->row_step ? plane : row, 1,
                                 row == near->row_step ? plane : near->row_step, 1, 0);
    const ptrdiff_t runs = row == near->row_step ? 1 : near->rows;
    const ptrdiff_t results = near->planes * near->out_plane * (ptrdiff_t)sizeof(real);
    near->fetch = fnn_ceil_div((whole ? near->planes : 1) * runs * near->ahead.lines, steps);
    near->fetch_to = fnn_ceil_div(results / FNN_LINE, steps);
}

static FNN_NOINLINE FN(near_job) FN(plan_near)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                  fnn_conv2d_pass pass) {
    FN(near_job) job = {.pick = near_pick(s, pass), .kernels = FN(table)(ctx),
                        .weights = 2 * (1 + s->r * s->s), .turn = pass == FNN_BACKWARD_DATA};
    const fnn_conv2d_shape *picked = &job.pick.shape;
    const ptrdiff_t planes = job.pick.col_step, rows = picked->p + s->r - 1;
    fnn_conv2d_near *near = &job.near;
    *near = (fnn_conv2d_near){
        .planes = planes, .cols = picked->w, .row_step = job.pick.row_step * job.pick.w,
        .plane = job.pick.h * job.pick.w, .top = picked->pad_top, .left = picked->pad_left,
        .rows = fnn_max(fnn_min(picked->h, rows - picked->pad_top), 0), .height = s->r,
        .width = s->s, .out_rows = picked->p, .out_cols = picked->q,
        .out_plane = picked->p * picked->q};
    near->tile = choose_tile(job.kernels->conv2d_registers, s->r, picked->p, &near->tile_rows);
    near->pitch = fnn_max(near->left + near->cols,
                          fnn_max(picked->q, job.kernels->lanes / planes) + s->s - 1);
    job.groups = s->groups / planes;
    job.total = s->n * job.groups;
    const ptrdiff_t work = fnn_max(planes * near->out_plane * s->r * s->s, 1);
    job.tasks = fnn_ceil_div(job.total, fnn_ceil_div(GRAIN, work));
    job.weight_bytes = FN(bytes)(job.groups * job.weights);
    job.worker_bytes = FN(bytes)(planes * rows * near->pitch);
    if (job.total * planes * near->plane * (ptrdiff_t)sizeof(real) > FAR_BYTES)
        FN(near_fetch)(&job);
    return job;
}

static void FN(near_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(near_job) *job = argument;
    const fnn_conv2d_pick *pick = &job->pick;
    fnn_conv2d_near near = job->near;
    const ptrdiff_t source = near.planes * near.plane, result = near.planes * near.out_plane;
    const ptrdiff_t end = job->total * (task + 1) / job->tasks;
    real *rows = (real *)(job->workers + (size_t)worker * job->worker_bytes);
    memset(rows, 0, job->worker_bytes);
    for (ptrdiff_t i = job->total * task / job->tasks; i < end; i++) {
        const real *src = job->src + i * source + pick->row * pick->w + pick->col;
        real *dst = job->dst + i * result;
        near.ahead.at = (const char *)(src + source);
        near.ahead.left = near.ahead.lines;
        near.to = (const char *)(dst + result);
        if (i + 1 == job->total) near.fetch = near.fetch_to = 0;
        job->kernels->conv2d_near(&near, src, job->w + i % job->groups * job->weights, rows, dst);
        FN(finish)(job->kernels, &job->finishing,
                   (FN(region)){near.planes, near.out_plane, 1, near.out_plane, near.out_plane},
                   i * result);
    }
}

/* Weights of two groups side by side, or those of one twice. */
static void FN(near_weights)(const FN(near_job) *job, const real *w, const real *bias) {
    const ptrdiff_t taps = job->weights / 2 - 1, planes = job->near.planes;
    const ptrdiff_t other = (planes - 1) * taps;
    real *to = job->w;
    for (ptrdiff_t i = 0; i < job->groups; i++, w += planes * taps) {
        *to++ = bias ? bias[planes * i] : 0;
        *to++ = bias ? bias[planes * i + planes - 1] : 0;
        for (ptrdiff_t t = 0; t < taps; t++) {
            const real *from = w + (job->turn ? taps - 1 - t : t);
            *to++ = from[0];
            *to++ = from[other];
        }
    }
}

static FNN_NOINLINE void FN(near_run)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                         const real *src, const real *w, const real *bias, real *dst,
                         void *workspace) {
    FN(near_job) job = FN(plan_near)(ctx, shape, pass);
    job.src = src, job.dst = dst, job.w = workspace;
    job.finishing = FN(finishing_of)(shape, dst);
    job.workers = (char *)workspace + job.weight_bytes;
    FN(near_weights)(&job, w, bias);
    fnn_parallel(ctx->threads, job.tasks, FN(near_task), &job);
}

void FN(fnn_conv2d_near_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                 const real *w, const real *bias, real *y, void *workspace) {
    FN(near_run)(ctx, shape, FNN_FORWARD, x, w, bias, y, workspace);
}

void FN(fnn_conv2d_near_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       const real *dy, const real *w, real *dx, void *workspace) {
    FN(near_run)(ctx, shape, FNN_BACKWARD_DATA, dy, w, NULL, dx, workspace);
}

size_t FN(fnn_conv2d_near_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     fnn_conv2d_pass pass) {
    const FN(near_job) job = FN(plan_near)(ctx, shape, pass);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return job.weight_bytes + workers * job.worker_bytes;
}
