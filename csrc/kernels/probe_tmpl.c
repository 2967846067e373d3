/* The probes; contracts in kernels/probe.h. */

enum { FN(lanes) = LANES };

static FNN_NOINLINE real FN(fma_peak)(ptrdiff_t rounds, real seed) {
    vec chain[FNN_PROBE_CHAINS];
    const vec factor = FN(splat)(seed), step = FN(splat)(1 - seed);
    FNN_UNROLL
    for (int i = 0; i < FNN_PROBE_CHAINS; i++) chain[i] = FN(splat)((real)i);
    for (ptrdiff_t round = 0; round < rounds; round++) {
        FNN_UNROLL
        for (int s = 0; s < FNN_PROBE_STEPS; s++) {
            FNN_UNROLL
            for (int i = 0; i < FNN_PROBE_CHAINS; i++) chain[i] = FN(fma)(chain[i], factor, step);
        }
    }
    vec total = FN(zero)();
    FNN_UNROLL
    for (int i = 0; i < FNN_PROBE_CHAINS; i++) total += chain[i];
    return FN(sum)(total);
}

static FNN_NOINLINE real FN(stream_read)(ptrdiff_t count, const real *x) {
    vec chain[FNN_PROBE_VECTORS];
    FNN_UNROLL
    for (int i = 0; i < FNN_PROBE_VECTORS; i++) chain[i] = FN(zero)();
    for (ptrdiff_t j = 0; j < count; j += FNN_PROBE_VECTORS * LANES) {
        FNN_UNROLL
        for (int i = 0; i < FNN_PROBE_VECTORS; i++) chain[i] += FN(load)(x + j + i * LANES);
    }
    vec total = FN(zero)();
    FNN_UNROLL
    for (int i = 0; i < FNN_PROBE_VECTORS; i++) total += chain[i];
    return FN(sum)(total);
}

static FNN_NOINLINE void FN(stream_write)(ptrdiff_t count, real value, real *y) {
    const vec v = FN(pin)(FN(splat)(value)); /* else a loop of zeros becomes a call of memset */
    for (ptrdiff_t j = 0; j < count; j += FNN_PROBE_VECTORS * LANES) {
        FNN_UNROLL
        for (int i = 0; i < FNN_PROBE_VECTORS; i++) FN(store)(y + j + i * LANES, v);
    }
}

/* FNN_PROBE_VECTORS stores a step; `times` is a literal. */
FNN_INLINE void FN(copy_times)(ptrdiff_t count, int times, const real *x, real *y) {
    const ptrdiff_t step = FNN_PROBE_VECTORS * LANES;
    for (ptrdiff_t j = 0; j < count * times; j += step, x += step / times) {
        FNN_UNROLL
        for (int i = 0; i < FNN_PROBE_VECTORS; i++) /* pinned: else it becomes memmove */
            FN(store)(y + j + i * LANES, FN(pin)(FN(load)(x + i / times * LANES)));
    }
}

static FNN_NOINLINE void FN(stream_copy)(ptrdiff_t count, int times, const real *x, real *y) {
    if (times == 1)
        FN(copy_times)(count, 1, x, y);
    else if (times == 2)
        FN(copy_times)(count, 2, x, y);
    else
        FN(copy_times)(count, 4, x, y);
}
