/* The probes' drivers: so many rounds of one kernel, and how much work that was. */

double FN(fnn_fma_work)(const fnn_ctx *ctx, ptrdiff_t rounds) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    volatile real keep = kernels->fma_peak(rounds, (real)0.5);
    (void)keep;
    return 2.0 * FNN_PROBE_CHAINS * FNN_PROBE_STEPS * (double)rounds * kernels->lanes;
}

double FN(fnn_stream_work)(const fnn_ctx *ctx, fnn_stream stream, ptrdiff_t count, real *buffer,
                           ptrdiff_t rounds) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t step = FNN_PROBE_VECTORS * kernels->lanes;
    const ptrdiff_t half = count / 2 / step * step, whole = count / step * step;
    volatile real keep = 0;
    for (ptrdiff_t round = 0; round < rounds; round++) {
        switch (stream) {
        case FNN_STREAM_READ: keep = kernels->stream_read(whole, buffer); break;
        case FNN_STREAM_WRITE: kernels->stream_write(whole, 0, buffer); break;
        case FNN_STREAM_COPY: kernels->stream_copy(half, buffer, buffer + half); break;
        }
    }
    (void)keep;
    return (double)rounds * (double)(stream == FNN_STREAM_COPY ? 2 * half : whole) * sizeof(real);
}
