/* Pooling drivers: planes, or rows of large planes, as tasks. Exact operations: denormals are
 * kept. */
#include <string.h>

#include "base/common.h"
#include "base/pool.h"
#include "kernels/kernels.h"

/* Taps and elements a task looks at, and the number from which tasks go to other threads. */
enum { TASK_SIZE = 32768, PARALLEL_SIZE = 65536 };

/* Planes that kernels take side by side. */
enum { MOST_LANES = 16 };

/* Elements of a gradient that meet their gate at once. */
enum { GATED_SIZE = 4096 };

/* How the planes are cut, by their size alone: several planes a task, or some rows of one. */
typedef struct pool_plan {
    ptrdiff_t planes, rows, row_blocks, tasks;
    int threads;
} pool_plan;

static pool_plan plan_pool(const fnn_ctx *ctx, const fnn_pool_shape *shape, int split_rows) {
    const ptrdiff_t taps = shape->p * shape->q * shape->r * shape->s;
    const ptrdiff_t plane = fnn_max(1, taps + shape->h * shape->w);
    pool_plan plan = {fnn_max(1, TASK_SIZE / plane), shape->p, 1, 0, 1};
    if (shape->planes >= MOST_LANES) plan.planes = fnn_round_up(plan.planes, MOST_LANES);
    if (split_rows && plane > TASK_SIZE) {
        plan.rows = fnn_max(1, TASK_SIZE / (plane / fnn_max(1, shape->p)));
        plan.row_blocks = fnn_ceil_div(shape->p, plan.rows);
    }
    plan.tasks = fnn_ceil_div(shape->planes, plan.planes) * plan.row_blocks;
    if (shape->planes * plane >= PARALLEL_SIZE) plan.threads = ctx->threads;
    return plan;
}

/* Whether windows of 2x2 fill all rows of their planes, which then follow each other as one; rows so
 * short that kernels take several at once are left to them. */
static int halves_planes(const fnn_pool_shape *s) {
    return s->r == 2 && s->s == 2 && s->stride_h == 2 && s->pad_h == 0 && s->h == 2 * s->p &&
           s->dilation_h == 1 && s->q > 8;
}

ptrdiff_t fnn_pool_bits(const fnn_pool_shape *shape) {
    return fnn_has_bits(shape) ? fnn_bit_words(shape) : 0;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/pooling_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/pooling_tmpl.c"
#include "base/real_end.h"
