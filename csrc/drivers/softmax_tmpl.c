/* Softmax drivers for one element type. */

/* Forward: dy is NULL, x -> out. Backward: dy and the forward's result in x -> out. */
typedef struct FN(softmax_job) {
    const FN(fnn_table) *table;
    const fnn_axis_shape *shape;
    int logarithm;
    ptrdiff_t group;   /* outer entries a task takes, or */
    ptrdiff_t columns; /* columns of one entry, if that is large */
    const real *dy, *x;
    real *out;
} FN(softmax_job);

static void FN(softmax_part)(const FN(softmax_job) *job, ptrdiff_t outer, ptrdiff_t count,
                             ptrdiff_t column, ptrdiff_t columns) {
    const FN(fnn_table) *table = job->table;
    const ptrdiff_t length = job->shape->length, inner = job->shape->inner;
    const ptrdiff_t at = outer * length * inner + column;
    const real *dy = job->dy ? job->dy + at : NULL, *x = job->x + at;
    real *out = job->out + at;
    if (inner == 1) {
        if (dy)
            (job->logarithm ? table->log_softmax_rows_backward
                            : table->softmax_rows_backward)(count, length, dy, x, out);
        else
            (job->logarithm ? table->log_softmax_rows : table->softmax_rows)(count, length, x, out);
        return;
    }
    for (ptrdiff_t i = 0; i < count * length * inner; i += length * inner) {
        if (dy)
            (job->logarithm ? table->log_softmax_columns_backward
                            : table->softmax_columns_backward)(length, columns, inner, dy + i,
                                                               x + i, out + i);
        else
            (job->logarithm ? table->log_softmax_columns
                            : table->softmax_columns)(length, columns, inner, x + i, out + i);
    }
}

static void FN(softmax_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    const FN(softmax_job) *job = argument;
    const ptrdiff_t inner = job->shape->inner, blocks = fnn_ceil_div(inner, job->columns);
    const ptrdiff_t outer = task / blocks * job->group, column = task % blocks * job->columns;
    FN(softmax_part)(job, outer, fnn_min(job->group, job->shape->outer - outer), column,
                     fnn_min(job->columns, inner - column));
}

static fnn_status FN(softmax_run)(const fnn_ctx *ctx, FN(softmax_job) *job) {
    const fnn_axis_shape *shape = job->shape;
    const ptrdiff_t whole = shape->length * shape->inner;
    if (shape->outer == 0 || whole == 0) return FNN_OK;
    /* softmax's rows go beside each other: the first and the last of a task have none */
    const int beside = shape->inner == 1 && !job->dy && !job->logarithm;
    job->group = fnn_max(1, (beside ? 2 : 1) * TASK_SIZE / whole);
    job->columns = shape->inner;
    if (whole > TASK_SIZE && shape->inner > 1) /* whole cache lines of columns */
        job->columns = fnn_round_up(fnn_max(1, TASK_SIZE / shape->length), 64);
    const ptrdiff_t tasks = fnn_ceil_div(shape->outer, job->group) *
                            fnn_ceil_div(shape->inner, job->columns);
    const fnn_fpstate before = fnn_fp_flush();
    fnn_parallel(threads_for(ctx, shape->outer, whole), tasks, FN(softmax_task), job);
    fnn_fp_set(before);
    return FNN_OK;
}

fnn_status FN(fnn_softmax)(const fnn_ctx *ctx, const fnn_axis_shape *shape, int logarithm,
                           const real *x, real *y) {
    FN(softmax_job) job = {FN(table)(ctx), shape, logarithm, 0, 0, NULL, x, y};
    return FN(softmax_run)(ctx, &job);
}

fnn_status FN(fnn_softmax_backward)(const fnn_ctx *ctx, const fnn_axis_shape *shape, int logarithm,
                                    const real *dy, const real *y, real *dx) {
    FN(softmax_job) job = {FN(table)(ctx), shape, logarithm, 0, 0, dy, y, dx};
    return FN(softmax_run)(ctx, &job);
}
