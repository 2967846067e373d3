/* The probes' drivers: so many rounds of one kernel, and how much work that was. */

double FN(fnn_fma_work)(const fnn_ctx *ctx, ptrdiff_t rounds) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    volatile real keep = kernels->fma_peak(rounds, (real)0.5);
    (void)keep;
    return 2.0 * FNN_PROBE_CHAINS * FNN_PROBE_STEPS * (double)rounds * kernels->lanes;
}

/* How often a stream writes what it reads; 0 if it does not do both. */
static int FN(copies)(fnn_stream stream) {
    return stream == FNN_STREAM_COPY        ? 1
           : stream == FNN_STREAM_DOUBLE    ? 2
           : stream == FNN_STREAM_QUADRUPLE ? 4
                                            : 0;
}

double FN(fnn_stream_work)(const fnn_ctx *ctx, fnn_stream stream, ptrdiff_t count, real *buffer,
                           ptrdiff_t rounds) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t step = FNN_PROBE_VECTORS * kernels->lanes;
    const int times = FN(copies)(stream);
    const ptrdiff_t part = count / (1 + times) / step * step;
    volatile real keep = 0;
    for (ptrdiff_t round = 0; round < rounds; round++) {
        if (times > 0)
            kernels->stream_copy(part, times, buffer, buffer + part);
        else if (stream == FNN_STREAM_READ)
            keep = kernels->stream_read(part, buffer);
        else
            kernels->stream_write(part, 0, buffer);
    }
    (void)keep;
    return (double)rounds * (double)((1 + times) * part) * sizeof(real);
}
