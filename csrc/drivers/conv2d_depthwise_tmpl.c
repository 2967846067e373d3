/* The three passes by the kernels of kernels/conv2d_window.h, for one element type; lanes of groups
 * and single taps have drivers of their own, which are called from here.
 *
 * Forward and backward-data are the same plan: every group turns `in` source planes into `out`
 * result planes. Backward-data of stride 1 is the same with the windows turned by half a turn.
 * Tasks are runs of groups of one image, or bands of rows of one group. Workspace:
 *
 *   shared   weight                    sums for the bias
 *            backward-data, stride 1   the weights from last to first: windows, turned, of last groups first
 *   worker   weight                    [FOLD gradients of windows][tap] vectors of partial sums */

typedef struct FN(depthwise_plan) {
    fnn_conv2d_window window;
    const FN(fnn_table) *kernels, *rest; /* which takes the last columns of strips */
    int spread, narrow;                  /* conv2d_spread, conv2d_short instead of conv2d_window */
    ptrdiff_t images, groups, in, out;   /* channels per group */
    ptrdiff_t src_plane, dst_plane, rows; /* rows of a result */
    ptrdiff_t w_in, w_out, w_group;      /* strides of the weights */
    ptrdiff_t taps, turned;              /* of a window; weights that are turned */
    ptrdiff_t run, runs, bands, block;   /* groups of a task; bands of rows; rows of a call */
} FN(depthwise_plan);

typedef struct FN(depthwise_job) {
    const FN(depthwise_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *src, *w, *bias;
    real *dst;
    FN(finishing) finishing;
    int past; /* the caches */
} FN(depthwise_job);

static FN(depthwise_plan) FN(make_depthwise_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                                  int backward, int narrow) {
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups, taps = s->r * s->s;
    FN(depthwise_plan) plan = {.window = conv2d_window(s), .images = s->n, .groups = s->groups,
                               .in = c, .out = k, .src_plane = s->h * s->w,
                               .dst_plane = s->p * s->q, .rows = s->p, .taps = taps,
                               .w_in = taps, .w_out = c * taps, .w_group = k * c * taps,
                               .narrow = narrow};
    if (backward) {
        plan.in = k, plan.out = c, plan.w_in = c * taps, plan.w_out = taps;
        plan.src_plane = s->p * s->q, plan.dst_plane = s->h * s->w, plan.rows = s->h;
        plan.spread = s->stride_h == 2;
        if (!plan.spread) {
            plan.turned = s->k * c * taps;
            plan.w_in = -plan.w_in, plan.w_out = -plan.w_out, plan.w_group = -plan.w_group;
            fnn_conv2d_window *window = &plan.window;
            window->in_rows = s->p, window->in_cols = s->q;
            window->out_rows = s->h, window->out_cols = s->w;
            window->top = (s->r - 1) * s->dilation_h - s->pad_top;
            window->left = (s->s - 1) * s->dilation_w - s->pad_left;
        }
    }
    plan.window.strips =
        !narrow && strips_suit(ctx, s, backward ? FNN_BACKWARD_DATA : FNN_FORWARD);
    const int half = plan.window.strips && strips_halve(ctx, s, plan.window.out_cols);
    plan.kernels = FN(table_of)(half ? ctx->halves : ctx->kernels);
    if (plan.window.strips) {
        plan.window.to = strips_stop(ctx, s, plan.window.out_cols);
        if (plan.window.to < plan.window.out_cols) plan.rest = FN(table_of)(ctx->halves);
    }
    const ptrdiff_t work = fnn_max(plan.in * plan.out * taps * s->p * s->q, 1);
    plan.run = fnn_min(fnn_ceil_div(GRAIN, work), plan.groups);
    plan.runs = fnn_ceil_div(plan.groups, plan.run);
    plan.bands = fnn_max(fnn_min(work / (2 * GRAIN), plan.rows / 32), 1);
    const ptrdiff_t row =
        plan.in * plan.src_plane / fnn_max(plan.rows, 1) * (ptrdiff_t)sizeof(real);
    plan.block = plan.out > 1 && plan.in > 1 ? fnn_max(BLOCK_BYTES / fnn_max(row, 1), 8) / 8 * 8
                                             : plan.rows;
    return plan;
}

FNN_INLINE void FN(call_window)(const FN(depthwise_job) *job, const fnn_conv2d_walk *walk,
                                ptrdiff_t first, ptrdiff_t last, const real *src, const real *w,
                                const real *bias, real *dst) {
    const fnn_conv2d_window *window = &job->plan->window;
    if (job->plan->narrow)
        job->kernels->conv2d_short(window, walk, first, last, src, w, bias, dst);
    else if (job->plan->spread)
        job->kernels->conv2d_spread(window, walk, first, last, src, w, dst);
    else
        job->kernels->conv2d_window(window, walk, first, last, src, w, bias, dst);
    if (job->plan->rest) {
        fnn_conv2d_window end = *window;
        end.from = window->to, end.to = window->out_cols;
        job->plan->rest->conv2d_window(&end, walk, first, last, src, w, bias, dst);
    }
}

/* Rows first .. last of groups g .. g + count of one image. If either side has one channel the
 * groups are the kernel's planes, else the results of a group, a block of rows at a time. */
static void FN(depthwise_groups)(const FN(depthwise_job) *job, ptrdiff_t image, ptrdiff_t g,
                                 ptrdiff_t count, ptrdiff_t first, ptrdiff_t last,
                                 const real *w) {
    const FN(depthwise_plan) *plan = job->plan;
    const ptrdiff_t in = plan->in, out = plan->out, at = image * plan->groups + g;
    const real *src = job->src + at * in * plan->src_plane;
    const real *bias = job->bias ? job->bias + g * out : NULL;
    real *dst = job->dst + at * out * plan->dst_plane;
    fnn_conv2d_walk walk = {.channels = in, .src_channel = plan->src_plane,
                            .w_channel = plan->w_in, .past = job->past};
    if (in == 1 || out == 1) {
        walk.planes = count, walk.src_plane = in * plan->src_plane;
        walk.dst_plane = out * plan->dst_plane, walk.bias_plane = out;
        walk.w_plane = plan->w_group;
        for (ptrdiff_t k = 0; k < out; k++)
            FN(call_window)(job, &walk, first, last, src, w + k * plan->w_out,
                            bias ? bias + k : NULL, dst + k * plan->dst_plane);
        return;
    }
    walk.planes = out, walk.dst_plane = plan->dst_plane, walk.w_plane = plan->w_out;
    walk.bias_plane = 1;
    for (ptrdiff_t i = 0; i < count; i++) {
        for (ptrdiff_t row = first; row < last; row += plan->block)
            FN(call_window)(job, &walk, row, fnn_min(row + plan->block, last), src, w, bias, dst);
        src += in * plan->src_plane;
        dst += out * plan->dst_plane;
        w += plan->w_group;
        if (bias) bias += out;
    }
}

static void FN(depthwise_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(depthwise_job) *job = argument;
    const FN(depthwise_plan) *plan = job->plan;
    const ptrdiff_t band = task % plan->bands, run = task / plan->bands % plan->runs;
    const ptrdiff_t g = plan->groups * run / plan->runs;
    const ptrdiff_t count = plan->groups * (run + 1) / plan->runs - g;
    const ptrdiff_t image = task / (plan->bands * plan->runs);
    (void)worker;
    const ptrdiff_t first = plan->rows * band / plan->bands;
    const ptrdiff_t last = plan->rows * (band + 1) / plan->bands;
    const ptrdiff_t width = plan->dst_plane / fnn_max(plan->rows, 1);
    FN(depthwise_groups)(job, image, g, count, first, last, job->w + g * plan->w_group);
    FN(finish)(job->kernels, &job->finishing,
               (FN(region)){count * plan->out, plan->dst_plane, last - first, width, width},
               (image * plan->groups + g) * plan->out * plan->dst_plane + first * width);
}

static void FN(depthwise_run)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                              const FN(depthwise_plan) *plan, const real *src, const real *w,
                              const real *bias, real *dst, real *turned) {
    for (ptrdiff_t i = 0, last = plan->turned - 1; i <= last; i++) turned[i] = w[last - i];
    FN(depthwise_job) job = {plan, plan->kernels, src,
                             plan->turned ? turned + plan->turned - plan->taps : w, bias, dst,
                             FN(finishing_of)(shape, dst),
                             goes_past(ctx, shape, dst, plan->window.out_cols * sizeof(real))};
    const ptrdiff_t tasks = plan->images * plan->runs * plan->bands;
    fnn_parallel(ctx->threads, tasks, FN(depthwise_task), &job);
}

/* A window of one pixel on every pixel of one channel: src by weights. */
typedef struct FN(scale_job) {
    const fnn_conv2d_shape *shape;
    const FN(fnn_table) *kernels;
    const real *src, *w, *bias;
    real *dst;
    FN(finishing) finishing;
    ptrdiff_t runs;
} FN(scale_job);

static void FN(scale_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(scale_job) *job = argument;
    const ptrdiff_t channels = job->shape->c, pixels = job->shape->h * job->shape->w;
    const ptrdiff_t run = task % job->runs, c = channels * run / job->runs;
    const ptrdiff_t at = (task / job->runs * channels + c) * pixels;
    const ptrdiff_t count = channels * (run + 1) / job->runs - c;
    (void)worker;
    job->kernels->conv2d_scale(count, pixels, job->src + at, job->w + c,
                               job->bias ? job->bias + c : NULL, job->dst + at);
    FN(finish)(job->kernels, &job->finishing, (FN(region)){count, pixels, 1, pixels, pixels}, at);
}

static void FN(scale_run)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, const real *src,
                          const real *w, const real *bias, real *dst) {
    const ptrdiff_t run = fnn_ceil_div(SCALE_GRAIN, s->h * s->w);
    const FN(scale_job) job = {s, FN(table)(ctx), src, w, bias, dst, FN(finishing_of)(s, dst),
                               fnn_ceil_div(s->c, run)};
    fnn_parallel(ctx->threads, s->n * job.runs, FN(scale_task), (void *)&job);
}

void FN(fnn_conv2d_depthwise_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      const real *x, const real *w, const real *bias, real *y,
                                      void *workspace) {
    const way way = choose_way(ctx, shape, FNN_FORWARD, !FNN_REAL_IS_F32);
    if (way == WAY_SCALE) {
        FN(scale_run)(ctx, shape, x, w, bias, y);
        return;
    }
    if (way == WAY_FEW) {
        FN(fnn_conv2d_few_forward)(ctx, shape, x, w, bias, y);
        return;
    }
#if FNN_REAL_IS_F32
    if (way == WAY_NEAR) {
        FN(fnn_conv2d_near_forward)(ctx, shape, x, w, bias, y, workspace);
        return;
    }
#endif
    if (way == WAY_LANES) {
        FN(fnn_conv2d_lanes_forward)(ctx, shape, x, w, bias, y, workspace);
        return;
    }
    const FN(depthwise_plan) plan = FN(make_depthwise_plan)(ctx, shape, 0, way == WAY_SHORT);
    FN(depthwise_run)(ctx, shape, &plan, x, w, bias, y, workspace);
}

void FN(fnn_conv2d_depthwise_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                            const real *dy, const real *w, real *dx,
                                            void *workspace) {
    const way way = choose_way(ctx, shape, FNN_BACKWARD_DATA, !FNN_REAL_IS_F32);
    if (way == WAY_SCALE) {
        FN(scale_run)(ctx, shape, dy, w, NULL, dx);
        return;
    }
    if (way == WAY_FEW) {
        FN(fnn_conv2d_few_backward_data)(ctx, shape, dy, w, dx);
        return;
    }
#if FNN_REAL_IS_F32
    if (way == WAY_NEAR) {
        FN(fnn_conv2d_near_backward_data)(ctx, shape, dy, w, dx, workspace);
        return;
    }
#endif
    if (way == WAY_LANES) {
        FN(fnn_conv2d_lanes_backward_data)(ctx, shape, dy, w, dx, workspace);
        return;
    }
    const FN(depthwise_plan) plan = FN(make_depthwise_plan)(ctx, shape, 1, way == WAY_SHORT);
    FN(depthwise_run)(ctx, shape, &plan, dy, w, NULL, dx, workspace);
}

typedef struct FN(depthwise_weight_job) {
    const fnn_conv2d_shape *shape;
    const FN(fnn_table) *kernels;
    const real *dy, *x;
    real *dw;
    FN(bias_sums) bias;
    int narrow, strips; /* conv2d_short_weight; windows by strips */
    ptrdiff_t tasks;
    size_t worker_bytes;
    char *workers;
} FN(depthwise_weight_job);

/* The kernels of a gradient: where vectors take two turns, strips may be of half a vector. */
static FNN_NOINLINE const FN(fnn_table) *FN(weight_table)(const fnn_ctx *ctx,
                                                          const fnn_conv2d_shape *s, way way) {
    const int half = way == WAY_WINDOW && weight_strips_suit(ctx, s) && strips_halve(ctx, s, s->q);
    return FN(table_of)(half ? ctx->halves : ctx->kernels);
}

/* A run of windows (output channel, input channel of its group): they are neighbours in dw. */
static void FN(depthwise_weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(depthwise_weight_job) *job = argument;
    const fnn_conv2d_shape *s = job->shape;
    fnn_conv2d_window window = conv2d_window(s);
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups, taps = s->r * s->s;
    const ptrdiff_t x_plane = s->h * s->w, dy_plane = s->p * s->q, lanes = job->kernels->lanes;
    const ptrdiff_t end = s->k * c * (task + 1) / job->tasks;
    FN(bias_region) planes = {.rows = s->n, .row = s->k * dy_plane, .channel = dy_plane,
                              .pixels = dy_plane};
    real *sums = (real *)(job->workers + (size_t)worker * job->worker_bytes);
    window.strips = job->strips;
    const ptrdiff_t fold = job->narrow ? FOLD : FOLD / 2; /* where planes share L1 with the sums */
    for (ptrdiff_t i = s->k * c * task / job->tasks; i < end; i += fold) {
        const ptrdiff_t some = fnn_min(end - i, fold);
        for (ptrdiff_t n = 0; n < (job->narrow ? s->n : 0); n += IMAGES)
            job->kernels->conv2d_short_weight(&window, some, fnn_min(s->n - n, IMAGES), s->c * x_plane,
                                              s->k * dy_plane, n > 0,
                                              job->x + (n * s->c + i) * x_plane,
                                              job->dy + (n * s->k + i) * dy_plane, sums);
        planes.first = i;
        planes.channels = some;
        if (job->narrow)
            FN(add_bias)(job->kernels, &job->bias, 0, planes, job->dy + i * dy_plane, 0);
        for (ptrdiff_t j = i; j < (job->narrow ? i : i + some); j++) {
            const ptrdiff_t out = j / c, in = out / k * c + j % c;
            job->kernels->conv2d_window_weight(&window, s->n, s->c * x_plane, s->k * dy_plane,
                                               job->x + in * x_plane, job->dy + out * dy_plane,
                                               sums + (j - i) * taps * lanes);
            planes.first = out;
            planes.channels = 1;
            if (j % c == 0) /* a channel's first window */
                FN(add_bias)(job->kernels, &job->bias, 0, planes, job->dy + out * dy_plane, 0);
        }
        job->kernels->conv2d_fold(some * taps, sums, lanes, job->dw + i * taps);
    }
}

/* Weights of 1x1 windows: dot products of each channel's planes of dy and x, as they lie. */
static void FN(scale_weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(depthwise_weight_job) *job = argument;
    const ptrdiff_t channels = job->shape->k, pixels = job->shape->p * job->shape->q;
    const ptrdiff_t end = channels * (task + 1) / job->tasks;
    FN(bias_region) plane = {.rows = 1, .channels = 1, .pixels = pixels};
    FN(gemm_operands) g = {.m = 1, .n = 1, .k = pixels, .a_ks = 1};
    (void)worker;
    for (ptrdiff_t c = channels * task / job->tasks; c < end; c++) {
        plane.first = c;
        g.c = job->dw + c;
        for (ptrdiff_t n = 0; n < job->shape->n; n++) {
            g.a = job->dy + (n * channels + c) * pixels;
            g.b = job->x + (n * channels + c) * pixels;
            g.accumulate = n > 0;
            job->kernels->gemm_dot(&g);
            FN(add_bias)(job->kernels, &job->bias, 0, plane, g.a, n > 0);
        }
    }
}

FNN_INLINE size_t FN(depthwise_worker_bytes)(const fnn_ctx *ctx, const fnn_conv2d_shape *s) {
    return fnn_lines((size_t)(FOLD * s->r * s->s * FN(table)(ctx)->lanes) * sizeof(real));
}

size_t FN(fnn_conv2d_depthwise_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          fnn_conv2d_pass pass) {
    const way way = choose_way(ctx, shape, pass, !FNN_REAL_IS_F32);
    if (pass != FNN_BACKWARD_WEIGHT && (way == WAY_SCALE || way == WAY_FEW)) return 0;
    if (way == WAY_LANES) return FN(fnn_conv2d_lanes_workspace)(ctx, shape, pass);
#if FNN_REAL_IS_F32
    if (way == WAY_NEAR) return FN(fnn_conv2d_near_workspace)(ctx, shape, pass);
#endif
#if FNN_REAL_IS_F32
    if (way == WAY_THREE) return FN(three_weight_workspace)(ctx, shape);
#endif
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    if (pass == FNN_BACKWARD_WEIGHT)
        return FN(bias_bytes)(1, shape->k, FN(table)(ctx)->lanes) +
               workers * FN(depthwise_worker_bytes)(ctx, shape);
    const FN(depthwise_plan) plan =
        FN(make_depthwise_plan)(ctx, shape, pass == FNN_BACKWARD_DATA, way == WAY_SHORT);
    return fnn_lines((size_t)plan.turned * sizeof(real));
}

void FN(fnn_conv2d_depthwise_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                              const real *dy, const real *x, real *dw, real *db,
                                              void *workspace) {
    const way way = choose_way(ctx, shape, FNN_BACKWARD_WEIGHT, !FNN_REAL_IS_F32);
    if (way == WAY_LANES) {
        FN(fnn_conv2d_lanes_backward_weight)(ctx, shape, dy, x, dw, db, workspace);
        return;
    }
#if FNN_REAL_IS_F32
    if (way == WAY_THREE) {
        FN(three_weight)(ctx, shape, dy, x, dw, db, workspace);
        return;
    }
#endif
    const ptrdiff_t windows = shape->k * (shape->c / shape->groups);
    const ptrdiff_t work = fnn_max(shape->n * shape->p * shape->q * shape->r * shape->s, 1);
    FN(depthwise_weight_job) job = {
        .shape = shape, .kernels = FN(weight_table)(ctx, shape, way), .dy = dy, .x = x, .dw = dw,
        .narrow = way == WAY_SHORT, .strips = weight_strips_suit(ctx, shape),
        .tasks = fnn_ceil_div(windows, fnn_min(fnn_ceil_div(GRAIN, work), windows)),
        .worker_bytes = FN(depthwise_worker_bytes)(ctx, shape)};
    job.bias = (FN(bias_sums)){db, workspace, shape->k, job.kernels->lanes};
    job.workers = (char *)workspace + FN(bias_bytes)(1, shape->k, job.kernels->lanes);
    fnn_parallel(ctx->threads, job.tasks,
                 way == WAY_SCALE ? FN(scale_weight_task) : FN(depthwise_weight_task), &job);
    FN(finish_bias)(job.kernels, &job.bias, 1);
}

void FN(fnn_conv2d_depthwise_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const way way = choose_way(ctx, shape, pass, !FNN_REAL_IS_F32);
    if (way == WAY_LANES) {
        FN(fnn_conv2d_lanes_describe)(ctx, shape, pass, to);
        return;
    }
    if (way == WAY_SCALE || way == WAY_FEW || way == WAY_NEAR) {
        to->kernel = pass == FNN_BACKWARD_WEIGHT ? "gemm_dot"
                     : way == WAY_SCALE          ? "conv2d_scale"
                     : way == WAY_NEAR           ? "conv2d_near"
                     : pass == FNN_BACKWARD_DATA ? "conv2d_few_spread"
                                                 : "conv2d_few";
        fnn_conv2d_note(to, "channels", shape->c);
        return;
    }
    const int narrow = way == WAY_SHORT, weight = pass == FNN_BACKWARD_WEIGHT;
    const FN(depthwise_plan) plan =
        FN(make_depthwise_plan)(ctx, shape, pass == FNN_BACKWARD_DATA, narrow);
    const ptrdiff_t row = pass == FNN_BACKWARD_DATA ? shape->w : shape->q;
    const ptrdiff_t lanes = (weight ? FN(weight_table)(ctx, shape, way) : plan.kernels)->lanes;
    to->kernel = narrow        ? (weight ? "conv2d_short_weight" : "conv2d_short")
                 : way == WAY_THREE ? "conv2d_three_weight"
                 : weight      ? "conv2d_window_weight"
                 : plan.spread ? "conv2d_spread"
                                             : "conv2d_window";
    fnn_conv2d_note(to, "groups", shape->groups);
    if (pass != FNN_BACKWARD_WEIGHT) {
        fnn_conv2d_note(to, "groups a task", plan.run);
        fnn_conv2d_note(to, "bands", plan.bands);
    }
    fnn_conv2d_note(to, "lanes", lanes);
    to->share = (double)row / (double)fnn_round_up(row, lanes);
    to->basis = "at most: lanes that a row fills; loads and memory left out";
}
