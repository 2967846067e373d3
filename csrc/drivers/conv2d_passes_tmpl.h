/* The algorithms' entries, for one element type; see drivers/conv2d.h. */

size_t FN(fnn_conv2d_direct_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass);
void FN(fnn_conv2d_direct_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_direct_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                   const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_direct_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx, void *workspace);
size_t FN(fnn_conv2d_direct_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape);
void FN(fnn_conv2d_direct_weight_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           fnn_conv2d_plan *plan);
void FN(fnn_conv2d_direct_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw,
                                           void *workspace);

size_t FN(fnn_conv2d_im2col_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass);
void FN(fnn_conv2d_im2col_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_im2col_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                   const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_im2col_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx, void *workspace);
void FN(fnn_conv2d_im2col_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw,
                                           void *workspace);

size_t FN(fnn_conv2d_winograd_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass);
void FN(fnn_conv2d_winograd_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_winograd_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                   const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_winograd_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx, void *workspace);
void FN(fnn_conv2d_winograd_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw,
                                           void *workspace);
