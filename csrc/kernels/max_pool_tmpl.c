/* The max pooling kernels; contracts in kernels/pool.h.
 *
 * The commonest windows take a quick way (max_pool_quick_tmpl.c); everything is right by the
 * way in this file, tap after tap in the order of PyTorch. */

typedef int32_t FN(index_vec) __attribute__((vector_size(sizeof(vec) / sizeof(real) * 4)));

FNN_INLINE void FN(store_index)(int32_t *p, ivec v, ptrdiff_t n) {
    const FN(index_vec) narrow = __builtin_convertvector(v, FN(index_vec));
    if (n == LANES) {
        __builtin_memcpy(p, &narrow, sizeof narrow);
        return;
    }
#if FNN_REAL_IS_F32
    FN(store_first_lanes)((real *)(void *)p, (vec)narrow, FN(mask)(n));
#else
    for (ptrdiff_t i = 0; i < n; i++) p[i] = narrow[i];
#endif
}

FNN_INLINE void FN(store_outputs)(real *y, int32_t *index, vec most, ivec at, ptrdiff_t n) {
    if (n == LANES)
        FN(store)(y, most);
    else
        FN(store_first_lanes)(y, most, FN(mask)(n));
    if (index) FN(store_index)(index, at, n);
}

/* The windows of one row of outputs: they start at line `top`, and their rows [r0, r1) are
 * inside the plane. y and index are that row's. */
typedef struct FN(max_window) {
    const fnn_pool_shape *shape;
    const real *x;
    ptrdiff_t readable;
    ptrdiff_t top, r0, r1;
    real *y;
    int32_t *index;
    uint16_t *bits;
} FN(max_window);

/* Takes the next tap of LANES windows, v at the positions `here`: of equals the first stays, of NaNs
 * the last one does. */
FNN_INLINE void FN(take_taps)(vec v, ivec here, vec *most, ivec *at) {
    const FN(cond) take = FN(above)(v, *most) | FN(unlike)(v, v);
    *most = FN(where)(take, v, *most);
    *at = FN(iwhere)(take, here, *at);
}

/* n inner outputs from q on. */
FNN_INLINE void FN(max_vector)(const FN(max_window) *window, ptrdiff_t q, ptrdiff_t n, int step,
                               int whole) {
    const fnn_pool_shape *s = window->shape;
    const ptrdiff_t column = q * s->stride_w - s->pad_w;
    const ivec lanes = FN(lane_numbers)(s->stride_w);
    vec most = FN(splat)((real)-INFINITY);
    ivec at = lanes + (FN(lane_int))((window->top + window->r0 * s->dilation_h) * s->w + column);
    for (ptrdiff_t r = window->r0; r < window->r1; r++) {
        for (ptrdiff_t k = 0; k < s->s; k++) {
            const ptrdiff_t here =
                (window->top + r * s->dilation_h) * s->w + column + k * s->dilation_w;
            const vec v = FN(load_strided)(window->x + here, window->readable - here, s->stride_w,
                                           step, whole);
            FN(take_taps)(v, lanes + (FN(lane_int))here, &most, &at);
        }
    }
    FN(store_outputs)(window->y + q, window->index ? window->index + q : NULL, most, at, n);
}

/* Inner outputs [from, to) of the row. */
FNN_INLINE void FN(max_vectors)(const FN(max_window) *window, ptrdiff_t from, ptrdiff_t to,
                                int step) {
    const fnn_pool_shape *s = window->shape;
    const ptrdiff_t last = (window->top + (window->r1 - 1) * s->dilation_h) * s->w +
                           (s->s - 1) * s->dilation_w - s->pad_w;
    for (ptrdiff_t q = from; q < to; q += LANES) {
        if (step && last + q * s->stride_w + step * LANES <= window->readable)
            FN(max_vector)(window, q, fnn_min(LANES, to - q), step, 1);
        else
            FN(max_vector)(window, q, fnn_min(LANES, to - q), step, 0);
    }
}

static FNN_SMALL void FN(max_inner)(const FN(max_window) *window, ptrdiff_t from, ptrdiff_t to) {
    if (window->shape->stride_w == 1)
        FN(max_vectors)(window, from, to, 1);
    else if (window->shape->stride_w == 2)
        FN(max_vectors)(window, from, to, 2);
    else
        FN(max_vectors)(window, from, to, 0);
}

/* Takes a tap into the maximum so far; of equals the one at the smaller position stays, of NaNs
 * the one at the larger, in whatever order they come. */
FNN_INLINE void FN(take_tap)(real v, ptrdiff_t here, real *most, ptrdiff_t *at) {
    const int better = (v > *most) | ((v == *most) & (here < *at));
    const int nan = (v != v) & ((*most == *most) | (here > *at));
    *most = better | nan ? v : *most;
    *at = better | nan ? here : *at;
}

/* Columns [c0, c1) of the window's rows, lanes along them. */
static FNN_SMALL void FN(max_wide)(const FN(max_window) *window, ptrdiff_t c0, ptrdiff_t c1,
                                      real *most, ptrdiff_t *at) {
    const fnn_pool_shape *s = window->shape;
    for (ptrdiff_t c = c0; c < c1; c += LANES) {
        const ptrdiff_t n = fnn_min(LANES, c1 - c);
        const vmask m = FN(mask)(n);
        const ivec lanes = FN(lane_numbers)(1) + (FN(lane_int))c;
        vec best = FN(splat)((real)-INFINITY);
        ivec where = lanes + (FN(lane_int))((window->top + window->r0 * s->dilation_h) * s->w);
        for (ptrdiff_t r = window->r0; r < window->r1; r++) {
            const ptrdiff_t row = (window->top + r * s->dilation_h) * s->w;
            const vec v = FN(load_m)(window->x + row + c, m);
            FN(take_taps)(v, lanes + (FN(lane_int))row, &best, &where);
        }
        for (ptrdiff_t i = 0; i < n; i++) FN(take_tap)(best[i], where[i], most, at);
    }
}

/* Output q, wherever its window lies. */
static FNN_SMALL void FN(max_single)(const FN(max_window) *window, ptrdiff_t q) {
    const fnn_pool_shape *s = window->shape;
    const ptrdiff_t column = q * s->stride_w - s->pad_w;
    ptrdiff_t k0, k1;
    FN(inside)(column, s->s, s->dilation_w, s->w, &k0, &k1);
    real most = (real)-INFINITY;
    ptrdiff_t at = (window->top + window->r0 * s->dilation_h) * s->w + column + k0 * s->dilation_w;
    if (window->r0 == window->r1 || k0 == k1)
        at = -1;
    else if (s->dilation_w == 1 && k1 - k0 >= FN(WIDE_WINDOW))
        FN(max_wide)(window, column + k0, column + k1, &most, &at);
    else
        for (ptrdiff_t r = window->r0; r < window->r1; r++) {
            ptrdiff_t here = (window->top + r * s->dilation_h) * s->w + column + k0 * s->dilation_w;
            for (ptrdiff_t k = k0; k < k1; k++, here += s->dilation_w) {
                const real v = window->x[here];
                const int take = (v > most) | (v != v);
                most = take ? v : most;
                at = take ? here : at;
            }
        }
    window->y[q] = most;
    if (window->index) window->index[q] = (int32_t)at;
}

/* Outputs at the sides go by vectors down the rows unless there are fewer rows than this. */
enum { FN(ROWS_DOWN) = 4 };

/* p[0], p[step] ... p[(n - 1) step]; the other lanes are 0. */
static FNN_NOINLINE vec FN(load_down)(const real *p, ptrdiff_t n, ptrdiff_t step) {
    real lane[LANES] = {0};
    for (ptrdiff_t i = 0; i < n; i++) lane[i] = p[i * step];
    return FN(load)(lane);
}

/* Output q of `rows` rows from p on whose windows are inside the plane in height: lanes are rows.
 * The window's y and index are the plane's. */
static FNN_SMALL void FN(max_down)(const FN(max_window) *plane, ptrdiff_t p, ptrdiff_t rows,
                                      ptrdiff_t q) {
    const fnn_pool_shape *s = plane->shape;
    const ptrdiff_t column = q * s->stride_w - s->pad_w, down = s->stride_h * s->w;
    const ivec lanes = FN(lane_numbers)((FN(lane_int))down);
    ptrdiff_t k0, k1;
    FN(inside)(column, s->s, s->dilation_w, s->w, &k0, &k1);
    for (; rows > 0; rows -= LANES, p += LANES) {
        const ptrdiff_t n = fnn_min(rows, LANES), out = p * s->q + q;
        const ptrdiff_t corner = (p * s->stride_h - s->pad_h) * s->w + column;
        vec most = FN(splat)((real)-INFINITY);
        ivec at = lanes + (FN(lane_int))(corner + k0 * s->dilation_w);
        if (k0 == k1) at = (ivec){0} - 1;
        for (ptrdiff_t r = 0; r < s->r; r++) {
            for (ptrdiff_t k = k0; k < k1; k++) {
                const ptrdiff_t here = corner + r * s->dilation_h * s->w + k * s->dilation_w;
                const vec v = FN(load_down)(plane->x + here, n, down);
                FN(take_taps)(v, lanes + (FN(lane_int))here, &most, &at);
            }
        }
        for (ptrdiff_t i = 0; i < n; i++) {
            plane->y[out + i * s->q] = most[i];
            if (plane->index) plane->index[out + i * s->q] = (int32_t)at[i];
        }
    }
}
