/* Gradient of the weights by columns, which are packed transposed: a product's depth is pixels. The
 * plan and the walk over it are those of drivers/conv2d_im2col_tmpl.c. */

static void FN(pack_columns_transposed)(const void *source, ptrdiff_t k0, ptrdiff_t kc,
                                        ptrdiff_t j0, ptrdiff_t nc, real *panels) {
    const FN(columns_source) *from = source;
    const fnn_conv2d_columns *columns = &from->columns;
    const ptrdiff_t nr = from->kernels->gemm_nr, pixels = columns->rows * columns->cols;
    for (ptrdiff_t k = k0, depth; k < k0 + kc; k += depth) {
        const ptrdiff_t at = k % pixels;
        const real *planes = from->planes + k / pixels * columns->image;
        depth = fnn_min(pixels - at, k0 + kc - k);
        for (ptrdiff_t j = 0; j < nc; j += nr)
            from->kernels->conv2d_columns_transposed(columns, at, depth, j0 + j,
                                                     fnn_min(nc - j, nr), nr, planes,
                                                     panels + j * kc + (k - k0) * nr);
    }
}

/* An image's pixels of dy, summed by blocks of channels after the product has read them. */
typedef struct FN(columns_bias) {
    const FN(columns_job) *job;
    FN(bias_region) region;
    const real *dy;
    ptrdiff_t tasks;
    int add;
} FN(columns_bias);

static void FN(columns_bias_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(columns_bias) *all = argument;
    FN(bias_region) some = all->region;
    const ptrdiff_t first = some.channels * task / all->tasks;
    (void)worker;
    some.first += first;
    some.channels = some.channels * (task + 1) / all->tasks - first;
    FN(add_bias)(all->job->kernels, &all->job->sums, 0, some, all->dy + first * some.channel,
                 all->add);
}

static void FN(sum_image)(const FN(columns_job) *job, ptrdiff_t group, const real *dy, int add) {
    const FN(columns_plan) *plan = job->plan;
    const ptrdiff_t pixels = FN(y_plane)(plan);
    FN(columns_bias) all = {.job = job, .dy = dy, .add = add};
    if (!job->sums.db) return;
    all.region = (FN(bias_region)){.rows = 1, .first = group * plan->out, .channels = plan->out,
                                   .channel = pixels, .pixels = pixels};
    all.tasks = fnn_max(fnn_min(plan->out * pixels / SUMS_GRAIN, plan->out), 1);
    fnn_parallel(plan->inner.threads, all.tasks, FN(columns_bias_task), &all);
}

/* A product for each tap, part of the channels and image, of rows of x and of dy, which is turned. */
typedef struct FN(taps_band) {
    const FN(columns_job) *job;
    const real *x, *dy; /* dy from the band on, of the first channel */
    real *beside, *sums;
    ptrdiff_t images, x_image, dy_image, beside_image;
    ptrdiff_t from, rows, parts;
    int add;
} FN(taps_band);

static void FN(turn_beside)(void *argument, ptrdiff_t task, int worker) {
    const FN(taps_band) *band = argument;
    const FN(columns_plan) *plan = band->job->plan;
    const ptrdiff_t nr = band->job->kernels->gemm_nr, pixels = band->rows * plan->shape->q;
    const ptrdiff_t image = task % band->images, channel = task / band->images * nr;
    (void)worker;
    band->job->kernels->gemm_pack(
        pixels, fnn_min(plan->out - channel, nr),
        band->dy + image * band->dy_image + channel * FN(y_plane)(plan), 1, FN(y_plane)(plan),
        band->beside + image * band->beside_image + channel * pixels, nr, nr);
}

static void FN(taps_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(taps_band) *band = argument;
    const FN(columns_plan) *plan = band->job->plan;
    const fnn_conv2d_shape *s = plan->shape;
    const ptrdiff_t t = task % plan->taps, part = task / plan->taps;
    const ptrdiff_t c = plan->in * part / band->parts, nr = band->job->kernels->gemm_nr;
    const ptrdiff_t pitch = FN(beside_pitch)(plan, nr);
    /* rows and columns of the result for which the tap lies inside of x */
    const ptrdiff_t row = t / s->s * s->dilation_h - s->pad_top;
    const ptrdiff_t col = t % s->s * s->dilation_w - s->pad_left;
    const ptrdiff_t top = fnn_max(fnn_ceil_div(fnn_max(-row, 0), s->stride_h) - band->from, 0);
    const ptrdiff_t end = fnn_ceil_div(fnn_max(s->h - row, 0), s->stride_h) - band->from;
    const ptrdiff_t left = fnn_ceil_div(fnn_max(-col, 0), s->stride_w);
    const ptrdiff_t right = fnn_min(fnn_ceil_div(fnn_max(s->w - col, 0), s->stride_w), s->q);
    const ptrdiff_t high = fnn_min(end, band->rows) - top, run = right - left;
    const int some = high > 0 && run > 0;
    if (!some && band->add) return;
    const ptrdiff_t at = ((band->from + top) * s->stride_h + row) * s->w + left * s->stride_w + col;
    FN(gemm_operands) g = {
        .m = plan->in * (part + 1) / band->parts - c, .n = plan->out, .k = some ? run : 0,
        .segments = some ? high : 0,
        .a = band->x + (some ? c * FN(x_plane)(plan) + at : 0),
        .a_rs = FN(x_plane)(plan), .a_ks = s->stride_w,
        .a_jump = s->stride_h * s->w - run * s->stride_w,
        .b = band->beside + (some ? (top * s->q + left) * nr : 0), .b_ks = nr,
        .b_ps = nr * band->rows * s->q, .b_jump = (s->q - run) * nr,
        .c = band->sums + (c * plan->taps + t) * pitch, .c_rs = plan->taps * pitch,
        .accumulate = band->add};
    (void)worker;
    for (ptrdiff_t i = 0; i < (some ? band->images : 1); i++) {
        band->job->kernels->gemm_block(&g);
        g.a += band->x_image;
        g.b += band->beside_image;
        g.accumulate = 1;
    }
}

/* Sums [channel and tap][output channel] of some images, or of bands of one, turned to dw behind the
 * last. */
static void FN(taps_product)(const FN(columns_job) *job, const real *dy, const real *x,
                             ptrdiff_t images, int add, int last, real *dw, real *scratch) {
    const FN(columns_plan) *plan = job->plan;
    const fnn_conv2d_shape *s = plan->shape;
    const ptrdiff_t nr = job->kernels->gemm_nr, pitch = FN(beside_pitch)(plan, nr);
    FN(taps_band) band = {.job = job, .x = x, .sums = scratch, .add = add,
                          .beside = scratch + plan->in * plan->taps * pitch,
                          .images = images, .x_image = s->c * s->h * s->w,
                          .dy_image = s->k * s->p * s->q,
                          .beside_image = plan->beside * s->q * pitch,
                          .parts = fnn_ceil_div(plan->in, 4 * job->kernels->gemm_mr)};
    for (ptrdiff_t a = 0; a < s->p; a += plan->beside) {
        band.rows = fnn_min(plan->beside, s->p - a);
        band.from = a;
        band.dy = dy + a * s->q;
        fnn_parallel(plan->inner.threads, images * (pitch / nr), FN(turn_beside), &band);
        fnn_parallel(plan->inner.threads, plan->taps * band.parts, FN(taps_task), &band);
        band.add = 1;
    }
    const FN(gemm_operands) turned = {.m = plan->in * plan->taps, .n = plan->out, .c = dw,
                                      .c_rs = plan->in * plan->taps};
    if (last) job->kernels->gemm_turn(&turned, scratch, pitch);
}

/* dw = or += the product of some images' dy and columns, from image and group `at` on. */
static void FN(weight_product)(const FN(columns_job) *job, ptrdiff_t at, ptrdiff_t images, int add,
                               real *dw, char *scratch) {
    const FN(columns_plan) *plan = job->plan;
    const ptrdiff_t pixels = FN(y_plane)(plan), groups = plan->shape->groups;
    const ptrdiff_t x_group = plan->in * FN(x_plane)(plan), dy_group = plan->out * pixels;
    const real *dy = job->w + at * dy_group, *x = job->src + at * x_group;
    real *planes = (real *)scratch, *beside = (real *)(scratch + plan->plane_bytes);
    void *workspace = scratch + plan->plane_bytes + plan->column_bytes;
    fnn_gemm_shape gemm = plan->gemm;
    gemm.accumulate = add;
    gemm.k = images * pixels;
    if (plan->plain) {
        FN(fnn_gemm)(&plan->inner, &gemm, dy, x, NULL, dw, workspace);
        return;
    }
    if (FNN_REAL_IS_F32 && plan->by_taps) {
        FN(taps_product)(job, dy, x, images, add, at / groups + images == plan->shape->n, dw,
                         (real *)(scratch + plan->plane_bytes));
        return;
    }
    for (ptrdiff_t i = 0; plan->disjoint && i < plan->planes.bands; i++) {
        const FN(columns_band) band = FN(columns_band_of)(plan, i);
        gemm = FN(of_band)(plan, gemm, FNN_BACKWARD_WEIGHT, band.rows);
        FN(read_band)(job, &band, x, planes);
        FN(fnn_gemm)(&plan->inner, &gemm, dy + band.from * plan->shape->q, planes, NULL, dw,
                     workspace);
        gemm.accumulate = 1;
    }
    if (plan->disjoint) return;
    const FN(columns_source) source = FN(read_planes)(job, x, images, planes);
    for (ptrdiff_t i = 0; i < images && plan->images > 1; i++)
        job->kernels->gemm_pack(plan->out, pixels, dy + i * groups * dy_group, pixels, 1,
                                beside + i * pixels, gemm.a_rs,
                                fnn_round_up(pixels, job->kernels->lanes));
    FN(fnn_gemm_virtual)(&plan->inner, &gemm, plan->images > 1 ? beside : dy,
                         FN(pack_columns_transposed), &source, NULL, dw, NULL, workspace);
}

static void FN(weight_task)(void *argument, ptrdiff_t group, int worker) {
    const FN(columns_job) *job = argument;
    const FN(columns_plan) *plan = job->plan;
    const fnn_conv2d_shape *s = plan->shape;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    real *dw = job->dst + group * plan->out * plan->in * plan->taps;
    const ptrdiff_t dy_group = plan->out * FN(y_plane)(plan);
    for (ptrdiff_t n = 0; n < s->n; n += plan->images) {
        const ptrdiff_t end = fnn_min(n + plan->images, s->n);
        FN(weight_product)(job, n * s->groups + group, end - n, n > 0, dw, scratch);
        for (ptrdiff_t i = n; i < end; i++)
            FN(sum_image)(job, group, job->w + (i * s->groups + group) * dy_group, i > 0);
    }
}

void FN(fnn_conv2d_im2col_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw, real *db,
                                           void *workspace) {
    const FN(columns_plan) plan = FN(make_columns_plan)(ctx, shape, FNN_BACKWARD_WEIGHT);
    const FN(columns_job) job = {.src = x, .w = dy, .dst = dw, .sums = {.db = db}};
    FN(run_columns)(ctx, &plan, job, shape->groups, FN(weight_task), workspace);
}
