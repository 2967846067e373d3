/* Of each group, with C channels by taps and K results:
 *
 *   y [image][K] = x [image][C] w [K][C]^T     dx [image][C] = dy [image][K] w [K][C]
 *   dw [K][C] = dy [image][K]^T x [image][C]   and dy's sums, which are the gradient of the bias
 *
 * Workspace: the product's own. */

static fnn_gemm_shape FN(whole_product)(const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const ptrdiff_t images = s->n, in = s->c / s->groups * s->r * s->s, out = s->k / s->groups;
    const ptrdiff_t x_image = s->groups * in, y_image = s->k;
    switch (pass) {
    case FNN_FORWARD:
        return (fnn_gemm_shape){.m = images, .n = out, .k = in, .batch = 1, .a_rs = x_image,
                                .a_cs = 1, .b_rs = 1, .b_cs = in, .c_rs = y_image};
    case FNN_BACKWARD_DATA:
        return (fnn_gemm_shape){.m = images, .n = in, .k = out, .batch = 1, .a_rs = y_image,
                                .a_cs = 1, .b_rs = in, .b_cs = 1, .c_rs = x_image};
    default:
        return (fnn_gemm_shape){.m = out, .n = in, .k = images, .batch = 1, .a_rs = 1,
                                .a_cs = y_image, .b_rs = x_image, .b_cs = 1, .c_rs = in};
    }
}

size_t FN(fnn_conv2d_whole_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      fnn_conv2d_pass pass) {
    const fnn_gemm_shape product = FN(whole_product)(shape, pass);
    return FN(fnn_gemm_workspace)(ctx, &product);
}

void FN(fnn_conv2d_whole_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const fnn_gemm_shape product = FN(whole_product)(shape, pass);
    (void)ctx;
    to->kernel = "gemm, an image a row";
    fnn_conv2d_note(to, "rows", product.m);
    fnn_conv2d_note(to, "columns", product.n);
    fnn_conv2d_note(to, "depth", product.k);
}

void FN(fnn_conv2d_whole_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace) {
    fnn_gemm_shape product = FN(whole_product)(shape, FNN_FORWARD);
    const FN(finishing) finishing = FN(finishing_of)(shape, y);
    if (bias) product.bias = FNN_BIAS_PER_COLUMN;
    for (ptrdiff_t g = 0; g < shape->groups; g++)
        FN(fnn_gemm)(ctx, &product, x + g * product.k, w + g * product.n * product.k,
                     bias ? bias + g * product.n : NULL, y + g * product.n, workspace);
    FN(finish)(FN(table)(ctx), &finishing,
               (FN(region)){shape->n, shape->k, 1, shape->k, shape->k}, 0);
}

void FN(fnn_conv2d_whole_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx,
                                        void *workspace) {
    const fnn_gemm_shape product = FN(whole_product)(shape, FNN_BACKWARD_DATA);
    const FN(finishing) finishing = FN(finishing_of)(shape, dx);
    const ptrdiff_t image = shape->groups * product.n;
    for (ptrdiff_t g = 0; g < shape->groups; g++)
        FN(fnn_gemm)(ctx, &product, dy + g * product.k, w + g * product.n * product.k, NULL,
                     dx + g * product.n, workspace);
    FN(finish)(FN(table)(ctx), &finishing, (FN(region)){shape->n, image, 1, image, image}, 0);
}

void FN(fnn_conv2d_whole_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
                                          void *workspace) {
    fnn_gemm_shape product = FN(whole_product)(shape, FNN_BACKWARD_WEIGHT);
    for (ptrdiff_t g = 0; g < shape->groups; g++) {
        product.sums = db ? db + g * product.m : NULL;
        FN(fnn_gemm)(ctx, &product, dy + g * product.m, x + g * product.n, NULL,
                     dw + g * product.m * product.n, workspace);
    }
}
