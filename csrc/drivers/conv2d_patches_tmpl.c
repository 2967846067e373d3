/* Forward, a band of rows of the result at a time, for every panel of NR channels:
 *
 *   T [pixel][NR] = P [pixel][sum] w [sum][NR], turned to its planes
 *
 * (where loads may straddle lines, and windows have no padding, P is x itself, a channel at a time)
 * and the gradient of the weights, dw [channel][sum] += dy [channel][pixel] P [pixel][sum], dy in
 * place; the partial gradients of shares of all bands are added in their order.
 *
 *   shared   forward: w [group][panel][sum][NR]
 *            weights: dw [chunk][group][channel][sum] | sums of dy
 *   worker   P | rows to turn | forward: T
 */

typedef struct FN(patches_job) {
    const fnn_patches_plan *plan;
    const FN(fnn_table) *kernels;
    const fnn_conv2d_shape *shape;
    const real *x, *w, *bias; /* w: dy, of the weights */
    real *dst, *ordered;
    FN(finishing) finishing;
    FN(bias_sums) sums;
    char *workers;
} FN(patches_job);

static fnn_patches_plan FN(patches_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                         fnn_conv2d_pass pass) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes;
    fnn_patches_plan plan = {.in = s->c / s->groups, .out = s->k / s->groups,
                             .nr = kernels->gemm_nr};
    plan.high = s->dilation_h == 1 && s->r % s->stride_h == 0 ? s->stride_h : s->r;
    plan.groups = s->r / plan.high;
    plan.depth = plan.in * plan.high;
    plan.run = s->s * plan.depth;
    plan.sum = plan.groups * plan.run;
    plan.columns = (s->q - 1) * s->stride_w + s->s;
    plan.line = plan.columns * plan.depth;
    plan.panels = fnn_ceil_div(plan.out, plan.nr);
    plan.in_place = pass == FNN_FORWARD && fnn_straddles && plan.panels == 1 &&
                    s->pad_top == 0 && s->pad_left == 0 && plan.columns <= s->w &&
                    (s->p - 1) * s->stride_h + (s->r - 1) * s->dilation_h < s->h;
    const ptrdiff_t weights = s->k * plan.sum, element = sizeof(real);
    /* all weights pass for a band */
    const ptrdiff_t bytes = fnn_max(fnn_min(weights * element, MOST_PATCH_BYTES), PATCH_BYTES);
    const ptrdiff_t most = fnn_max(bytes / (plan.line * element) - plan.groups + 1, 1);
    plan.bands = fnn_ceil_div(s->p, most);
    plan.band = fnn_ceil_div(s->p, plan.bands);
    /* whole vectors and panels are stored and read behind it */
    plan.patches = FN(bytes)((plan.band + plan.groups - 1) * plan.line + plan.nr);
    plan.rows = FN(bytes)(fnn_round_up(plan.depth, lanes) * plan.columns + lanes);
    if (plan.in_place) plan.patches = plan.rows = 0;
    plan.worker = plan.patches + plan.rows;
    if (pass == FNN_FORWARD) {
        plan.shared = FN(bytes)(s->groups * plan.panels * plan.sum * plan.nr);
        plan.worker += FN(bytes)(fnn_max(plan.band * s->q, plan.sum) * plan.nr);
        return plan;
    }
    const ptrdiff_t work = s->n * s->p * s->q * weights;
    const ptrdiff_t shares = fnn_min(PARTIAL_BYTES / (weights * element), TASKS);
    plan.steps = s->n * plan.bands;
    plan.chunks = fnn_max(fnn_min(fnn_min(shares, plan.steps), work / GRAIN), 1);
    plan.shared = FN(bytes)(plan.chunks * weights) + FN(bias_bytes)(plan.chunks, s->k, lanes);
    return plan;
}

/* A worker's own room; `result`: T, or before it is needed, weights to be ordered. */
typedef struct FN(patches_desk) {
    real *patches, *rows, *result;
} FN(patches_desk);

FNN_INLINE FN(patches_desk) FN(patches_sit)(const FN(patches_job) *job, int worker) {
    char *at = job->workers + (size_t)worker * job->plan->worker;
    char *rows = at + job->plan->patches;
    return (FN(patches_desk)){(real *)(void *)at, (real *)(void *)rows,
                              (real *)(void *)(rows + job->plan->rows)};
}

FNN_INLINE ptrdiff_t FN(patches_top)(const FN(patches_job) *job, ptrdiff_t band) {
    return job->shape->p * band / job->plan->bands;
}

/* The patches of rows a0 .. a1 of the result, of a group of an image: rows with their zeros, turned
 * while L1 has them. What a last square stores in vain, columns and squares after it overwrite. */
static void FN(fill_patches)(const FN(patches_job) *job, const real *x, ptrdiff_t a0, ptrdiff_t a1,
                             const FN(patches_desk) *desk) {
    const fnn_patches_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    const ptrdiff_t lanes = job->kernels->lanes, whole = plan->depth / lanes * lanes;
    const ptrdiff_t columns = plan->columns, depth = plan->depth;
    FN(conv2d_crop) crop = {.planes = 1, .h = s->h, .w = s->w, .row_step = s->dilation_h,
                            .col = -s->pad_left, .col_step = 1, .rows = plan->high, .cols = columns,
                            .slack = lanes};
    real *to = desk->patches;
    for (ptrdiff_t a = a0; a < a1 + plan->groups - 1; a++, to += plan->line) {
        crop.row = a * s->stride_h - s->pad_top;
        for (ptrdiff_t c = 0; c < plan->in; c++)
            job->kernels->conv2d_pad(&crop, x + c * s->h * s->w,
                                     desk->rows + c * plan->high * columns);
        if (whole < depth)
            job->kernels->conv2d_transpose(lanes, columns, desk->rows + whole * columns, columns,
                                           to + whole, depth, lanes);
        if (whole)
            job->kernels->conv2d_transpose(whole, columns, desk->rows, columns, to, depth, whole);
    }
}

/* The weights of a panel in the order of patches. */
static void FN(order_patches)(void *argument, ptrdiff_t task, int worker) {
    const FN(patches_job) *job = argument;
    const fnn_patches_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    const ptrdiff_t first = task % plan->panels * plan->nr, nr = plan->nr;
    const ptrdiff_t outs = fnn_min(plan->out - first, nr);
    const real *w = job->w + (task / plan->panels * plan->out + first) * plan->sum;
    real *to = job->ordered + task * plan->sum * nr, *taps = FN(patches_sit)(job, worker).result;
    if (plan->in_place) {
        job->kernels->gemm_pack(plan->sum, outs, w, 1, plan->sum, to, nr, nr);
        return;
    }
    job->kernels->gemm_pack(plan->sum, outs, w, 1, plan->sum, taps, nr, nr);
    for (ptrdiff_t a = 0; a < plan->groups; a++)
        for (ptrdiff_t b = 0; b < s->s; b++)
            for (ptrdiff_t c = 0; c < plan->in; c++, to += plan->high * nr)
                job->kernels->gemm_pack(plan->high, nr,
                                        taps + ((c * s->r + a * plan->high) * s->s + b) * nr,
                                        s->s * nr, 1, to, nr, nr);
}

/* A band of an image's group. */
static void FN(patches_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(patches_job) *job = argument;
    const fnn_patches_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    const ptrdiff_t band = task % plan->bands, at = task / plan->bands, group = at % s->groups;
    const ptrdiff_t a0 = FN(patches_top)(job, band), rows = FN(patches_top)(job, band + 1) - a0;
    const ptrdiff_t plane = s->p * s->q, lanes = job->kernels->lanes;
    const FN(patches_desk) desk = FN(patches_sit)(job, worker);
    const real *x = job->x + at * plan->in * s->h * s->w, *from = desk.patches;
    FN(gemm_operands) g = {.k = plan->run, .a_rs = s->stride_w * plan->depth, .a_ks = 1,
                           .a_jump = plan->line - plan->run, .b_ks = plan->nr, .b_ps = plan->nr,
                           .c_rs = plan->nr, .segments = plan->groups};
    ptrdiff_t line = plan->line, parts = 1; /* of the sum */
    if (plan->in_place) {
        g.k = s->s, g.a_rs = s->stride_w, g.segments = s->r;
        g.a_jump = s->dilation_h * s->w - s->s;
        line = s->stride_h * s->w, parts = plan->in;
        from = x + a0 * line;
    } else {
        FN(fill_patches)(job, x, a0, a0 + rows, &desk);
    }
    const ptrdiff_t lines = line == s->q * g.a_rs ? 1 : rows; /* rows evenly apart are one */
    g.m = rows * s->q / lines;
    for (ptrdiff_t panel = 0; panel < plan->panels; panel++) {
        const ptrdiff_t channel = panel * plan->nr, outs = fnn_min(plan->out - channel, plan->nr);
        g.n = fnn_round_up(outs, lanes);
        const real *w = job->ordered + (group * plan->panels + panel) * plan->sum * plan->nr;
        for (ptrdiff_t i = 0; i < lines * parts; i++) {
            const ptrdiff_t c = i % parts;
            g.a = from + i / parts * line + c * s->h * s->w;
            g.b = w + c * s->r * s->s * plan->nr;
            g.c = desk.result + i / parts * s->q * plan->nr;
            g.accumulate = c > 0;
            job->kernels->gemm_block(&g);
        }
        real *y = job->dst + (at * plan->out + channel) * plane + a0 * s->q;
        const FN(gemm_operands) turned = {
            .m = rows * s->q, .n = outs, .c = y, .c_rs = plane,
            .bias_column = job->bias ? job->bias + group * plan->out + channel : NULL};
        job->kernels->gemm_turn(&turned, desk.result, plan->nr);
        FN(finish)(job->kernels, &job->finishing,
                   (FN(region)){outs, plane, rows, s->q, s->q}, y - job->dst);
    }
}

/* A share of all steps of a group. */
static void FN(patches_weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(patches_job) *job = argument;
    const fnn_patches_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    const ptrdiff_t chunk = task % plan->chunks, group = task / plan->chunks, plane = s->p * s->q;
    const FN(patches_desk) desk = FN(patches_sit)(job, worker);
    real *sums = job->ordered + (chunk * s->groups + group) * plan->out * plan->sum;
    FN(gemm_operands) g = {.m = plan->out, .n = plan->run, .a_rs = plane, .a_ks = 1,
                           .b_ks = s->stride_w * plan->depth, .b_ps = plan->nr,
                           .c_rs = plan->sum};
    g.b_jump = plan->line - s->q * g.b_ks;
    const ptrdiff_t end = plan->steps * (chunk + 1) / plan->chunks;
    for (ptrdiff_t step = plan->steps * chunk / plan->chunks; step < end; step++) {
        const ptrdiff_t at = step / plan->bands * s->groups + group, band = step % plan->bands;
        const ptrdiff_t a0 = FN(patches_top)(job, band), a1 = FN(patches_top)(job, band + 1);
        const real *dy = job->w + at * plan->out * plane + a0 * s->q;
        FN(fill_patches)(job, job->x + at * plan->in * s->h * s->w, a0, a1, &desk);
        g.a = dy;
        g.segments = g.b_jump ? a1 - a0 : 1;
        g.k = (a1 - a0) * s->q / g.segments;
        for (ptrdiff_t i = 0; i < plan->groups; i++) {
            g.b = desk.patches + i * plan->line;
            g.c = sums + i * plan->run;
            job->kernels->gemm_block(&g);
        }
        FN(add_bias)(job->kernels, &job->sums, chunk,
                     (FN(bias_region)){.rows = 1, .first = group * plan->out,
                                       .channels = plan->out, .channel = plane,
                                       .pixels = (a1 - a0) * s->q},
                     dy, g.accumulate);
        g.accumulate = 1;
    }
}

/* Sums of all chunks, and back to the order of taps. */
static void FN(collect_patches)(const FN(patches_job) *job) {
    const fnn_patches_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    const ptrdiff_t count = s->k * plan->sum;
    const real *from = job->ordered;
    for (ptrdiff_t chunk = 1; chunk < plan->chunks; chunk++)
        job->kernels->add(1, count, job->ordered, count, 1, job->ordered + chunk * count, count, 1,
                          job->ordered);
    for (ptrdiff_t k = 0; k < s->k; k++)
        for (ptrdiff_t a = 0; a < plan->groups; a++)
            for (ptrdiff_t b = 0; b < s->s; b++)
                for (ptrdiff_t c = 0; c < plan->in; c++)
                    for (ptrdiff_t r = a * plan->high; r < (a + 1) * plan->high; r++)
                        job->dst[((k * plan->in + c) * s->r + r) * s->s + b] = *from++;
}

size_t FN(fnn_conv2d_patches_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        fnn_conv2d_pass pass) {
    const fnn_patches_plan plan = FN(patches_plan)(ctx, shape, pass);
    return plan.shared + (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1) * plan.worker;
}

void FN(fnn_conv2d_patches_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const fnn_patches_plan plan = FN(patches_plan)(ctx, shape, pass);
    to->kernel = plan.in_place ? "gemm, patches in place" : "gemm, patches of pixels";
    fnn_conv2d_note(to, "depth", plan.sum);
    fnn_conv2d_note(to, "rows at a time", plan.band);
    fnn_conv2d_note(to, "bands", plan.bands);
}

static int FN(patches_threads)(const fnn_ctx *ctx, const fnn_conv2d_shape *s) {
    return s->n * s->p * s->q * s->k * (s->c / s->groups) * s->r * s->s > GRAIN ? ctx->threads : 1;
}

void FN(fnn_conv2d_patches_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    const real *x, const real *w, const real *bias, real *y,
                                    void *workspace) {
    const fnn_patches_plan plan = FN(patches_plan)(ctx, shape, FNN_FORWARD);
    FN(patches_job) job = {.plan = &plan, .kernels = FN(table)(ctx), .shape = shape, .x = x, .w = w,
                           .bias = bias, .dst = y, .ordered = workspace,
                           .finishing = FN(finishing_of)(shape, y)};
    const int threads = FN(patches_threads)(ctx, shape);
    job.workers = (char *)workspace + plan.shared;
    fnn_parallel(threads, shape->groups * plan.panels, FN(order_patches), &job);
    fnn_parallel(threads, shape->n * shape->groups * plan.bands, FN(patches_task), &job);
}

void FN(fnn_conv2d_patches_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                            const real *dy, const real *x, real *dw, real *db,
                                            void *workspace) {
    const fnn_patches_plan plan = FN(patches_plan)(ctx, shape, FNN_BACKWARD_WEIGHT);
    FN(patches_job) job = {.plan = &plan, .kernels = FN(table)(ctx), .shape = shape, .x = x,
                           .w = dy, .dst = dw, .ordered = workspace};
    const size_t partial = FN(bytes)(plan.chunks * shape->k * plan.sum);
    job.sums = (FN(bias_sums)){db, (real *)(void *)((char *)workspace + partial), shape->k,
                               job.kernels->lanes};
    job.workers = (char *)workspace + plan.shared;
    fnn_parallel(FN(patches_threads)(ctx, shape), shape->groups * plan.chunks,
                 FN(patches_weight_task), &job);
    FN(collect_patches)(&job);
    FN(finish_bias)(job.kernels, &job.sums, plan.chunks);
}
