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

/* The products of all groups; `sums`: of dy, beside the gradient of the weights, or NULL. */
static FNN_NOINLINE void FN(run_whole)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass, const real *a, const real *b,
                                       const real *bias, real *sums, real *c, void *workspace) {
    fnn_gemm_shape product = FN(whole_product)(shape, pass);
    const int weight = pass == FNN_BACKWARD_WEIGHT;
    const ptrdiff_t m = product.m, n = product.n, k = product.k;
    if (bias) product.bias = FNN_BIAS_PER_COLUMN;
    for (ptrdiff_t g = 0; g < shape->groups; g++) {
        product.sums = sums ? sums + g * m : NULL;
        FN(fnn_gemm)(ctx, &product, a + g * (weight ? m : k), b + g * n * (weight ? 1 : k),
                     bias ? bias + g * n : NULL, c + g * n * (weight ? m : 1), workspace);
    }
    if (weight) return;
    const FN(finishing) finishing = FN(finishing_of)(shape, c);
    const ptrdiff_t image = shape->groups * n;
    FN(finish)(FN(table)(ctx), &finishing, (FN(region)){shape->n, image, 1, image, image}, 0);
}

void FN(fnn_conv2d_whole_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace) {
    FN(run_whole)(ctx, shape, FNN_FORWARD, x, w, bias, NULL, y, workspace);
}

void FN(fnn_conv2d_whole_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx,
                                        void *workspace) {
    FN(run_whole)(ctx, shape, FNN_BACKWARD_DATA, dy, w, NULL, NULL, dx, workspace);
}

void FN(fnn_conv2d_whole_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
                                          void *workspace) {
    FN(run_whole)(ctx, shape, FNN_BACKWARD_WEIGHT, dy, x, NULL, db, dw, workspace);
}
