/* The softmax kernels along the rows of a matrix, lanes along its columns; contracts in
 * kernels/softmax.h. One vector of columns at a time: its whole length is then in the first
 * cache for the later passes. */

enum { FN(COLUMN_STEPS) = 32 }; /* plain additions before an exact one */

FNN_INLINE vec FN(column_largest)(ptrdiff_t length, ptrdiff_t stride, const real *x, vmask m) {
    vec most = FN(splat)((real)-INFINITY);
    for (ptrdiff_t i = 0; i < length; i++) most = FN(maximum)(most, FN(load_m)(x + i * stride, m));
    return most;
}

/* Sum of exp(x - most) down the columns, each also stored to y unless y is NULL (a literal). */
FNN_INLINE vec FN(column_exponentials)(ptrdiff_t length, ptrdiff_t stride, const real *x, vec most,
                                       real *y, vmask m) {
    FN(exact_sum) total = {FN(zero)(), FN(zero)()};
    for (ptrdiff_t i = 0; i < length;) {
        const ptrdiff_t end = fnn_min(length, i + FN(COLUMN_STEPS));
        vec sum = FN(zero)();
        for (; i < end; i++) {
            const vec e = FN(exp_bounded)(FN(load_m)(x + i * stride, m) - most);
            if (y) FN(store_m)(y + i * stride, e, m);
            sum += e;
        }
        FN(add_exactly)(&total, sum);
    }
    return FN(rounded)(total);
}

static FNN_NOINLINE void FN(softmax_columns)(ptrdiff_t length, ptrdiff_t n, ptrdiff_t stride,
                                             const real *x, real *y) {
    for (ptrdiff_t j = 0; j < n; j += LANES, x += LANES, y += LANES) {
        const vmask m = FN(mask)(fnn_min(n - j, LANES));
        const vec most = FN(column_largest)(length, stride, x, m);
        const vec sum = FN(column_exponentials)(length, stride, x, most, y, m);
        const vec factor = FN(splat)(1) / sum;
        for (ptrdiff_t i = 0; i < length; i++)
            FN(store_m)(y + i * stride, FN(load_m)(y + i * stride, m) * factor, m);
    }
}

static FNN_NOINLINE void FN(log_softmax_columns)(ptrdiff_t length, ptrdiff_t n, ptrdiff_t stride,
                                                 const real *x, real *y) {
    for (ptrdiff_t j = 0; j < n; j += LANES, x += LANES, y += LANES) {
        const vmask m = FN(mask)(fnn_min(n - j, LANES));
        const vec most = FN(column_largest)(length, stride, x, m);
        const vec sum = FN(column_exponentials)(length, stride, x, most, NULL, m);
        const vec low = FN(logv)(sum);
        for (ptrdiff_t i = 0; i < length; i++)
            FN(store_m)(y + i * stride, (FN(load_m)(x + i * stride, m) - most) - low, m);
    }
}

/* Sum of a b down the columns, or of a if b is NULL (a literal). */
FNN_INLINE vec FN(column_dot)(ptrdiff_t length, ptrdiff_t stride, const real *a, const real *b,
                              vmask m) {
    FN(exact_sum) total = {FN(zero)(), FN(zero)()};
    for (ptrdiff_t i = 0; i < length;) {
        const ptrdiff_t end = fnn_min(length, i + FN(COLUMN_STEPS));
        vec sum = FN(zero)();
        for (; i < end; i++) {
            const vec v = FN(load_m)(a + i * stride, m);
            sum = b ? FN(fma)(v, FN(load_m)(b + i * stride, m), sum) : sum + v;
        }
        FN(add_exactly)(&total, sum);
    }
    return FN(rounded)(total);
}

#define COLUMNS_BACKWARD(name, grad, factor)                                                      \
    static FNN_NOINLINE void FN(name)(ptrdiff_t length, ptrdiff_t n, ptrdiff_t stride,            \
                                      const real *dy, const real *y, real *dx) {                  \
        for (ptrdiff_t j = 0; j < n; j += LANES, dy += LANES, y += LANES, dx += LANES) {          \
            const vmask m = FN(mask)(fnn_min(n - j, LANES));                                      \
            const vec sum = FN(column_dot)(length, stride, dy, factor, m);                        \
            for (ptrdiff_t i = 0; i < length * stride; i += stride) {                             \
                const vec g = FN(load_m)(dy + i, m), v = FN(load_m)(y + i, m);                    \
                FN(store_m)(dx + i, FN(grad)(g, v, sum), m);                                      \
            }                                                                                     \
        }                                                                                         \
    }

COLUMNS_BACKWARD(softmax_columns_backward, softmax_grad, y)
COLUMNS_BACKWARD(log_softmax_columns_backward, log_softmax_grad, NULL)

#undef COLUMNS_BACKWARD
