/* Optimiser drivers for one element type. */

/* SGD uses param, grad and first (the momentum buffers, or NULL); Adam all of them (third is
 * NULL without AMSGrad). */
typedef struct FN(step_job) {
    const FN(fnn_table) *table;
    int is_adam, first_step;
    FN(sgd_terms) sgd;
    FN(adam_terms) adam;
    ptrdiff_t count, tasks;
    const ptrdiff_t *size;
    real *const *param;
    const real *const *grad;
    real *const *first, *const *second, *const *third;
} FN(step_job);

/* Elements [from, from + n) of array k. */
static void FN(step_part)(const FN(step_job) *job, ptrdiff_t k, ptrdiff_t from, ptrdiff_t n) {
    const real *grad = job->grad[k] + from;
    real *param = job->param[k] + from;
    if (job->is_adam)
        job->table->adam(n, &job->adam, grad, param, job->first[k] + from, job->second[k] + from,
                         job->third ? job->third[k] + from : NULL);
    else if (job->first)
        job->table->sgd_momentum(n, &job->sgd, job->first_step, grad, param, job->first[k] + from);
    else
        job->table->sgd(n, &job->sgd, grad, param);
}

/* A task is the same slice of every array: the part of a matrix that one core has computed with, and
 * whose gradient it has made, it also updates. Slices begin on lines of the array. */
static void FN(step_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    const FN(step_job) *job = argument;
    const ptrdiff_t line = FNN_LINE / sizeof(real);
    for (ptrdiff_t k = 0; k < job->count; k++) {
        const ptrdiff_t size = job->size[k];
        const ptrdiff_t from = size * task / job->tasks / line * line;
        const ptrdiff_t to =
            task + 1 == job->tasks ? size : size * (task + 1) / job->tasks / line * line;
        if (from < to) FN(step_part)(job, k, from, to - from);
    }
}

static void FN(step_run)(const fnn_ctx *ctx, FN(step_job) *job) {
    ptrdiff_t elements = 0;
    for (ptrdiff_t k = 0; k < job->count; k++) elements += job->size[k];
    job->tasks = elements < PARALLEL_SIZE || ctx->threads == 1
                     ? 1
                     : fnn_min(elements / TASK_SIZE, THREAD_TASKS * ctx->threads);
    const fnn_fpstate before = fnn_fp_flush();
    fnn_parallel(ctx->threads, job->tasks, FN(step_task), job);
    fnn_fp_set(before);
}

fnn_status FN(fnn_sgd_step)(const fnn_ctx *ctx, const fnn_sgd *sgd, ptrdiff_t count,
                            const ptrdiff_t *size, real *const *param, const real *const *grad,
                            real *const *momentum) {
    FN(step_job) job = {.table = FN(table)(ctx),
                        .first_step = sgd->first,
                        .count = count,
                        .size = size,
                        .param = param,
                        .grad = grad,
                        .first = momentum};
    job.sgd = (FN(sgd_terms)){.lr = (real)sgd->lr,
                              .momentum = (real)sgd->momentum,
                              .fresh = (real)(1 - sgd->dampening),
                              .weight_decay = (real)sgd->weight_decay,
                              .nesterov = sgd->nesterov,
                              .maximize = sgd->maximize};
    FN(step_run)(ctx, &job);
    return FNN_OK;
}

fnn_status FN(fnn_adam_step)(const fnn_ctx *ctx, const fnn_adam *adam, ptrdiff_t count,
                             const ptrdiff_t *size, real *const *param, const real *const *grad,
                             real *const *m, real *const *v, real *const *v_max) {
    FN(step_job) job = {.table = FN(table)(ctx),
                        .is_adam = 1,
                        .count = count,
                        .size = size,
                        .param = param,
                        .grad = grad,
                        .first = m,
                        .second = v,
                        .third = adam->amsgrad ? v_max : NULL};
    const double correction1 = 1 - pow(adam->beta1, (double)adam->step);
    const double correction2 = 1 - pow(adam->beta2, (double)adam->step);
    job.adam = (FN(adam_terms)){
        .fresh1 = (real)(1 - adam->beta1),
        .beta2 = (real)adam->beta2,
        .fresh2 = (real)(1 - adam->beta2),
        .weight_decay = adam->decoupled ? 0 : (real)adam->weight_decay,
        .shrink = adam->decoupled ? (real)(1 - adam->lr * adam->weight_decay) : 1,
        .rate = (real)(adam->lr / correction1),
        .root = (real)(1 / sqrt(correction2)),
        .eps = (real)adam->eps,
        .maximize = adam->maximize};
    FN(step_run)(ctx, &job);
    return FNN_OK;
}
