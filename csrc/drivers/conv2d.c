/* conv2d: the entry points, the choice of algorithm, the gradient of the bias. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

enum { BIAS_GRAIN = 65536 /* elements of dy worth a task */ };

typedef struct features {
    ptrdiff_t c, k, lanes;   /* channels per group */
    int short_sum;           /* few terms in an output's sum */
    int pointwise, strided;
    int narrow, tiny;        /* a row is no longer than a vector; than half of one */
    int few_pixels;          /* too few to pay for regrouping the weights */
    int wide;                /* tiles of 32 registers: the product keeps its speed on few columns */
} features;

/* Direct tiles lose lanes at the ends of short rows and time in taking a tile to its places if its
 * sum is short; the matrix product pays for packing its columns, which many output channels repay.
 * Fitted to both algorithms' times over the grid that README.md names: at most 4 % is lost on
 * average. */
static int prefers_columns(const features *f, fnn_conv2d_pass pass, ptrdiff_t pixels,
                           ptrdiff_t images) {
    const ptrdiff_t c = f->c, k = f->k, lanes = f->lanes;
    switch (pass) {
    case FNN_FORWARD:
        if (f->pointwise) return k >= 2 * lanes;
        if (f->short_sum) return k >= 4 * lanes;
        if (f->strided) return c >= lanes && k >= 4 * lanes;
        return f->narrow && !f->tiny && c >= 4 * lanes && k >= 8 * lanes;
    case FNN_BACKWARD_DATA:
        if (f->pointwise) return k >= 2 * lanes && k >= c;
        if (k >= 16 * c) return k >= 2 * lanes;
        return f->wide && f->few_pixels && c >= 16 * lanes && k >= 16 * lanes;
    default:
        if (f->pointwise) return fnn_min(c, k) >= lanes;
        if (f->short_sum) return k >= 4 * lanes;
        return (f->strided || f->narrow) && c * k >= lanes * lanes &&
               (pixels >= 128 || images == 1 || c * k >= 64 * lanes * lanes);
    }
}

fnn_algorithm fnn_conv2d_choice(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                fnn_conv2d_pass pass, int is_f64) {
    switch (ctx->algorithm) {
    case FNN_AUTO: break;
    case FNN_DIRECT:
    case FNN_IM2COL: return ctx->algorithm; /* these do every shape */
    default: return FNN_AUTO;
    }
    const ptrdiff_t lanes = is_f64 ? ctx->kernels->f64.lanes : ctx->kernels->f32.lanes;
    const ptrdiff_t pixels = s->p * s->q;
    const features f = {.c = s->c / s->groups, .k = s->k / s->groups, .lanes = lanes,
                        .short_sum = s->c / s->groups <= 4 && s->r * s->s <= 25,
                        .pointwise = s->r * s->s == 1,
                        .strided = s->stride_h > 1 || s->stride_w > 1,
                        .narrow = s->q <= lanes, .tiny = 2 * s->q <= lanes,
                        .few_pixels = s->n * pixels < 64,
                        .wide = ctx->kernels->f32.conv2d_registers == 32};
    if (fnn_conv2d_is_product(s) && s->groups == 1) return FNN_IM2COL;
    return prefers_columns(&f, pass, pixels, s->n) ? FNN_IM2COL : FNN_DIRECT;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_tmpl.c"
#include "base/real_end.h"
