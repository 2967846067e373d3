/* Elementwise drivers for one element type. */

typedef struct FN(binary_job) {
    FN(binary_fn) *kernel;
    int ndim; /* at least 2 */
    ptrdiff_t size[FNN_MAX_DIMS + 2], a_stride[FNN_MAX_DIMS + 2], b_stride[FNN_MAX_DIMS + 2];
    ptrdiff_t count;
    const real *a, *b;
    real *out;
} FN(binary_job);

static FN(binary_fn) *FN(binary_kernel)(const fnn_ctx *ctx, fnn_binary_op op) {
    const FN(fnn_table) *table = FN(table)(ctx);
    switch (op) {
    case FNN_ADD: return table->add;
    case FNN_SUB: return table->sub;
    case FNN_MUL: return table->mul;
    default: return table->div;
    }
}

/* Drops dimensions of size 1 and merges neighbours that both operands step through evenly;
 * pads to two dimensions. Dimension 0 of the job is the innermost. */
static void FN(collapse)(FN(binary_job) *job, const fnn_broadcast_shape *shape) {
    int last = -1;
    job->count = 1;
    for (int d = shape->ndim - 1; d >= 0; d--) {
        const ptrdiff_t size = shape->size[d], sa = shape->a_stride[d], sb = shape->b_stride[d];
        job->count *= size;
        if (size == 1) continue;
        if (last >= 0 && sa == job->a_stride[last] * job->size[last] &&
            sb == job->b_stride[last] * job->size[last]) {
            job->size[last] *= size;
            continue;
        }
        last++;
        job->size[last] = size;
        job->a_stride[last] = sa;
        job->b_stride[last] = sb;
    }
    while (last < 1) {
        last++;
        job->size[last] = 1;
        job->a_stride[last] = job->b_stride[last] = last == 0;
    }
    job->ndim = last + 1;
}

/* Computes the elements [from, to) of the flat output: the rest of a row, whole rows of one
 * matrix, the start of a row. */
static void FN(binary_range)(const FN(binary_job) *job, ptrdiff_t from, ptrdiff_t to) {
    const ptrdiff_t n = job->size[0], m = job->size[1];
    ptrdiff_t index[FNN_MAX_DIMS + 2], rest = from;
    for (int d = 0; d < job->ndim; d++) {
        index[d] = rest % job->size[d];
        rest /= job->size[d];
    }
    while (from < to) {
        ptrdiff_t rows = 1, columns = n;
        if (index[0] != 0 || to - from < n)
            columns = fnn_min(n - index[0], to - from);
        else
            rows = fnn_min(m - index[1], (to - from) / n);
        const real *a = job->a, *b = job->b;
        for (int d = 0; d < job->ndim; d++) {
            a += index[d] * job->a_stride[d];
            b += index[d] * job->b_stride[d];
        }
        job->kernel(rows, columns, a, job->a_stride[1], job->a_stride[0], b, job->b_stride[1],
                    job->b_stride[0], job->out + from);
        from += rows * columns;
        index[0] += columns;
        if (index[0] < n) continue;
        index[0] = 0;
        index[1] += rows;
        for (int d = 1; d + 1 < job->ndim && index[d] == job->size[d]; d++) {
            index[d] = 0;
            index[d + 1]++;
        }
    }
}

static void FN(binary_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    const FN(binary_job) *job = argument;
    const ptrdiff_t from = task * TASK_SIZE;
    FN(binary_range)(job, from, fnn_min(from + TASK_SIZE, job->count));
}

fnn_status FN(fnn_binary)(const fnn_ctx *ctx, fnn_binary_op op, const fnn_broadcast_shape *shape,
                          const real *a, const real *b, real *out) {
    FN(binary_job) job;
    FN(collapse)(&job, shape);
    if (job.count == 0) return FNN_OK;
    job.kernel = FN(binary_kernel)(ctx, op);
    job.a = a;
    job.b = b;
    job.out = out;
    if (job.count >= PARALLEL_SIZE && ctx->threads > 1)
        fnn_parallel(ctx->threads, fnn_ceil_div(job.count, TASK_SIZE), FN(binary_task), &job);
    else if (job.ndim == 2)
        job.kernel(job.size[1], job.size[0], a, job.a_stride[1], job.a_stride[0], b,
                   job.b_stride[1], job.b_stride[0], out);
    else
        FN(binary_range)(&job, 0, job.count);
    return FNN_OK;
}

/* One of the two kernels is set: y = f(x), or y = f'(x) with the forward's result in x. */
typedef struct FN(unary_job) {
    FN(unary_fn) *forward;
    FN(unary_backward_fn) *backward;
    ptrdiff_t count;
    const real *dy, *x;
    real *y;
} FN(unary_job);

static void FN(unary_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    const FN(unary_job) *job = argument;
    const ptrdiff_t from = task * TASK_SIZE;
    const ptrdiff_t n = fnn_min(TASK_SIZE, job->count - from);
    if (job->forward)
        job->forward(n, job->x + from, job->y + from);
    else
        job->backward(n, job->dy + from, job->x + from, job->y + from);
}

fnn_status FN(fnn_unary)(const fnn_ctx *ctx, fnn_unary_op op, ptrdiff_t count, const real *x,
                         real *y) {
    const FN(fnn_table) *table = FN(table)(ctx);
    FN(unary_fn) *const kernels[] = {[FNN_EXP] = table->exp,
                                     [FNN_LOG] = table->log,
                                     [FNN_TANH] = table->tanh,
                                     [FNN_SIGMOID] = table->sigmoid,
                                     [FNN_RELU] = table->relu};
    FN(unary_job) job = {kernels[op], NULL, count, NULL, x, y};
    fnn_parallel(threads_for(ctx, count, op), fnn_ceil_div(count, TASK_SIZE), FN(unary_task), &job);
    return FNN_OK;
}

fnn_status FN(fnn_unary_backward)(const fnn_ctx *ctx, fnn_unary_op op, ptrdiff_t count,
                                  const real *dy, const real *y, real *dx) {
    const FN(fnn_table) *table = FN(table)(ctx);
    FN(unary_job) job = {NULL, NULL, count, dy, y, dx};
    switch (op) {
    case FNN_TANH: job.backward = table->tanh_backward; break;
    case FNN_SIGMOID: job.backward = table->sigmoid_backward; break;
    case FNN_RELU: job.backward = table->relu_backward; break;
    default: return FNN_UNSUPPORTED;
    }
    fnn_parallel(threads_for(ctx, count, FNN_RELU), fnn_ceil_div(count, TASK_SIZE),
                 FN(unary_task), &job); /* a gradient is plain whatever its function */
    return FNN_OK;
}
