/* Measures of the machine, for benchmarks. */
#include "kernels/kernels.h"

double fnn_fma_work(const fnn_ctx *ctx, int is_f64, ptrdiff_t rounds) {
    const double steps = 2.0 * FNN_PROBE_CHAINS * FNN_PROBE_STEPS * (double)rounds;
    volatile double keep;
    if (is_f64) {
        keep = ctx->kernels->f64.fma_peak(rounds, 0.5);
        (void)keep;
        return steps * ctx->kernels->f64.lanes;
    }
    keep = ctx->kernels->f32.fma_peak(rounds, 0.5f);
    (void)keep;
    return steps * ctx->kernels->f32.lanes;
}
