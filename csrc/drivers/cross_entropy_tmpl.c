/* Cross-entropy drivers for one element type. */

/* Rows per kernel call whose losses are summed from a buffer, rows that kernels take together if
 * there are as many in a task, and most tasks: their partial sums live in the job. */
enum { FN(LOSS_ROWS) = 256, FN(LOSS_BLOCK) = 64, FN(LOSS_TASKS) = 128 };

typedef struct FN(loss_job) {
    const FN(fnn_table) *table;
    const fnn_cross_entropy_shape *shape;
    FN(loss_terms) terms;
    ptrdiff_t rows_per_task;
    const real *logits, *weight;
    const int64_t *target;
    real *loss, *lse; /* forward; loss is NULL where only the sum counts */
    const real *grad, *saved_lse;
    ptrdiff_t grad_stride;
    real *dlogits;
    double partial[FN(LOSS_TASKS)];
} FN(loss_job);

static void FN(prepare_loss)(FN(loss_job) *job, const fnn_ctx *ctx,
                             const fnn_cross_entropy_shape *shape, ptrdiff_t count,
                             const real *logits, const int64_t *target, const real *weight) {
    job->table = FN(table)(ctx);
    job->shape = shape;
    job->logits = logits;
    job->target = target;
    job->weight = weight;
    const double smoothing = shape->label_smoothing;
    double weight_sum = (double)shape->classes;
    if (weight && smoothing != 0) {
        weight_sum = 0;
        for (ptrdiff_t c = 0; c < shape->classes; c++) weight_sum += weight[c];
    }
    job->terms = (FN(loss_terms)){(real)(1 - smoothing),
                                  shape->classes ? (real)(smoothing / (double)shape->classes) : 0,
                                  (real)weight_sum, shape->ignore_index,
                                  count < shape->rows};
    const ptrdiff_t rows = fnn_max(fnn_ceil_div(TASK_SIZE, shape->classes + ROW_COST),
                                   fnn_ceil_div(shape->rows, FN(LOSS_TASKS)));
    job->rows_per_task = rows < FN(LOSS_BLOCK) ? rows : fnn_round_up(rows, FN(LOSS_BLOCK));
}

static void FN(loss_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    FN(loss_job) *job = argument;
    const ptrdiff_t classes = job->shape->classes;
    ptrdiff_t row = task * job->rows_per_task;
    const ptrdiff_t end = fnn_min(row + job->rows_per_task, job->shape->rows);
    real buffer[FN(LOSS_ROWS)];
    double sum = 0;
    for (; row < end; row += FN(LOSS_ROWS)) {
        const ptrdiff_t rows = fnn_min(FN(LOSS_ROWS), end - row);
        real *loss = job->loss ? job->loss + row : buffer;
        job->table->cross_entropy(rows, classes, job->logits + row * classes, job->target + row,
                                  job->weight, &job->terms, loss, job->lse + row);
        real part;
        job->table->sum_rows(1, rows, loss, rows, &part);
        sum += part;
    }
    job->partial[task] = sum;
}

/* Sum of the weights of the rows that count, by blocks: few different weights make rounding
 * errors that all point the same way. */
static double FN(weight_of_labels)(const fnn_cross_entropy_shape *shape, const int64_t *target,
                                   const real *weight) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < shape->rows;) {
        const ptrdiff_t end = fnn_min(i + FN(LOSS_ROWS), shape->rows);
        double part = 0;
        for (; i < end; i++)
            if (target[i] != shape->ignore_index) part += weight[target[i]];
        sum += part;
    }
    return sum;
}

fnn_status FN(fnn_cross_entropy)(const fnn_ctx *ctx, fnn_cross_entropy_shape *shape,
                                 const real *logits, const int64_t *target, const real *weight,
                                 real *loss, real *lse, double *divisor) {
    ptrdiff_t count;
    const ptrdiff_t bad = bad_label(ctx, shape, target, &count);
    if (bad >= 0) {
        shape->bad_index = target[bad];
        return FNN_BAD_INDEX;
    }
    *divisor = weight ? FN(weight_of_labels)(shape, target, weight) : (double)count;
    FN(loss_job) job;
    FN(prepare_loss)(&job, ctx, shape, count, logits, target, weight);
    job.loss = shape->reduction == FNN_NONE ? loss : NULL;
    job.lse = lse;
    const ptrdiff_t tasks = fnn_ceil_div(shape->rows, job.rows_per_task);
    const fnn_fpstate before = fnn_fp_flush();
    fnn_parallel(threads_for(ctx, shape->rows, shape->classes), tasks, FN(loss_task), &job);
    double sum = 0;
    for (ptrdiff_t i = 0; i < tasks; i++) sum += job.partial[i];
    if (shape->reduction == FNN_MEAN) sum /= *divisor;
    if (shape->reduction != FNN_NONE) *loss = (real)sum;
    fnn_fp_set(before);
    return FNN_OK;
}

static void FN(loss_backward_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    const FN(loss_job) *job = argument;
    const ptrdiff_t classes = job->shape->classes, row = task * job->rows_per_task;
    const ptrdiff_t rows = fnn_min(job->rows_per_task, job->shape->rows - row);
    job->table->cross_entropy_backward(
        rows, classes, job->grad + row * job->grad_stride, job->grad_stride,
        job->logits + row * classes, job->target + row, job->weight, &job->terms,
        job->saved_lse + row, job->dlogits + row * classes);
}

fnn_status FN(fnn_cross_entropy_backward)(const fnn_ctx *ctx, const fnn_cross_entropy_shape *shape,
                                          const real *grad, const real *logits,
                                          const int64_t *target, const real *weight,
                                          const real *lse, double divisor, real *dlogits) {
    /* the labels may have changed since the forward */
    ptrdiff_t count;
    if (bad_label(ctx, shape, target, &count) >= 0) return FNN_BAD_INDEX;
    if (shape->rows == 0 || shape->classes == 0) return FNN_OK;
    FN(loss_job) job;
    FN(prepare_loss)(&job, ctx, shape, count, logits, target, weight);
    const real each = shape->reduction == FNN_MEAN ? (real)((double)grad[0] / divisor) : grad[0];
    job.grad = shape->reduction == FNN_NONE ? grad : &each;
    job.grad_stride = shape->reduction == FNN_NONE;
    job.saved_lse = lse;
    job.dlogits = dlogits;
    const fnn_fpstate before = fnn_fp_flush();
    fnn_parallel(threads_for(ctx, shape->rows, shape->classes),
                 fnn_ceil_div(shape->rows, job.rows_per_task), FN(loss_backward_task), &job);
    fnn_fp_set(before);
    return FNN_OK;
}
