/* The gradients of softmax and its logarithm along dense rows; contracts in kernels/softmax.h. */

/* Elements of a row before p is on a vector's boundary: across lines loads and stores take up to
 * twice as long. Rows of few vectors, and narrow vectors, would only pay for it. */
FNN_INLINE ptrdiff_t FN(row_head)(ptrdiff_t n, const real *p) {
    if (FNN_VBYTES < 32 || n < 4 * LANES) return 0;
    return (ptrdiff_t)(-(uintptr_t)p % FNN_VBYTES / sizeof(real));
}

/* a[j] b[j], or a[j] if b is NULL (a literal), added to v; of `part` of the lanes, or of all if
 * `whole` (a literal). */
FNN_INLINE vec FN(add_product)(int whole, vmask part, const real *a, const real *b, ptrdiff_t j,
                               vec v) {
    const vec x = whole ? FN(load)(a + j) : FN(load_m)(a + j, part);
    if (!b) return v + x;
    return FN(fma)(x, whole ? FN(load)(b + j) : FN(load_m)(b + j, part), v);
}

/* The products of whole vectors j <= i < end, added to four sums; returns where they end. */
FNN_INLINE ptrdiff_t FN(add_products)(ptrdiff_t j, ptrdiff_t end, const real *a, const real *b,
                                      vec acc[4]) {
    const vmask none = FN(mask)(0);
    for (; j + 4 * LANES <= end; j += 4 * LANES) {
        FNN_UNROLL
        for (int k = 0; k < 4; k++)
            acc[k] = FN(add_product)(1, none, a, b, j + k * LANES, acc[k]);
    }
    for (; j + LANES <= end; j += LANES) acc[0] = FN(add_product)(1, none, a, b, j, acc[0]);
    return j;
}

/* Every lane: sum of a[j] b[j], or of a[j] if b is NULL (a literal), for j < n: in one order, wherever
 * the row lies. */
FNN_INLINE vec FN(row_dot)(ptrdiff_t n, const real *a, const real *b) {
    const ptrdiff_t block = 4 * FN(SUM_STEPS) * LANES;
    const vec none = FN(zero)();
    FN(exact_sum) total = {none, none};
    vec acc[4] = {none, none, none, none};
    ptrdiff_t j = 0;
    while (n - j > block) {
        j = FN(add_products)(j, j + block, a, b, acc);
        FN(add_exactly)(&total, (acc[0] + acc[1]) + (acc[2] + acc[3]));
        acc[0] = acc[1] = acc[2] = acc[3] = none;
    }
    j = FN(add_products)(j, n, a, b, acc);
    if (j < n) acc[1] = FN(add_product)(0, FN(mask)(n - j), a, b, j, acc[1]);
    const vec last = (acc[0] + acc[1]) + (acc[2] + acc[3]);
    if (n <= block) return FN(sum_everywhere)(last); /* the row need not wait for more */
    FN(add_exactly)(&total, last);
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
            const ptrdiff_t head = FN(row_head)(n, dx);                                           \
            const vec sum = FN(row_dot)(n, dy, factor);                                           \
            ptrdiff_t j = head;                                                                   \
            if (head > 0) {                                                                       \
                const vmask part = FN(mask)(head);                                                \
                const vec g = FN(load_m)(dy, part), v = FN(load_m)(y, part);                      \
                FN(store_first_lanes)(dx, FN(grad)(g, v, sum), part);                             \
            }                                                                                     \
            for (; j + LANES <= n; j += LANES)                                                    \
                FN(store)(dx + j, FN(grad)(FN(load)(dy + j), FN(load)(y + j), sum));              \
            if (j < n) {                                                                          \
                const vmask tail = FN(mask)(n - j);                                               \
                const vec g = FN(load_m)(dy + j, tail), v = FN(load_m)(y + j, tail);              \
                FN(store_first_lanes)(dx + j, FN(grad)(g, v, sum), tail);                        \
            }                                                                                     \
        }                                                                                         \
    }

ROWS_BACKWARD(softmax_rows_backward, softmax_grad, y)
ROWS_BACKWARD(log_softmax_rows_backward, log_softmax_grad, NULL)

#undef ROWS_BACKWARD
