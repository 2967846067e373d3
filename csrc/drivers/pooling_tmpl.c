/* Pooling drivers for one element type. */

typedef struct FN(pool_job) {
    const FN(fnn_table) *table;
    const fnn_pool_shape *shape;
    pool_plan plan;
    int average;
    const real *in; /* x, or dy in a backward pass */
    real *out;
    int32_t *index;
    uint16_t *bits;
    const int32_t *saved_index;
    const uint16_t *saved_bits;
    const real *gate;
    int bad_index; /* set atomically */
} FN(pool_job);

static void FN(pool_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    const FN(pool_job) *job = argument;
    const fnn_pool_shape *s = job->shape;
    const pool_plan *plan = &job->plan;
    const ptrdiff_t first = task / plan->row_blocks * plan->planes;
    const ptrdiff_t from = task % plan->row_blocks * plan->rows;
    const ptrdiff_t to = fnn_min(from + plan->rows, s->p);
    const ptrdiff_t planes = fnn_min(plan->planes, s->planes - first);
    const ptrdiff_t plane = s->h * s->w, readable = (s->planes - first) * plane;
    const real *x = job->in + first * plane;
    real *y = job->out + first * s->p * s->q;
    if (job->average && plan->row_blocks == 1 && halves_planes(s)) {
        fnn_pool_shape tall = *s;
        tall.h *= planes;
        tall.p *= planes;
        job->table->avg_pool(&tall, 1, 0, tall.p, x, readable, y);
    } else if (job->average)
        job->table->avg_pool(s, planes, from, to, x, readable, y);
    else
        job->table->max_pool(s, planes, from, to, x, readable, y,
                             job->index ? job->index + first * s->p * s->q : NULL,
                             job->bits ? job->bits + first * fnn_bit_words(s) : NULL);
}

ptrdiff_t FN(fnn_max_pool_words)(const fnn_ctx *ctx, const fnn_pool_shape *shape) {
    return FN(table)(ctx)->max_pool_bits_backward ? fnn_pool_bits(shape) : 0;
}

fnn_status FN(fnn_max_pool)(const fnn_ctx *ctx, const fnn_pool_shape *shape, const real *x, real *y,
                            int32_t *index, uint16_t *bits) {
    if (bits && !FN(fnn_max_pool_words)(ctx, shape)) return FNN_UNSUPPORTED;
    if (index && shape->h > 0 && shape->w > INT32_MAX / shape->h) return FNN_UNSUPPORTED;
    FN(pool_job) job = {.table = FN(table)(ctx),
                        .shape = shape,
                        .plan = plan_pool(ctx, shape, 1),
                        .in = x,
                        .out = y,
                        .index = index,
                        .bits = bits};
    fnn_parallel(job.plan.threads, job.plan.tasks, FN(pool_task), &job);
    return FNN_OK;
}

fnn_status FN(fnn_avg_pool)(const fnn_ctx *ctx, const fnn_pool_shape *shape, const real *x,
                            real *y) {
    FN(pool_job) job = {.table = FN(table)(ctx),
                        .shape = shape,
                        .plan = plan_pool(ctx, shape, 1),
                        .average = 1,
                        .in = x,
                        .out = y};
    fnn_parallel(job.plan.threads, job.plan.tasks, FN(pool_task), &job);
    return FNN_OK;
}

/* The gradients of `planes` planes where bits tell the maxima, on vectors that have none. */
static void FN(spread_bits_singly)(const fnn_pool_shape *s, ptrdiff_t planes, const real *dy,
                                   const uint16_t *bits, real *dx) {
    const ptrdiff_t records = fnn_bit_records(s);
    memset(dx, 0, (size_t)(planes * s->h * s->w) * sizeof(real));
    for (; planes > 0; planes--, dx += s->h * s->w, bits += fnn_bit_words(s)) {
        for (ptrdiff_t i = 0; i < s->p * s->q; i++) {
            const ptrdiff_t p = i / s->q, q = i % s->q, bit = q % FNN_BIT_LANES;
            const uint16_t *record = bits + (p * records + q / FNN_BIT_LANES) * FNN_BIT_WORDS;
            const ptrdiff_t row = fnn_largest_bit(record + 4, bit);
            const uint16_t *of_row = row < 2 ? record + 2 * row : record + records * FNN_BIT_WORDS;
            const ptrdiff_t h = 2 * p - s->pad_h + row;
            const ptrdiff_t w = 2 * q - s->pad_w + fnn_largest_bit(of_row, bit);
            if (0 <= h && h < s->h && 0 <= w && w < s->w) dx[h * s->w + w] += dy[i];
        }
        dy += s->p * s->q;
    }
}

static void FN(pool_backward_task)(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    FN(pool_job) *job = argument;
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t out = s->p * s->q, in = s->h * s->w, first = task * job->plan.planes;
    const ptrdiff_t words = fnn_bit_words(s);
    const ptrdiff_t end = fnn_min(first + job->plan.planes, s->planes);
    /* a gate looks at dx again, while the first cache has it */
    const ptrdiff_t most = job->gate ? fnn_max(1, GATED_SIZE / fnn_max(1, in)) : end - first;
    for (ptrdiff_t i = first; i < end; i += most) {
        const ptrdiff_t planes = fnn_min(most, end - i);
        const real *dy = job->in + i * out;
        real *dx = job->out + i * in;
        if (job->average)
            job->table->avg_pool_backward(s, planes, dy, dx);
        else if (job->saved_bits && job->table->max_pool_bits_backward)
            job->table->max_pool_bits_backward(s, planes, dy, job->saved_bits + i * words, dx);
        else if (job->saved_bits)
            FN(spread_bits_singly)(s, planes, dy, job->saved_bits + i * words, dx);
        else if (job->table->max_pool_backward(s, planes, dy, job->saved_index + i * out, dx))
            __atomic_store_n(&job->bad_index, 1, __ATOMIC_RELAXED);
        if (job->gate) job->table->relu_backward(planes * in, dx, job->gate + i * in, dx);
    }
}

fnn_status FN(fnn_max_pool_backward)(const fnn_ctx *ctx, const fnn_pool_shape *shape,
                                     const real *dy, const int32_t *index, const uint16_t *bits,
                                     const real *gate, real *dx) {
    if (bits && !fnn_pool_bits(shape)) return FNN_UNSUPPORTED;
    FN(pool_job) job = {.table = FN(table)(ctx),
                        .shape = shape,
                        .plan = plan_pool(ctx, shape, 0),
                        .in = dy,
                        .out = dx,
                        .saved_index = index,
                        .saved_bits = bits,
                        .gate = gate};
    fnn_parallel(job.plan.threads, job.plan.tasks, FN(pool_backward_task), &job);
    return job.bad_index ? FNN_BAD_INDEX : FNN_OK;
}

fnn_status FN(fnn_avg_pool_backward)(const fnn_ctx *ctx, const fnn_pool_shape *shape,
                                     const real *dy, real *dx) {
    FN(pool_job) job = {.table = FN(table)(ctx),
                        .shape = shape,
                        .plan = plan_pool(ctx, shape, 0),
                        .average = 1,
                        .in = dy,
                        .out = dx};
    fnn_parallel(job.plan.threads, job.plan.tasks, FN(pool_backward_task), &job);
    return FNN_OK;
}
