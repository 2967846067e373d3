/* The sum driver for one element type. */

typedef struct FN(sum_job) {
    const FN(fnn_table) *table;
    const fnn_axis_shape *shape;
    sum_plan plan;
    double scale;
    const real *x;
    real *y, *partial;
} FN(sum_job);

/* y *= scale. The reciprocal of a whole number divides, so that the mean of ones is one. */
static void FN(rescale)(const FN(sum_job) *job, ptrdiff_t count, real *y) {
    if (job->scale == 1) return;
    const double divisor = nearbyint(1 / job->scale);
    const real factor = (real)job->scale, whole = (real)divisor;
    if (1 / divisor == job->scale)
        job->table->div(1, count, y, 0, 1, &whole, 0, 0, y);
    else
        job->table->mul(1, count, y, 0, 1, &factor, 0, 0, y);
}

/* Entries [from, from + count) of the outer dimension, each summed whole. */
static void FN(sum_group)(const FN(sum_job) *job, ptrdiff_t from, ptrdiff_t count) {
    const ptrdiff_t length = job->shape->length, inner = job->shape->inner;
    const real *x = job->x + from * length * inner;
    real *y = job->y + from * inner;
    if (inner == 1)
        job->table->sum_rows(count, length, x, length, y);
    else
        for (ptrdiff_t i = 0; i < count; i++)
            job->table->sum_columns(length, inner, x + i * length * inner, inner, job->plan.far,
                                    y + i * inner);
    FN(rescale)(job, count * inner, y);
}

static void FN(sum_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    const FN(sum_job) *job = argument;
    const sum_plan *plan = &job->plan;
    const fnn_axis_shape *shape = job->shape;
    if (plan->group > 1) {
        const ptrdiff_t from = task * plan->group;
        FN(sum_group)(job, from, fnn_min(plan->group, shape->outer - from));
        return;
    }
    const ptrdiff_t segment = task % plan->segments, rest = task / plan->segments;
    const ptrdiff_t column = rest % plan->column_blocks * plan->columns;
    const ptrdiff_t outer = rest / plan->column_blocks, row = segment * plan->segment;
    const ptrdiff_t rows = fnn_min(plan->segment, shape->length - row);
    const ptrdiff_t columns = fnn_min(plan->columns, shape->inner - column);
    const real *x = job->x + (outer * shape->length + row) * shape->inner + column;
    real *y = plan->segments == 1
                  ? job->y + outer * shape->inner + column
                  : job->partial + (outer * plan->segments + segment) * shape->inner + column;
    if (shape->inner == 1)
        job->table->sum_rows(1, rows, x, rows, y);
    else
        job->table->sum_columns(rows, columns, x, shape->inner, plan->far, y);
    if (plan->segments == 1) FN(rescale)(job, columns, y);
}

size_t FN(fnn_sum_workspace)(const fnn_ctx *ctx, const fnn_axis_shape *shape) {
    (void)ctx;
    return partial_sums(shape, sizeof(real)) * sizeof(real);
}

fnn_status FN(fnn_sum)(const fnn_ctx *ctx, const fnn_axis_shape *shape, double scale, const real *x,
                       real *y, void *workspace) {
    FN(sum_job) job = {FN(table)(ctx), shape, plan_sum(shape, sizeof(real)), scale, x, y, workspace};
    const sum_plan *plan = &job.plan;
    const ptrdiff_t inner = shape->inner, work = shape->outer * shape->length * inner;
    if (shape->outer == 0 || inner == 0) return FNN_OK;
    fnn_parallel(work < PARALLEL_SIZE ? 1 : ctx->threads, plan->tasks, FN(sum_task), &job);
    if (plan->segments == 1) return FNN_OK;
    if (inner == 1)
        job.table->sum_rows(shape->outer, plan->segments, job.partial, plan->segments, y);
    else
        for (ptrdiff_t i = 0; i < shape->outer; i++)
            job.table->sum_columns(plan->segments, inner, job.partial + i * plan->segments * inner,
                                   inner, 0, y + i * inner);
    FN(rescale)(&job, shape->outer * inner, y);
    return FNN_OK;
}
