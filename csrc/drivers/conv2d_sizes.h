/* The sizes of a table of kernels that the choices of drivers/conv2d.h depend on. */
#ifndef FNN_DRIVERS_CONV2D_SIZES_H
#define FNN_DRIVERS_CONV2D_SIZES_H

#include "kernels/kernels.h"

#include "drivers/conv2d.h"

FNN_INLINE fnn_conv2d_sizes fnn_conv2d_sizes_of(const fnn_ctx *ctx, int is_f64) {
    const fnn_table_f32 *single = &ctx->kernels->f32;
    const fnn_table_f64 *twice = &ctx->kernels->f64;
    if (is_f64)
        return (fnn_conv2d_sizes){twice->lanes, twice->gemm_mr, twice->gemm_nr, twice->gemm_kc, 8,
                                  twice->gemm_copies};
    return (fnn_conv2d_sizes){single->lanes, single->gemm_mr, single->gemm_nr, single->gemm_kc, 4,
                              single->gemm_copies};
}

#endif
