/* The reduction kernels; contracts in kernels/reduce.h. */

/* A sum and the rounding errors made on the way to it. */
typedef struct FN(exact_sum) {
    vec sum, error;
} FN(exact_sum);

FNN_INLINE void FN(add_exactly)(FN(exact_sum) *s, vec v) {
    const vec sum = s->sum + v, part = sum - s->sum;
    s->error += (s->sum - (sum - part)) + (v - part);
    s->sum = sum;
}

/* An infinite sum has a NaN for its error. */
FNN_INLINE vec FN(rounded)(FN(exact_sum) s) {
    return FN(select)(s.error == s.error, s.sum + s.error, s.sum);
}

/* Independent partial sums: enough to hide the latency of an addition at two a cycle. A block
 * is SUM_STEPS additions to each. */
enum { FN(SUM_CHAINS) = 8, FN(SUM_STEPS) = 16 };

FNN_INLINE vec FN(fold8)(const vec *v) {
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

/* Sum by lanes of at most SUM_STEPS * 8 * LANES elements. */
FNN_INLINE vec FN(sum_block)(ptrdiff_t n, const real *x) {
    vec acc[8];
    ptrdiff_t j = 0;
    FNN_UNROLL
    for (int k = 0; k < 8; k++) acc[k] = FN(zero)();
    for (; j + 8 * LANES <= n; j += 8 * LANES) {
        FNN_UNROLL
        for (int k = 0; k < 8; k++) acc[k] += FN(load)(x + j + k * LANES);
    }
    vec rest = FN(zero)();
    for (; j + LANES <= n; j += LANES) rest += FN(load)(x + j);
    if (j < n) rest += FN(load_m)(x + j, FN(mask)(n - j));
    return FN(fold8)(acc) + rest;
}

static FNN_NOINLINE void FN(sum_rows)(ptrdiff_t rows, ptrdiff_t n, const real *x, ptrdiff_t stride,
                                      real *y) {
    const ptrdiff_t block = FN(SUM_STEPS) * FN(SUM_CHAINS) * LANES;
    if (n <= LANES) {
        const vmask tail = FN(mask)(n);
        for (ptrdiff_t i = 0; i < rows; i++) y[i] = FN(sum)(FN(load_m)(x + i * stride, tail));
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++, x += stride) {
        FN(exact_sum) total = {FN(sum_block)(fnn_min(n, block), x), FN(zero)()};
        for (ptrdiff_t j = block; j < n; j += block)
            FN(add_exactly)(&total, FN(sum_block)(fnn_min(n - j, block), x + j));
        y[i] = FN(sum)(FN(rounded)(total));
    }
}

/* Sum of at most SUM_ROWS rows of eight vectors: half a kilobyte of each row at a time lets the
 * prefetcher follow (1.8 times four vectors' speed from the last cache). */
enum { FN(SUM_ROWS) = 32 };

FNN_INLINE void FN(sum_wide)(ptrdiff_t rows, const real *x, ptrdiff_t stride, vec acc[8]) {
    FNN_UNROLL
    for (int k = 0; k < 8; k++) acc[k] = FN(zero)();
    for (ptrdiff_t i = 0; i < rows; i++, x += stride) {
        FNN_UNROLL
        for (int k = 0; k < 8; k++) acc[k] += FN(load)(x + k * LANES);
    }
}

/* The same for one partial vector, eight rows at a time. */
FNN_INLINE vec FN(sum_narrow)(ptrdiff_t rows, const real *x, ptrdiff_t stride, vmask m) {
    vec acc[8];
    FNN_UNROLL
    for (int k = 0; k < 8; k++) acc[k] = FN(zero)();
    ptrdiff_t i = 0;
    for (; i + 8 <= rows; i += 8, x += 8 * stride) {
        FNN_UNROLL
        for (int k = 0; k < 8; k++) acc[k] += FN(load_m)(x + k * stride, m);
    }
    for (; i < rows; i++, x += stride) acc[0] += FN(load_m)(x, m);
    return ((acc[0] + acc[1]) + (acc[2] + acc[3])) + ((acc[4] + acc[5]) + (acc[6] + acc[7]));
}

static FNN_NOINLINE void FN(sum_columns)(ptrdiff_t rows, ptrdiff_t n, const real *x,
                                         ptrdiff_t stride, real *y) {
    const ptrdiff_t block = FN(SUM_ROWS);
    ptrdiff_t j = 0;
    for (; j + 8 * LANES <= n; j += 8 * LANES) {
        FN(exact_sum) total[8];
        vec acc[8];
        FN(sum_wide)(fnn_min(rows, block), x + j, stride, acc);
        FNN_UNROLL
        for (int k = 0; k < 8; k++) total[k] = (FN(exact_sum)){acc[k], FN(zero)()};
        for (ptrdiff_t i = block; i < rows; i += block) {
            FN(sum_wide)(fnn_min(rows - i, block), x + i * stride + j, stride, acc);
            FNN_UNROLL
            for (int k = 0; k < 8; k++) FN(add_exactly)(&total[k], acc[k]);
        }
        FNN_UNROLL
        for (int k = 0; k < 8; k++) FN(store)(y + j + k * LANES, FN(rounded)(total[k]));
    }
    for (; j < n; j += LANES) {
        const vmask m = FN(mask)(fnn_min(n - j, LANES));
        FN(exact_sum) total = {FN(sum_narrow)(fnn_min(rows, 8 * block), x + j, stride, m),
                               FN(zero)()};
        for (ptrdiff_t i = 8 * block; i < rows; i += 8 * block)
            FN(add_exactly)(&total, FN(sum_narrow)(fnn_min(rows - i, 8 * block),
                                                   x + i * stride + j, stride, m));
        FN(store_m)(y + j, FN(rounded)(total), m);
    }
}
