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

/* Whether windows are 2x2 by the sizes, and gathering pays: rows that fill little of their vectors
 * are quicker one by one. */
FNN_INLINE int FN(gathers_twos)(const fnn_pool_shape *s) {
    return fnn_steps_by_two(s->p, s->h, 2) && fnn_steps_by_two(s->q, s->w, 2) && 2 * s->q > LANES;
}

static FNN_NOINLINE int FN(max_pool_backward)(const fnn_pool_shape *s, ptrdiff_t planes,
                                              const real *dy, const int32_t *index, real *dx) {
    const ptrdiff_t out = s->p * s->q, in = s->h * s->w;
#if FNN_BUNDLES
    if (FN(spread_short_maxima)(s, planes, dy, index, dx)) return 0;
#endif
    int twos = FN(gathers_twos)(s); /* what one plane shows to be wrong is wrong for the others */
    FN(spread_job) job = {.shape = s, .ahead = FN(fetched_ahead)(s)};
    for (; planes > 0; planes--, dy += out, index += out, dx += in) {
        job.dy = dy, job.index = index, job.dx = dx;
        twos = twos && FN(spread_twos)(&job);
        if (!twos && FN(scatter_maxima)(out, in, dy, index, dx)) return 1;
    }
    return 0;
}
