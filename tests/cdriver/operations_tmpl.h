/* One driver call per operation, for one element type. Arrays and numbers come in the order in
 * which dump.py writes them. */

static const real *FN(in)(const test_case *c, int i) { return c->input[i].data; }

/* A driver's workspace: as large as it asks for and not a byte more. */
static block FN(workspace)(const test_case *c, size_t bytes) {
    return bytes ? block_take(bytes, 64, c->watch_start) : (block){0};
}

static fnn_status FN(multiply)(const fnn_ctx *ctx, const test_case *c, fnn_gemm_shape shape,
                               const real *b, const real *bias, real *out) {
    shape.c_bs = shape.m * shape.c_rs;
    block workspace = FN(workspace)(c, FN(fnn_gemm_workspace)(ctx, &shape));
    const fnn_status status =
        FN(fnn_gemm)(ctx, &shape, FN(in)(c, 0), b, bias, out, workspace.data);
    block_give(&workspace);
    return status;
}

/* Inputs: A, B, a bias per column, one per row, and what C holds where it is added to. */
static fnn_status FN(run_gemm)(const fnn_ctx *ctx, const test_case *c, block *out) {
    const ptrdiff_t *n = c->ints;
    const fnn_gemm_shape dense = {.m = n[0], .n = n[1], .k = n[2], .batch = n[3],
                                  .a_rs = n[4], .a_cs = n[5], .a_bs = n[6],
                                  .b_rs = n[7], .b_cs = n[8], .b_bs = n[9], .c_rs = n[1]};
    fnn_gemm_shape shape = dense;
    shape.bias = FNN_BIAS_PER_COLUMN, shape.relu = 1, shape.c_rs = n[10];
    TRY(FN(multiply)(ctx, c, shape, FN(in)(c, 1), FN(in)(c, 2), out[0].data));
    shape = dense, shape.bias = FNN_BIAS_PER_ROW;
    TRY(FN(multiply)(ctx, c, shape, FN(in)(c, 1), FN(in)(c, 3), out[1].data));
    shape = dense, shape.accumulate = 1, shape.c_rs = n[10];
    if (c->output_count > 3) shape.sums = out[4].data; /* of one matrix A */
    memcpy(out[2].data, c->input[4].data, out[2].bytes);
    TRY(FN(multiply)(ctx, c, shape, FN(in)(c, 1), NULL, out[2].data));
    if (c->output_count < 4) return FNN_OK; /* a batch has no packed form */
    shape = dense, shape.b_packed = 1;
    block packed = block_take(FN(fnn_gemm_packed_size)(ctx, n[1], n[2]) * sizeof(real),
                              sizeof(real), c->watch_start);
    TRY(FN(fnn_gemm_pack_b)(ctx, n[1], n[2], FN(in)(c, 1), n[7], n[8], packed.data));
    TRY(FN(multiply)(ctx, c, shape, packed.data, NULL, out[3].data));
    block_give(&packed);
    return FNN_OK;
}

static fnn_status FN(run_conv2d)(const fnn_ctx *ctx, const test_case *c, block *out) {
    const ptrdiff_t *n = c->ints;
    fnn_conv2d_shape shape = {n[0],  n[1],  n[2],  n[3],  n[4],  n[5],  n[6],  n[7], n[8],
                              n[9],  n[10], n[11], n[12], n[13], n[14], n[15], n[16], n[17],
                              0,     NULL};
    const real *x = FN(in)(c, 0), *w = FN(in)(c, 1), *bias = FN(in)(c, 2), *dy = FN(in)(c, 3);
    for (int pass = FNN_FORWARD; pass <= FNN_BACKWARD_WEIGHT; pass++) {
        fnn_ctx asked = *ctx;
        if (fnn_conv2d_choose(&asked, &shape, (fnn_conv2d_pass)pass, c->is_f64) == FNN_AUTO)
            return FNN_UNSUPPORTED;
        block workspace =
            FN(workspace)(c, FN(fnn_conv2d_workspace)(ctx, &shape, (fnn_conv2d_pass)pass));
        void *y = out[pass].data, *room = workspace.data;
        if (pass == FNN_FORWARD) {
            TRY(FN(fnn_conv2d_forward)(ctx, &shape, x, w, bias, y, room));
            shape.relu = 1;
            TRY(FN(fnn_conv2d_forward)(ctx, &shape, x, w, bias, out[4].data, room));
            shape.relu = 0;
        } else if (pass == FNN_BACKWARD_DATA) {
            TRY(FN(fnn_conv2d_backward_data)(ctx, &shape, dy, w, y, room));
            shape.gate = x;
            TRY(FN(fnn_conv2d_backward_data)(ctx, &shape, dy, w, out[5].data, room));
            shape.gate = NULL;
        } else {
            TRY(FN(fnn_conv2d_backward_weight)(ctx, &shape, dy, x, y, NULL, room));
            TRY(FN(fnn_conv2d_backward_weight)(ctx, &shape, dy, x, y, out[6].data, room));
        }
        block_give(&workspace);
    }
    return FN(fnn_conv2d_backward_bias)(ctx, &shape, dy, out[3].data);
}

static fnn_pool_shape FN(pool_shape)(const ptrdiff_t *n) {
    return (fnn_pool_shape){n[0], n[1], n[2],  n[3],  n[4],      n[5],      n[6], n[7],
                            n[8], n[9], n[10], n[11], n[12], (int)n[13], n[14]};
}

static fnn_status FN(run_pool)(const fnn_ctx *ctx, const test_case *c, block *out) {
    const fnn_pool_shape shape = FN(pool_shape)(c->ints);
    const real *x = FN(in)(c, 0), *dy = FN(in)(c, 1);
    if (strcmp(c->operation, "avg_pool") == 0) {
        TRY(FN(fnn_avg_pool)(ctx, &shape, x, out[0].data));
        return FN(fnn_avg_pool_backward)(ctx, &shape, dy, out[1].data);
    }
    TRY(FN(fnn_max_pool)(ctx, &shape, x, out[0].data, out[1].data, NULL));
    TRY(FN(fnn_max_pool)(ctx, &shape, x, out[3].data, NULL, NULL));
    TRY(FN(fnn_max_pool_backward)(ctx, &shape, dy, out[1].data, NULL, x, out[4].data));
    TRY(FN(fnn_max_pool_backward)(ctx, &shape, dy, out[1].data, NULL, NULL, out[2].data));
    /* once more, with bits where there are any */
    const ptrdiff_t words = FN(fnn_max_pool_words)(ctx, &shape);
    block bits = FN(workspace)(c, (size_t)(shape.planes * words) * sizeof(uint16_t));
    TRY(FN(fnn_max_pool)(ctx, &shape, x, out[5].data, NULL, bits.data));
    TRY(FN(fnn_max_pool_backward)(ctx, &shape, dy, bits.data ? NULL : out[1].data, bits.data, NULL,
                                  out[6].data));
    block_give(&bits);
    return FNN_OK;
}

static fnn_status FN(run_binary)(const fnn_ctx *ctx, const test_case *c, block *out) {
    fnn_broadcast_shape shape = {.ndim = (int)c->ints[0]};
    for (int i = 0; i < shape.ndim; i++) {
        shape.size[i] = c->ints[1 + 3 * i];
        shape.a_stride[i] = c->ints[2 + 3 * i];
        shape.b_stride[i] = c->ints[3 + 3 * i];
    }
    for (int op = FNN_ADD; op <= FNN_DIV; op++)
        TRY(FN(fnn_binary)(ctx, (fnn_binary_op)op, &shape, FN(in)(c, 0), FN(in)(c, 1),
                           out[op].data));
    return FNN_OK;
}

static fnn_status FN(run_unary)(const fnn_ctx *ctx, const test_case *c, block *out) {
    const ptrdiff_t count = c->ints[0];
    for (int op = FNN_EXP; op <= FNN_RELU; op++)
        TRY(FN(fnn_unary)(ctx, (fnn_unary_op)op, count, FN(in)(c, 0), out[op].data));
    for (int op = FNN_TANH; op <= FNN_RELU; op++)
        TRY(FN(fnn_unary_backward)(ctx, (fnn_unary_op)op, count, FN(in)(c, 1), FN(in)(c, 2),
                                   out[5 + op - FNN_TANH].data));
    return FNN_OK;
}

static fnn_status FN(run_sum)(const fnn_ctx *ctx, const test_case *c, block *out) {
    const fnn_axis_shape shape = {c->ints[0], c->ints[1], c->ints[2]};
    block workspace = FN(workspace)(c, FN(fnn_sum_workspace)(ctx, &shape));
    const fnn_status status =
        FN(fnn_sum)(ctx, &shape, c->reals[0], FN(in)(c, 0), out[0].data, workspace.data);
    block_give(&workspace);
    return status;
}

static fnn_status FN(run_softmax)(const fnn_ctx *ctx, const test_case *c, block *out) {
    const fnn_axis_shape shape = {c->ints[0], c->ints[1], c->ints[2]};
    const int logarithm = (int)c->ints[3];
    TRY(FN(fnn_softmax)(ctx, &shape, logarithm, FN(in)(c, 0), out[0].data));
    return FN(fnn_softmax_backward)(ctx, &shape, logarithm, FN(in)(c, 1), FN(in)(c, 2),
                                    out[1].data);
}

static fnn_status FN(run_cross_entropy)(const fnn_ctx *ctx, const test_case *c, block *out) {
    fnn_cross_entropy_shape shape = {.rows = c->ints[0],
                                     .classes = c->ints[1],
                                     .ignore_index = c->ints[2],
                                     .reduction = (fnn_reduction)c->ints[3],
                                     .label_smoothing = c->reals[0]};
    const real *logits = FN(in)(c, 0), *weight = FN(in)(c, 2), *grad = FN(in)(c, 3);
    const int64_t *target = (const int64_t *)c->input[1].data;
    double divisor;
    TRY(FN(fnn_cross_entropy)(ctx, &shape, logits, target, weight, out[0].data, out[1].data,
                              &divisor));
    return FN(fnn_cross_entropy_backward)(ctx, &shape, grad, logits, target, weight, out[1].data,
                                          divisor, out[2].data);
}

/* Parameters come in as inputs and go out updated: inputs are p, g, then the state rows. */
static fnn_status FN(run_optimizer)(const fnn_ctx *ctx, const test_case *c, block *out) {
    const int count = (int)c->ints[0], rows = (int)c->ints[1];
    ptrdiff_t size[MAX_ARRAYS];
    real *row[4][MAX_ARRAYS];
    const real *grad[MAX_ARRAYS];
    for (int i = 0; i < count; i++) {
        size[i] = (ptrdiff_t)(c->input[i].bytes / sizeof(real));
        grad[i] = c->input[count + i].data;
        for (int r = 0; r < rows; r++) {
            const block source = c->input[r == 0 ? i : count * (r + 1) + i];
            row[r][i] = out[r * count + i].data;
            memcpy(row[r][i], source.data, source.bytes);
        }
    }
    if (strcmp(c->operation, "sgd") == 0) {
        const fnn_sgd sgd = {c->reals[0], c->reals[1], c->reals[2], c->reals[3], (int)c->ints[2],
                             (int)c->ints[3], (int)c->ints[4]};
        return FN(fnn_sgd_step)(ctx, &sgd, count, size, row[0], grad, rows > 1 ? row[1] : NULL);
    }
    const fnn_adam adam = {c->reals[0],     c->reals[1],      c->reals[2], c->reals[3],
                           c->reals[4],     (int)c->ints[2], (int)c->ints[3], rows > 3,
                           c->ints[4]};
    return FN(fnn_adam_step)(ctx, &adam, count, size, row[0], grad, row[1], row[2],
                             rows > 3 ? row[3] : NULL);
}

static const struct {
    const char *name;
    fnn_status (*run)(const fnn_ctx *, const test_case *, block *);
} FN(operations)[] = {
    {"gemm", FN(run_gemm)},       {"conv2d", FN(run_conv2d)},
    {"max_pool", FN(run_pool)},   {"avg_pool", FN(run_pool)},
    {"binary", FN(run_binary)},   {"unary", FN(run_unary)},
    {"sum", FN(run_sum)},         {"softmax", FN(run_softmax)},
    {"cross_entropy", FN(run_cross_entropy)},
    {"sgd", FN(run_optimizer)},   {"adam", FN(run_optimizer)},
};

/* Index of the first element beyond the allowed errors, or -1. */
static ptrdiff_t FN(first_difference)(const real *got, const real *want, size_t bytes,
                                      double absolute, double relative) {
    for (size_t i = 0; i < bytes / sizeof(real); i++) {
        const int both_nan = got[i] != got[i] && want[i] != want[i];
        const double allowed = absolute + relative * fabs((double)want[i]);
        const double error = fabs((double)got[i] - (double)want[i]);
        if (got[i] != want[i] && !both_nan && !(error <= allowed)) return (ptrdiff_t)i;
    }
    return -1;
}
