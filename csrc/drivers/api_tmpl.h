/* Every driver, for one element type; included by fastnn.h for float32 and float64. */

/* ---- matrix multiplication: drivers/gemm.c ---- */
size_t FN(fnn_gemm_workspace)(const fnn_ctx *ctx, const fnn_gemm_shape *shape);
/* Terms of each sum that are added before C is written, and read again for the next ones. */
ptrdiff_t FN(fnn_gemm_depth)(const fnn_ctx *ctx, const fnn_gemm_shape *shape);
/* bias has n (per column) or m (per row) elements, NULL without. */
fnn_status FN(fnn_gemm)(const fnn_ctx *ctx, const fnn_gemm_shape *shape, const real *a,
                        const real *b, const real *bias, real *c, void *workspace);
/* Elements that the packed form of a k x n operand B takes, and the packing itself. */
size_t FN(fnn_gemm_packed_size)(const fnn_ctx *ctx, ptrdiff_t n, ptrdiff_t k);
fnn_status FN(fnn_gemm_pack_b)(const fnn_ctx *ctx, ptrdiff_t n, ptrdiff_t k, const real *b,
                               ptrdiff_t b_rs, ptrdiff_t b_cs, real *packed);

/* ---- convolution: drivers/conv2d.c ---- */
size_t FN(fnn_conv2d_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                fnn_conv2d_pass pass);
/* What the pass would do with this shape; nothing is computed. */
void FN(fnn_conv2d_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                             fnn_conv2d_pass pass, fnn_conv2d_plan *plan);
/* bias may be NULL */
fnn_status FN(fnn_conv2d_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace);
fnn_status FN(fnn_conv2d_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx, void *workspace);
/* db, or NULL: the gradient of the bias, summed on the way. */
fnn_status FN(fnn_conv2d_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
                                          void *workspace);
/* db[k] = sum of dy over images and pixels, alone. */
fnn_status FN(fnn_conv2d_backward_bias)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, real *db);

/* ---- pooling: drivers/pooling.c ---- */
/* Words for each plane of the bits that stand for positions (kernels/pool_bits.h) on this
 * instruction set; 0 if there are none. */
ptrdiff_t FN(fnn_max_pool_words)(const fnn_ctx *ctx, const fnn_pool_shape *shape);
/* index or bits, or neither */
fnn_status FN(fnn_max_pool)(const fnn_ctx *ctx, const fnn_pool_shape *shape, const real *x, real *y,
                            int32_t *index, uint16_t *bits);
/* index or bits, whichever fnn_max_pool told, of any instruction set; with bits all of the shape is
 * read. An index outside its plane is FNN_BAD_INDEX, and dx is then unspecified. gate, like dx, or NULL:
 * the result of a ReLU before the pooling, whose gradient is taken too: gate <= 0 ? 0 : dx. */
fnn_status FN(fnn_max_pool_backward)(const fnn_ctx *ctx, const fnn_pool_shape *shape,
                                     const real *dy, const int32_t *index, const uint16_t *bits,
                                     const real *gate, real *dx);
fnn_status FN(fnn_avg_pool)(const fnn_ctx *ctx, const fnn_pool_shape *shape, const real *x, real *y);
fnn_status FN(fnn_avg_pool_backward)(const fnn_ctx *ctx, const fnn_pool_shape *shape,
                                     const real *dy, real *dx);

/* ---- elementwise: drivers/elementwise.c; out may be one of the operands itself ---- */
fnn_status FN(fnn_binary)(const fnn_ctx *ctx, fnn_binary_op op, const fnn_broadcast_shape *shape,
                          const real *a, const real *b, real *out);
fnn_status FN(fnn_unary)(const fnn_ctx *ctx, fnn_unary_op op, ptrdiff_t count, const real *x,
                         real *y);
/* dx = dy * f'(x), given y = f(x): FNN_TANH, FNN_SIGMOID or FNN_RELU. */
fnn_status FN(fnn_unary_backward)(const fnn_ctx *ctx, fnn_unary_op op, ptrdiff_t count,
                                  const real *dy, const real *y, real *dx);

/* ---- reductions: drivers/reduce.c ---- */
size_t FN(fnn_sum_workspace)(const fnn_ctx *ctx, const fnn_axis_shape *shape);
/* y [outer][inner] = scale * sum over length */
fnn_status FN(fnn_sum)(const fnn_ctx *ctx, const fnn_axis_shape *shape, double scale, const real *x,
                       real *y, void *workspace);

/* ---- softmax and its loss: drivers/softmax.c ---- */
fnn_status FN(fnn_softmax)(const fnn_ctx *ctx, const fnn_axis_shape *shape, int logarithm,
                           const real *x, real *y);
fnn_status FN(fnn_softmax_backward)(const fnn_ctx *ctx, const fnn_axis_shape *shape, int logarithm,
                                    const real *dy, const real *y, real *dx);
/* loss: rows values for FNN_NONE, else one; lse: rows values; divisor: sum of the weights of
 * the rows that count. weight may be NULL. */
fnn_status FN(fnn_cross_entropy)(const fnn_ctx *ctx, fnn_cross_entropy_shape *shape,
                                 const real *logits, const int64_t *target, const real *weight,
                                 real *loss, real *lse, double *divisor);
/* grad: rows values for FNN_NONE, else one. */
fnn_status FN(fnn_cross_entropy_backward)(const fnn_ctx *ctx, const fnn_cross_entropy_shape *shape,
                                          const real *grad, const real *logits,
                                          const int64_t *target, const real *weight,
                                          const real *lse, double divisor, real *dlogits);

/* ---- optimisers: drivers/optim.c; `count` arrays of `size[i]` elements each, in place ---- */
fnn_status FN(fnn_sgd_step)(const fnn_ctx *ctx, const fnn_sgd *sgd, ptrdiff_t count,
                            const ptrdiff_t *size, real *const *param, const real *const *grad,
                            real *const *momentum);
fnn_status FN(fnn_adam_step)(const fnn_ctx *ctx, const fnn_adam *adam, ptrdiff_t count,
                             const ptrdiff_t *size, real *const *param, const real *const *grad,
                             real *const *m, real *const *v, real *const *v_max);

/* ---- probes: drivers/probe.c; the caller times them ---- */
/* Runs multiply-adds out of registers; returns how many floating-point operations they were. */
double FN(fnn_fma_work)(const fnn_ctx *ctx, ptrdiff_t rounds);
/* Passes over a buffer of `count` elements (what reads and writes: from its first part to the
 * rest); returns the bytes read plus those written. */
double FN(fnn_stream_work)(const fnn_ctx *ctx, fnn_stream stream, ptrdiff_t count, real *buffer,
                           ptrdiff_t rounds);
