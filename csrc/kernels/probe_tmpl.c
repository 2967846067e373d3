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
