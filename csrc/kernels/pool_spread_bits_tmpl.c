/* Gradients of the maxima of 3x3 windows of stride 2 that bits tell (pool_bits.h); contracts in
 * kernels/pool.h.
 *
 * A row of windows shares its gradients out to its three rows, and each of these to its windows'
 * three taps (so the sums of windows one below the other are added, not window after window):
 *
 *     dx          column 2j                         column 2j + 1
 *     row 2p      third of window j - 1, first      second of window j        lower row of p - 1,
 *                 of window j                                                 upper row of p
 *     row 2p + 1  the same                          the same                  middle row of p
 *
 * With a border of one element dx is the same from its row and its column 1 on. Two rows are written
 * together, from the right, by vectors that run past their ends: what is there is written later.
 * Rows whose vectors would leave the plane go apart.
 * Only for vectors of 16. */
#if FNN_BUNDLES
typedef struct FN(bits_job) {
    const fnn_pool_shape *shape;
    ptrdiff_t records, ahead; /* of a row; elements of dx to the place that is fetched */
    vmask inside;             /* windows of the last vector */
} FN(bits_job);

/* A row of windows: what its gradients and bits are, and those of the row above; behind the last row
 * is one without gradients, and the first row has bits above it that give nothing. */
typedef struct FN(bits_row) {
    const real *dy, *dy_above;
    const uint16_t *bits, *lower;
    ptrdiff_t next, below; /* elements from a vector of dy, words from lower bits to the next */
} FN(bits_row);

FNN_INLINE FN(bits_row) FN(first_row)(const real *dy, const uint16_t *bits) {
    static const uint16_t no_bits[2];
    return (FN(bits_row)){dy, dy, bits, no_bits, LANES, 0};
}

/* The next row of windows, or what is behind the `last` one. */
FNN_INLINE FN(bits_row) FN(row_below)(FN(bits_row) row, const FN(bits_job) *job, int last) {
    static const real no_gradients[LANES];
    row.dy_above = row.dy;
    row.lower = row.bits + 4;
    row.below = FNN_BIT_WORDS;
    row.bits += job->records * FNN_BIT_WORDS;
    row.dy += job->shape->q;
    if (last) row.dy = no_gradients, row.next = 0;
    return row;
}

/* A vector of windows' gradients with their largest tap in one row of dx, and which tap it is. */
typedef struct FN(given) {
    vec here, second, third;
    FN(cond) first;
} FN(given);

FNN_INLINE FN(given) FN(give)(vec here, const uint16_t *bits) {
    const FN(choice) tap = FN(load_choice)(bits);
    return (FN(given)){here, FN(kept)(tap.second, here), FN(kept)(tap.third, here), tap.first};
}

/* What the upper and the middle row get from vector k of a row of windows; the lanes that are not
 * `inside` get nothing if it is the `last` one (a literal). Sums with 0 leave no -0. */
FNN_INLINE void FN(share)(int last, vmask inside, const FN(bits_row) *row, ptrdiff_t k,
                          FN(given) to[2]) {
    const uint16_t *bits = row->bits + k * FNN_BIT_WORDS;
    const real *dy = row->dy + k * row->next, *dy_above = row->dy_above + k * LANES;
    const FN(choice) share = FN(load_choice)(bits + 4);
    const FN(cond) above = FN(load_choice)(row->lower + k * row->below).third;
    const vec here = FN(pin)(last ? FN(load_m)(dy, inside) : FN(load)(dy));
    const vec before =
        FN(kept_sum)(above, last ? FN(load_m)(dy_above, inside) : FN(load)(dy_above));
    to[0] = FN(give)(FN(add_where)(share.first, before, here), bits);
    to[1] = FN(give)(FN(kept_sum)(share.second, here), bits + 2);
}

/* Columns of a vector of windows, from `third` taps of the vector before on. */
FNN_INLINE void FN(store_columns)(const FN(given) *v, vec third, real *dx) {
    const vec even = FN(add_where)(v->first, FN(precede)(third, v->third), v->here);
    vec low, high;
    FN(interleave)(even, v->second, &low, &high);
    FN(store)(dx, low);
    FN(store)(dx + LANES, high);
}

/* The upper and the middle row of a row of windows, w apart, from dx (and its column -pad, which
 * stays: there is no first tap) on, and up to 2 LANES elements behind them. */
FNN_INLINE void FN(give_two_rows)(int pad, const FN(bits_job) *job, const FN(bits_row) *row,
                                  ptrdiff_t w, real *dx) {
    const ptrdiff_t last = job->records - 1;
    const ptrdiff_t rest = job->shape->w + pad - 2 * job->records * LANES;
    FN(given) v[2], next[2];
    FN(share)(1, job->inside, row, last, v);
    FNN_UNROLL
    for (int i = 0; i < 2 && rest > 0; i++) {
        real *end = dx + i * w + 2 * job->records * LANES;
        end[0] = v[i].third[LANES - 1];
        if (rest > 1) end[1] = 0;
    }
    for (ptrdiff_t k = last; k > 0; k--) {
        real *to = dx + 2 * k * LANES;
        FN(share)(0, 0, row, k - 1, next);
        FN(fetch_two_rows)(1, to + job->ahead, w);
        FNN_UNROLL
        for (int i = 0; i < 2; i++) {
            FN(store_columns)(v + i, next[i].third, to + i * w);
            v[i] = next[i];
        }
    }
    FN(fetch_two_rows)(1, dx + job->ahead, w);
    FNN_UNROLL
    for (int i = 0; i < 2; i++, dx += w) { /* (moved into the vector it would wait for the row before) */
        const real before = pad ? dx[0] : 0;
        FN(store_columns)(v + i, FN(zero)(), dx);
        if (pad) dx[0] = before;
    }
}

/* The rows [from, to) of these two, by way of a copy: nothing else is written. */
static FNN_NOINLINE void FN(give_rows)(const FN(bits_job) *job, const FN(bits_row) *row,
                                       ptrdiff_t from, ptrdiff_t to, real *dx) {
    enum { APART = 2 * FNN_BIT_ROW + 2 * LANES };
    const ptrdiff_t pad = job->shape->pad_w, w = job->shape->w;
    real rows[2 * APART];
    rows[0] = rows[APART] = 0;
    if (pad)
        FN(give_two_rows)(1, job, row, APART, rows);
    else
        FN(give_two_rows)(0, job, row, APART, rows);
    for (ptrdiff_t i = from; i < to; i++)
        __builtin_memcpy(dx + i * w + pad, rows + i * APART + pad, (size_t)w * sizeof(real));
}

FNN_INLINE void FN(spread_bits)(int pad, const FN(bits_job) *of, const real *dy,
                                const uint16_t *bits, real *dx) {
    const FN(bits_job) job = *of;
    const ptrdiff_t w = job.shape->w, h = job.shape->h, rows = job.shape->p, first = pad;
    /* two rows from here on would leave the plane */
    const ptrdiff_t safe = (h - 1) * w - 2 * job.records * LANES - 2;
    FN(bits_row) row = FN(first_row)(dy, bits);
    ptrdiff_t at = -pad * (w + 1);
    for (ptrdiff_t p = 0; p <= rows; p++, at += 2 * w) {
        if (p >= first && at <= safe) {
            FN(give_two_rows)(pad, &job, &row, w, dx + at);
        } else { /* a copy: what is known elsewhere is read again after every store */
            const FN(bits_row) apart = row;
            FN(give_rows)(of, &apart, p < first, fnn_min(h + pad - 2 * p, 2), dx + at);
        }
        row = FN(row_below)(row, &job, p + 1 == rows);
    }
}

static FNN_NOINLINE void FN(max_pool_bits_backward)(const fnn_pool_shape *s, ptrdiff_t planes,
                                                    const real *dy, const uint16_t *bits,
                                                    real *dx) {
    const ptrdiff_t records = fnn_bit_records(s);
    const FN(bits_job) job = {s, records, FN(fetched_ahead)(s),
                              FN(mask)(s->q - (records - 1) * LANES)};
    for (; planes > 0; planes--, dy += s->p * s->q, dx += s->h * s->w, bits += fnn_bit_words(s)) {
        if (s->pad_w)
            FN(spread_bits)(1, &job, dy, bits, dx);
        else
            FN(spread_bits)(0, &job, dy, bits, dx);
    }
}
#elif FNN_REAL_IS_F32
#define max_pool_bits_backward_f32 NULL
#else
#define max_pool_bits_backward_f64 NULL
#endif
