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

/* A vector of a row of windows: their gradients and those of the windows one to the left, and
 * from where their corners are to the elements that max pooling gives them to. */
typedef struct FN(spread_row) {
    vec here, left;
    ivec at, left_at;
} FN(spread_row);

typedef struct FN(spread_job) {
    const fnn_pool_shape *shape;
    const real *dy;
    const int32_t *index; /* NULL for averages: every window gives to all of its elements */
    real *dx;
    real divisor, inverse; /* of averages; the inverse is 0 unless it is exact */
    ptrdiff_t met;         /* windows whose elements have been met */
    ptrdiff_t ahead;       /* elements of dx to the place that is fetched, or 0 */
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

/* The lanes [lo, hi) of LANES indices from p on; the others are 0. */
FNN_INLINE ivec FN(load_index)(const int32_t *p, ptrdiff_t lo, ptrdiff_t hi) {
#if FNN_REAL_IS_F32
    return (ivec)FN(load_span)((const real *)(const void *)p, FN(span)(lo, hi));
#else
    FN(index_vec) narrow = {0};
    if (lo == 0 && hi == LANES)
        __builtin_memcpy(&narrow, p, sizeof narrow);
    else
        for (ptrdiff_t i = lo; i < hi; i++) narrow[i] = p[i];
    return __builtin_convertvector(narrow, ivec);
#endif
}

/* Averages: takes windows j .. j + n of row p. */
FNN_INLINE vec FN(next_means)(const FN(spread_job) *job, ptrdiff_t p, ptrdiff_t j, ptrdiff_t n) {
    const real *dy = job->dy + p * job->shape->q + j;
    const vec v = n == LANES ? FN(load)(dy) : FN(load_m)(dy, FN(mask)(n));
    return FN(divided)(v, FN(splat)(job->inverse != 0 ? job->inverse : job->divisor),
                       job->inverse);
}

/* Adds a row of windows to the columns 2j and 2j + 1 of one row of dx: the row `down` elements
 * below the windows' corners. Lanes beyond the windows hold gradients of 0. met: the windows whose
 * maxima are in their first two columns. */
FNN_INLINE FN(tally_of) FN(collect)(int square, const FN(spread_row) *row, ivec down, vec *even,
                                    vec *odd, FN(tally_of) met) {
    const FN(cond) first = FN(same)(row->at, down), second = FN(same)(row->at, down + 1);
    if (square == 3) /* seen from here, the left window's third column is the corner's */
        *even = FN(add_where)(FN(same)(row->left_at, down), *even, row->left);
    *even = FN(add_where)(first, *even, row->here);
    *odd = FN(add_where)(second, *odd, row->here);
    return FN(tally)(first | second, met);
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

/* Columns of a plane, one under the other, are no stream to a processor: the next plane's lines are
 * fetched where dx is more than a second cache holds and planes are less than a first one (and where
 * vectors are so short that it is not memory that binds, the code is spared). */
FNN_INLINE ptrdiff_t FN(fetched_ahead)(const fnn_pool_shape *s) {
    const ptrdiff_t bytes = s->h * s->w * (ptrdiff_t)sizeof(real);
    return FNN_VBYTES >= 32 && bytes <= 32768 && s->planes * bytes > 1 << 20 ? s->h * s->w : 0;
}

FNN_INLINE void FN(fetch_two_rows)(const real *dx, ptrdiff_t w) {
    FNN_UNROLL
    for (int row = 0; row < 2; row++)
        FNN_UNROLL
        for (int at = 0; at < 2 * FNN_VBYTES; at += FNN_LINE)
            __builtin_prefetch((const char *)(dx + row * w) + at, 1);
}

/* Two rows of dx, or what there is of them: LANES columns j of windows. */
FNN_INLINE void FN(store_two_rows)(real *dx, ptrdiff_t ahead, ptrdiff_t w, ptrdiff_t columns,
                                   int both, const vec row[4]) {
    if (ahead) FN(fetch_two_rows)(dx + ahead, w);
    FN(store_in_turn)(dx, columns, row[0], row[1]);
    if (both) FN(store_in_turn)(dx + w, columns, row[2], row[3]);
}

/* LANES columns j of the windows of a plane of averages. */
FNN_INLINE void FN(spread_mean_column)(const FN(spread_job) *job, int square, ptrdiff_t j) {
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t n = fnn_max(0, fnn_min(s->q - j, LANES));
    real *dx = job->dx + 2 * j;
    vec above = FN(zero)(), above_left = FN(zero)();
    for (ptrdiff_t p = 0; 2 * p < s->h; p++, dx += 2 * s->w) {
        vec here = FN(zero)(), left = FN(zero)();
        if (p < s->p) {
            here = FN(next_means)(job, p, j, n);
            if (square == 3 && j > 0) left = FN(next_means)(job, p, j - LANES, LANES);
            if (square == 3) left = FN(precede)(left, here);
        }
        const vec row[4] = {((above_left + above) + left) + here, above + here, left + here, here};
        FN(store_two_rows)(dx, job->ahead, s->w, s->w - 2 * j, 2 * p + 1 < s->h, row);
        if (square == 2) continue;
        above = here;
        above_left = left;
    }
}

/* The same of maxima of 2x2 windows; 0 if it is plain early that an index is outside its window. */
FNN_INLINE int FN(spread_max_column)(FN(spread_job) *job, ptrdiff_t j) {
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t w = s->w, n = fnn_max(0, fnn_min(s->q - j, LANES));
    const ivec none = {0}, down = none + (FN(lane_int))w;
    real *dx = job->dx + 2 * j;
    ivec to = FN(lane_numbers)(2) + (FN(lane_int))(2 * j);
    FN(spread_row) here = {.at = none - 1};
    FN(tally_of) met = {0};
    for (ptrdiff_t p = 0; 2 * p < s->h; p++, dx += 2 * w, to += down + down) {
        vec row[4] = {FN(zero)(), FN(zero)(), FN(zero)(), FN(zero)()};
        if (p < s->p) {
            const ptrdiff_t q = p * s->q + j;
            here.here = FN(load_span)(job->dy + q, FN(span)(0, n));
            here.at = FN(load_index)(job->index + q, 0, n) - to;
            met = FN(collect)(2, &here, none, row, row + 1, met);
            met = FN(collect)(2, &here, down, row + 2, row + 3, met);
        }
        FN(store_two_rows)(dx, job->ahead, w, w - 2 * j, 2 * p + 1 < s->h, row);
        if (p == 0 && FN(total)(met) < n - 1) return 0;
    }
    job->met += FN(total)(met);
    return 1;
}

#if FNN_BUNDLES
/* The largest column that positions of 3x3 windows have in them, lane by lane, with those before: more
 * than 2 if one is outside. Cheaper than to count the windows that are met. */
FNN_INLINE ivec FN(widest)(ivec at, ivec down, ivec before) {
    const ivec upper = FN(least_unsigned)(at, at - down);
    return FN(most_unsigned)(FN(least_unsigned)(upper, upper - down), before);
}

/* Maxima of 3x3 windows: takes windows j .. j + n of row p, whose corners are at `to`. */
FNN_INLINE void FN(next_maxima)(const FN(spread_job) *job, ptrdiff_t p, ptrdiff_t j, ptrdiff_t n,
                                ivec to, FN(spread_row) *row) {
    const ptrdiff_t q = p * job->shape->q + j, lo = j == 0, hi = fnn_min(n + 1, LANES);
    const real *dy = job->dy + q;
    row->here = FN(load_span)(dy, FN(span)(0, n));
    /* lanes without a window have one at its corner that gives 0 */
    row->at = (ivec)FN(keep)((vec)(FN(load_index)(job->index + q, 0, n) - to), FN(span)(0, n));
    row->left = FN(load_span)(dy - 1, FN(span)(lo, hi));
    row->left_at = FN(load_index)(job->index + q - 1, lo, hi) - to;
}

/* The same as spread_max_column, of 3x3 windows. */
FNN_INLINE int FN(spread_max_threes)(const FN(spread_job) *job, ptrdiff_t j) {
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t w = s->w, n = fnn_max(0, fnn_min(s->q - j, LANES));
    const ivec none = {0}, down = none + (FN(lane_int))w;
    real *dx = job->dx + 2 * j;
    ivec to = FN(lane_numbers)(2) + (FN(lane_int))(2 * j), most = none;
    FN(spread_row) here = {.at = none - 1, .left_at = none - 1};
    for (ptrdiff_t p = 0; 2 * p < s->h; p++, dx += 2 * w, to += down + down) {
        vec row[4] = {FN(zero)(), FN(zero)(), FN(zero)(), FN(zero)()};
        FN(collect)(3, &here, down + down, row, row + 1, 0);
        if (p < s->p) {
            FN(next_maxima)(job, p, j, n, to, &here);
            most = FN(widest)(here.at, down, most);
            FN(collect)(3, &here, none, row, row + 1, 0);
            FN(collect)(3, &here, down, row + 2, row + 3, 0);
        }
        FN(store_two_rows)(dx, job->ahead, w, w - 2 * j, 2 * p + 1 < s->h, row);
        if (p == 0 && FN(more_than)(most, 2)) return 0;
    }
    return !FN(more_than)(most, 2);
}
#endif

/* One plane; 0 if an index of maxima is outside its window: dx is then unspecified. */
FNN_INLINE int FN(spread_plane)(FN(spread_job) *job, int square) {
    job->met = 0;
    for (ptrdiff_t j = 0; 2 * j < job->shape->w; j += LANES) {
        if (!job->index)
            FN(spread_mean_column)(job, square, j);
#if FNN_BUNDLES
        else if (square == 3) {
            if (!FN(spread_max_threes)(job, j)) return 0;
        }
#endif
        else if (!FN(spread_max_column)(job, j))
            return 0;
    }
    return !job->index || square == 3 || job->met == job->shape->p * job->shape->q;
}

/* Whether it pays to gather maxima of the sizes that 2x2 or 3x3 windows have: rows that fill little
 * of their vectors, and nine comparisons without conditions in registers, are quicker one by one. */
FNN_INLINE int FN(gathers)(const fnn_pool_shape *s, int square) {
    if (!FN(steps_by_two)(s->p, s->h, square) || !FN(steps_by_two)(s->q, s->w, square)) return 0;
    if (square == 2) return 2 * s->q > LANES;
    return FNN_BUNDLES && s->q > 11 * fnn_ceil_div(s->q + 1, LANES);
}

/* Guesses from the sizes that the windows are 2x2 or 3x3; the indices tell: 0. */
static FNN_NOINLINE int FN(spread_maxima)(const fnn_pool_shape *s, int square, const real *dy,
                                          const int32_t *index, real *dx) {
    FN(spread_job) job = {.shape = s, .dy = dy, .index = index, .dx = dx,
                          .ahead = FN(fetched_ahead)(s)};
    if (!FN(gathers)(s, square)) return 0;
    if (square == 2) return FN(spread_plane)(&job, 2);
    return FNN_BUNDLES ? FN(spread_plane)(&job, 3) : 0;
}

static FNN_NOINLINE void FN(spread_means)(const fnn_pool_shape *s, ptrdiff_t planes, real divisor,
                                          const real *dy, real *dx) {
    FN(spread_job) job = {.shape = s, .dy = dy, .dx = dx, .divisor = divisor,
                          .inverse = FN(exact_inverse)(divisor),
                          .ahead = FN(fetched_ahead)(s)};
    for (; planes > 0; planes--, job.dy += s->p * s->q, job.dx += s->h * s->w) {
        if (s->r == 2)
            FN(spread_plane)(&job, 2);
        else
            FN(spread_plane)(&job, 3);
    }
}
