/* Depthwise convolution by windows that have few places on a plane; its passes stand in
 * drivers/conv2d_passes_tmpl.h. */
#ifndef FNN_DRIVERS_CONV2D_FEW_H
#define FNN_DRIVERS_CONV2D_FEW_H

#include "drivers/conv2d.h"

/* Whether there is a kernel for this pass, and it is expected to be the fastest. */
int fnn_conv2d_few_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                         int is_f64);

#endif
