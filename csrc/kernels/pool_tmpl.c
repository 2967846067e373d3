/* What both poolings share; contracts in kernels/pool.h.
 *
 * Lanes are neighbouring outputs of a row. Outputs whose window lies inside the plane in width
 * ("inner") are done by vectors; the few at the sides one by one. */

/* ceil(a / b) without the division that most calls can spare */
FNN_INLINE ptrdiff_t FN(steps)(ptrdiff_t a, ptrdiff_t b) {
    return b == 1 ? a : fnn_ceil_div(a, b);
}

/* The taps of a window that fall inside a line of `size`, for a window that starts at `start`. */
FNN_INLINE void FN(inside)(ptrdiff_t start, ptrdiff_t taps, ptrdiff_t dilation, ptrdiff_t size,
                           ptrdiff_t *from, ptrdiff_t *to) {
    *from = start < 0 ? fnn_min(taps, FN(steps)(-start, dilation)) : 0;
    *to = start < size ? fnn_min(taps, FN(steps)(size - start, dilation)) : *from;
    if (*to < *from) *to = *from;
}

/* The outputs [from, to) of a row whose taps are all inside it. */
FNN_INLINE void FN(inner_outputs)(const fnn_pool_shape *s, ptrdiff_t *from, ptrdiff_t *to) {
    const ptrdiff_t room = s->w + s->pad_w - (s->s - 1) * s->dilation_w;
    *from = fnn_min(s->q, fnn_ceil_div(s->pad_w, s->stride_w));
    *to = room > 0 ? fnn_min(s->q, fnn_ceil_div(room, s->stride_w)) : 0;
    if (*to < *from) *to = *from;
}

/* p[0], p[stride], p[2 stride] ..., of which p[0] .. p[left - 1] may be read; lanes beyond are
 * unspecified. `step` is the literal 1, 2 or 0 (any other stride); `whole` a literal that
 * promises left >= LANES step. */
FNN_INLINE vec FN(load_strided)(const real *p, ptrdiff_t left, ptrdiff_t stride, int step,
                                int whole) {
    if (step == 1) {
        if (whole) return FN(load)(p);
        return FN(load_m)(p, FN(mask)(fnn_min(left, LANES)));
    }
    if (step == 2) {
        if (whole) return FN(even_lanes)(FN(load)(p), FN(load)(p + LANES));
        const ptrdiff_t second = fnn_max(0, fnn_min(left - LANES, LANES));
        return FN(even_lanes)(FN(load_m)(p, FN(mask)(fnn_min(left, LANES))),
                              FN(load_m)(p + LANES, FN(mask)(second)));
    }
    real lane[LANES];
    vec v;
    for (ptrdiff_t i = 0; i < LANES; i++) lane[i] = i * stride < left ? p[i * stride] : 0;
    __builtin_memcpy(&v, lane, sizeof v);
    return v;
}

/* Windows from which one output is done along its rows instead of tap by tap. */
enum { FN(WIDE_WINDOW) = 8 };
