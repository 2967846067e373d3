/* Pointwise weights [K][C] as [C][K], rows `pitch` apart, for backward-data of several images: a
 * product walks over a transposed A for every tile of every image, this once. */

typedef struct FN(turning) {
    const FN(fnn_table) *kernels;
    ptrdiff_t rows, columns, pitch;
    const real *w;
    real *to;
} FN(turning);

enum { FN(TURN_ROWS) = 64 };

static void FN(turn_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(turning) *t = argument;
    const ptrdiff_t i = task * FN(TURN_ROWS);
    (void)worker;
    t->kernels->gemm_pack(fnn_min(FN(TURN_ROWS), t->rows - i), t->columns, t->w + i, 1, t->rows,
                          t->to + i * t->pitch, t->pitch,
                          fnn_round_up(t->columns, t->kernels->lanes));
}

/* to[i * pitch + j] = w[j * rows + i]; pitch is a multiple of the lanes. */
static void FN(turn_weights)(const fnn_ctx *ctx, ptrdiff_t rows, ptrdiff_t columns, const real *w,
                             ptrdiff_t pitch, real *to) {
    FN(turning) t = {.kernels = FN(table)(ctx), .rows = rows, .columns = columns, .pitch = pitch,
                     .w = w, .to = to};
    fnn_parallel(ctx->threads, fnn_ceil_div(rows, FN(TURN_ROWS)), FN(turn_task), &t);
}
