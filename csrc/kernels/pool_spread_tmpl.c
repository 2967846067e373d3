/* Gradients of means of 2x2 and 3x3 windows and of maxima of 2x2 windows, of stride 2 and all inside
 * the plane, or of 3x3 means those of a plane with a border of one element; contracts in
 * kernels/pool.h.
 *
 * dx is gathered: each element collects what its windows give it, in their order, and is written
 * once, by whole vectors. Lanes are neighbouring windows j of a row of windows p:
 *
 *     dx          column 2j                              column 2j + 1
 *     row 2p      windows j - 1, j of row p - 1, p       window j of row p - 1, p
 *     row 2p + 1  windows j - 1, j of row p              window j of row p
 *
 * where windows j - 1 and row p - 1 reach in only if they are 3x3. */

typedef struct FN(spread_job) {
    const fnn_pool_shape *shape;
    const real *dy;
    const int32_t *index; /* NULL for averages: every window gives to all of its elements */
    real *dx;
    FN(division) by;       /* of averages */
    ptrdiff_t met;         /* windows whose elements have been met */
    ptrdiff_t ahead;       /* elements of dx to the place that is fetched, or 0 */
} FN(spread_job);

/* Whether 3x3 windows of stride 2 reach over the borders of the plane by one element, and all of
 * averages count what is there; not where few lanes would make little of the code. */
FNN_INLINE int FN(counts_borders)(const fnn_pool_shape *s) {
    return FNN_VBYTES >= 32 && FNN_REAL_IS_F32 && s->r == 3 && s->pad_h == 1 && s->pad_w == 1 &&
           (s->count_include_pad || s->divisor_override);
}

/* Whether the windows of averages are among those of this file. */
FNN_INLINE int FN(spreads_by_vectors)(const fnn_pool_shape *s) {
    const int square = s->r == 2 ? 2 : 3, border = FN(counts_borders)(s) ? 2 : 0;
    return s->r == square && s->s == square && s->stride_h == 2 && s->stride_w == 2 &&
           (border || (s->pad_h == 0 && s->pad_w == 0)) &&
           fnn_steps_by_two(s->p, s->h + border, square) &&
           fnn_steps_by_two(s->q, s->w + border, square);
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
    FN(store_first_lanes)(to, low, of->low);
    if (of->second) FN(store_first_lanes)(to + LANES, high, of->high);
}

/* Lines that will be written are asked for: two rows of windows ahead (in L2 1.1 to 1.4x). Columns
 * of a plane, one under the other, are no stream to a processor either: those of the next plane
 * where dx is more than a second cache holds and planes are less than a first one. (Where vectors
 * are so short that it is not memory that binds, the code is spared.) */
FNN_INLINE ptrdiff_t FN(fetched_ahead)(const fnn_pool_shape *s) {
    const ptrdiff_t bytes = s->h * s->w * (ptrdiff_t)sizeof(real);
    if (!fnn_asks_for_lines) return 0;
    return bytes <= 32768 && s->planes * bytes > 1 << 20 ? s->h * s->w : 4 * s->w;
}

FNN_INLINE void FN(fetch_rows)(int count, const real *one, const real *other, ptrdiff_t ahead) {
    if (FNN_VBYTES < 32 || !ahead) return;
    FNN_UNROLL
    for (int at = 0; at < 2 * count * FNN_VBYTES; at += FNN_LINE) {
        __builtin_prefetch((const char *)(one + ahead) + at, 1);
        __builtin_prefetch((const char *)(other + ahead) + at, 1);
    }
}

/* Two rows of dx, or the `upper` or the `lower` one: even and odd columns of either from each of
 * `count` (a literal) vectors of windows side by side. (GCC takes no conditions out of a loop that
 * has loops in it.) */
FNN_INLINE void FN(store_two_rows)(int count, real *dx, ptrdiff_t w, const FN(turn_store) *columns,
                                   int upper, int lower, const vec (*row)[4]) {
    if (upper) {
        FN(store_in_turn)(dx, columns, row[0][0], row[0][1]);
        if (count > 1) FN(store_in_turn)(dx + 2 * LANES, columns + 1, row[1][0], row[1][1]);
    }
    if (!lower) return;
    FN(store_in_turn)(dx + w, columns, row[0][2], row[0][3]);
    if (count > 1) FN(store_in_turn)(dx + w + 2 * LANES, columns + 1, row[1][2], row[1][3]);
}

/* Averages of a vector of windows of a row, and of those one to the left (of planes with a border:
 * to the right). */
typedef struct FN(spread_row) {
    vec here, other;
} FN(spread_row);

/* What they and those of the row above give to two rows: 2p and 2p + 1, or if there is a border of
 * one element (`pad`, a literal), 2p - 1 and 2p. */
FNN_INLINE void FN(spread_means_of)(int pad, const FN(spread_row) *above,
                                    const FN(spread_row) *now, vec row[4]) {
    const vec here = now->here, other = now->other;
    if (pad) {
        row[0] = above->here + here;
        row[1] = ((above->here + above->other) + here) + other;
        row[2] = here;
        row[3] = here + other;
        return;
    }
    row[0] = ((above->other + above->here) + other) + here;
    row[1] = above->here + here;
    row[2] = other + here;
    row[3] = here;
}

/* `count` (a literal) vectors of columns j of the windows of a plane of averages. */
FNN_INLINE void FN(spread_mean_columns)(const FN(spread_job) *job, int square, int pad, int count,
                                        ptrdiff_t j) {
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t w = s->w, q = s->q, ahead = job->ahead, last = j + (count - 1) * LANES;
    const FN(turn_store) end = FN(store_first)(w - 2 * last);
    const FN(turn_store) columns[2] = {count > 1 ? (FN(turn_store)){.whole = 1} : end, end};
    const FN(division) by = job->by;
    const vmask inside = FN(mask)(fnn_max(0, fnn_min(q - last, LANES)));
    const vmask beside = FN(mask)(fnn_max(0, fnn_min(q - last - 1, LANES)));
    const real *dy = job->dy + j;
    real *dx = job->dx + 2 * j - pad * w;
    const vec none = FN(zero)();
    FN(spread_row) above[2] = {{none, none}, {none, none}}, now[2] = {{none, none}, {none, none}};
    vec row[2][4];
    for (ptrdiff_t p = s->p; p > 0; p--, dy += q, dx += 2 * w) {
        vec before = none;
        if (square == 3 && !pad && j > 0) before = FN(divided)(FN(load)(dy - LANES), &by, 0);
        FNN_UNROLL
        for (int k = 0; k < count; k++) {
            const real *from = dy + k * LANES;
            const int ends = k + 1 == count;
            const vec here = FN(divided)(ends ? FN(load_m)(from, inside) : FN(load)(from), &by, 0);
            now[k].here = here;
            if (pad) {
                const vec other = ends ? FN(load_m)(from + 1, beside) : FN(load)(from + 1);
                now[k].other = FN(divided)(other, &by, 0);
            } else if (square == 3) {
                now[k].other = FN(precede)(before, here);
            }
            before = here;
            FN(spread_means_of)(pad, above + k, now + k, row[k]);
            if (square == 3) above[k] = now[k];
        }
        FN(fetch_rows)(count, dx, dx + w, ahead);
        FN(store_two_rows)(count, dx, w, columns, !pad || p < s->p, 1, row);
    }
    for (int k = 0; k < 2; k++) now[k] = (FN(spread_row)){none, none};
    for (int k = 0; k < 2; k++) FN(spread_means_of)(pad, above + k, now + k, row[k]);
    const ptrdiff_t rest = s->h + pad - 2 * s->p;
    if (rest > 0) FN(store_two_rows)(count, dx, w, columns, 1, !pad && rest > 1, row);
}

/* What a vector of 2x2 windows gives to two rows; which of their maxima are in the windows. */
FNN_INLINE FN(cond) FN(spread_maxima_of)(vec here, ivec at, ivec down, vec row[4]) {
    const ivec place[4] = {(ivec){0}, (ivec){0} + 1, down, down + 1};
    FN(cond) met[4];
    FNN_UNROLL
    for (int i = 0; i < 4; i++) {
        met[i] = FN(same)(at, place[i]);
        row[i] = FN(add_where)(met[i], FN(zero)(), here); /* -0 becomes 0 */
    }
    return (met[0] | met[1]) | (met[2] | met[3]);
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
        FN(fetch_rows)(count, dx, dx + w, ahead);
        if (count > 1) {
            const ivec at = FN(load_index)(index, 0, LANES) - to;
            met = FN(tally)(FN(spread_maxima_of)(FN(load)(dy), at, down, row[0]), met);
        }
        const vec here = FN(load_span)(dy + one, inside);
        const ivec at = FN(load_index)(index + one, 0, n) - last;
        met = FN(tally)(FN(spread_maxima_of)(here, at, down, row[count - 1]), met);
        FN(store_two_rows)(count, dx, w, columns, 1, 1, row);
        to += down + down;
        last += down + down;
        if (p == rows && FN(total)(met) < n + one - 1) return 0;
    }
    FNN_UNROLL
    for (int i = 0; i < 8; i++) row[i / 4][i % 4] = FN(zero)();
    if (2 * rows < s->h) FN(store_two_rows)(count, dx, w, columns, 1, 0, row);
    job->met += FN(total)(met);
    return 1;
}

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

/* A plane of averages, two vectors side by side where there are two. */
FNN_INLINE void FN(spread_mean_plane)(const FN(spread_job) *job, int square, int pad) {
    const ptrdiff_t w = job->shape->w;
    ptrdiff_t j = 0;
#if FNN_BUNDLES
    for (; w - 2 * j > 2 * LANES; j += 2 * LANES)
        FN(spread_mean_columns)(job, square, pad, 2, j);
#endif
    for (; 2 * j < w; j += LANES) FN(spread_mean_columns)(job, square, pad, 1, j);
}

static FNN_NOINLINE void FN(spread_means)(const fnn_pool_shape *s, ptrdiff_t planes, real divisor,
                                          const real *dy, real *dx) {
    FN(spread_job) job = {.shape = s, .dy = dy, .dx = dx, .by = FN(division_by)(divisor),
                          .ahead = FN(fetched_ahead)(s)};
    for (; planes > 0; planes--, job.dy += s->p * s->q, job.dx += s->h * s->w) {
        if (s->r == 2)
            FN(spread_mean_plane)(&job, 2, 0);
        else if (FN(counts_borders)(s))
            FN(spread_mean_plane)(&job, 3, 1);
        else
            FN(spread_mean_plane)(&job, 3, 0);
    }
}
