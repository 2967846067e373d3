/* The algorithms' entries, for one element type; see drivers/conv2d.h. */

size_t FN(fnn_conv2d_direct_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass);
void FN(fnn_conv2d_direct_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_direct_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                   const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_direct_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx, void *workspace);
/* By padded planes. */
fnn_conv2d_tiled FN(fnn_conv2d_direct_tiled)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                             fnn_conv2d_pass pass);
fnn_conv2d_tiled FN(fnn_conv2d_direct_weight_tiled)(const fnn_ctx *ctx,
                                                    const fnn_conv2d_shape *shape);
size_t FN(fnn_conv2d_direct_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape);
void FN(fnn_conv2d_direct_weight_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           fnn_conv2d_plan *plan);
void FN(fnn_conv2d_direct_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw, real *db,
                                           void *workspace);

/* `im2col` for the shapes that fnn_conv2d_is_whole. */
size_t FN(fnn_conv2d_whole_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      fnn_conv2d_pass pass);
void FN(fnn_conv2d_whole_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_whole_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_whole_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx, void *workspace);
void FN(fnn_conv2d_whole_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
                                          void *workspace);

/* `direct` without copies, for the shapes that fnn_conv2d_depthwise_suits. */
size_t FN(fnn_conv2d_depthwise_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          fnn_conv2d_pass pass);
void FN(fnn_conv2d_depthwise_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_depthwise_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      const real *x, const real *w, const real *bias, real *y,
                                      void *workspace);
void FN(fnn_conv2d_depthwise_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                            const real *dy, const real *w, real *dx,
                                            void *workspace);
void FN(fnn_conv2d_depthwise_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                              const real *dy, const real *x, real *dw, real *db,
                                              void *workspace);

/* The same with LANES groups side by side in the lanes, for any window; for the shapes that
 * drivers/conv2d_depthwise.c gives to it. */
size_t FN(fnn_conv2d_lanes_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      fnn_conv2d_pass pass);
void FN(fnn_conv2d_lanes_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
/* drivers/conv2d_near.h, of float32 alone */
size_t FN(fnn_conv2d_near_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     fnn_conv2d_pass pass);
void FN(fnn_conv2d_near_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                 const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_near_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       const real *dy, const real *w, real *dx, void *workspace);

/* drivers/conv2d_few.h, without a workspace */
void FN(fnn_conv2d_few_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                const real *w, const real *bias, real *y);
void FN(fnn_conv2d_few_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      const real *dy, const real *w, real *dx);

void FN(fnn_conv2d_lanes_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_lanes_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx, void *workspace);
size_t FN(fnn_conv2d_lanes_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape);
void FN(fnn_conv2d_lanes_weight_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          fnn_conv2d_plan *plan);
void FN(fnn_conv2d_lanes_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
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
                                           const real *dy, const real *x, real *dw, real *db,
                                           void *workspace);

size_t FN(fnn_conv2d_batch_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      fnn_conv2d_pass pass);
void FN(fnn_conv2d_batch_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_batch_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_batch_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx, void *workspace);
fnn_conv2d_tiled FN(fnn_conv2d_batch_tiled)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                            fnn_conv2d_pass pass);
fnn_conv2d_tiled FN(fnn_conv2d_batch_weight_tiled)(const fnn_ctx *ctx,
                                                   const fnn_conv2d_shape *shape);
size_t FN(fnn_conv2d_batch_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape);
void FN(fnn_conv2d_batch_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
                                          void *workspace);

/* im2col's other forms of forward and backward-data: pixels of all images in one product, or apart,
 * where FN(fnn_conv2d_joins); and rows of pixels times weights. */
int FN(fnn_conv2d_joins)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, fnn_conv2d_pass pass);
size_t FN(fnn_conv2d_joined_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass);
void FN(fnn_conv2d_joined_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_joined_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   const real *x, const real *w, const real *bias, real *y,
                                   void *workspace);
void FN(fnn_conv2d_joined_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx, void *workspace);
size_t FN(fnn_conv2d_rows_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     fnn_conv2d_pass pass);
void FN(fnn_conv2d_rows_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                  fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_rows_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                 const real *x, const real *w, const real *bias, real *y,
                                 void *workspace);
void FN(fnn_conv2d_rows_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       const real *dy, const real *w, real *dx, void *workspace);

/* The same for the gradient of the weights, of float32 alone (drivers/conv2d_rows_weight.c). */
size_t FN(fnn_conv2d_rows_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                            fnn_conv2d_pass pass);
void FN(fnn_conv2d_rows_weight_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_rows_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *x, real *dw, real *db,
                                         void *workspace);

/* `winograd` for dilated windows, by phases (drivers/conv2d_phases.h). */
size_t FN(fnn_conv2d_phases_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass);
void FN(fnn_conv2d_phases_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_phases_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   const real *x, const real *w, const real *bias, real *y,
                                   void *workspace);
void FN(fnn_conv2d_phases_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx, void *workspace);
void FN(fnn_conv2d_phases_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw, real *db,
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
                                           const real *dy, const real *x, real *dw, real *db,
                                           void *workspace);

/* `winograd` along rows of wide windows; for the passes and shapes that fnn_conv2d_flat_can does. */
size_t FN(fnn_conv2d_flat_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     fnn_conv2d_pass pass);
void FN(fnn_conv2d_flat_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                  fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_flat_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                 const real *w, const real *bias, real *y, void *workspace);
void FN(fnn_conv2d_flat_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       const real *dy, const real *w, real *dx, void *workspace);

/* `im2col` for few input channels, by patches (drivers/conv2d_patches.h), of float32 alone. */
size_t FN(fnn_conv2d_patches_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        fnn_conv2d_pass pass);
void FN(fnn_conv2d_patches_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
void FN(fnn_conv2d_patches_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    const real *x, const real *w, const real *bias, real *y,
                                    void *workspace);
void FN(fnn_conv2d_patches_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                            const real *dy, const real *x, real *dw, real *db,
                                            void *workspace);
