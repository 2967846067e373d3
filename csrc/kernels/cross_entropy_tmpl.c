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

/* Whether all are between -bound and bound, from where on products with 2^128 or 2^1024 over the
 * bound are infinite. */
FNN_INLINE int FN(all_within)(real bound, ptrdiff_t n, const real *p) {
    const vec factor = FN(splat)(2 * ((real)(FNN_REAL_IS_F32 ? 0x1p127 : 0x1p1023) / bound));
    vec far = FN(zero)();
    FNN_LOOP
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const vec v = FN(load_m)(p + i, FN(mask)(fnn_min(n - i, LANES))) * factor;
        far += v - v;
    }
    return FN(all_finite)(far);
}

/* own[i] = x[i][t], any logit of ignored rows (0 if there is none). */
FNN_INLINE void FN(gather_labels)(ptrdiff_t rows, ptrdiff_t n, const real *x,
                                  const int64_t *target, const FN(loss_terms) *terms, real *own) {
    ptrdiff_t i = 0;
#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
    for (; !terms->ignores && i + 8 <= rows; i += 8)
        FN(eight_store)(own + i, FN(eight_gather)(x + i * n, n, target + i));
#endif
    for (; i < rows; i++) {
        const ptrdiff_t t = fnn_opaque((ptrdiff_t)target[i]);
        own[i] = n > 0 ? x[i * n + (t == terms->ignore_index ? 0 : t)] : 0;
    }
}

/* The weights of the labels of LOG_ROWS rows, all alike. */
FNN_INLINE void FN(alike)(real value, real w[FN(LOG_ROWS)]) {
    FNN_LOOP
    for (ptrdiff_t i = 0; i < FN(LOG_ROWS); i += LANES) FN(store)(w + i, FN(splat)(value));
}

/* The same of given weights, 0 for ignored rows; vectors of labels would be five times the code. */
static FNN_NOINLINE void FN(label_weights)(ptrdiff_t rows, const int64_t *target,
                                           const real *weight, int64_t ignore_index, real *w) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t t = fnn_opaque((ptrdiff_t)target[i]);
        w[i] = t == ignore_index ? 0 : weight[t];
    }
}

static FNN_NOINLINE void FN(cross_entropy)(ptrdiff_t rows, ptrdiff_t n, const real *x,
                                           const int64_t *target, const real *weight,
                                           const FN(loss_terms) *terms, real *loss, real *lse) {
    real most[FN(LOG_ROWS)], sum[FN(LOG_ROWS)], logs[FN(LOG_ROWS)];
    real own[FN(LOG_ROWS)], heavy[FN(LOG_ROWS)];
    const vec keep = FN(splat)(terms->keep);
    const ptrdiff_t block = FN(row_block)(fnn_max(n, 1));
    /* what labels' logits are looked up in; of long rows some processors follow by themselves */
    const ptrdiff_t ahead = n < FN(LONG_ROW) || fnn_asks_for_lines ? block * n : 0;
    FN(alike)(1, heavy);
    /* Exponents relative to the labels' logits spare a look for the largest, unless that is so much
     * larger that roundings of exponents tell: then probably in the next rows, too. */
    int near = FNN_QUICK_EXP && n > LANES;
    for (ptrdiff_t m; rows > 0; rows -= m) {
        /* what is looked at once need not stay in a first cache */
        m = fnn_min(rows, near ? FN(LOG_ROWS) : block);
        FN(gather_labels)(m, n, x, target, terms, own);
        if (weight) FN(label_weights)(m, target, weight, terms->ignore_index, heavy);
        if (near) {
            FN(row_sums)(m, n, x, own, sum, ahead);
            near = FN(all_within)(1024 * (real)n, m, sum);
        }
        if (!near) FN(row_statistics)(m, n, x, most, sum);
        const real *shift = near ? own : most;
        FN(log)(m, sum, logs);
        FNN_LOOP
        for (ptrdiff_t i = 0; i < m; i += LANES) {
            const vmask part = FN(mask)(fnn_min(m - i, LANES));
            const vec high = FN(load)(shift + i), low = FN(load)(logs + i);
            /* not lse - x: the difference to the shift is small and loses nothing */
            const vec all = keep * FN(load)(heavy + i) * (low - (FN(load)(own + i) - high));
            FN(store_m)(lse + i, high + low, part);
            FN(store_m)(loss + i, all, part);
        }
        for (ptrdiff_t i = 0; terms->spread != 0 && i < m; i++)
            loss[i] += terms->spread *
                       FN(row_smoothing)(n, x + i * n, weight, shift[i], logs[i]);
        for (ptrdiff_t i = 0; terms->ignores && i < m; i++)
            if (fnn_opaque((ptrdiff_t)target[i]) == terms->ignore_index) loss[i] = 0;
        x += m * n;
        target += m;
        loss += m;
        lse += m;
    }
}

/* A rounded lse shifts all exponents of a row alike: harmless while it is small, but worth
 * dividing out (by the sum that should be 1) when it is not, or not finite. */
static FNN_NOINLINE void FN(correct_shares)(ptrdiff_t rows, ptrdiff_t n, const real *x,
                                            const real *lse, real *share) {
    for (ptrdiff_t i = 0; i < rows; i++, x += n) {
        if (lse[i] < 32 && lse[i] > -32) continue;
        real sum[FN(SHORT_ROWS)];
        FN(row_sums)(1, n, x, lse + i, sum, 0);
        share[i] /= sum[0];
    }
}

/* Of up to LOG_ROWS rows: what softmax is multiplied by, what smoothing adds everywhere, and what
 * is less at the label. */
typedef struct FN(row_factors) {
    real share[FN(LOG_ROWS)], level[FN(LOG_ROWS)], hit[FN(LOG_ROWS)];
} FN(row_factors);

/* These, given the weights of the labels. A single number would take as long as a vector. */
FNN_INLINE void FN(gradient_factors)(ptrdiff_t rows, const real *grad, ptrdiff_t grad_stride,
                                     const real *heavy, const FN(loss_terms) *terms, real even,
                                     FN(row_factors) *to) {
    const vec keep = FN(splat)(terms->keep), all = FN(splat)(even);
    const vec spread = FN(splat)(terms->spread * terms->weight_sum);
    FNN_LOOP
    for (ptrdiff_t i = 0; i < rows; i += LANES) {
        const vmask part = FN(mask)(fnn_min(rows - i, LANES));
        const vec g = fnn_opaque(grad_stride) ? FN(load_m)(grad + i, part) : FN(splat)(*grad);
        const vec h = keep * FN(load)(heavy + i);
        FN(store)(to->share + i, (h + spread) * g);
        /* an infinite g times nothing would be NaN */
        FN(store)(to->level + i, FN(select)(all == FN(zero)(), all, g * all));
        FN(store)(to->hit + i, h * g);
    }
}

/* factor exp(x - shift) + even for `count` (a literal) vectors. */
FNN_INLINE void FN(some_gradients)(int count, const real *x, vec shift, vec factor, vec even,
                                   real *dx, const FN(exp_terms) *c) {
    vec e[FN(ROW_GROUP)];
    FNN_UNROLL
    for (int k = 0; k < count; k++) e[k] = FN(load)(x + k * LANES) - shift;
    FN(exp_differences)(e, count, c);
    FNN_UNROLL
    for (int k = 0; k < count; k++) FN(store)(dx + k * LANES, FN(fma)(e[k], factor, even));
}

/* Rows of gradients that all count, their factors from number `first` on. */
FNN_INLINE void FN(row_gradients)(ptrdiff_t first, ptrdiff_t end, ptrdiff_t n, const real *x,
                                  const int64_t *target, const real *lse,
                                  const FN(row_factors) *by, real *dx, const FN(exp_terms) *c) {
    const ptrdiff_t group = FN(ROW_GROUP) * LANES;
    for (ptrdiff_t i = first; i < end; i++, x += n, dx += n) {
        const vec s = FN(splat)(lse[i]), f = FN(splat)(by->share[i]);
        const vec all = FN(splat)(by->level[i]);
        const ptrdiff_t t = (ptrdiff_t)target[i];
        ptrdiff_t j = 0;
        for (; j + group <= n; j += group)
            FN(some_gradients)(FN(ROW_GROUP), x + j, s, f, all, dx + j, c);
        for (; j + LANES <= n; j += LANES) FN(some_gradients)(1, x + j, s, f, all, dx + j, c);
        if (j < n) {
            const vmask m = FN(mask)(n - j);
            vec d = FN(load_m)(x + j, m) - s;
            FN(exp_differences)(&d, 1, c);
            d = FN(fma)(d, f, all);
            /* a load of dx[t] would wait for the masked store */
            if (t >= j) {
                const ivec own = FN(lane_numbers)(1) == (FN(lane_int))(t - j);
                d -= FN(select)(own, FN(splat)(by->hit[i]), FN(zero)());
            }
            FN(store_first_lanes)(dx + j, d, m);
            if (t >= j) continue;
        }
        dx[t] -= by->hit[i];
    }
}

/* How many rows there are before one that is ignored. */
FNN_INLINE ptrdiff_t FN(counted_rows)(ptrdiff_t rows, const int64_t *target,
                                      const FN(loss_terms) *terms) {
    ptrdiff_t i = 0;
    if (!terms->ignores) return rows;
    while (i < rows && target[i] != terms->ignore_index) i++;
    return i;
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
    real heavy[FN(LOG_ROWS)];
    FN(row_factors) by;
    const real even = weight ? 0 : -terms->spread;
    const int smoothed = weight && terms->spread != 0;
    const FN(exp_terms) c = FN(exp_constants)(1);
    FN(alike)(1, heavy);
    for (; rows > 0; rows -= FN(LOG_ROWS)) {
        const ptrdiff_t m = fnn_min(rows, FN(LOG_ROWS));
        if (weight) FN(label_weights)(m, target, weight, terms->ignore_index, heavy);
        FN(gradient_factors)(m, grad, grad_stride, heavy, terms, even, &by);
        if (!FN(all_within)(32, m, lse)) FN(correct_shares)(m, n, x, lse, by.share);
        for (ptrdiff_t i = 0, run; i < m; i += run, x += run * n, dx += run * n) {
            run = FN(counted_rows)(smoothed ? 1 : m - i, target + i, terms);
            if (run == 0) {
                __builtin_memset(dx, 0, (size_t)n * sizeof(real));
                run = 1;
                continue;
            }
            FN(row_gradients)(i, i + run, n, x, target, lse, &by, dx, &c);
            if (smoothed)
                FN(smooth_gradient)(n, weight, terms->spread * grad[i * grad_stride], dx);
        }
        target += m;
        lse += m;
        grad += m * grad_stride;
    }
}

#if FNN_REAL_IS_F32
#define labels_outside_f32 NULL
#else
static int FN(labels_outside)(ptrdiff_t rows, ptrdiff_t classes, const int64_t *target) {
    const int64_t last = (int64_t)classes - 1;
    ivec outside = {0}; /* negative if some label is, or what it leaves up to the last one */
    int64_t any = 0;
    ptrdiff_t i = 0;
    for (; i + LANES <= rows; i += LANES) {
        ivec v;
        __builtin_memcpy(&v, target + i, sizeof v);
        outside |= v | (last - v);
    }
    for (; i < rows; i++) {
        const int64_t t = fnn_opaque((ptrdiff_t)target[i]);
        any |= t | (last - t);
    }
    for (int k = 0; k < LANES; k++) any |= outside[k];
    return any < 0;
}
#endif
