/* Gradient of the weights by rows of pixels: no columns, and no products with zeros. */
#include <string.h>

#include "base/common.h"
#include "base/cpu.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"
#include "drivers/conv2d_sizes.h"

enum {
    SOME = 16,               /* channels of x a task */
    FEWEST = 32,             /* channels of the result: a panel */
    BLOCK_BYTES = 640 << 10, /* of the pixels that some channels of x and a panel of dy meet: L2 */
    CHAIN = 256,             /* pixels that are summed in one chain, if a row has not more: accuracy */
    GRAIN = 200000           /* multiply-adds worth a second thread */
};

/* Positions [*lo, *hi) of `out` for which a tap that reads `offset` further lies inside of `in`. */
static void inside(ptrdiff_t offset, ptrdiff_t in, ptrdiff_t out, ptrdiff_t *lo, ptrdiff_t *hi) {
    *lo = fnn_min(fnn_max(-offset, 0), out);
    *hi = fnn_max(fnn_min(in - offset, out), *lo);
}

/* Their number, of all taps of an axis. */
static ptrdiff_t all_inside(ptrdiff_t taps, ptrdiff_t dilation, ptrdiff_t pad, ptrdiff_t in,
                            ptrdiff_t out) {
    ptrdiff_t sum = 0, lo, hi;
    for (ptrdiff_t i = 0; i < taps; i++) {
        inside(i * dilation - pad, in, out, &lo, &hi);
        sum += hi - lo;
    }
    return sum;
}

static ptrdiff_t blocks_of(const fnn_conv2d_shape *s, ptrdiff_t nr, ptrdiff_t element) {
    const ptrdiff_t image = (SOME * s->h * s->w + nr * s->p * s->q) * element;
    return fnn_ceil_div(s->n, fnn_max(BLOCK_BYTES / image, 1));
}

/* The products with zeros that the others make beside what is lost here: where tiles begin and end,
 * of a run and of the sums, and in turning; against what the others lose. Measured where vectors
 * that straddle lines cost nothing, and chosen there. */
int fnn_conv2d_takes_rows_weight(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                 fnn_conv2d_pass pass) {
    const fnn_table_f32 *kernels = &ctx->kernels->f32;
    const ptrdiff_t in = s->c / s->groups, out = s->k / s->groups;
    if (fnn_conv2d_by_taps(ctx, s, pass) && s->n < 2 * s->q) return 0; /* runs of rows as they lie */
    if (pass != FNN_BACKWARD_WEIGHT || !kernels->winograd_depth || in < SOME || out < FEWEST ||
        s->stride_h > 1 || s->stride_w > 1 || fnn_conv2d_is_empty(s) ||
        !(fnn_straddles || ctx->algorithm == FNN_IM2COL))
        return 0;
    const double cols = (double)all_inside(s->s, s->dilation_w, s->pad_left, s->w, s->q);
    const double rows = (double)all_inside(s->r, s->dilation_h, s->pad_top, s->h, s->p);
    const double blocks = (double)blocks_of(s, kernels->gemm_nr, sizeof(float));
    const double all = (double)(s->r * s->p) * (double)(s->s * s->q) * (double)s->n;
    const double ends = 2.5 * rows * (double)s->s * blocks + 19 * (double)(s->r * s->s);
    const fnn_conv2d_maps maps = fnn_conv2d_maps_of(s, sizeof(float));
    const double turned = (4 * (maps.x + maps.y) + 18 * maps.far) / (double)(in * s->k);
    return rows * cols * (double)s->n + ends + turned < 1.032 * all;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_rows_weight_tmpl.c"
#include "base/real_end.h"
