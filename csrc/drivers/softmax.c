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

/* Two labels, which every 64-bit processor has vectors for. */
typedef uint64_t labels __attribute__((vector_size(16)));

/* The position of the first label outside [0, classes) that does not say "ignore", or -1; the
 * number of labels that do not goes to `count`. */
static ptrdiff_t bad_label(const fnn_cross_entropy_shape *shape, const int64_t *target,
                           ptrdiff_t *count) {
    const uint64_t classes = (uint64_t)shape->classes, ignore = (uint64_t)shape->ignore_index;
    const uint64_t last = classes - 1;
    /* negative if some label is, or what it leaves up to the last one */
    labels outside = {ignore < classes ? UINT64_MAX : 0};
    ptrdiff_t i = 0;
    *count = shape->rows;
    for (; i + 2 <= shape->rows; i += 2) {
        labels two;
        __builtin_memcpy(&two, target + i, sizeof two);
        outside |= two | (last - two);
    }
    uint64_t any = outside[0] | outside[1];
    if (i < shape->rows) any |= (uint64_t)target[i] | (last - (uint64_t)target[i]);
    if (!(any >> 63)) return -1;
    for (i = 0; i < shape->rows; i++) {
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
