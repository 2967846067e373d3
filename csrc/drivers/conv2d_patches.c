/* Few input channels as products over patches: what takes them, and the two passes. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_patches.h"

enum {
    PATCH_BYTES = 256 * 1024,       /* of a band, that stay in L2, .. */
    MOST_PATCH_BYTES = 1024 * 1024, /* .. and where as many weights pass */
    LEAST_WEIGHTS = 3072,           /* that repay turning, .. */
    LEAST_SUM = 72,                 /* .. and what is stored, forward */
    PARTIAL_BYTES = 512 * 1024,     /* all partial gradients */
    TASKS = 8,                      /* shares of the weights' steps to aim at */
    GRAIN = 200000                  /* multiply-adds worth a task */
};

/* Rows turned for a product that fills its tiles repay where few windows share a column: there runs
 * of taps are short, and `direct` copies columns apart by stride. Fitted to the times over the
 * problems that csrc/notes/conv2d_few_channels.md names. */
int fnn_conv2d_takes_patches(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                             int is_f64) {
    const ptrdiff_t in = s->c / s->groups, out = s->k / s->groups, lanes = ctx->kernels->f32.lanes;
    const ptrdiff_t sum = in * s->r * s->s;
    const int wide = ctx->kernels->f32.conv2d_registers == 32, narrow = s->q <= lanes;
    if (is_f64 || pass == FNN_BACKWARD_DATA || lanes < 8 || s->dilation_w != 1) return 0;
    if (s->stride_w >= 4 && sum * out < LEAST_WEIGHTS) return 0;
    if (pass == FNN_FORWARD)
        return s->stride_w >= 4 && s->s <= 3 * s->stride_w && in <= 8 && out >= 32 &&
               sum >= LEAST_SUM && s->q >= 14;
    if (s->stride_w >= 4)
        return s->s <= 2 * s->stride_w && in <= 16 && out >= 16 && (!narrow || s->n >= 8);
    if (!wide || narrow || out < 32 || s->stride_w != 2) return 0;
    return s->r == 3 && s->s == 3 && in == 3 && s->q >= 28;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_patches_tmpl.c"
#include "base/real_end.h"
