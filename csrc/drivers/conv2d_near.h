/* Depthwise convolution over planes that are copied to the L1 cache, one at a time or, where stride
 * and dilation leave every second column, two in one another; its passes stand in
 * drivers/conv2d_passes_tmpl.h. */
#ifndef FNN_DRIVERS_CONV2D_NEAR_H
#define FNN_DRIVERS_CONV2D_NEAR_H

#include "drivers/conv2d.h"

/* Whether there is a kernel for this pass. */
int fnn_conv2d_near_can(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                        int is_f64);

/* Cycles for one plane. */
double fnn_conv2d_near_cycles(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                              fnn_conv2d_pass pass);

#endif
