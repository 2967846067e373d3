/* conv2d: the entry points, the choice of algorithm, the gradient of the bias. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

enum { BIAS_GRAIN = 65536 /* elements of dy worth a task */ };

/* A 1x1 window on every pixel is a matrix product as it stands. Elsewhere the matrix product wins
 * where channels are many and rows short (lanes are not lost between rows), or pixels strided in
 * the result. */
static fnn_algorithm choose(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    if (ctx->algorithm != FNN_AUTO) return ctx->algorithm;
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups;
    const int deep = c >= 16 && k >= 16;
    if (deep && s->r * s->s == 1) return FNN_IM2COL;
    if (deep && pass == FNN_BACKWARD_DATA && s->stride_w > 1) return FNN_IM2COL;
    if (deep && pass == FNN_BACKWARD_WEIGHT && s->q <= 16) return FNN_IM2COL;
    return FNN_DIRECT;
}

fnn_algorithm fnn_conv2d_choice(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                fnn_conv2d_pass pass, int is_f64) {
    (void)is_f64;
    return choose(ctx, shape, pass);
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_tmpl.c"
#include "base/real_end.h"
