/* Softmax, log-softmax and the cross-entropy loss. Denormals are flushed to zero: vanishing
 * probabilities and their products would otherwise cost ten times the rest. */
#include "base/common.h"
#include "base/fpstate.h"
#include "base/pool.h"
#include "kernels/kernels.h"

/* Elements a task works on (rows of softmax twice as many), the number from which tasks go to other threads (some 15 us of
 * work), and how many elements the two reductions of a row are worth. */
enum { TASK_SIZE = 16384, PARALLEL_SIZE = 131072, ROW_COST = 48 };

static int threads_for(const fnn_ctx *ctx, ptrdiff_t rows, ptrdiff_t length) {
    return rows * (length + ROW_COST) < PARALLEL_SIZE ? 1 : ctx->threads;
}

/* The position of the first label outside [0, classes) that does not say "ignore", or -1; the
 * number of labels that do not goes to `count`. */
static ptrdiff_t bad_label(const fnn_ctx *ctx, const fnn_cross_entropy_shape *shape,
                           const int64_t *target, ptrdiff_t *count) {
    const uint64_t classes = (uint64_t)shape->classes, ignore = (uint64_t)shape->ignore_index;
    *count = shape->rows;
    if (ignore >= classes && !ctx->kernels->f64.labels_outside(shape->rows, shape->classes, target))
        return -1;
    for (ptrdiff_t i = 0; i < shape->rows; i++) {
        const uint64_t label = (uint64_t)target[i];
        if (label == ignore)
            --*count;
        else if (label >= classes)
            return i;
    }
    return -1;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/softmax_tmpl.c"
#include "drivers/cross_entropy_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/softmax_tmpl.c"
#include "drivers/cross_entropy_tmpl.c"
#include "base/real_end.h"
