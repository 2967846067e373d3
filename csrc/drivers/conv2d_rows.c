/* Convolution as matrix products whose rows are pixels: forward and backward-data of `im2col`. */
#include <string.h>

#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

enum {
    SOURCE_BYTES = 256 * 1024, /* turned source of a band: half of L2, with the weights of a panel */
    RESULT_BYTES = 128 * 1024, /* its results of a panel */
    MAX_TAPS = 32,             /* of an axis */
    GRAIN = 200000             /* multiply-adds worth a task */
};

/* One axis of a result. Class i holds the positions a in [first, last]; position a of class i is
 * element a*out_step + shift of the result, and the sum over n in [start[i], start[i+1]) of tap
 * `tap[n]` and element a*in_step - pad + reach[n] of the source, in rising order of reach. */
typedef struct axis {
    ptrdiff_t in, out, pad;  /* elements of source and result */
    ptrdiff_t in_step, out_step;
    int classes, run;        /* run: the taps of a class reach one element further each */
    ptrdiff_t lo, hi, halo;  /* all positions; what is read beyond the last one's first */
    ptrdiff_t first[MAX_TAPS], last[MAX_TAPS], shift[MAX_TAPS];
    int start[MAX_TAPS + 1];
    ptrdiff_t reach[MAX_TAPS], tap[MAX_TAPS];
} axis;

static axis forward_axis(ptrdiff_t in, ptrdiff_t out, ptrdiff_t taps, ptrdiff_t stride,
                         ptrdiff_t dilation, ptrdiff_t pad) {
    axis a = {.in = in, .out = out, .pad = pad, .in_step = stride, .out_step = 1, .classes = 1,
              .run = dilation == 1, .hi = out, .halo = (taps - 1) * dilation};
    a.last[0] = out - 1;
    a.start[1] = (int)taps;
    for (ptrdiff_t r = 0; r < taps; r++) a.reach[r] = r * dilation, a.tap[r] = r;
    return a;
}

static axis backward_axis(ptrdiff_t in, ptrdiff_t out, ptrdiff_t taps, ptrdiff_t stride,
                          ptrdiff_t dilation, ptrdiff_t pad) {
    const fnn_conv2d_axis from =
        fnn_conv2d_axis_backward(in, out, taps, stride, dilation, pad);
    axis a = {.in = from.in, .out = from.out, .pad = from.halo, .in_step = 1,
              .out_step = stride, .classes = (int)from.phases, .lo = from.lo, .hi = from.hi,
              .run = dilation == fnn_conv2d_gcd(stride, dilation), .halo = from.halo};
    int n = 0;
    for (ptrdiff_t i = 0; i < from.phases; i++) {
        a.first[i] = fnn_conv2d_first(&from, i);
        a.last[i] = fnn_conv2d_last(&from, i);
        a.shift[i] = fnn_conv2d_residue(&from, i) - from.out_origin;
        a.start[i] = n;
        /* the last tap reaches least */
        for (ptrdiff_t r = i + (taps - 1 - i) / from.phases * from.phases; r >= i;
             r -= from.phases, n++)
            a.reach[n] = fnn_conv2d_reach(&from, r), a.tap[n] = r;
        a.start[i + 1] = n;
    }
    return a;
}

int fnn_conv2d_takes_rows(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, ptrdiff_t lanes,
                          ptrdiff_t nr) {
    if (pass == FNN_BACKWARD_WEIGHT || s->r * s->s == 1 || s->r > MAX_TAPS || s->s > MAX_TAPS)
        return 0;
    const int forward = pass == FNN_FORWARD;
    const ptrdiff_t in = (forward ? s->c : s->k) / s->groups;
    const ptrdiff_t out = (forward ? s->k : s->c) / s->groups;
    const ptrdiff_t row = forward ? s->q : s->w / s->stride_w;
    return in >= lanes && 4 * out >= 3 * fnn_round_up(out, nr) && row >= 6;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_taps_tmpl.h"
#include "drivers/conv2d_rows_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_taps_tmpl.h"
#include "drivers/conv2d_rows_tmpl.c"
#include "base/real_end.h"
