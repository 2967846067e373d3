/* Elementwise drivers: collapse the broadcast to as few dimensions as possible and hand rows to
 * the kernels. Exact operations: denormals are kept. */
#include "base/common.h"
#include "base/pool.h"
#include "kernels/kernels.h"

/* Elements a task works on, and the size from which tasks go to other threads: below it a
 * hand-over costs more than the work. */
enum { TASK_SIZE = 32768, PARALLEL_SIZE = 65536 };

static int threads_for(const fnn_ctx *ctx, ptrdiff_t count) {
    return count < PARALLEL_SIZE ? 1 : ctx->threads;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/elementwise_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/elementwise_tmpl.c"
#include "base/real_end.h"
