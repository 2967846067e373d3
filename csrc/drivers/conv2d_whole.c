/* Convolution by windows that cover their planes: each image has one result a channel, and all passes
 * are those of a linear layer. */
#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

enum { FEWEST = 8 /* channels of a group that are worth a product */ };

int fnn_conv2d_is_whole(const fnn_conv2d_shape *s) {
    return s->p == 1 && s->q == 1 && s->r == s->h && s->s == s->w && s->pad_top == 0 &&
           s->pad_left == 0 && s->dilation_h * (s->r - 1) == s->h - 1 &&
           s->dilation_w * (s->s - 1) == s->w - 1 &&
           (s->groups == 1 || fnn_min(s->c, s->k) >= FEWEST * s->groups);
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_whole_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_whole_tmpl.c"
#include "base/real_end.h"
