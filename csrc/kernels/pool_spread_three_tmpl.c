/* Gradients of the maxima of 3x3 windows of stride 2, gathered as those of pool_spread_tmpl.c are
 * (but what a row's last vector writes beyond it is written again); contracts in kernels/pool.h.
 * Windows are inside the plane, or of a plane with a border of one element (`pad`, a literal): then
 * its columns 2j and 2j + 1 are the second and the third of window j, and the third is the first of
 * window j + 1; so are its rows, of which 2p - 1 and 2p are written together.
 * Only where there are masks and 16 bits, for float32. */
#if FNN_BUNDLES
/* A vector of a row of windows: their gradients and those of the windows one to the left (padded:
 * to the right), and from where their own corners are to the elements that get them. */
typedef struct FN(maxima_row) {
    vec here, other;
    ivec at, other_at;
} FN(maxima_row);

/* Adds a row of windows, in their order, to the columns 2j and 2j + 1 of one row of dx: the row
 * `down` elements below the windows' corners. Lanes beyond the windows hold gradients of 0. */
FNN_INLINE void FN(collect)(int pad, const FN(maxima_row) *row, ivec down, vec *even, vec *odd) {
    if (pad) {
        *even = FN(add_where)(FN(same)(row->at, down + 1), *even, row->here);
        *odd = FN(add_where)(FN(same)(row->at, down + 2), *odd, row->here);
        *odd = FN(add_where)(FN(same)(row->other_at, down + 2), *odd, row->other);
        return;
    }
    *even = FN(add_where)(FN(same)(row->other_at, down), *even, row->other);
    *even = FN(add_where)(FN(same)(row->at, down), *even, row->here);
    *odd = FN(add_where)(FN(same)(row->at, down + 1), *odd, row->here);
}

FNN_INLINE void FN(clear)(vec row[4]) {
    FNN_UNROLL
    for (int c = 0; c < 4; c++) row[c] = FN(zero)();
}

/* The largest column that positions of two vectors of windows have in them, lane by lane, with
 * those before: more than 2 if one is outside. Cheaper than to count the windows that are met. */
FNN_INLINE FN(shorts) FN(widest)(ivec at, ivec other, FN(shorts) down, FN(shorts) before) {
    const FN(shorts) upper = FN(reduced)(FN(shorts_of)(at, other), down);
    return FN(most_of_shorts)(FN(reduced)(upper, down), before);
}

/* The widest plane whose rows that tells apart. */
enum { FN(WIDEST) = 16382 };

/* What positions in windows from window i on are to be reduced by before they are looked at, and
 * the largest column that they may then have: the first column of a row's first window and the
 * third of its last may be outside the plane. */
typedef struct FN(border) {
    ivec before, most;
} FN(border);

FNN_INLINE FN(border) FN(border_from)(int pad, const fnn_pool_shape *s, ptrdiff_t i) {
    const ptrdiff_t last = s->q - 1 - i;
    FN(lane_int) before[LANES] = {0}, most[LANES];
    FN(border) of;
    for (ptrdiff_t l = 0; l < LANES; l++) most[l] = 2;
    if (pad && i == 0) before[0] = most[0] = 1;
    if (pad && 2 * s->q > s->w && 0 <= last && last < LANES) most[last] = 1;
    __builtin_memcpy(&of.before, before, sizeof before);
    __builtin_memcpy(&of.most, most, sizeof most);
    return of;
}

/* The columns of `count` (a literal) vectors of windows from j on; 0 if it is plain early that an
 * index is outside its window. Rows are written by whole vectors (seven masks are all there are):
 * what is beyond their end is written later, by the next row or from columns further left. */
FNN_INLINE int FN(spread_three_columns)(const FN(spread_job) *job, int pad, int count,
                                        ptrdiff_t j) {
    const fnn_pool_shape *s = job->shape;
    const ptrdiff_t w = s->w, q = s->q, rows = s->p, ahead = job->ahead, beside = pad ? 1 : -1;
    const ivec none = {0}, down = none + (FN(lane_int))w;
    const real *dy = job->dy + j, *index = (const real *)(const void *)(job->index + j);
    real *dx = job->dx + 2 * j - pad * w;
    const FN(turn_store) all[2] = {{.whole = 1}, {.whole = 1}};
    FN(turn_store) columns[2];
    vspan inside[2], others[2];
    FN(maxima_row) here[2];
    FN(border) border[2];
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
        others[k] = pad ? FN(span)(0, fnn_max(0, fnn_min(q - i - 1, LANES)))
                        : FN(span)(i == 0, fnn_min(n + 1, LANES));
        to[k] = FN(lane_numbers)(2) + (FN(lane_int))(2 * i - pad * (w + 1));
        border[k] = FN(border_from)(pad, s, i);
        here[k] = (FN(maxima_row)){.at = none - 1, .other_at = none - 1};
    }
    const FN(shorts) limit = FN(shorts_of)(border[0].most, border[count - 1].most);
    ivec seen[2] = {none, none};
    for (ptrdiff_t p = rows; p > 0; p--, dy += q, index += q, dx += 2 * w) {
        const int closes = pad && p == 1 && 2 * rows > s->h; /* no row is below to write it anew */
        FN(fetch_two_rows)(count, dx + ahead, w);
        FNN_UNROLL
        for (int k = 0; k < count; k++) {
            const ptrdiff_t i = k * LANES;
            FN(clear)(row[k]);
            FN(collect)(pad, here + k, down + down, row[k], row[k] + 1);
            here[k].here = FN(load_span)(dy + i, inside[k]);
            here[k].other = FN(load_span)(dy + i + beside, others[k]);
            /* lanes without a window have one at its corner that gives 0 */
            const ivec at = (ivec)FN(load_span)(index + i, inside[k]);
            here[k].at = FN(difference)(at, to[k], inside[k]);
            here[k].other_at = (ivec)FN(load_span)(index + i + beside, others[k]) - to[k];
            seen[k] = pad ? here[k].at - border[k].before : here[k].at;
            FN(collect)(pad, here + k, none, row[k], row[k] + 1);
            FN(collect)(pad, here + k, down, row[k] + 2, row[k] + 3);
            to[k] += down + down;
        }
        most = FN(widest)(seen[0], seen[count - 1], below, most);
        if (pad && p == rows) { /* nor may they be above the plane */
            FNN_UNROLL
            for (int k = 0; k < count; k++) seen[k] = FN(difference)(seen[k], down, inside[k]);
            most = FN(widest)(seen[0], seen[count - 1], below, most);
        }
        if (closes)
            FN(store_two_rows)(count, dx, w, columns, p < rows, 1, row);
        else
            FN(store_two_rows)(count, dx, w, all, !pad || p < rows, 1, row);
        if (p == rows && FN(any_more_than)(most, limit)) return 0;
    }
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        FN(clear)(row[k]);
        FN(collect)(pad, here + k, down + down, row[k], row[k] + 1);
    }
    if (!pad || 2 * rows <= s->h)
        FN(store_two_rows)(count, dx, w, columns, 1, !pad && 2 * rows + 1 < s->h, row);
    else /* nor is there a third row of windows */
        most = FN(most_of_shorts)(
            FN(reduced)(FN(shorts_of)(seen[0], seen[count - 1]), below), most);
    return !FN(any_more_than)(most, limit);
}

/* A plane, two vectors where there are two, from the right; 0 if an index is outside its window: dx
 * is then unspecified. */
FNN_INLINE int FN(spread_three)(const FN(spread_job) *job, int pad) {
    const ptrdiff_t w = job->shape->w, step = 2 * LANES;
    for (ptrdiff_t j = (w - 1) / (2 * step) * step; j >= 0; j -= step) {
        const int met = w - 2 * j > step ? FN(spread_three_columns)(job, pad, 2, j)
                                         : FN(spread_three_columns)(job, pad, 1, j);
        if (!met) return 0;
    }
    return 1;
}

static FNN_NOINLINE int FN(spread_threes)(const FN(spread_job) *job) {
    return FN(spread_three)(job, 0);
}

static FNN_NOINLINE int FN(spread_padded_threes)(const FN(spread_job) *job) {
    return FN(spread_three)(job, 1);
}
#endif
