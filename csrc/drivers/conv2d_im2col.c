/* Convolution as a matrix product whose columns are packed straight from padded planes. */
#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"
#include "drivers/gemm.h"

enum {
    COLUMN_BYTES = 384 * 1024, /* columns of dx that stay in the L2 cache until they are added */
    GRAIN = 200000             /* multiply-adds worth a task */
};

/* A 1x1 window on every pixel: the image is the matrix of columns. */
FNN_INLINE int is_plain(const fnn_conv2d_shape *s) {
    return s->r == 1 && s->s == 1 && s->stride_h == 1 && s->stride_w == 1 && s->p == s->h &&
           s->q == s->w && s->pad_top == 0 && s->pad_left == 0;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_im2col_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_im2col_tmpl.c"
#include "base/real_end.h"
