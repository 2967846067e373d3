/* A block of images is turned to pixels of channels,
 *
 *   X [16 channels][row][column][image][16]    D [panel][row][column][image][NR]
 *
 * and for each panel, 16 channels and tap a run of pixels of a row of dy, those for which the tap lies
 * inside of x, meets the run that it reads: a product of that depth, whose operands lie in one piece
 * each. Blocks are added in their order.
 *
 *   shared   X | D | sums [panel][16 channels][tap][16][NR], if there are several blocks | bias
 *   worker   sums of some channels and a panel | the same in the order of dw
 */

typedef struct FN(rows_weight) {
    const fnn_conv2d_shape *shape;
    ptrdiff_t in, out, nr, pieces, panels, taps; /* of a group */
    ptrdiff_t images, blocks;                    /* of a block */
    ptrdiff_t x_piece, d_panel, sums;            /* elements */
    int threads;
    size_t x_bytes, d_bytes, total_bytes, bias_bytes, sum_bytes, shared_bytes, worker_bytes;
} FN(rows_weight);

typedef struct FN(rows_weight_job) {
    const FN(rows_weight) *plan;
    const FN(fnn_table) *kernels;
    const real *x, *dy;
    real *dw, *turned_x, *turned_dy, *total;
    char *workers;
    FN(bias_sums) bias;
    ptrdiff_t image, images; /* of the block */
} FN(rows_weight_job);

static FN(rows_weight) FN(rows_weight_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t nr = kernels->gemm_nr;
    FN(rows_weight) plan = {.shape = s, .in = s->c / s->groups, .out = s->k / s->groups, .nr = nr,
                            .taps = s->r * s->s};
    plan.pieces = fnn_ceil_div(plan.in, SOME);
    plan.panels = fnn_ceil_div(plan.out, nr);
    plan.blocks = blocks_of(s, nr, sizeof(real));
    plan.images = fnn_ceil_div(s->n, plan.blocks);
    plan.x_piece = s->h * s->w * plan.images * SOME;
    plan.d_panel = s->p * s->q * plan.images * nr;
    plan.sums = plan.taps * SOME * nr;
    const ptrdiff_t work = s->n * s->p * s->q * plan.taps * plan.in * s->k;
    plan.threads = work < GRAIN ? 1 : ctx->threads;
    plan.x_bytes = fnn_lines((size_t)(s->groups * plan.pieces * plan.x_piece) * sizeof(real));
    plan.d_bytes = fnn_lines((size_t)(s->groups * plan.panels * plan.d_panel) * sizeof(real));
    plan.sum_bytes = fnn_lines((size_t)plan.sums * sizeof(real));
    if (plan.blocks > 1)
        plan.total_bytes = (size_t)(s->groups * plan.panels * plan.pieces) * plan.sum_bytes;
    plan.bias_bytes = FN(bias_bytes)(1, s->k, kernels->lanes);
    plan.shared_bytes = plan.x_bytes + plan.d_bytes + plan.total_bytes + plan.bias_bytes;
    plan.worker_bytes = 2 * plan.sum_bytes;
    return plan;
}

/* `channels` channels of a tensor's planes of `pixels` pixels, `width` wide in `to`. */
static void FN(rows_weight_turn)(const FN(rows_weight_job) *job, const real *from, ptrdiff_t image,
                                 ptrdiff_t channels, ptrdiff_t pixels, ptrdiff_t width, real *to) {
    for (ptrdiff_t n = 0; n < job->images; n++, from += image, to += width)
        job->kernels->conv2d_transpose(channels, pixels, from, pixels, to, job->images * width,
                                       width);
}

/* Some channels of x, and after all of these a panel of dy. */
static void FN(rows_weight_turn_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(rows_weight_job) *job = argument;
    const FN(rows_weight) *plan = job->plan;
    const fnn_conv2d_shape *s = plan->shape;
    const ptrdiff_t of_x = s->groups * plan->pieces;
    (void)worker;
    if (task < of_x) {
        const ptrdiff_t first = task % plan->pieces * SOME, pixels = s->h * s->w;
        const ptrdiff_t channel = task / plan->pieces * plan->in + first;
        FN(rows_weight_turn)(job, job->x + (job->image * s->c + channel) * pixels, s->c * pixels,
                             fnn_min(SOME, plan->in - first), pixels, SOME,
                             job->turned_x + task * plan->x_piece);
        return;
    }
    task -= of_x;
    const ptrdiff_t first = task % plan->panels * plan->nr, pixels = s->p * s->q;
    const ptrdiff_t channel = task / plan->panels * plan->out + first;
    const ptrdiff_t channels = fnn_min(plan->nr, plan->out - first);
    const real *dy = job->dy + (job->image * s->k + channel) * pixels;
    FN(rows_weight_turn)(job, dy, s->k * pixels, channels, pixels, plan->nr,
                         job->turned_dy + task * plan->d_panel);
    const FN(bias_region) region = {.rows = job->images, .row = s->k * pixels, .first = channel,
                                    .channels = channels, .channel = pixels, .pixels = pixels};
    FN(add_bias)(job->kernels, &job->bias, 0, region, dy, job->image > 0);
}

static void FN(rows_weight_product_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(rows_weight_job) *job = argument;
    const FN(rows_weight) *plan = job->plan;
    const fnn_conv2d_shape *s = plan->shape;
    const ptrdiff_t piece = task % plan->pieces, panel = task / plan->pieces, nr = plan->nr;
    const ptrdiff_t group = panel / plan->panels, slab = panel % plan->panels;
    const ptrdiff_t first = piece * SOME, channels = fnn_min(SOME, plan->in - first);
    const ptrdiff_t outs = fnn_min(nr, plan->out - slab * nr), images = job->images;
    char *own = job->workers + (size_t)worker * plan->worker_bytes;
    real *sums = (real *)(void *)own, *ordered = (real *)(void *)(own + plan->sum_bytes);
    if (job->total) sums = job->total + task * (ptrdiff_t)(plan->sum_bytes / sizeof(real));
    FN(gemm_operands) g = {.m = channels, .n = fnn_round_up(outs, job->kernels->lanes), .a_rs = 1,
                           .a_ks = SOME, .b_ks = nr, .b_ps = nr, .c = sums, .c_rs = nr};
    FN(winograd_depth_fn) *const depth =
        channels == SOME && g.n == nr ? job->kernels->winograd_depth : NULL;
    const real *x = job->turned_x + (group * plan->pieces + piece) * plan->x_piece;
    const real *d = job->turned_dy + panel * plan->d_panel;
    const int last = job->image + images == s->n;
    const ptrdiff_t row = plan->in * plan->taps;
    real *dw = job->dw + (group * plan->out + slab * nr) * row + first * plan->taps;
    for (ptrdiff_t tap = 0; tap < plan->taps; tap++, g.c += SOME * nr) {
        if (last) /* short runs far apart, which no prefetcher of the processor follows */
            for (ptrdiff_t o = outs * tap / plan->taps; o < outs * (tap + 1) / plan->taps; o++)
                for (ptrdiff_t i = 0; i < channels * plan->taps;
                     i += FNN_LINE / (ptrdiff_t)sizeof(real))
                    __builtin_prefetch(dw + o * row + i, 1);
        const ptrdiff_t down = tap / s->s * s->dilation_h - s->pad_top;
        const ptrdiff_t right = tap % s->s * s->dilation_w - s->pad_left;
        ptrdiff_t top, end, left, until;
        inside(down, s->h, s->p, &top, &end);
        inside(right, s->w, s->q, &left, &until);
        const ptrdiff_t run = (until - left) * images;
        const int whole = until - left == s->q && s->q == s->w; /* rows are neighbours */
        const ptrdiff_t rows = whole ? fnn_max(CHAIN / run, 1) : 1;
        g.accumulate = job->image > 0;
        if (!g.accumulate && (run <= 0 || top == end))
            memset(g.c, 0, (size_t)(SOME * nr) * sizeof(real));
        for (ptrdiff_t p = run > 0 ? top : end; p < end; p += rows) {
            g.k = run * fnn_min(rows, end - p);
            g.a = x + ((p + down) * s->w + left + right) * images * SOME;
            g.b = d + (p * s->q + left) * images * nr;
            if (depth)
                depth(g.k, g.a, g.b, g.accumulate, g.c);
            else
                job->kernels->gemm_block(&g);
            g.accumulate = 1;
        }
    }
    if (!last) return;
    for (ptrdiff_t tap = 0; tap < plan->taps; tap++)
        for (ptrdiff_t c = 0; c < channels; c++)
            memcpy(ordered + (c * plan->taps + tap) * nr, sums + (tap * SOME + c) * nr,
                   (size_t)nr * sizeof(real));
    job->kernels->conv2d_transpose(channels * plan->taps, outs, ordered, nr, dw, row,
                                   channels * plan->taps);
}

size_t FN(fnn_conv2d_rows_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                            fnn_conv2d_pass pass) {
    (void)pass;
    const FN(rows_weight) plan = FN(rows_weight_plan)(ctx, shape);
    return plan.shared_bytes + (size_t)plan.threads * plan.worker_bytes;
}

void FN(fnn_conv2d_rows_weight_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    (void)pass;
    const FN(rows_weight) plan = FN(rows_weight_plan)(ctx, shape);
    to->kernel = "winograd_depth, or gemm: a product of pixels for each tap";
    fnn_conv2d_note(to, "input channels at a time", SOME);
    fnn_conv2d_note(to, "panels", plan.panels);
    fnn_conv2d_note(to, "panel channels", plan.nr);
    fnn_conv2d_note(to, "images a block", plan.images);
    fnn_conv2d_note(to, "blocks", plan.blocks);
}

void FN(fnn_conv2d_rows_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *x, real *dw, real *db,
                                         void *workspace) {
    const FN(rows_weight) plan = FN(rows_weight_plan)(ctx, shape);
    const FN(fnn_table) *kernels = FN(table)(ctx);
    char *at = workspace;
    FN(rows_weight_job) job = {.plan = &plan, .kernels = kernels, .x = x, .dy = dy, .dw = dw};
    job.turned_x = (real *)(void *)at, at += plan.x_bytes;
    job.turned_dy = (real *)(void *)at, at += plan.d_bytes;
    if (plan.blocks > 1) job.total = (real *)(void *)at;
    at += plan.total_bytes;
    job.bias = (FN(bias_sums)){db, (real *)(void *)at, shape->k, kernels->lanes};
    job.workers = at + plan.bias_bytes;
    for (ptrdiff_t n = 0; n < shape->n; n += plan.images) {
        job.image = n, job.images = fnn_min(plan.images, shape->n - n);
        fnn_parallel(plan.threads, shape->groups * (plan.pieces + plan.panels),
                     FN(rows_weight_turn_task), &job);
        fnn_parallel(plan.threads, shape->groups * plan.panels * plan.pieces,
                     FN(rows_weight_product_task), &job);
    }
    FN(finish_bias)(kernels, &job.bias, 1);
}
