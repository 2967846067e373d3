/* The gradients of softmax and its logarithm along dense rows; contracts in kernels/softmax.h. */

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
