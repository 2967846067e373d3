/* The gradient of max pooling, and the way that is always right; contracts in kernels/pool.h. */

/* Window by window, whatever they are. */
FNN_INLINE int FN(scatter_maxima)(ptrdiff_t n, ptrdiff_t size, const real *dy,
                                  const int32_t *index, real *dx) {
    __builtin_memset(dx, 0, (size_t)size * sizeof(real));
    for (ptrdiff_t i = 0; i < n; i++) {
        if (FNN_LIKELY((uint32_t)index[i] < (size_t)size))
            dx[index[i]] += dy[i];
        else if (index[i] != -1)
            return 1;
    }
    return 0;
}

/* Windows whose gradients are gathered, in the order in which they are guessed from the sizes. */
enum { FN(NO_GUESS), FN(PADDED_THREES), FN(THREES), FN(TWOS) };

/* Whether windows are of that kind by the sizes, and gathering pays: rows that fill little of their
 * vectors, and nine comparisons without conditions in registers, are quicker one by one. */
FNN_INLINE int FN(gathers)(const fnn_pool_shape *s, int kind) {
    const int square = kind == FN(TWOS) ? 2 : 3;
    const ptrdiff_t border = kind == FN(PADDED_THREES) ? 2 : 0;
    if (!FN(steps_by_two)(s->p, s->h + border, square)) return 0;
    if (!FN(steps_by_two)(s->q, s->w + border, square)) return 0;
    if (kind == FN(TWOS)) return 2 * s->q > LANES;
#if FNN_BUNDLES
    return s->w <= FN(WIDEST) && s->q > 11 * fnn_ceil_div(s->q + 1, LANES);
#else
    return 0;
#endif
}

/* One plane, if they are; 0 if the indices tell that they are not: dx is then unspecified. */
FNN_INLINE int FN(spread_maxima)(const fnn_pool_shape *s, int kind, const real *dy,
                                 const int32_t *index, real *dx) {
    FN(spread_job) job = {.shape = s, .dy = dy, .index = index, .dx = dx,
                          .ahead = FN(fetched_ahead)(s)};
    if (!FN(gathers)(s, kind)) return 0;
#if FNN_BUNDLES
    if (kind == FN(THREES)) return FN(spread_threes)(&job);
    if (kind == FN(PADDED_THREES)) return FN(spread_padded_threes)(&job);
#endif
    return FN(spread_twos)(&job);
}

static FNN_NOINLINE int FN(max_pool_backward)(const fnn_pool_shape *s, ptrdiff_t planes,
                                              const real *dy, const int32_t *index, real *dx) {
    const ptrdiff_t out = s->p * s->q, in = s->h * s->w;
#if FNN_BUNDLES
    if (FN(spread_short_maxima)(s, planes, dy, index, dx)) return 0;
#endif
    int kind = FN(TWOS); /* the guess: what one plane shows to be wrong is wrong for the others */
    for (; planes > 0; planes--, dy += out, index += out, dx += in) {
        while (kind && !FN(spread_maxima)(s, kind, dy, index, dx)) kind--;
        if (!kind && FN(scatter_maxima)(out, in, dy, index, dx)) return 1;
    }
    return 0;
}
