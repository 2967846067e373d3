/* The source is turned to [row][column][channel], with its zeros. Then a row of pixels is a matrix
 * that lies in place, whatever the stride: pixels in_step columns apart, and below each pixel the
 * channels of all columns of a row of taps, one after the other. Per band, panel of NR channels of
 * the result and row of the result, one product for each row of taps:
 *
 *   T [pixel][NR] += source [pixels][columns of taps, channels] w [columns of taps, channels][NR]
 *
 * and T is turned to its planes. Channels are in lanes, so short rows fill them too.
 *
 *   shared   w [group][panel][class of rows, class of columns][row of taps][column][channel][NR]
 *   worker   source of a band | T of a band | taps of a panel
 */

typedef struct FN(rows) {
    axis rows, cols;
    ptrdiff_t images, groups, in, out, taps;
    ptrdiff_t w_out, w_in;
    ptrdiff_t nr, panels, panel;  /* elements of a panel of weights */
    ptrdiff_t pitch, depth;       /* columns of a row of the turned source, elements of a column */
    int run;                      /* the columns of a class's row of taps are one product */
    ptrdiff_t band, bands;        /* positions of rows */
    ptrdiff_t parts;              /* tasks that share the panels of a band */
    int threads;
    size_t weight_bytes, source_bytes, result_bytes, worker_bytes;
} FN(rows);

typedef struct FN(rows_job) {
    const FN(rows) *plan;
    const FN(fnn_table) *kernels;
    const real *src, *w, *bias;
    real *dst, *weights;
    char *workers;
} FN(rows_job);

FNN_INLINE size_t FN(rows_bytes)(ptrdiff_t count) { return fnn_lines((size_t)count * sizeof(real)); }

static FN(rows) FN(rows_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, int backward) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups, size = sizeof(real);
    FN(rows) plan = {.images = s->n, .groups = s->groups, .in = backward ? k : c,
                     .out = backward ? c : k, .taps = s->r * s->s, .nr = kernels->gemm_nr};
    plan.w_out = backward ? plan.taps : c * plan.taps;
    plan.w_in = backward ? c * plan.taps : plan.taps;
    axis (*const make)(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t) =
        backward ? backward_axis : forward_axis;
    plan.rows = make(s->h, s->p, s->r, s->stride_h, s->dilation_h, s->pad_top);
    plan.cols = make(s->w, s->q, s->s, s->stride_w, s->dilation_w, s->pad_left);
    plan.panels = fnn_ceil_div(plan.out, plan.nr);
    plan.panel = plan.taps * plan.in * plan.nr;
    plan.pitch = (plan.cols.hi - plan.cols.lo - 1) * plan.cols.in_step + plan.cols.halo + 1;
    /* pixels a page apart would share one set of the L1 cache */
    const int paged = plan.in * plan.cols.in_step * size % 4096 == 0 && plan.cols.hi > 4;
    plan.depth = paged ? plan.in + FNN_LINE / size : plan.in;
    plan.run = plan.cols.run && !paged;
    const ptrdiff_t positions = plan.rows.hi - plan.rows.lo;
    const ptrdiff_t source_row = plan.pitch * fnn_max(plan.depth, 1) * size * plan.rows.in_step;
    const ptrdiff_t result_row = plan.cols.out * plan.nr * size * plan.rows.out_step;
    const ptrdiff_t most = fnn_max(
        fnn_min(SOURCE_BYTES / source_row, RESULT_BYTES / fnn_max(result_row, 1)), 1);
    plan.bands = fnn_ceil_div(positions, most);
    plan.band = fnn_ceil_div(positions, plan.bands);
    const ptrdiff_t work = plan.in * plan.out * plan.taps * plan.band * plan.cols.out;
    const ptrdiff_t tasks = plan.images * plan.groups * plan.bands;
    plan.threads = work * tasks < 2 * GRAIN ? 1 : ctx->threads;
    plan.parts = 1; /* sharing the panels costs a copy of the source each, and changes no sum */
    if (plan.threads > 1 && tasks < 2 * plan.threads)
        plan.parts = fnn_min(fnn_ceil_div(2 * plan.threads, tasks), plan.panels);
    plan.weight_bytes = FN(rows_bytes)(plan.groups * plan.panels * plan.panel);
    plan.source_bytes = FN(rows_bytes)(
        ((plan.band - 1) * plan.rows.in_step + plan.rows.halo + 1) * plan.pitch * plan.depth);
    plan.result_bytes =
        FN(rows_bytes)(plan.band * plan.rows.out_step * plan.cols.out * plan.nr);
    plan.worker_bytes = plan.source_bytes + plan.result_bytes + FN(rows_bytes)(plan.panel);
    return plan;
}

/* The order in which the products want their rows of weights. */
static void FN(rows_weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(rows_job) *job = argument;
    const FN(rows) *plan = job->plan;
    const axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t group = task / plan->panels, first = task % plan->panels * plan->nr;
    real *taps = (real *)(void *)(job->workers + (size_t)worker * plan->worker_bytes +
                                  plan->source_bytes + plan->result_bytes);
    FN(collect_taps)(job->kernels,
                     job->w + group * plan->in * plan->out * plan->taps + first * plan->w_out,
                     plan->w_out, plan->w_in, plan->in, fnn_min(plan->nr, plan->out - first),
                     plan->taps, plan->nr, taps, 0);
    real *to = job->weights + task * plan->panel;
    for (int i = 0; i < rows->classes; i++)
        for (int j = 0; j < cols->classes; j++)
            for (int r = rows->start[i]; r < rows->start[i + 1]; r++)
                for (int s = cols->start[j]; s < cols->start[j + 1]; s++) {
                    const ptrdiff_t tap = rows->tap[r] * cols->start[cols->classes] + cols->tap[s];
                    for (ptrdiff_t c = 0; c < plan->in; c++, to += plan->nr)
                        memcpy(to, taps + (c * plan->taps + tap) * plan->nr,
                               (size_t)plan->nr * sizeof(real));
                }
}

/* Rows of the padded source from that of position a0 on. */
static void FN(turn_source)(const FN(rows_job) *job, const real *src, ptrdiff_t a0, ptrdiff_t count,
                            real *to) {
    const FN(rows) *plan = job->plan;
    const axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t before = cols->pad - cols->lo * cols->in_step;
    const ptrdiff_t left = fnn_max(fnn_min(before, plan->pitch), 0), skipped = fnn_max(-before, 0);
    const ptrdiff_t width = fnn_max(fnn_min(plan->pitch - left, cols->in - skipped), 0);
    const ptrdiff_t right = plan->pitch - left - width, plane = rows->in * cols->in;
    const size_t element = (size_t)plan->depth * sizeof(real);
    for (ptrdiff_t i = 0; i < count; i++, to += plan->pitch * plan->depth) {
        const ptrdiff_t row = a0 * rows->in_step - rows->pad + i;
        if (row < 0 || row >= rows->in) {
            memset(to, 0, (size_t)plan->pitch * element);
            continue;
        }
        memset(to, 0, (size_t)left * element);
        job->kernels->conv2d_transpose(plan->in, width, src + row * cols->in + skipped, plane,
                                       to + left * plan->depth, plan->depth, plan->in);
        memset(to + (left + width) * plan->depth, 0, (size_t)right * element);
    }
}

/* A row of class i, all classes of columns, to its row of T; `source` is the row of its position. */
static void FN(rows_multiply)(const FN(rows_job) *job, const real *source, const real *weights,
                              int i, real *to) {
    const FN(rows) *plan = job->plan;
    const axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t nr = plan->nr, in = plan->in, depth = plan->depth;
    FN(gemm_operands) g = {.n = nr, .a_rs = cols->in_step * depth, .a_ks = 1, .b = weights,
                           .b_ks = nr, .b_ps = nr, .c_rs = cols->out_step * nr};
    for (int k = 0; k < i; k++)
        g.b += (rows->start[k + 1] - rows->start[k]) * cols->start[cols->classes] * in * nr;
    for (int j = 0; j < cols->classes; j++) {
        const int taps = cols->start[j + 1] - cols->start[j], at_once = plan->run ? taps : 1;
        const ptrdiff_t first = cols->first[j];
        g.m = cols->last[j] - first + 1;
        g.k = at_once * in;
        g.c = to + (first * cols->out_step + cols->shift[j]) * nr;
        g.accumulate = 0;
        for (int r = rows->start[i]; r < rows->start[i + 1]; r++) {
            const real *row = source + rows->reach[r] * plan->pitch * depth +
                              (first - cols->lo) * cols->in_step * depth;
            for (int s = cols->start[j]; s < cols->start[j + 1]; s += at_once) {
                g.a = row + cols->reach[s] * depth;
                if (g.m > 0) job->kernels->gemm_block(&g);
                g.b += g.k * nr;
                g.accumulate = 1;
            }
        }
    }
}

static void FN(rows_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(rows_job) *job = argument;
    const FN(rows) *plan = job->plan;
    const axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t part = task % plan->parts, band = task / plan->parts % plan->bands;
    const ptrdiff_t at = task / plan->parts / plan->bands, group = at % plan->groups;
    const ptrdiff_t positions = rows->hi - rows->lo, nr = plan->nr;
    const ptrdiff_t a0 = rows->lo + positions * band / plan->bands;
    const ptrdiff_t a1 = rows->lo + positions * (band + 1) / plan->bands;
    /* the rows of the result that these positions make, whatever their class */
    ptrdiff_t least = 0;
    for (int i = 0; i < rows->classes; i++) least = fnn_min(least, rows->shift[i]);
    const ptrdiff_t top = fnn_max(a0 * rows->out_step + least, 0);
    const ptrdiff_t end = band == plan->bands - 1 ? rows->out
                                                  : fnn_min(a1 * rows->out_step + least, rows->out);
    if (end <= top) return;
    char *desk = job->workers + (size_t)worker * plan->worker_bytes;
    real *source = (real *)(void *)desk, *result = (real *)(void *)(desk + plan->source_bytes);
    FN(turn_source)(job, job->src + at * plan->in * rows->in * cols->in, a0,
                    (a1 - a0 - 1) * rows->in_step + rows->halo + 1, source);
    const ptrdiff_t pixels = (end - top) * cols->out, plane = rows->out * cols->out;
    const int holes = rows->classes < rows->out_step || cols->classes < cols->out_step;
    for (ptrdiff_t p = plan->panels * part / plan->parts;
         p < plan->panels * (part + 1) / plan->parts; p++) {
        const real *weights = job->weights + (group * plan->panels + p) * plan->panel;
        if (holes) memset(result, 0, (size_t)(pixels * nr) * sizeof(real));
        for (int i = 0; i < rows->classes; i++) {
            const ptrdiff_t last = fnn_min(rows->last[i], a1 - 1);
            for (ptrdiff_t a = fnn_max(rows->first[i], a0); a <= last; a++)
                FN(rows_multiply)(
                    job, source + (a - a0) * rows->in_step * plan->pitch * plan->depth, weights, i,
                    result + (a * rows->out_step + rows->shift[i] - top) * cols->out * nr);
        }
        const ptrdiff_t channel = group * plan->out + p * nr;
        const FN(gemm_operands) g = {
            .m = pixels, .n = fnn_min(nr, plan->out - p * nr), .c_rs = plane,
            .c = job->dst + (at / plan->groups * plan->groups * plan->out + channel) * plane +
                 top * cols->out,
            .bias_column = job->bias ? job->bias + channel : NULL};
        job->kernels->gemm_turn(&g, result, nr);
    }
}

size_t FN(fnn_conv2d_rows_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     int backward) {
    const FN(rows) plan = FN(rows_plan)(ctx, shape, backward);
    return plan.weight_bytes + (size_t)plan.threads * plan.worker_bytes;
}

void FN(fnn_conv2d_rows_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                  int backward, fnn_conv2d_plan *to) {
    const FN(rows) plan = FN(rows_plan)(ctx, shape, backward);
    to->kernel = "gemm, rows of pixels read in place from a turned copy";
    fnn_conv2d_note(to, "pixels a row", plan.cols.last[0] - plan.cols.first[0] + 1);
    fnn_conv2d_note(to, "depth", plan.in * (plan.run ? plan.cols.start[1] : 1));
    fnn_conv2d_note(to, "classes", plan.rows.classes * plan.cols.classes);
    fnn_conv2d_note(to, "panels", plan.panels);
    fnn_conv2d_note(to, "panel channels", plan.nr);
    fnn_conv2d_note(to, "tile rows", FN(table)(ctx)->gemm_mr);
    fnn_conv2d_note(to, "bands", plan.bands);
    fnn_conv2d_note(to, "band rows", plan.band);
    to->share = (double)plan.out / (double)(plan.panels * plan.nr);
    to->basis = "at most: channels that fill the panels; turning and memory left out";
}

void FN(fnn_conv2d_rows_run)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, int backward,
                             const real *src, const real *w, const real *bias, real *dst,
                             void *workspace) {
    const FN(rows) plan = FN(rows_plan)(ctx, shape, backward);
    char *shared = workspace;
    FN(rows_job) job = {.plan = &plan, .kernels = FN(table)(ctx), .src = src, .w = w, .bias = bias,
                        .dst = dst, .weights = (real *)(void *)shared,
                        .workers = shared + plan.weight_bytes};
    fnn_parallel(plan.threads, plan.groups * plan.panels, FN(rows_weight_task), &job);
    fnn_parallel(plan.threads, plan.images * plan.groups * plan.bands * plan.parts, FN(rows_task),
                 &job);
}
