/* Elementwise drivers: collapse the broadcast to as few dimensions as possible and hand rows to
 * the kernels. Exact operations: denormals are kept. */
#include "base/common.h"
#include "base/pool.h"
#include "kernels/kernels.h"

/* Elements a task works on, and the sizes from which tasks go to other threads, for plain and
 * for transcendental operations: some 15 us of work, since telling a thread that sleeps costs 3-10
 * (and one that has not slept yet, one). */
enum { TASK_SIZE = 16384, PARALLEL_SIZE = 65536, PARALLEL_CURVE_SIZE = 32768 };

static int threads_for(const fnn_ctx *ctx, ptrdiff_t count, fnn_unary_op op) {
    return count < (op == FNN_RELU ? PARALLEL_SIZE : PARALLEL_CURVE_SIZE) ? 1 : ctx->threads;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/elementwise_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/elementwise_tmpl.c"
#include "base/real_end.h"
