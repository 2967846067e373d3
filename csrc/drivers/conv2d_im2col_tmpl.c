/* Per image and group, with CT = channels * taps and PQ = pixels:
 *
 *   forward          y [K][PQ]  = w [K][CT] columns(x) [CT][PQ]
 *   backward_data    columns    = w^T [CT][K] dy [K][PQ], added into dx; a block of channels
 *                                 at a time
 *   backward_weight  dw [K][CT] += dy [K][PQ] columns(x)^T [PQ][CT], image by image, or as many
 *                    small ones at a time as make a depth
 *
 * A 1x1 window on every pixel needs no columns. Where windows do not overlap, a plane of a phase is
 * a row of columns: bands of planes are the product's operand or result in place. Forward, small
 * maps of all images are one matrix of columns, whose product goes to a sheet and from there to the
 * images. Workspace:
 *
 *   shared   tap offsets | sums for the bias
 *   worker   padded planes of x or dx | columns of dx, or several images' y or dy | the product's
 *            own
 *
 * A worker is a thread that takes whole images and groups, or all threads together where there
 * are fewer of those than threads: the product's bits do not depend on its threads. */

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
    const fnn_conv2d_shape *s = plan->shape;
    fnn_conv2d_columns columns = {.taps = plan->taps, .tap = job->tap,
                                  .channel = plan->planes.channel, .x_row = plan->planes.pitch,
                                  .rows = s->p, .cols = s->q, .image = plan->planes_image};
    if (plan->deinterleaved || plan->permuted)
        columns.channel = s->h * s->w, columns.image = s->c * columns.channel;
    if (plan->deinterleaved) columns.x_row = s->stride_h * s->w, columns.step = s->s;
    if (plan->permuted) columns.place = (const int32_t *)(job->tap + plan->taps);
    return columns;
}

/* Of some images from x on, or as they lie. */
static FN(columns_source) FN(read_planes)(const FN(columns_job) *job, const real *x,
                                          ptrdiff_t images, real *planes) {
    const FN(columns_plan) *plan = job->plan;
    const ptrdiff_t plane = FN(x_plane)(plan);
    if (plan->deinterleaved || plan->permuted)
        return (FN(columns_source)){
            .kernels = job->kernels, .planes = x, .columns = FN(describe_columns)(job)};
    for (ptrdiff_t n = 0; n < images; n++)
        FN(fnn_conv2d_copy_planes)(job->kernels, &plan->planes, plan->in,
                                   x + n * plan->shape->c * plane, plane, 0, plan->shape->p,
                                   planes + n * plan->planes_image);
    return (FN(columns_source)){
        .kernels = job->kernels, .planes = planes, .columns = FN(describe_columns)(job)};
}

/* Of an image. */
static void FN(read_band)(const FN(columns_job) *job, const FN(columns_band) *band, const real *x,
                          real *planes) {
    FN(fnn_conv2d_copy_planes)(job->kernels, &job->plan->planes, job->plan->in, x,
                               FN(x_plane)(job->plan), band->from, band->rows, planes);
}

/* Padded planes of a band of dx to their places, as many at a time as L1 keeps until all of their
 * phases are there. Pixels that no window covers are in no plane. */
static void FN(write_planes)(const FN(columns_job) *job, const FN(columns_band) *band,
                             ptrdiff_t channels, const real *planes, real *dx) {
    enum { WRITTEN = (16 << 10) / sizeof(real) };
    const fnn_conv2d_planes *p = &job->plan->planes;
    const fnn_conv2d_shape *s = job->plan->shape;
    const ptrdiff_t plane = s->h * s->w, size = band->high * s->w;
    const ptrdiff_t most = fnn_max(WRITTEN / fnn_max(size, 1), 1);
    const int covered = p->copies == s->stride_h * s->stride_w &&
                        s->p * s->stride_h >= s->h + s->pad_top &&
                        s->q * s->stride_w >= s->w + s->pad_left;
    for (ptrdiff_t c = 0; c < channels; c += most, dx += most * plane) {
        const ptrdiff_t n = fnn_min(most, channels - c);
        for (ptrdiff_t k = 0; k < n && !covered; k++)
            memset(dx + k * plane + band->top * s->w, 0, (size_t)size * sizeof(real));
        for (ptrdiff_t i = 0; i < p->rows.phases; i++) {
            for (ptrdiff_t j = 0; j < p->cols.phases; j++) {
                const FN(conv2d_crop) crop =
                    FN(fnn_conv2d_phase_crop)(p, i, j, n, band->from, band->rows);
                job->kernels->conv2d_unpad(&crop, dx,
                                           planes + c * p->channel +
                                               (i * p->cols.phases + j) * p->phase);
                if (crop.twin) break;
            }
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
        job->kernels->conv2d_unpad(&crop, y + n * plan->shape->k * pixels, sheet + n * pixels);
}

static void FN(forward_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(columns_job) *job = argument;
    const FN(columns_plan) *plan = job->plan;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    void *workspace = scratch + plan->plane_bytes + plan->column_bytes;
    const ptrdiff_t at = plan->disjoint ? task / plan->planes.bands : task;
    const ptrdiff_t group = at % plan->shape->groups;
    const real *x = job->src + at * plan->in * FN(x_plane)(plan);
    const real *w = job->w + group * plan->out * plan->in * plan->taps;
    const real *bias = job->bias ? job->bias + group * plan->out : NULL;
    real *y = job->dst + at * plan->out * FN(y_plane)(plan);
    real *sheet = plan->images > 1 ? (real *)(scratch + plan->plane_bytes) : y;
    fnn_gemm_shape gemm = plan->gemm;
    gemm.bias = bias ? FNN_BIAS_PER_ROW : FNN_NO_BIAS;
    gemm.relu = job->finishing.relu;
    if (plan->plain) {
        FN(fnn_gemm)(&plan->inner, &gemm, w, x, bias, y, workspace);
    } else if (plan->disjoint) {
        const FN(columns_band) band = FN(columns_band_of)(plan, task % plan->planes.bands);
        gemm = FN(of_band)(plan, gemm, FNN_FORWARD, band.rows);
        FN(read_band)(job, &band, x, (real *)scratch);
        FN(fnn_gemm)(&plan->inner, &gemm, w, (const real *)scratch, bias,
                     y + band.from * plan->shape->q, workspace);
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
    const fnn_conv2d_shape *s = plan->shape;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    void *workspace = scratch + plan->plane_bytes + plan->column_bytes;
    const ptrdiff_t bands = plan->disjoint ? plan->planes.bands : 1;
    const ptrdiff_t block = task % plan->blocks, at = task / plan->blocks / bands;
    const ptrdiff_t group = at % s->groups;
    const ptrdiff_t c = block * plan->block, channels = fnn_min(plan->block, plan->in - c);
    const real *dy = job->src + at * plan->out * FN(y_plane)(plan);
    const real *w = job->w + (group * plan->out * plan->in + c) * plan->taps;
    real *dx = job->dst + (at * plan->in + c) * FN(x_plane)(plan);
    if (plan->plain) {
        FN(fnn_gemm)(&plan->inner, &plan->gemm, w, dy, NULL, dx, workspace);
        FN(finish)(job->kernels, &job->finishing,
                   (FN(region)){channels, FN(x_plane)(plan), s->h, s->w, s->w}, dx - job->dst);
        return;
    }
    const FN(columns_band) band = FN(columns_band_of)(plan, task / plan->blocks % bands);
    real *planes = (real *)scratch;
    real *columns = plan->disjoint ? planes : (real *)(scratch + plan->plane_bytes);
    fnn_gemm_shape gemm = FN(of_band)(plan, plan->gemm, FNN_BACKWARD_DATA, band.rows);
    gemm.m = channels * plan->taps;
    FN(fnn_gemm)(&plan->inner, &gemm, w, dy + band.from * s->q, NULL, columns, workspace);
    if (!plan->disjoint) {
        const fnn_conv2d_columns lines = FN(describe_columns)(job);
        job->kernels->conv2d_add_columns(&lines, s->p, channels, columns, planes);
    }
    FN(write_planes)(job, &band, channels, planes, dx);
    dx += band.top * s->w;
    FN(finish)(job->kernels, &job->finishing,
               (FN(region)){channels, FN(x_plane)(plan), band.high, s->w, s->w}, dx - job->dst);
}

/* Where in a channel a tap's pixels lie. */
static void FN(find_places)(const fnn_conv2d_shape *s, ptrdiff_t tap, int32_t *place) {
    for (ptrdiff_t i = 0; i < s->p; i++) {
        const ptrdiff_t row = i * s->stride_h + tap / s->s * s->dilation_h - s->pad_top;
        ptrdiff_t col = tap % s->s * s->dilation_w - s->pad_left;
        for (ptrdiff_t j = 0; j < s->q; j++, col += s->stride_w) {
            const int inside = row >= 0 && row < s->h && col >= 0 && col < s->w;
            *place++ = inside ? (int32_t)(row * s->w + col) : -1;
        }
    }
}

static void FN(run_columns)(const fnn_ctx *ctx, const FN(columns_plan) *plan, FN(columns_job) job,
                            ptrdiff_t tasks, fnn_task *task, char *workspace) {
    const fnn_conv2d_shape *s = plan->shape;
    job.plan = plan;
    job.kernels = FN(table)(ctx);
    job.finishing = FN(finishing_of)(plan->shape, job.dst);
    job.tap = (ptrdiff_t *)workspace;
    job.workers = workspace + plan->tap_bytes + plan->turned_bytes + plan->bias_bytes;
    job.sums.parts = (real *)(void *)(workspace + plan->tap_bytes + plan->turned_bytes);
    job.sums.channels = plan->shape->k;
    job.sums.width = job.kernels->lanes;
    for (ptrdiff_t t = 0; t < plan->taps; t++)
        job.tap[t] = plan->deinterleaved ? t / s->s * s->dilation_h * s->w + t % s->s
                                         : fnn_conv2d_tap_offset(&plan->planes, t / s->s, t % s->s);
    for (ptrdiff_t t = 0; FNN_REAL_IS_F32 && plan->permuted && t < plan->taps; t++)
        FN(find_places)(s, t, (int32_t *)(job.tap + plan->taps) + t * s->p * s->q);
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
    to->kernel = plan.plain                  ? "gemm"
                 : plan.disjoint                ? "gemm, padded planes as columns"
                 : plan.deinterleaved           ? "gemm, columns packed from images"
                 : plan.permuted                ? "gemm, columns permuted from images"
                 : plan.by_taps                 ? "gemm, a tap's pixels of images"
                 : pass == FNN_BACKWARD_DATA ? "gemm, columns added into padded planes"
                                             : "gemm, columns packed from padded planes";
    fnn_conv2d_note(to, "rows", plan.gemm.m);
    fnn_conv2d_note(to, "columns", plan.gemm.n);
    fnn_conv2d_note(to, "depth", plan.gemm.k);
    fnn_conv2d_note(to, "tile rows", kernels->gemm_mr);
    fnn_conv2d_note(to, "tile columns", kernels->gemm_nr);
    fnn_conv2d_note(to, "depth block",
                    plan.plain || plan.disjoint || plan.by_taps || pass == FNN_BACKWARD_DATA
                        ? FN(fnn_gemm_depth)(&plan.inner, &plan.gemm)
                        : fnn_min(kernels->gemm_kc, plan.gemm.k));
    if (plan.images > 1) fnn_conv2d_note(to, "images side by side", plan.images);
    fnn_conv2d_note(to, "products",
                    shape->groups * fnn_ceil_div(shape->n, plan.images) *
                        (plan.disjoint ? plan.planes.bands : plan.blocks));
    to->share = (double)plan.gemm.n / (double)fnn_round_up(plan.gemm.n, lanes);
    to->basis = "at most: lanes that the product's columns fill; packing and memory left out";
}

void FN(fnn_conv2d_im2col_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                   const real *w, const real *bias, real *y, void *workspace) {
    const FN(columns_plan) plan = FN(make_columns_plan)(ctx, shape, FNN_FORWARD);
    const FN(columns_job) job = {.src = x, .w = w, .bias = bias, .dst = y};
    FN(run_columns)(ctx, &plan, job, FN(columns_tasks)(&plan, FNN_FORWARD), FN(forward_task),
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
    FN(run_columns)(ctx, &plan, job, FN(columns_tasks)(&plan, FNN_BACKWARD_DATA), FN(data_task),
                    workspace);
}
