/* Windows over planes in place: direct convolution for groups of so few channels that copying
 * their planes would cost as much as the sums. */
#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

enum {
    GRAIN = 200000,           /* multiply-adds worth a task */
    BLOCK_BYTES = 24 * 1024,  /* rows of a group's source that stay in the L1 cache */
    FOLD = 16                 /* gradients of windows whose sums are folded together */
};

/* Copied planes serve all channels of a group, so the more there are the cheaper is the copy; it is
 * dearest with a stride of 2, which splits the planes in four. Products of a group's channels up
 * to which each way was seen to win. With 16 registers the gradient of the weights has too few for
 * its sums and masks, and only a stride of 2 repays it. */
int fnn_conv2d_depthwise_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                               fnn_conv2d_pass pass) {
    const int weight = pass == FNN_BACKWARD_WEIGHT, strided = s->stride_h == 2;
    if (s->r != s->s || (s->r != 3 && s->r != 5) || s->dilation_h != 1 || s->dilation_w != 1 ||
        s->stride_h != s->stride_w || s->stride_h > 2 || s->groups == 1)
        return 0;
    if (weight && !strided && ctx->kernels->f32.conv2d_registers == 16) return 0;
    const ptrdiff_t pairs = (s->c / s->groups) * (s->k / s->groups);
    return pairs <= (weight ? (strided ? 32 : 8) : (strided ? 64 : 16));
}

FNN_INLINE fnn_conv2d_window conv2d_window(const fnn_conv2d_shape *s) {
    return (fnn_conv2d_window){.size = (int)s->r, .stride = (int)s->stride_h,
                               .in_rows = s->h, .in_cols = s->w,
                               .out_rows = s->p, .out_cols = s->q,
                               .top = s->pad_top, .left = s->pad_left};
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_depthwise_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_depthwise_tmpl.c"
#include "base/real_end.h"
