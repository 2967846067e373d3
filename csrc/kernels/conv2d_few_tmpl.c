/* Windows of one run of taps that have few places on a plane: lanes are taps, and LANES sums are
 * folded together. Contract in kernels/conv2d_window.h. */
static FNN_NOINLINE void FN(conv2d_few)(const fnn_conv2d_few *a, ptrdiff_t planes, const real *x,
                                        const real *w, const real *bias, real *y) {
    vec sums[LANES];
    int held = 0;
    const ptrdiff_t count = a->rows * a->cols, whole = a->taps / LANES * LANES;
    const vmask rest = FN(mask)(a->taps - whole);
    real *to = y;
    for (ptrdiff_t j = 0; j < planes; j++, x += a->plane, w += a->taps) {
        for (ptrdiff_t i = 0; i < count; i++) {
            const real *const from = x + i / a->cols * a->row_step + i % a->cols * a->col_step;
            vec acc = FN(zero)();
            for (ptrdiff_t s = 0; s < whole; s += LANES)
                acc = FN(fma)(FN(load)(w + s), FN(load)(from + s), acc);
            if (whole < a->taps)
                acc = FN(fma)(FN(load_m)(w + whole, rest), FN(load_m)(from + whole, rest), acc);
            sums[held++] = acc;
            if (held < LANES && (j + 1 < planes || i + 1 < count)) continue;
            for (int l = held; l < LANES; l++) sums[l] = FN(zero)();
            FN(store_m)(to, FN(sum_each)(sums, LANES), FN(mask)(held));
            to += LANES;
            held = 0;
        }
    }
    for (ptrdiff_t j = 0; j < (bias ? planes : 0); j++)
        for (ptrdiff_t i = 0; i < fnn_opaque(count); i++) y[j * count + i] += bias[j];
}
