/* Gradients of the averages and the maxima of 2x2 and 3x3 windows, of stride 2
 * and all inside the plane; contracts in kernels/pool.h.
 *
 * dx is gathered: each element collects what its windows give it, in their order, and is written
 * once, by whole vectors (of 3x3 maxima again, where a row's last vector ran over). Lanes are neighbouring windows j of a row of windows p:
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
    FN(division) by;       /* of averages */
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

/* Adds a row of windows to the columns 2j and 2j + 1 of one row of dx: the row `down` elements
 * below the windows' corners. Lanes beyond the windows hold gradients of 0. Returns the windows
 * whose maxima are in their first two columns. */
FNN_INLINE FN(cond) FN(collect)(int square, const FN(spread_row) *row, ivec down, vec *even,
                                vec *odd) {
    const FN(cond) first = FN(same)(row->at, down), second = FN(same)(row->at, down + 1);
    if (square == 3) /* seen from here, the left window's third column is the corner's */
        *even = FN(add_where)(FN(same)(row->left_at, down), *even, row->left);
    *even = FN(add_where)(first, *even, row->here);
    *odd = FN(add_where)(second, *odd, row->here);
    return first | second;
}

/* Two vectors' elements in turn, of which the first n are stored. */
typedef struct FN(turn_store) {
    int whole, second; /* all of both, without masks; some of the second vector */
    vmask low, high;
} FN(turn_store);

FNN_INLINE FN(turn_store) FN(store_first)(ptrdiff_t n) {
    return (FN(turn_store)){FNN_VBYTES < 64 && n >= 2 * LANES, n > LANES,
                            FN(mask)(fnn_min(n, LANES)),
                            FN(mask)(fnn_max(0, fnn_min(n - LANES, LANES)))};
}

FNN_INLINE void FN(store_in_turn)(real *to, const FN(turn_store) *of, vec a, vec b) {
    vec low, high;
    FN(interleave)(a, b, &low, &high);
    if (of->whole) {
        FN(store)(to, low);
        FN(store)(to + LANES, high);
        return;
    }
    FN(store_m)(to, low, of->low);
    if (of->second) FN(store_m)(to + LANES, high, of->high);
}

/* Lines that will be written are asked for: two rows of windows ahead (in L2 1.1 to 1.4x). Columns
 * of a plane, one under the other, are no stream to a processor either: those of the next plane
 * where dx is more than a second cache holds and planes are less than a first one. (Where vectors
 * are so short that it is not memory that binds, the code is spared.) */
FNN_INLINE ptrdiff_t FN(fetched_ahead)(const fnn_pool_shape *s) {
    const ptrdiff_t bytes = s->h * s->w * (ptrdiff_t)sizeof(real);
    return bytes <= 32768 && s->planes * bytes > 1 << 20 ? s->h * s->w : 4 * s->w;
}

FNN_INLINE void FN(fetch_two_rows)(int count, const real *dx, ptrdiff_t w) {
    if (FNN_VBYTES < 32) return;
    FNN_UNROLL
    for (int row = 0; row < 2; row++)
        FNN_UNROLL
        for (int at = 0; at < 2 * count * FNN_VBYTES; at += FNN_LINE)
            __builtin_prefetch((const char *)(dx + row * w) + at, 1);
}

/* Two rows of dx, or the first: even and odd columns of either from each of `count` (a literal)
 * vectors of windows side by side. (GCC takes no conditions out of a loop that has loops in it.) */
FNN_INLINE void FN(store_two_rows)(int count, real *dx, ptrdiff_t w, const FN(turn_store) *columns,
                                   int both, const vec (*row)[4]) {
    FN(store_in_turn)(dx, columns, row[0][0], row[0][1]);
    if (count > 1) FN(store_in_turn)(dx + 2 * LANES, columns + 1, row[1][0], row[1][1]);
    if (!both) return;
    FN(store_in_turn)(dx + w, columns, row[0][2], row[0][3]);
    if (count > 1) FN(store_in_turn)(dx + w + 2 * LANES, columns + 1, row[1][2], row[1][3]);
}

/* Averages of a vector of windows, and of those one to the left, in the row above. */
typedef struct FN(spread_above) {
    vec here, left;
} FN(spread_above);

/* What the vector `here` and the last lane of the one before it give to two rows. */
FNN_INLINE void FN(spread_means_of)(int square, vec before, vec here, FN(spread_above) *above,
                                    vec row[4]) {
    const vec left = square == 3 ? FN(precede)(before, here) : FN(zero)();
    row[0] = ((above->left + above->here) + left) + here;
    row[1] = above->here + here;
    row[2] = left + here;
    row[3] = here;
    if (square == 3) *above = (FN(spread_above)){here, left};
}

/* `count` (a literal) vectors of columns j of the windows of a plane of averages. */
FNN_INLINE void FN(spread_mean_columns)(const FN(spread_job) *job, int square, int count,
                                        ptrdiff_t j) {
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t w = s->w, q = s->q, ahead = job->ahead, last = j + (count - 1) * LANES;
    const FN(turn_store) end = FN(store_first)(w - 2 * last);
    const FN(turn_store) columns[2] = {count > 1 ? (FN(turn_store)){.whole = 1} : end, end};
    const FN(division) by = job->by;
    const vmask inside = FN(mask)(fnn_max(0, fnn_min(q - last, LANES)));
    const real *dy = job->dy + j;
    real *dx = job->dx + 2 * j;
    const vec none = FN(zero)();
    FN(spread_above) above[2] = {{none, none}, {none, none}};
    for (ptrdiff_t p = s->p; p > 0; p--, dy += q, dx += 2 * w) {
        vec before = none, row[2][4];
        if (square == 3 && j > 0) before = FN(divided)(FN(load)(dy - LANES), &by, 0);
        if (count > 1) {
            const vec whole = FN(divided)(FN(load)(dy), &by, 0);
            FN(spread_means_of)(square, before, whole, above, row[0]);
            before = whole;
        }
        const vec here = FN(divided)(FN(load_m)(dy + (count - 1) * LANES, inside), &by, 0);
        FN(spread_means_of)(square, before, here, above + count - 1, row[count - 1]);
        FN(fetch_two_rows)(count, dx + ahead, w);
        FN(store_two_rows)(count, dx, w, columns, 1, row);
    }
    const vec row[2][4] = {{above[0].left + above[0].here, above[0].here, none, none},
                           {above[1].left + above[1].here, above[1].here, none, none}};
    const ptrdiff_t rest = s->h - 2 * s->p;
    if (rest > 0) FN(store_two_rows)(count, dx, w, columns, rest > 1, row);
}

FNN_INLINE void FN(clear)(vec row[4]) {
    FNN_UNROLL
    for (int c = 0; c < 4; c++) row[c] = FN(zero)();
}

/* What a vector of 2x2 windows gives to two rows; which of their maxima are in the windows. */
FNN_INLINE FN(cond) FN(spread_maxima_of)(vec here, ivec at, ivec down, vec row[4]) {
    const FN(spread_row) windows = {.here = here, .at = at};
    FN(clear)(row);
    const FN(cond) upper = FN(collect)(2, &windows, (ivec){0}, row, row + 1);
    return upper | FN(collect)(2, &windows, down, row + 2, row + 3);
}

/* The same as spread_mean_columns of maxima of 2x2 windows; 0 if it is plain early that an index is
 * outside its window. */
FNN_INLINE int FN(spread_max_columns)(FN(spread_job) *job, int count, ptrdiff_t j) {
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t w = s->w, q = s->q, rows = s->p, ahead = job->ahead, one = (count - 1) * LANES;
    const ptrdiff_t n = fnn_max(0, fnn_min(q - j - one, LANES));
    const FN(turn_store) end = FN(store_first)(w - 2 * (j + one));
    const FN(turn_store) columns[2] = {count > 1 ? (FN(turn_store)){.whole = 1} : end, end};
    const ivec down = (ivec){0} + (FN(lane_int))w;
    const vspan inside = FN(span)(0, n);
    const real *dy = job->dy + j;
    const int32_t *index = job->index + j;
    real *dx = job->dx + 2 * j;
    ivec to = FN(lane_numbers)(2) + (FN(lane_int))(2 * j), last = to + (FN(lane_int))(2 * one);
    vec row[2][4];
    FN(tally_of) met = {0};
    for (ptrdiff_t p = rows; p > 0; p--, dy += q, index += q, dx += 2 * w) {
        FN(fetch_two_rows)(count, dx + ahead, w);
        if (count > 1) {
            const ivec at = FN(load_index)(index, 0, LANES) - to;
            met = FN(tally)(FN(spread_maxima_of)(FN(load)(dy), at, down, row[0]), met);
        }
        const vec here = FN(load_span)(dy + one, inside);
        const ivec at = FN(load_index)(index + one, 0, n) - last;
        met = FN(tally)(FN(spread_maxima_of)(here, at, down, row[count - 1]), met);
        FN(store_two_rows)(count, dx, w, columns, 1, row);
        to += down + down;
        last += down + down;
        if (p == rows && FN(total)(met) < n + one - 1) return 0;
    }
    FN(clear)(row[0]);
    FN(clear)(row[1]);
    if (2 * rows < s->h) FN(store_two_rows)(count, dx, w, columns, 0, row);
    job->met += FN(total)(met);
    return 1;
}

#if FNN_BUNDLES
/* The largest column that positions of two vectors of 3x3 windows have in them, lane by lane, with
 * those before: more than 2 if one is outside. Cheaper than to count the windows that are met. */
FNN_INLINE FN(shorts) FN(widest)(ivec at, ivec other, FN(shorts) down, FN(shorts) before) {
    const FN(shorts) upper = FN(reduced)(FN(shorts_of)(at, other), down);
    return FN(most_of_shorts)(FN(reduced)(upper, down), before);
}

/* The same as spread_max_columns, of 3x3 windows, in `count` (a literal) vectors side by side. Rows
 * are written by whole vectors (seven masks are all there are): what is beyond their end is written
 * later, by the next row or from columns further left. */
FNN_INLINE int FN(spread_max_threes)(const FN(spread_job) *job, int count, ptrdiff_t j) {
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t w = s->w, q = s->q, rows = s->p, ahead = job->ahead;
    const ivec none = {0}, down = none + (FN(lane_int))w;
    const real *dy = job->dy + j, *index = (const real *)(const void *)(job->index + j);
    real *dx = job->dx + 2 * j;
    const FN(turn_store) all[2] = {{.whole = 1}, {.whole = 1}};
    FN(turn_store) columns[2];
    vspan inside[2], before[2];
    FN(spread_row) here[2];
    ivec to[2];
    const FN(shorts) below = FN(same_shorts)((int)w);
    FN(shorts) most = FN(same_shorts)(0);
    vec row[2][4];
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        const ptrdiff_t i = j + k * LANES, n = fnn_max(0, fnn_min(q - i, LANES));
        const int last = k + 1 == count;
        columns[k] = last ? FN(store_first)(w - 2 * i) : all[k];
        inside[k] = FN(span)(0, last ? n : LANES);
        before[k] = FN(span)(i == 0, fnn_min(n + 1, LANES));
        to[k] = FN(lane_numbers)(2) + (FN(lane_int))(2 * i);
        here[k] = (FN(spread_row)){.at = none - 1, .left_at = none - 1};
    }
    for (ptrdiff_t p = rows; p > 0; p--, dy += q, index += q, dx += 2 * w) {
        FN(fetch_two_rows)(count, dx + ahead, w);
        FNN_UNROLL
        for (int k = 0; k < count; k++) {
            const ptrdiff_t i = k * LANES;
            FN(clear)(row[k]);
            FN(collect)(3, here + k, down + down, row[k], row[k] + 1);
            here[k].here = FN(load_span)(dy + i, inside[k]);
            here[k].left = FN(load_span)(dy + i - 1, before[k]);
            /* lanes without a window have one at its corner that gives 0 */
            const ivec at = (ivec)FN(load_span)(index + i, inside[k]);
            here[k].at = FN(difference)(at, to[k], inside[k]);
            here[k].left_at = (ivec)FN(load_span)(index + i - 1, before[k]) - to[k];
            FN(collect)(3, here + k, none, row[k], row[k] + 1);
            FN(collect)(3, here + k, down, row[k] + 2, row[k] + 3);
            to[k] += down + down;
        }
        most = FN(widest)(here[0].at, here[count - 1].at, below, most);
        FN(store_two_rows)(count, dx, w, all, 1, row);
        if (p == rows && FN(any_more_than)(most, 2)) return 0;
    }
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        FN(clear)(row[k]);
        FN(collect)(3, here + k, down + down, row[k], row[k] + 1);
    }
    FN(store_two_rows)(count, dx, w, columns, 2 * rows + 1 < s->h, row);
    return !FN(any_more_than)(most, 2);
}

/* A plane of them, two vectors where there are two, from the right. */
static FNN_NOINLINE int FN(spread_threes)(const FN(spread_job) *job) {
    const ptrdiff_t w = job->shape->w, step = 2 * LANES;
    for (ptrdiff_t j = (w - 1) / (2 * step) * step; j >= 0; j -= step) {
        const int met = w - 2 * j > step ? FN(spread_max_threes)(job, 2, j)
                                         : FN(spread_max_threes)(job, 1, j);
        if (!met) return 0;
    }
    return 1;
}
#endif

/* One plane of maxima of 2x2 windows; 0 if an index is outside its window: dx is then unspecified.
 * (In one function with those of 3x3, GCC makes either slower.) */
static FNN_NOINLINE int FN(spread_twos)(FN(spread_job) *job) {
    ptrdiff_t j = 0;
    job->met = 0;
#if FNN_BUNDLES
    for (; job->shape->w - 2 * j > 2 * LANES; j += 2 * LANES)
        if (!FN(spread_max_columns)(job, 2, j)) return 0;
#endif
    for (; 2 * j < job->shape->w; j += LANES)
        if (!FN(spread_max_columns)(job, 1, j)) return 0;
    return job->met == job->shape->p * job->shape->q;
}

/* The widest plane whose rows of positions 16 bits tell apart. */
enum { FN(WIDEST) = 16382 };

/* Whether it pays to gather maxima of the sizes that 2x2 or 3x3 windows have: rows that fill little
 * of their vectors, and nine comparisons without conditions in registers, are quicker one by one. */
FNN_INLINE int FN(gathers)(const fnn_pool_shape *s, int square) {
    if (!FN(steps_by_two)(s->p, s->h, square) || !FN(steps_by_two)(s->q, s->w, square)) return 0;
    if (square == 2) return 2 * s->q > LANES;
    return FNN_BUNDLES && s->w <= FN(WIDEST) && s->q > 11 * fnn_ceil_div(s->q + 1, LANES);
}

/* Guesses from the sizes that the windows are 2x2 or 3x3; the indices tell: 0. */
FNN_INLINE int FN(spread_maxima)(const fnn_pool_shape *s, int square, const real *dy,
                                 const int32_t *index, real *dx) {
    FN(spread_job) job = {.shape = s, .dy = dy, .index = index, .dx = dx,
                          .ahead = FN(fetched_ahead)(s)};
    if (!FN(gathers)(s, square)) return 0;
#if FNN_BUNDLES
    if (square == 3) return FN(spread_threes)(&job);
#endif
    return FN(spread_twos)(&job);
}

static FNN_NOINLINE void FN(spread_means)(const fnn_pool_shape *s, ptrdiff_t planes, real divisor,
                                          const real *dy, real *dx) {
    FN(spread_job) job = {.shape = s, .dy = dy, .dx = dx, .by = FN(division_by)(divisor),
                          .ahead = FN(fetched_ahead)(s)};
    for (; planes > 0; planes--, job.dy += s->p * s->q, job.dx += s->h * s->w) {
        ptrdiff_t j = 0;
#if FNN_BUNDLES
        for (; s->w - 2 * j > 2 * LANES; j += 2 * LANES)
            FN(spread_mean_columns)(&job, (int)s->r, 2, j);
#endif
        for (; 2 * j < s->w; j += LANES) {
            if (s->r == 2)
                FN(spread_mean_columns)(&job, 2, 1, j);
            else
                FN(spread_mean_columns)(&job, 3, 1, j);
        }
    }
}
