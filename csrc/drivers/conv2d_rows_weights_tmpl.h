/* The workspace of im2col's rows of pixels, and the weights in it, for one element type. */

typedef struct FN(rows_sizes) {
    size_t weights, source, result, flat, cut, scratch; /* bytes of each */
    size_t shared, worker;
} FN(rows_sizes);

typedef struct FN(rows_job) {
    const fnn_rows_plan *plan;
    const FN(fnn_table) *kernels;
    FN(rows_sizes) sizes;
    const real *src, *w, *bias;
    real *dst, *weights;
    FN(finishing) finishing;
    char *sources, *workers;
} FN(rows_job);

/* A worker's own room. */
typedef struct FN(rows_desk) {
    real *source, *result, *flat, *cut, *scratch;
} FN(rows_desk);

enum {
    FN(ROWS_TAPS_AT_ONCE) = 16,            /* channels whose taps are sorted by class at a time */
    FN(ROWS_PICKED) = 8192 / sizeof(real)  /* picked pixels that are turned at a time */
};

/* Rows whose columns are picked at a time. */
FNN_INLINE ptrdiff_t FN(rows_at_once)(const fnn_rows_plan *plan) {
    return fnn_max(FN(ROWS_PICKED) / fnn_max(plan->cols.in * plan->depth, 1), 1);
}

FNN_INLINE size_t FN(rows_bytes)(ptrdiff_t count) { return fnn_lines((size_t)count * sizeof(real)); }

static fnn_rows_plan FN(rows_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, int backward) {
    const fnn_conv2d_sizes sizes = fnn_conv2d_sizes_of(ctx, !FNN_REAL_IS_F32);
    return fnn_conv2d_rows_plan(s, backward, &sizes, ctx->threads);
}

/* Whether weights go straight to their places: those of a channel stay together, or the products'
 * order is the taps' own or its reverse. Few taps are turned faster together with those of the next
 * channels. */
static int FN(rows_in_order)(const fnn_rows_plan *plan) {
    const int few = plan->taps > 1 && plan->taps < 16 && plan->w_in == plan->taps;
    return plan->whole || (plan->rows.classes == 1 && plan->cols.classes == 1 && !few);
}

static FN(rows_sizes) FN(rows_sizes_of)(const fnn_rows_plan *plan) {
    FN(rows_sizes) z = {.source = FN(rows_bytes)(plan->source),
                        .result = FN(rows_bytes)(plan->result),
                        .flat = FN(rows_bytes)(plan->flat)};
    ptrdiff_t scratch = FN(rows_in_order)(plan)
                            ? 0 : fnn_min(FN(ROWS_TAPS_AT_ONCE), plan->depth) * plan->taps * plan->nr;
    if (plan->gathers)
        scratch = fnn_max(scratch, FN(rows_at_once)(plan) * plan->cols.in * plan->depth);
    z.scratch = FN(rows_bytes)(scratch);
    z.weights = plan->kept ? FN(rows_bytes)(plan->groups * plan->panels * plan->in * plan->taps *
                                            plan->nr) : 0;
    z.cut = plan->kept ? 0 : FN(rows_bytes)(plan->depth * plan->taps * plan->nr);
    z.shared = z.weights + (plan->shared ? z.source * (size_t)plan->sources : 0);
    z.worker = (plan->shared ? 0 : z.source) + z.result + z.flat + z.cut + z.scratch;
    return z;
}

static FN(rows_desk) FN(rows_sit)(const FN(rows_job) *job, int worker) {
    const FN(rows_sizes) *z = &job->sizes;
    char *at = job->workers + (size_t)worker * z->worker;
    FN(rows_desk) desk;
    desk.source = (real *)(void *)at, at += job->plan->shared ? 0 : z->source;
    desk.result = (real *)(void *)at, at += z->result;
    desk.flat = (real *)(void *)at, at += z->flat;
    desk.cut = (real *)(void *)at, at += z->cut;
    desk.scratch = (real *)(void *)at;
    return desk;
}

FNN_INLINE ptrdiff_t FN(rows_depth)(const fnn_rows_plan *plan, ptrdiff_t cut) {
    return fnn_min(plan->depth, plan->in - cut * plan->depth);
}

/* Where those of a panel and a cut begin in the tensor. */
FNN_INLINE ptrdiff_t FN(weights_at)(const fnn_rows_plan *plan, ptrdiff_t group, ptrdiff_t panel,
                                    ptrdiff_t cut) {
    return group * plan->in * plan->out * plan->taps + panel * plan->nr * plan->w_out +
           cut * plan->depth * plan->w_in;
}

/* The weights of a panel and a cut in the order in which the products want their rows, or channel
 * by channel. */
static void FN(order_weights)(const FN(rows_job) *job, ptrdiff_t group, ptrdiff_t panel,
                              ptrdiff_t cut, real *to, real *scratch) {
    const fnn_rows_plan *plan = job->plan;
    const fnn_rows_axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t depth = FN(rows_depth)(plan, cut), nr = plan->nr, taps = plan->taps;
    const ptrdiff_t outs = fnn_min(nr, plan->out - panel * nr);
    const real *w = job->w + FN(weights_at)(plan, group, panel, cut);
    if (FN(rows_in_order)(plan)) {
        const ptrdiff_t channel = plan->whole ? taps * nr : nr, tap = plan->whole ? nr : depth * nr;
        FN(collect_taps)(job->kernels, w, plan->w_out, plan->w_in, depth, outs, taps, nr, to,
                         channel, tap, plan->reversed && !plan->whole);
        return;
    }
    for (ptrdiff_t c = 0; c < depth; c += FN(ROWS_TAPS_AT_ONCE)) {
        const ptrdiff_t some = fnn_min(depth - c, FN(ROWS_TAPS_AT_ONCE));
        real *place = to + c * nr;
        FN(collect_taps)(job->kernels, w + c * plan->w_in, plan->w_out, plan->w_in, some, outs,
                         taps, nr, scratch, taps * nr, nr, 0);
        for (int i = 0; i < rows->classes; i++)
            for (int j = 0; j < cols->classes; j++)
                for (int r = rows->start[i]; r < rows->start[i + 1]; r++)
                    for (int s = cols->start[j]; s < cols->start[j + 1]; s++, place += depth * nr) {
                        const ptrdiff_t tap =
                            rows->tap[r] * cols->start[cols->classes] + cols->tap[s];
                        job->kernels->gemm_pack(some, nr, scratch + tap * nr, taps * nr, 1, place,
                                                nr, nr);
                    }
    }
}

/* Cuts of a kept panel follow each other. */
FNN_INLINE real *FN(kept_weights)(const FN(rows_job) *job, ptrdiff_t group, ptrdiff_t panel,
                                  ptrdiff_t cut) {
    const fnn_rows_plan *plan = job->plan;
    return job->weights + ((group * plan->panels + panel) * plan->in + cut * plan->depth) *
                              plan->taps * plan->nr;
}

static void FN(rows_weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(rows_job) *job = argument;
    const fnn_rows_plan *plan = job->plan;
    const ptrdiff_t cut = task % plan->cuts, panel = task / plan->cuts % plan->panels;
    const ptrdiff_t group = task / plan->cuts / plan->panels;
    FN(order_weights)(job, group, panel, cut, FN(kept_weights)(job, group, panel, cut),
                      FN(rows_sit)(job, worker).scratch);
}
