/* Per image and group, with CT = channels * taps and PQ = pixels:
 *
 *   forward          y [K][PQ]  = w [K][CT] columns(x) [CT][PQ]
 *   backward_data    columns    = w^T [CT][K] dy [K][PQ], added into dx; a block of channels
 *                                 at a time
 *   backward_weight  dw [K][CT] += dy [K][PQ] columns(x)^T [PQ][CT], image by image, or as many
 *                    small ones at a time as make a depth
 *
 * A 1x1 window on every pixel needs no columns. Forward, small maps of all images are one matrix
 * of columns, whose product goes to a sheet and from there to the images. Workspace:
 *
 *   shared   tap offsets | sums for the bias
 *   worker   padded planes of x or dx | columns of dx, or several images' y or dy | the product's
 *            own
 *
 * A worker is a thread that takes whole images and groups, or all threads together where there
 * are fewer of those than threads: the product's bits do not depend on its threads. */

typedef struct FN(columns_plan) {
    const fnn_conv2d_shape *shape;
    fnn_conv2d_planes planes;
    fnn_gemm_shape gemm;
    fnn_ctx inner;              /* what one product runs with */
    int plain, threads;
    ptrdiff_t in, out, taps;    /* channels per group */
    ptrdiff_t images;           /* a product: forward all or one, of weights a stack */
    ptrdiff_t block, blocks;    /* backward_data: channels a task */
    ptrdiff_t planes_image;     /* elements of one image's planes */
    ptrdiff_t turned_pitch; /* of weights turned for all images, or 0 */
    size_t turned_bytes, tap_bytes, bias_bytes, plane_bytes, column_bytes, worker_bytes, workers;
} FN(columns_plan);

/* What the packing callback sees. */
typedef struct FN(columns_source) {
    const FN(fnn_table) *kernels;
    fnn_conv2d_columns columns;
    const real *planes;
} FN(columns_source);

typedef struct FN(columns_job) {
    const FN(columns_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *src, *w, *bias;
    real *dst;
    FN(bias_sums) sums;
    FN(finishing) finishing;
    ptrdiff_t *tap;
    char *workers;
} FN(columns_job);

/* Between rows of dy where a stack's images stand side by side. */
FNN_INLINE ptrdiff_t FN(stack_pitch)(const FN(columns_plan) *plan) {
    const ptrdiff_t line = FNN_LINE / sizeof(real), pixels = plan->shape->p * plan->shape->q;
    return fnn_round_up(plan->images * pixels, line) + line;
}

/* Images of one product: those whose planes L2 holds, or whose columns. */
static ptrdiff_t FN(images_of)(const FN(columns_plan) *plan, fnn_conv2d_pass pass,
                               const FN(fnn_table) *t) {
    const fnn_conv2d_shape *s = plan->shape;
    if (pass != FNN_BACKWARD_WEIGHT) return fnn_conv2d_columns_side(s, pass, t->lanes);
    const ptrdiff_t pixels = s->p * s->q, bytes = plan->planes_image * (ptrdiff_t)sizeof(real);
    return fnn_conv2d_columns_stack(
        s, fnn_min(t->gemm_kc / fnn_max(pixels, 1), STACK_BYTES / bytes));
}

static fnn_gemm_shape FN(columns_gemm)(const FN(columns_plan) *plan, fnn_conv2d_pass pass) {
    const fnn_conv2d_shape *s = plan->shape;
    const ptrdiff_t pixels = s->p * s->q, rows = plan->in * plan->taps;
    fnn_gemm_shape g = {.batch = 1};
    ptrdiff_t bytes = s->n * s->c * s->h * s->w * (ptrdiff_t)sizeof(real); /* of all of B */
    switch (pass) {
    case FNN_FORWARD:
        g.m = plan->out, g.n = plan->images * pixels, g.k = rows;
        g.a_rs = rows, g.a_cs = 1, g.b_rs = pixels, g.b_cs = 1, g.c_rs = g.n;
        break;
    case FNN_BACKWARD_DATA:
        bytes = s->n * s->k * pixels * (ptrdiff_t)sizeof(real);
        g.m = plan->block * plan->taps, g.n = pixels, g.k = plan->out;
        g.a_rs = 1, g.a_cs = rows, g.b_rs = pixels, g.b_cs = 1, g.c_rs = pixels;
        break;
    default:
        g.m = plan->out, g.n = rows, g.k = plan->images * pixels;
        g.a_rs = plan->images > 1 ? FN(stack_pitch)(plan) : pixels, g.a_cs = 1;
        g.b_rs = 1, g.b_cs = pixels, g.c_rs = rows;
    }
    g.b_far = (bytes > FAR) + (bytes * fnn_min(g.m, 128) > FARTHER) + (bytes > FARTHEST);
    return g;
}

static FN(columns_plan) FN(make_columns_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                              fnn_conv2d_pass pass) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    FN(columns_plan) plan = {.shape = s, .inner = *ctx, .plain = fnn_conv2d_is_product(s),
                             .planes = fnn_conv2d_planes_forward(s, kernels->lanes),
                             .in = s->c / s->groups, .out = s->k / s->groups,
                             .taps = s->r * s->s, .images = 1, .blocks = 1};
    const ptrdiff_t pixels = s->p * s->q, size = sizeof(real);
    plan.block = plan.in;
    plan.tap_bytes = fnn_lines((size_t)plan.taps * sizeof(ptrdiff_t));
    if (pass == FNN_BACKWARD_WEIGHT)
        plan.bias_bytes = FN(bias_bytes)(1, s->k, kernels->lanes);
    if (pass == FNN_BACKWARD_DATA && !plan.plain) {
        plan.blocks = fnn_conv2d_columns_blocks(s, size);
        plan.block = fnn_ceil_div(plan.in, plan.blocks);
        plan.column_bytes = FN(bytes)(plan.block * plan.taps * pixels);
    }
    if (!plan.plain) {
        fnn_conv2d_lay_planes(&plan.planes, s->p, kernels->lanes, size);
        plan.planes_image = plan.block * plan.planes.channel + kernels->lanes;
        plan.images = FN(images_of)(&plan, pass, kernels);
        if (plan.images > 1)
            plan.column_bytes = FN(bytes)(plan.out * (pass == FNN_FORWARD ? plan.images * pixels
                                                                         : FN(stack_pitch)(&plan)));
        plan.plane_bytes = FN(bytes)(plan.images * plan.planes_image);
    }
    const ptrdiff_t tasks =
        pass == FNN_BACKWARD_WEIGHT ? s->groups : s->n / plan.images * s->groups * plan.blocks;
    const ptrdiff_t work = s->n * s->k * plan.in * plan.taps * pixels;
    plan.threads = work > GRAIN && tasks >= ctx->threads ? ctx->threads : 1;
    if (plan.threads > 1 || work <= GRAIN) plan.inner.threads = 1;
    plan.workers = (size_t)fnn_max(fnn_min(plan.threads, FNN_MAX_THREADS), 1);
    plan.gemm = FN(columns_gemm)(&plan, pass);
    if (pass == FNN_BACKWARD_DATA && plan.plain && s->groups == 1 && s->n > 1 &&
        s->n * pixels >= TURNING) {
        plan.turned_pitch = fnn_round_up(plan.out, kernels->lanes) + kernels->lanes;
        plan.turned_bytes = FN(bytes)(plan.in * plan.turned_pitch);
        plan.gemm.a_rs = plan.turned_pitch;
        plan.gemm.a_cs = 1;
    }
    size_t product;
    if (plan.plain || pass == FNN_BACKWARD_DATA) {
        product = FN(fnn_gemm_workspace)(&plan.inner, &plan.gemm);
        /* a smaller product may be cut into larger parts */
        fnn_gemm_shape last = plan.gemm;
        last.m -= (plan.blocks * plan.block - plan.in) * plan.taps;
        if (last.m < plan.gemm.m && pass == FNN_BACKWARD_DATA) {
            const size_t bytes = FN(fnn_gemm_workspace)(&plan.inner, &last);
            if (bytes > product) product = bytes;
        }
    } else {
        product = FN(fnn_gemm_virtual_workspace)(&plan.inner, &plan.gemm);
        fnn_gemm_shape last = plan.gemm;
        last.k -= (fnn_ceil_div(s->n, plan.images) * plan.images - s->n) * pixels;
        if (last.k < plan.gemm.k) { /* fewer images */
            const size_t bytes = FN(fnn_gemm_virtual_workspace)(&plan.inner, &last);
            if (bytes > product) product = bytes;
        }
    }
    plan.worker_bytes = plan.plane_bytes + plan.column_bytes + fnn_lines(product);
    return plan;
}

FNN_INLINE ptrdiff_t FN(x_plane)(const FN(columns_plan) *plan) {
    return plan->shape->h * plan->shape->w;
}
FNN_INLINE ptrdiff_t FN(y_plane)(const FN(columns_plan) *plan) {
    return plan->shape->p * plan->shape->q;
}

static void FN(pack_columns)(const void *source, ptrdiff_t k0, ptrdiff_t kc, ptrdiff_t j0,
                             ptrdiff_t nc, real *panels) {
    const FN(columns_source) *from = source;
    const ptrdiff_t nr = from->kernels->gemm_nr;
    for (ptrdiff_t j = 0; j < nc; j += nr)
        from->kernels->conv2d_columns(&from->columns, k0, kc, j0 + j, fnn_min(nc - j, nr), nr,
                                      from->planes, panels + j * kc);
}

static fnn_conv2d_columns FN(describe_columns)(const FN(columns_job) *job) {
    const FN(columns_plan) *plan = job->plan;
    return (fnn_conv2d_columns){.taps = plan->taps, .tap = job->tap,
                                .channel = plan->planes.channel, .x_row = plan->planes.pitch,
                                .rows = plan->shape->p, .cols = plan->shape->q,
                                .image = plan->planes_image};
}

/* Of some images from x on. */
static FN(columns_source) FN(read_planes)(const FN(columns_job) *job, const real *x,
                                          ptrdiff_t images, real *planes) {
    const FN(columns_plan) *plan = job->plan;
    const ptrdiff_t plane = FN(x_plane)(plan);
    for (ptrdiff_t n = 0; n < images; n++)
        FN(copy_planes)(job->kernels, &plan->planes, plan->in, x + n * plan->shape->c * plane,
                        plane, 0, plan->shape->p, planes + n * plan->planes_image);
    return (FN(columns_source)){
        .kernels = job->kernels, .planes = planes, .columns = FN(describe_columns)(job)};
}

/* Padded planes of dx to their places. Pixels that no window covers are in no plane. */
static void FN(write_planes)(const FN(columns_job) *job, ptrdiff_t channels, const real *planes,
                             real *dx) {
    const fnn_conv2d_planes *p = &job->plan->planes;
    const ptrdiff_t twin = p->cols.stride == 2 && p->cols.phases == 2 ? p->phase : 0;
    memset(dx, 0, (size_t)(channels * FN(x_plane)(job->plan)) * sizeof(real));
    for (ptrdiff_t i = 0; i < p->rows.phases; i++) {
        for (ptrdiff_t j = 0; j < (twin ? 1 : p->cols.phases); j++) {
            const FN(conv2d_crop) crop =
                FN(phase_crop)(p, i, j, channels, 0, job->plan->shape->p);
            job->kernels->conv2d_unpad(&crop, twin, dx,
                                       planes + (i * p->cols.phases + j) * p->phase);
        }
    }
}

/* The pixels of each image from the sheet on which all stand side by side. */
static void FN(leave_sheet)(const FN(columns_job) *job, const real *sheet, real *y) {
    const FN(columns_plan) *plan = job->plan;
    const ptrdiff_t pixels = FN(y_plane)(plan);
    const FN(conv2d_crop) crop = {.planes = plan->out, .h = 1, .w = pixels, .src_plane = pixels,
                                  .row_step = 1, .col_step = 1, .rows = 1, .cols = pixels,
                                  .dst_plane = plan->gemm.n};
    for (ptrdiff_t n = 0; n < plan->images; n++)
        job->kernels->conv2d_unpad(&crop, 0, y + n * plan->shape->k * pixels, sheet + n * pixels);
}

static void FN(forward_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(columns_job) *job = argument;
    const FN(columns_plan) *plan = job->plan;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    void *workspace = scratch + plan->plane_bytes + plan->column_bytes;
    const ptrdiff_t group = task % plan->shape->groups;
    const real *x = job->src + task * plan->in * FN(x_plane)(plan);
    const real *w = job->w + group * plan->out * plan->in * plan->taps;
    const real *bias = job->bias ? job->bias + group * plan->out : NULL;
    real *y = job->dst + task * plan->out * FN(y_plane)(plan);
    real *sheet = plan->images > 1 ? (real *)(scratch + plan->plane_bytes) : y;
    fnn_gemm_shape gemm = plan->gemm;
    gemm.bias = bias ? FNN_BIAS_PER_ROW : FNN_NO_BIAS;
    gemm.relu = job->finishing.relu;
    if (plan->plain) {
        FN(fnn_gemm)(&plan->inner, &gemm, w, x, bias, y, workspace);
    } else {
        const FN(columns_source) source =
            FN(read_planes)(job, x, plan->images, (real *)scratch);
        FN(fnn_gemm_virtual)(&plan->inner, &gemm, w, FN(pack_columns), &source, bias, sheet, NULL,
                             workspace);
    }
    if (sheet != y) FN(leave_sheet)(job, sheet, y);
}

static void FN(data_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(columns_job) *job = argument;
    const FN(columns_plan) *plan = job->plan;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    void *workspace = scratch + plan->plane_bytes + plan->column_bytes;
    const ptrdiff_t block = task % plan->blocks, at = task / plan->blocks;
    const ptrdiff_t group = at % plan->shape->groups, c = block * plan->block;
    const real *dy = job->src + at * plan->out * FN(y_plane)(plan);
    const real *w = job->w + (group * plan->out * plan->in + c) * plan->taps;
    real *dx = job->dst + (at * plan->in + c) * FN(x_plane)(plan);
    const ptrdiff_t channels = fnn_min(plan->block, plan->in - c);
    if (plan->plain) {
        FN(fnn_gemm)(&plan->inner, &plan->gemm, w, dy, NULL, dx, workspace);
    } else {
        const fnn_conv2d_columns columns = FN(describe_columns)(job);
        real *planes = (real *)scratch, *column = (real *)(scratch + plan->plane_bytes);
        fnn_gemm_shape gemm = plan->gemm;
        gemm.m = channels * plan->taps;
        FN(fnn_gemm)(&plan->inner, &gemm, w, dy, NULL, column, workspace);
        job->kernels->conv2d_add_columns(&columns, plan->shape->p, channels, column, planes);
        FN(write_planes)(job, channels, planes, dx);
    }
    FN(finish)(job->kernels, &job->finishing,
               (FN(region)){channels, FN(x_plane)(plan), plan->shape->h, plan->shape->w,
                            plan->shape->w},
               dx - job->dst);
}

static void FN(run_columns)(const fnn_ctx *ctx, const FN(columns_plan) *plan, FN(columns_job) job,
                            ptrdiff_t tasks, fnn_task *task, char *workspace) {
    job.plan = plan;
    job.kernels = FN(table)(ctx);
    job.finishing = FN(finishing_of)(plan->shape, job.dst);
    job.tap = (ptrdiff_t *)workspace;
    job.workers = workspace + plan->tap_bytes + plan->turned_bytes + plan->bias_bytes;
    job.sums.parts = (real *)(void *)(workspace + plan->tap_bytes + plan->turned_bytes);
    job.sums.channels = plan->shape->k;
    job.sums.width = job.kernels->lanes;
    for (ptrdiff_t t = 0; t < plan->taps; t++)
        job.tap[t] = fnn_conv2d_tap_offset(&plan->planes, t / plan->shape->s, t % plan->shape->s);
    fnn_parallel(plan->threads, tasks, task, &job);
    FN(finish_bias)(job.kernels, &job.sums, 1);
}

size_t FN(fnn_conv2d_im2col_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass) {
    const FN(columns_plan) plan = FN(make_columns_plan)(ctx, shape, pass);
    return plan.tap_bytes + plan.turned_bytes + plan.bias_bytes +
           plan.workers * plan.worker_bytes;
}

void FN(fnn_conv2d_im2col_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const FN(columns_plan) plan = FN(make_columns_plan)(ctx, shape, pass);
    const ptrdiff_t lanes = kernels->lanes;
    to->kernel = plan.plain                   ? "gemm"
                 : pass == FNN_BACKWARD_DATA ? "gemm, columns added into padded planes"
                                             : "gemm, columns packed from padded planes";
    fnn_conv2d_note(to, "rows", plan.gemm.m);
    fnn_conv2d_note(to, "columns", plan.gemm.n);
    fnn_conv2d_note(to, "depth", plan.gemm.k);
    fnn_conv2d_note(to, "tile rows", kernels->gemm_mr);
    fnn_conv2d_note(to, "tile columns", kernels->gemm_nr);
    fnn_conv2d_note(to, "depth block",
                    plan.plain || pass == FNN_BACKWARD_DATA
                        ? FN(fnn_gemm_depth)(&plan.inner, &plan.gemm)
                        : fnn_min(kernels->gemm_kc, plan.gemm.k));
    if (plan.images > 1) fnn_conv2d_note(to, "images side by side", plan.images);
    fnn_conv2d_note(to, "products",
                    shape->groups * fnn_ceil_div(shape->n, plan.images) * plan.blocks);
    to->share = (double)plan.gemm.n / (double)fnn_round_up(plan.gemm.n, lanes);
    to->basis = "at most: lanes that the product's columns fill; packing and memory left out";
}

void FN(fnn_conv2d_im2col_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                   const real *w, const real *bias, real *y, void *workspace) {
    const FN(columns_plan) plan = FN(make_columns_plan)(ctx, shape, FNN_FORWARD);
    const FN(columns_job) job = {.src = x, .w = w, .bias = bias, .dst = y};
    FN(run_columns)(ctx, &plan, job, shape->n / plan.images * shape->groups, FN(forward_task),
                    workspace);
}

void FN(fnn_conv2d_im2col_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx, void *workspace) {
    const FN(columns_plan) plan = FN(make_columns_plan)(ctx, shape, FNN_BACKWARD_DATA);
    if (plan.turned_pitch) {
        real *turned = (real *)((char *)workspace + plan.tap_bytes);
        FN(turn_weights)(ctx, plan.in, plan.out, w, plan.turned_pitch, turned);
        w = turned;
    }
    const FN(columns_job) job = {.src = dy, .w = w, .dst = dx};
    FN(run_columns)(ctx, &plan, job, shape->n * shape->groups * plan.blocks, FN(data_task),
                    workspace);
}
