/* Depthwise convolution where a window has few places on a plane, as a large one has that is not
 * padded: nothing is turned, planes pass by once. */
#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_few.h"

enum {
    GRAIN_PIXELS = 32768, /* of the planes that are read or written, worth a task */
    SHARED_IMAGES = 16,   /* that weights of conv2d_fives serve: L1 holds some planes of each */
    MOST_POSITIONS = 64,  /* of a window's rows and the gaps between them, with vectors of 64 bytes */
    MOST_VECTORS = 8,     /* of taps of a plane forward, .. */
    MOST_TERMS = 12       /* .. and terms of one backward, up to which this way was seen to win */
};

/* Rows of a window that follow each other in the plane are one run of taps. */
static int one_run(const fnn_conv2d_shape *s) {
    return s->r == 1 || (s->s == s->w && s->dilation_h == 1);
}

int fnn_conv2d_few_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                         int is_f64) {
    const fnn_kernels *k = ctx->kernels;
    const ptrdiff_t lanes = is_f64 ? k->f64.lanes : k->f32.lanes, places = s->p * s->q;
    if (s->groups < 2 || s->c != s->groups || s->k != s->groups || s->dilation_w != 1 ||
        s->pad_top != 0 || s->pad_left != 0 || places == 0 ||
        (s->p - 1) * s->stride_h + (s->r - 1) * s->dilation_h >= s->h ||
        (s->q - 1) * s->stride_w + s->s > s->w)
        return 0;
    if (pass == FNN_FORWARD && !one_run(s)) /* a run for each row */
        return !is_f64 && k->f32.conv2d_few != NULL && s->p == 2 && s->q == 2 &&
               (lanes == 8 ? s->s <= lanes
                           : (s->r - 1) * s->dilation_h * s->w + s->s <= MOST_POSITIONS);
    if (pass == FNN_FORWARD)
        return (is_f64 ? k->f64.conv2d_few != NULL : k->f32.conv2d_few != NULL) &&
               places * fnn_ceil_div(s->r * s->s, lanes) <= MOST_VECTORS;
    return (is_f64 ? k->f64.conv2d_few_spread != NULL : k->f32.conv2d_few_spread != NULL) &&
           pass == FNN_BACKWARD_DATA && s->r * places <= MOST_TERMS && s->w >= 4 && s->w <= 8 &&
           s->h <= FNN_CONV2D_FEW_TERMS;
}

static fnn_conv2d_few few_places(const fnn_conv2d_shape *s) {
    return (fnn_conv2d_few){.rows = s->p, .cols = s->q, .taps = s->r * s->s,
                            .tap_cols = one_run(s) ? s->r * s->s : s->s,
                            .tap_row = s->dilation_h * s->w, .plane = s->h * s->w,
                            .row_step = s->stride_h * s->w, .col_step = s->stride_w,
                            .images = 1, .x_image = s->c * s->h * s->w,
                            .y_image = s->k * s->p * s->q,
                            .out_rows = s->h, .out_cols = s->w};
}

/* What each row of dx gets, in the order of the rows of dy. */
static void few_terms(const fnn_conv2d_shape *s, ptrdiff_t *start, fnn_conv2d_term *term) {
    ptrdiff_t count = 0;
    for (ptrdiff_t h = 0; h < s->h; h++) {
        start[h] = count;
        for (ptrdiff_t p = 0; p < s->p; p++) {
            const ptrdiff_t r = (h - p * s->stride_h) / s->dilation_h;
            if (h < p * s->stride_h || (h - p * s->stride_h) % s->dilation_h || r >= s->r) continue;
            for (ptrdiff_t q = 0; q < s->q; q++) {
                const ptrdiff_t lo = q * s->stride_w;
                term[count++] = (fnn_conv2d_term){p * s->q + q, r * s->s - lo, lo, lo + s->s};
            }
        }
    }
    start[s->h] = count;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_few_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_few_tmpl.c"
#include "base/real_end.h"
