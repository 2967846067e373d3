/* The softmax kernels along dense rows; contracts in kernels/softmax.h. */

/* Every lane: the largest of n numbers; any of them if one is NaN, which the sum of
 * exponentials finds. */
FNN_INLINE vec FN(row_largest)(ptrdiff_t n, const real *x) {
    vec m[4];
    FNN_UNROLL
    for (int k = 0; k < 4; k++) m[k] = FN(splat)((real)-INFINITY);
    ptrdiff_t j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES) {
        FNN_UNROLL
        for (int k = 0; k < 4; k++) m[k] = FN(maximum)(m[k], FN(load)(x + j + k * LANES));
    }
    for (; j + LANES <= n; j += LANES) m[0] = FN(maximum)(m[0], FN(load)(x + j));
    if (j < n) {
        const vec v = FN(load_m)(x + j, FN(mask)(n - j));
        m[1] = FN(maximum)(m[1], FN(select)(FN(lanes_below)(n - j), v, m[1]));
    }
    return FN(largest)(FN(maximum)(FN(maximum)(m[0], m[1]), FN(maximum)(m[2], m[3])));
}

/* Every lane: sum of exp(x[j] - shift), each also stored to y unless y is NULL (a literal). */
FNN_INLINE vec FN(row_exponentials)(ptrdiff_t n, const real *x, vec shift, real *y) {
    FN(exact_sum) total = {FN(zero)(), FN(zero)()};
    ptrdiff_t j = 0;
    while (j + LANES <= n) {
        const ptrdiff_t end = fnn_min(n, j + 2 * FN(SUM_STEPS) * LANES);
        vec even = FN(zero)(), odd = FN(zero)();
        for (; j + 2 * LANES <= end; j += 2 * LANES) {
            const vec a = FN(exp_bounded)(FN(load)(x + j) - shift);
            const vec b = FN(exp_bounded)(FN(load)(x + j + LANES) - shift);
            if (y) FN(store)(y + j, a);
            if (y) FN(store)(y + j + LANES, b);
            even += a;
            odd += b;
        }
        if (j + LANES <= end) {
            const vec a = FN(exp_bounded)(FN(load)(x + j) - shift);
            if (y) FN(store)(y + j, a);
            even += a;
            j += LANES;
        }
        FN(add_exactly)(&total, even + odd);
    }
    if (j < n) {
        const vmask tail = FN(mask)(n - j);
        const vec a = FN(exp_bounded)(FN(load_m)(x + j, tail) - shift);
        if (y) FN(store_m)(y + j, a, tail);
        FN(add_exactly)(&total, FN(select)(FN(lanes_below)(n - j), a, FN(zero)()));
    }
    return FN(sum_everywhere)(FN(rounded)(total));
}

/* y[j] *= f */
FNN_INLINE void FN(row_scale)(ptrdiff_t n, vec f, real *y) {
    ptrdiff_t j = 0;
    for (; j + LANES <= n; j += LANES) FN(store)(y + j, FN(load)(y + j) * f);
    if (j < n) {
        const vmask tail = FN(mask)(n - j);
        FN(store_m)(y + j, FN(load_m)(y + j, tail) * f, tail);
    }
}

static FNN_NOINLINE void FN(softmax_rows)(ptrdiff_t rows, ptrdiff_t n, const real *x, real *y) {
    if (n > LANES) {
        for (ptrdiff_t i = 0; i < rows; i++, x += n, y += n) {
            const vec sum = FN(row_exponentials)(n, x, FN(row_largest)(n, x), y);
            FN(row_scale)(n, FN(splat)(1) / sum, y);
        }
        return;
    }
    const vmask tail = FN(mask)(n);
    const ivec live = FN(lanes_below)(n);
    for (ptrdiff_t i = 0; i < rows; i++, x += n, y += n) {
        const vec v = FN(select)(live, FN(load_m)(x, tail), FN(splat)((real)-INFINITY));
        const vec e = FN(exp_bounded)(v - FN(largest)(v));
        FN(store_m)(y, e / FN(sum_everywhere)(e), tail);
    }
}

/* Maximum of each row and sum of the exponentials of what is below it. */
FNN_INLINE void FN(row_statistics)(ptrdiff_t rows, ptrdiff_t n, const real *x, real *most,
                                   real *sum) {
    if (n > LANES) {
        for (ptrdiff_t i = 0; i < rows; i++, x += n) {
            const vec high = FN(row_largest)(n, x);
            most[i] = high[0];
            sum[i] = FN(row_exponentials)(n, x, high, NULL)[0];
        }
        return;
    }
    const vmask tail = FN(mask)(n);
    const ivec live = FN(lanes_below)(n);
    for (ptrdiff_t i = 0; i < rows; i++, x += n) {
        const vec v = FN(select)(live, FN(load_m)(x, tail), FN(splat)((real)-INFINITY));
        const vec high = FN(largest)(v);
        most[i] = high[0];
        sum[i] = FN(sum_everywhere)(FN(exp_bounded)(v - high))[0];
    }
}

/* Rows whose logarithms are taken together: one lane of a vector logarithm costs as much as
 * all of them. */
enum { FN(LOG_ROWS) = 64 };

static FNN_NOINLINE void FN(log_softmax_rows)(ptrdiff_t rows, ptrdiff_t n, const real *x, real *y) {
    real most[FN(LOG_ROWS)], sum[FN(LOG_ROWS)], logs[FN(LOG_ROWS)];
    if (n == 0) return;
    /* few enough to be in the first cache when the second pass comes */
    const ptrdiff_t block = fnn_max(1, fnn_min(FN(LOG_ROWS), 4096 / n));
    for (; rows > 0; rows -= block, x += block * n, y += block * n) {
        const ptrdiff_t m = fnn_min(rows, block);
        FN(row_statistics)(m, n, x, most, sum);
        FN(log)(m, sum, logs);
        for (ptrdiff_t i = 0; i < m; i++) {
            const vec high = FN(splat)(most[i]), low = FN(splat)(logs[i]);
            ptrdiff_t j = i * n;
            for (; j + LANES <= (i + 1) * n; j += LANES)
                FN(store)(y + j, (FN(load)(x + j) - high) - low);
            if (j < (i + 1) * n) {
                const vmask tail = FN(mask)((i + 1) * n - j);
                FN(store_m)(y + j, (FN(load_m)(x + j, tail) - high) - low, tail);
            }
        }
    }
}

/* Every lane: sum of a[j] b[j], or of a[j] if b is NULL (a literal). */
FNN_INLINE vec FN(row_dot)(ptrdiff_t n, const real *a, const real *b) {
    FN(exact_sum) total = {FN(zero)(), FN(zero)()};
    ptrdiff_t j = 0;
    while (j + LANES <= n) {
        const ptrdiff_t end = fnn_min(n, j + 4 * FN(SUM_STEPS) * LANES);
        vec acc[4];
        FNN_UNROLL
        for (int k = 0; k < 4; k++) acc[k] = FN(zero)();
        for (; j + 4 * LANES <= end; j += 4 * LANES) {
            FNN_UNROLL
            for (int k = 0; k < 4; k++) {
                const vec v = FN(load)(a + j + k * LANES);
                acc[k] = b ? FN(fma)(v, FN(load)(b + j + k * LANES), acc[k]) : acc[k] + v;
            }
        }
        for (; j + LANES <= end; j += LANES) {
            const vec v = FN(load)(a + j);
            acc[0] = b ? FN(fma)(v, FN(load)(b + j), acc[0]) : acc[0] + v;
        }
        FN(add_exactly)(&total, (acc[0] + acc[1]) + (acc[2] + acc[3]));
    }
    if (j < n) {
        const vmask tail = FN(mask)(n - j);
        const vec v = FN(load_m)(a + j, tail);
        FN(add_exactly)(&total, b ? v * FN(load_m)(b + j, tail) : v);
    }
    return FN(sum_everywhere)(FN(rounded)(total));
}

/* The gradient of one vector of a row, given the row's sum. */
FNN_INLINE vec FN(softmax_grad)(vec dy, vec y, vec sum) { return y * (dy - sum); }
FNN_INLINE vec FN(log_softmax_grad)(vec dy, vec y, vec sum) {
    return dy - FN(exp_bounded)(y) * sum;
}

#define ROWS_BACKWARD(name, grad, factor)                                                         \
    static FNN_NOINLINE void FN(name)(ptrdiff_t rows, ptrdiff_t n, const real *dy, const real *y, \
                                      real *dx) {                                                 \
        for (ptrdiff_t i = 0; i < rows; i++, dy += n, y += n, dx += n) {                          \
            const vec sum = FN(row_dot)(n, dy, factor);                                           \
            ptrdiff_t j = 0;                                                                      \
            for (; j + LANES <= n; j += LANES)                                                    \
                FN(store)(dx + j, FN(grad)(FN(load)(dy + j), FN(load)(y + j), sum));              \
            if (j < n) {                                                                          \
                const vmask tail = FN(mask)(n - j);                                               \
                const vec g = FN(load_m)(dy + j, tail), v = FN(load_m)(y + j, tail);              \
                FN(store_m)(dx + j, FN(grad)(g, v, sum), tail);                                   \
            }                                                                                     \
        }                                                                                         \
    }

ROWS_BACKWARD(softmax_rows_backward, softmax_grad, y)
ROWS_BACKWARD(log_softmax_rows_backward, log_softmax_grad, NULL)

#undef ROWS_BACKWARD
