/* Sums and means along one axis of a dense array. */
#include <math.h>

#include "base/common.h"
#include "base/pool.h"
#include "kernels/kernels.h"

/* Elements a task adds up, the size from which tasks go to other threads, and bytes that come from
 * memory: they are more than a last cache keeps. */
enum { TASK_SIZE = 32768, PARALLEL_SIZE = 524288, FAR_BYTES = 24 << 20 };

/* How the sum is cut, by its size alone. Small sums: `group` outer entries a task. Large ones:
 * a task is one segment of the length in one block of columns, and segments meet in a second
 * sum over the workspace. */
typedef struct sum_plan {
    ptrdiff_t group;
    ptrdiff_t columns, column_blocks;
    ptrdiff_t segment, segments;
    ptrdiff_t tasks;
    int far;
} sum_plan;

static sum_plan plan_sum(const fnn_axis_shape *shape, ptrdiff_t element) {
    const ptrdiff_t whole = shape->length * shape->inner;
    sum_plan plan = {1, shape->inner, 1, shape->length, 1, 0, 0};
    plan.far = shape->outer * whole > FAR_BYTES / element && shape->inner * element <= SUM_FAR_BYTES;
    if (whole <= TASK_SIZE) {
        plan.group = TASK_SIZE / fnn_max(whole, 1);
        plan.tasks = fnn_ceil_div(shape->outer, plan.group);
        return plan;
    }
    /* wide blocks read whole pages; few, long segments keep the workspace small */
    const ptrdiff_t widest = plan.far ? shape->inner : 1024;
    const ptrdiff_t most_segments = 64, shortest = 256;
    plan.column_blocks = fnn_ceil_div(shape->inner, widest);
    plan.columns = fnn_round_up(fnn_ceil_div(shape->inner, plan.column_blocks), 16);
    plan.column_blocks = fnn_ceil_div(shape->inner, plan.columns);
    plan.segment = fnn_max(fnn_max(TASK_SIZE / fnn_min(plan.columns, shape->inner), shortest),
                           fnn_ceil_div(shape->length, most_segments));
    plan.segments = fnn_ceil_div(shape->length, plan.segment);
    plan.tasks = shape->outer * plan.column_blocks * plan.segments;
    return plan;
}

static size_t partial_sums(const fnn_axis_shape *shape, ptrdiff_t element) {
    const sum_plan plan = plan_sum(shape, element);
    return plan.segments == 1 ? 0 : (size_t)(shape->outer * plan.segments * shape->inner);
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/reduce_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/reduce_tmpl.c"
#include "base/real_end.h"
