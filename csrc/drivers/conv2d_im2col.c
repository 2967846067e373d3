/* Convolution as a matrix product whose columns are packed straight from padded planes. */
#include <string.h>

#include "base/common.h"
#include "base/cpu.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"
#include "drivers/conv2d_sizes.h"
#include "drivers/gemm.h"

enum {
    BAND_BYTES = 512 * 1024,   /* of a band whose planes are columns, .. */
    BAND_PIXELS = 128,         /* .. but at least so many pixels of the result, which fill panels */
    DEEP_2 = 128, DEEP_4 = 8,  /* depth from which columns are packed from x, by the windows' columns */
    TAPS_CHANNELS = 14,        /* that fill tiles of a product for each tap, .. */
    TAPS_RESULTS = 128,        /* .. channels of the result for which x may pass again, .. */
    TAPS_BYTES = 768 * 1024,   /* .. their sums, .. */
    FEW_TAPS_BYTES = 4 << 20,  /* .. and where most rows or columns of taps lie outside, .. */
    TAPS_ROW = 4,              /* .. pixels of a row, a segment of a sum, .. */
    TAPS_PIXELS = 32,          /* .. of all images, where few products with zeros are saved, .. */
    BESIDE_BYTES = 128 * 1024, /* .. and of dy of an image turned beside it */
    STACK_BYTES = 512 * 1024,  /* of images that L2 keeps until their columns are packed, or all taps met */
    FAR = 1 << 20,             /* bytes of all images that no L2 holds from one pass to the next */
    FARTHER = 1 << 30,         /* bytes times rows (128 count) to be fetched far ahead, or copied */
    FARTHEST = 32 << 20,       /* bytes that come from memory, where order is worth a copy */
    MANY_WEIGHTS = 512 << 10,  /* bytes of them that should not pass once for every image */
    APART_BYTES = 512 << 10,   /* of an image's panels, and half of the weights' */
    APART_FEWEST = 48,         /* channels on either side */
    LEFT_AHEAD = 16,           /* rows between the fetching of an image's row and its left pixels */
    TURNING = 256,             /* pixels of all images that repay turning the weights */
    GRAIN = 200000,            /* multiply-adds worth a task */
    SUMS_GRAIN = 65536         /* elements of dy worth one */
};

/* Pairs of a result and a tap along an axis that meet a pixel, of all of them. */
static double met(ptrdiff_t out, ptrdiff_t in, ptrdiff_t taps, ptrdiff_t stride,
                  ptrdiff_t dilation, ptrdiff_t pad) {
    ptrdiff_t count = 0;
    for (ptrdiff_t r = 0; r < taps; r++) {
        const ptrdiff_t at = r * dilation - pad; /* what the first result reads */
        const ptrdiff_t end = fnn_ceil_div(fnn_max(in - at, 0), stride);
        count += fnn_max(fnn_min(end, out) - fnn_ceil_div(fnn_max(-at, 0), stride), 0);
    }
    return (double)count / (double)(out * taps);
}

/* Nothing of x is copied, and nothing multiplied by zero; but x passes for each tap and panel of results,
 * and all sums for each band. Windows that do not overlap, and those that mostly lie outside, would be
 * copied most for each multiply-add. */
int fnn_conv2d_by_taps(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const ptrdiff_t lanes = ctx->kernels->f32.lanes, in = s->c / s->groups, out = s->k / s->groups;
    const ptrdiff_t taps = s->r * s->s, bytes = in * taps * out * (ptrdiff_t)sizeof(float);
    if (pass != FNN_BACKWARD_WEIGHT || lanes < 8 || taps < 2 || in < TAPS_CHANNELS ||
        out < lanes || s->q < TAPS_ROW)
        return 0;
    const double inside = met(s->p, s->h, s->r, s->stride_h, s->dilation_h, s->pad_top) *
                          met(s->q, s->w, s->s, s->stride_w, s->dilation_w, s->pad_left);
    if (10 * inside <= 7 && bytes <= FEW_TAPS_BYTES) return 1;
    /* vectors of results that are partly empty cost more here than pixels of a row that are */
    const int gaps = s->stride_w == 1 && 10 * out < 9 * fnn_round_up(out, lanes);
    if (inside >= 0.98 && (gaps || s->n * s->p * s->q < TAPS_PIXELS)) return 0;
    return out <= TAPS_RESULTS && bytes <= TAPS_BYTES &&
           (fnn_straddles || fnn_conv2d_is_disjoint(s));
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_turned_tmpl.h"
#include "drivers/conv2d_joined_tmpl.c"
#include "drivers/conv2d_im2col_plan_tmpl.h"
#include "drivers/conv2d_im2col_tmpl.c"
#include "drivers/conv2d_im2col_weight_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_turned_tmpl.h"
#include "drivers/conv2d_joined_tmpl.c"
#include "drivers/conv2d_im2col_plan_tmpl.h"
#include "drivers/conv2d_im2col_tmpl.c"
#include "drivers/conv2d_im2col_weight_tmpl.c"
#include "base/real_end.h"
