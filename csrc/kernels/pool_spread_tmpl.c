/* Gradients of the averages of 2x2 and 3x3 windows and of the maxima of 2x2 windows, of stride 2
 * and all inside the plane; contracts in kernels/pool.h.
 *
 * dx is gathered: each element collects what its windows give it, in their order, and is written
 * once, by whole vectors. Lanes are neighbouring windows j of a row of windows p:
 *
 *     dx          column 2j                              column 2j + 1
 *     row 2p      windows j - 1, j of row p - 1, p       window j of row p - 1, p
 *     row 2p + 1  windows j - 1, j of row p              window j of row p
 *
 * where windows j - 1 and row p - 1 reach in only if they are 3x3. */

/* A vector of a row of windows: their gradients, those of the windows one to the left, and the
 * positions that max pooling gives the gradients to. */
typedef struct FN(spread_row) {
    vec here, left;
    ivec at;
} FN(spread_row);

typedef struct FN(spread_job) {
    const fnn_pool_shape *shape;
    const real *dy;
    const int32_t *index; /* NULL for averages: every window gives to all of its elements */
    real *dx;
    real divisor, inverse; /* of averages; the inverse is 0 unless it is exact */
    ivec strays;           /* nonzero where an index is outside its window */
} FN(spread_job);

/* Whether `count` windows of stride 2, of 2 or 3 elements, are inside a line of `size` and leave at
 * most one element over. */
FNN_INLINE int FN(steps_by_two)(ptrdiff_t count, ptrdiff_t size, int square) {
    return count > 0 && (size - square) / 2 + 1 == count && size >= square;
}

/* Whether the windows of averages are among those of this file. */
FNN_INLINE int FN(spreads_by_vectors)(const fnn_pool_shape *s) {
    const int square = s->r == 2 ? 2 : 3;
    return s->r == square && s->s == square && s->stride_h == 2 && s->stride_w == 2 &&
           s->pad_h == 0 && s->pad_w == 0 && FN(steps_by_two)(s->p, s->h, square) &&
           FN(steps_by_two)(s->q, s->w, square);
}

/* n of LANES indices; the lanes beyond are 0. */
FNN_INLINE ivec FN(load_index)(const int32_t *p, ptrdiff_t n) {
    FN(index_vec) narrow = {0};
    if (n == LANES)
        __builtin_memcpy(&narrow, p, sizeof narrow);
    else
#if FNN_REAL_IS_F32
        return (ivec)FN(load_m)((const real *)(const void *)p, FN(mask)(n));
#else
        for (ptrdiff_t i = 0; i < n; i++) narrow[i] = p[i];
#endif
    return __builtin_convertvector(narrow, ivec);
}

/* Takes windows j .. j + n of row p, after those of j - LANES. */
FNN_INLINE void FN(next_windows)(const FN(spread_job) *job, int square, ptrdiff_t p, ptrdiff_t j,
                                 ptrdiff_t n, FN(spread_row) *row) {
    const ptrdiff_t q = p * job->shape->q + j;
    const vec before = row->here;
    row->here = n == LANES ? FN(load)(job->dy + q) : FN(load_m)(job->dy + q, FN(mask)(n));
    if (job->index)
        row->at = FN(load_index)(job->index + q, n);
    else if (job->inverse != 0)
        row->here *= FN(splat)(job->inverse);
    else
        row->here /= FN(splat)(job->divisor);
    if (square == 3) row->left = FN(precede)(before, row->here);
}

/* Adds a row of windows to the columns 2j and 2j + 1 of one row of dx, whose positions are `to`
 * and the next. */
FNN_INLINE void FN(collect)(const FN(spread_job) *job, int square, const FN(spread_row) *row,
                            ivec to, vec *even, vec *odd) {
    if (square == 3) *even += row->left;
    *even += job->index ? (vec)((row->at == to) & (ivec)row->here) : row->here;
    *odd += job->index ? (vec)((row->at == to + 1) & (ivec)row->here) : row->here;
}

/* The first n elements of a and b in turn. */
FNN_INLINE void FN(store_in_turn)(real *to, ptrdiff_t n, vec a, vec b) {
    vec low, high;
    FN(interleave)(a, b, &low, &high);
    if (n >= 2 * LANES) {
        FN(store)(to, low);
        FN(store)(to + LANES, high);
        return;
    }
    FN(store_m)(to, low, FN(mask)(fnn_min(n, LANES)));
    if (n > LANES) FN(store_m)(to + LANES, high, FN(mask)(n - LANES));
}

/* Notes the indices of n windows that are outside them. */
FNN_INLINE void FN(note_strays)(FN(spread_job) *job, ivec at, ivec corner, ptrdiff_t n) {
    const FN(bits) column = (FN(bits))(at - corner);
    const FN(bits) below = column - (FN(uint))job->shape->w;
    ivec inside = (ivec)(column < 2) | (ivec)(below < 2);
    if (n < LANES) inside |= ~FN(lanes_below)(n);
    job->strays |= ~inside;
}

/* Rows 2p and 2p + 1 of dx. */
FNN_INLINE void FN(spread_two_rows)(FN(spread_job) *job, int square, ptrdiff_t p) {
    const fnn_pool_shape *s = job->shape;
    FN(spread_row) above = {0}, here = {0};
    real *dx = job->dx + 2 * p * s->w;
    ivec to = FN(lane_numbers)(2) + (FN(lane_int))(2 * p * s->w);
    for (ptrdiff_t j = 0; 2 * j < s->w; j += LANES, to += 2 * LANES) {
        const ptrdiff_t n = fnn_max(0, fnn_min(s->q - j, LANES));
        vec even = FN(zero)(), odd = FN(zero)();
        if (square == 3 && p > 0 && p <= s->p) {
            FN(next_windows)(job, square, p - 1, j, n, &above);
            FN(collect)(job, square, &above, to, &even, &odd);
        }
        if (p < s->p) {
            FN(next_windows)(job, square, p, j, n, &here);
            if (job->index) FN(note_strays)(job, here.at, to, n);
            FN(collect)(job, square, &here, to, &even, &odd);
        }
        FN(store_in_turn)(dx + 2 * j, s->w - 2 * j, even, odd);
        if (2 * p + 1 == s->h) continue;
        even = odd = FN(zero)();
        if (p < s->p)
            FN(collect)(job, square, &here, to + (FN(lane_int))s->w, &even, &odd);
        FN(store_in_turn)(dx + s->w + 2 * j, s->w - 2 * j, even, odd);
    }
}

/* One plane; 0 if an index is outside its window (which is looked at early, and at the end): dx is
 * then unspecified. */
FNN_INLINE int FN(spread_plane)(FN(spread_job) *job, int square) {
    job->strays = (ivec){0};
    for (ptrdiff_t p = 0; 2 * p < job->shape->h; p++) {
        FN(spread_two_rows)(job, square, p);
        if (job->index && (p == 0 || 2 * p + 2 >= job->shape->h)) {
            int stray = 0;
            for (int i = 0; i < LANES; i++) stray |= job->strays[i] != 0;
            if (stray) return 0;
        }
    }
    return 1;
}

/* Guesses from the sizes that the windows are 2x2; the indices tell. Rows that fill less than half a
 * vector are quicker one by one: 0. */
static FNN_NOINLINE int FN(spread_maxima)(const fnn_pool_shape *s, const real *dy,
                                          const int32_t *index, real *dx) {
    FN(spread_job) job = {.shape = s, .dy = dy, .index = index, .dx = dx};
    return 2 * s->q > LANES && FN(steps_by_two)(s->p, s->h, 2) && FN(steps_by_two)(s->q, s->w, 2) &&
           FN(spread_plane)(&job, 2);
}

static FNN_NOINLINE void FN(spread_means)(const fnn_pool_shape *shape, real divisor, const real *dy,
                                          real *dx) {
    FN(spread_job) job = {.shape = shape, .dy = dy, .dx = dx, .divisor = divisor,
                          .inverse = FN(exact_inverse)(divisor)};
    if (shape->r == 2)
        FN(spread_plane)(&job, 2);
    else
        FN(spread_plane)(&job, 3);
}

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

static FNN_NOINLINE int FN(max_pool_backward)(const fnn_pool_shape *s, const real *dy,
                                              const int32_t *index, real *dx) {
    if (FN(spread_maxima)(s, dy, index, dx)) return 0;
    return FN(scatter_maxima)(s->p * s->q, s->h * s->w, dy, index, dx);
}
