/* The cross-entropy kernels; contracts in kernels/cross_entropy.h. */

/* sum_c w[c] (log_sum - (x[c] - most)): the smoothed part of a row's loss. */
static FNN_NOINLINE real FN(row_smoothing)(ptrdiff_t n, const real *x, const real *weight, real most,
                                        real log_sum) {
    const vec high = FN(splat)(most), low = FN(splat)(log_sum), one = FN(splat)(1);
    FN(exact_sum) total = {FN(zero)(), FN(zero)()};
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vmask m = FN(mask)(fnn_min(n - j, LANES));
        const vec w = weight ? FN(load_m)(weight + j, m) : one;
        const vec term = w * (low - (FN(load_m)(x + j, m) - high));
        FN(add_exactly)(&total, FN(select)(FN(lanes_below)(n - j), term, FN(zero)()));
    }
    return FN(sum_everywhere)(FN(rounded)(total))[0];
}

static FNN_NOINLINE void FN(cross_entropy)(ptrdiff_t rows, ptrdiff_t n, const real *x,
                                           const int64_t *target, const real *weight,
                                           const FN(loss_terms) *terms, real *loss, real *lse) {
    real most[FN(LOG_ROWS)], sum[FN(LOG_ROWS)], logs[FN(LOG_ROWS)];
    real own[FN(LOG_ROWS)], factor[FN(LOG_ROWS)];
    FN(lane_int) counts[FN(LOG_ROWS)];
    const ptrdiff_t block = FN(row_block)(fnn_max(n, 1));
    for (; rows > 0; rows -= block) {
        const ptrdiff_t m = fnn_min(rows, block);
        FN(row_statistics)(m, n, x, most, sum);
        FN(log)(m, sum, logs);
        for (ptrdiff_t i = 0; i < m; i++) {
            const int64_t t = target[i];
            counts[i] = t == terms->ignore_index ? 0 : -1;
            own[i] = counts[i] ? x[i * n + t] : 0;
            factor[i] = terms->keep * (weight && counts[i] ? weight[t] : 1);
        }
        for (ptrdiff_t i = 0; i < m; i += LANES) {
            const vmask part = FN(mask)(fnn_min(m - i, LANES));
            const vec high = FN(load)(most + i), low = FN(load)(logs + i);
            ivec counted;
            __builtin_memcpy(&counted, counts + i, sizeof counted);
            /* not lse - x: the difference to the maximum is small and loses nothing */
            const vec all = FN(load)(factor + i) * (low - (FN(load)(own + i) - high));
            FN(store_m)(lse + i, high + low, part);
            FN(store_m)(loss + i, FN(select)(counted, all, FN(zero)()), part);
        }
        for (ptrdiff_t i = 0; terms->spread != 0 && i < m; i++)
            if (counts[i])
                loss[i] += terms->spread *
                           FN(row_smoothing)(n, x + i * n, weight, most[i], logs[i]);
        x += m * n;
        target += m;
        loss += m;
        lse += m;
    }
}

/* A rounded lse shifts all exponents of a row alike: harmless while it is small, but worth
 * dividing out (by the sum that should be 1) when it is not, or not finite. */
FNN_INLINE real FN(lse_correction)(ptrdiff_t n, const real *x, real lse) {
    if (FNN_LIKELY(lse <= 32 && lse >= -32)) return 1;
    real sum[FN(SHORT_ROWS)];
    FN(row_sums)(1, n, x, &lse, sum, 0);
    return 1 / sum[0];
}

/* factor exp(x - shift) + even for `count` (a literal) vectors. */
FNN_INLINE void FN(some_gradients)(int count, const real *x, vec shift, vec factor, vec even,
                                   real *dx) {
    vec e[FN(ROW_GROUP)];
    FNN_UNROLL
    for (int k = 0; k < count; k++) e[k] = FN(load)(x + k * LANES) - shift;
    FN(exp_each)(e, count);
    FNN_UNROLL
    for (int k = 0; k < count; k++) FN(store)(dx + k * LANES, FN(fma)(e[k], factor, even));
}

/* One row of gradients: factor exp(x - shift) + even, and hit less at t. */
FNN_INLINE void FN(row_gradient)(ptrdiff_t n, const real *x, real shift, real factor, real even,
                                 real hit, int64_t t, real *dx) {
    const vec s = FN(splat)(shift), f = FN(splat)(factor), all = FN(splat)(even);
    ptrdiff_t j = 0;
    for (; j + FN(ROW_GROUP) * LANES <= n; j += FN(ROW_GROUP) * LANES)
        FN(some_gradients)(FN(ROW_GROUP), x + j, s, f, all, dx + j);
    for (; j + LANES <= n; j += LANES) FN(some_gradients)(1, x + j, s, f, all, dx + j);
    if (j < n) {
        const vmask m = FN(mask)(n - j);
        vec d = FN(fma)(FN(exp_bounded)(FN(load_m)(x + j, m) - s), f, all);
        /* a load of dx[t] would wait for the masked store */
        if (t >= j) {
            d -= FN(select)(FN(lane_numbers)(1) == (FN(lane_int))(t - j), FN(splat)(hit),
                            FN(zero)());
            hit = 0;
        }
        FN(store_m)(dx + j, d, m);
    }
    if (hit != 0) dx[t] -= hit;
}

/* dx[j] -= spread w[j]: label smoothing of weighted classes, which takes a second look at a row for
 * the sake of all losses without weights. */
static FNN_NOINLINE void FN(smooth_gradient)(ptrdiff_t n, const real *weight, real spread,
                                             real *dx) {
    const vec less = FN(splat)(-spread);
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vmask m = FN(mask)(fnn_min(n - j, LANES));
        FN(store_m)(dx + j, FN(fma)(FN(load_m)(weight + j, m), less, FN(load_m)(dx + j, m)), m);
    }
}

static FNN_NOINLINE void FN(cross_entropy_backward)(ptrdiff_t rows, ptrdiff_t n, const real *grad,
                                                    ptrdiff_t grad_stride, const real *x,
                                                    const int64_t *target, const real *weight,
                                                    const FN(loss_terms) *terms, const real *lse,
                                                    real *dx) {
    for (ptrdiff_t i = 0; i < rows; i++, x += n, dx += n) {
        const int64_t t = target[i];
        if (t == terms->ignore_index) {
            __builtin_memset(dx, 0, (size_t)n * sizeof(real));
            continue;
        }
        const real g = grad[i * grad_stride], hit = terms->keep * (weight ? weight[t] : 1);
        const real whole = (hit + terms->spread * terms->weight_sum) * g;
        /* an infinite g times nothing would be NaN */
        const real spread = terms->spread != 0 ? g * terms->spread : 0, even = weight ? 0 : spread;
        FN(row_gradient)(n, x, lse[i], whole * FN(lse_correction)(n, x, lse[i]), -even, g * hit, t,
                         dx);
        if (weight && spread != 0) FN(smooth_gradient)(n, weight, spread, dx);
    }
}
