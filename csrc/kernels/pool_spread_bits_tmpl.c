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
 * together, from the left, and nothing beyond their ends.
 * Only for vectors of 16. */
#if FNN_BUNDLES
typedef struct FN(bits_job) {
    const fnn_pool_shape *shape;
    ptrdiff_t records;
    ptrdiff_t ahead, fetched; /* elements of dx to what is fetched, and how many */
    vmask inside;             /* windows of the last vector */
    vmask first, even, odd;   /* what is written of a row's first vector, and of its last two */
} FN(bits_job);

/* A row of windows: its gradients and bits, those of the row above (bits of the lower row), and where
 * its upper and its middle row of dx are. */
typedef struct FN(bits_row) {
    const real *dy, *above;
    const uint16_t *bits, *lower;
    real *dx[2];
} FN(bits_row);

/* What the upper and the middle row get from a vector of windows, of which only those `inside` are
 * loaded if it is the `last` one (a literal). Sums with 0 leave no -0. */
FNN_INLINE void FN(share)(int last, vmask inside, const FN(bits_row) *at, vec v[2]) {
    const FN(choice) share = FN(load_choice)(at->bits + 4);
    const vec here = FN(pin)(last ? FN(load_m)(at->dy, inside) : FN(load)(at->dy));
    const vec above = FN(zero)() + (last ? FN(load_m)(at->above, inside) : FN(load)(at->above));
    v[0] = FN(add_where)(share.first, FN(dropped)(FN(load_cond)(at->lower + 1), above), here);
    v[1] = FN(kept_sum)(share.second, here);
}

/* The columns of a row that get v, even ones and odd ones in turn, by their windows' bits; `third`
 * are the third taps of the vector before, and become this one's. */
FNN_INLINE void FN(in_columns)(vec v, const uint16_t *bits, vec *third, vec *low, vec *high) {
    const FN(choice) tap = FN(load_choice)(bits);
    const vec odd = FN(kept)(tap.second, v), before = *third;
    *third = FN(dropped)(tap.early, v);
    FN(interleave)(FN(add_where)(tap.first, FN(precede)(before, *third), v), odd, low, high);
}

/* The upper and the middle row of a row of windows, from column -pad of dx on, which stays (there is no
 * first tap). */
FNN_INLINE void FN(give_rows)(int pad, const FN(bits_job) *job, FN(bits_row) at) {
    const ptrdiff_t rest = job->shape->w + pad - 2 * job->records * LANES;
    vmask first = job->first;
    vec v[2], low, high, third[2] = {FN(zero)(), FN(zero)()};
    for (ptrdiff_t left = job->records - 1; left > 0; left--) {
        FN(share)(0, 0, &at, v);
        FNN_UNROLL
        for (int i = 0; i < 2; i++) {
            FN(in_columns)(v[i], at.bits + 2 * i, third + i, &low, &high);
            if (pad)
                FN(store_m)(at.dx[i], low, first);
            else
                FN(store)(at.dx[i], low);
            FN(store)(at.dx[i] + LANES, high);
            at.dx[i] += 2 * LANES;
        }
        first = FN(mask)(LANES);
        at.dy += LANES;
        at.above += LANES;
        at.bits += FNN_BIT_WORDS;
        at.lower += FNN_BIT_WORDS;
    }
    FN(share)(1, job->inside, &at, v);
    FNN_UNROLL
    for (int i = 0; i < 2; i++) {
        FN(in_columns)(v[i], at.bits + 2 * i, third + i, &low, &high);
        FN(store_m)(at.dx[i], low, job->even);
        FN(store_m)(at.dx[i] + LANES, high, job->odd);
        if (rest > 0) at.dx[i][2 * LANES] = third[i][LANES - 1];
        if (rest > 1) at.dx[i][2 * LANES + 1] = 0;
    }
}

FNN_INLINE void FN(spread_bits)(int pad, const FN(bits_job) *of, const real *dy,
                                const uint16_t *bits, real *dx) {
    static const real no_gradients[FNN_BIT_ROW];
    real nowhere[2 * FNN_BIT_ROW + 2]; /* rows that are outside of the plane */
    const FN(bits_job) job = *of;
    const ptrdiff_t w = job.shape->w, h = job.shape->h, rows = job.shape->p;
    FN(bits_row) at = {dy, no_gradients, bits, bits, {NULL, NULL}};
    for (ptrdiff_t p = 0, row = -pad; p <= rows && row < h; p++, row += 2) {
        if (p == rows) at.dy = no_gradients;
        at.dx[0] = row >= 0 ? dx + row * w - pad : nowhere;
        at.dx[1] = row + 1 < h ? dx + (row + 1) * w - pad : nowhere;
        /* (among the stores the test would take registers) */
        for (ptrdiff_t i = 0; i < job.fetched; i += FNN_LINE / (ptrdiff_t)sizeof(real))
            __builtin_prefetch(dx + row * w + job.ahead + i, 1);
        FN(give_rows)(pad, &job, at);
        at.above = at.dy;
        at.dy += job.shape->q;
        at.lower = at.bits + 4;
        at.bits += job.records * FNN_BIT_WORDS;
    }
}

static FNN_NOINLINE void FN(max_pool_bits_backward)(const fnn_pool_shape *s, ptrdiff_t planes,
                                                    const real *dy, const uint16_t *bits,
                                                    real *dx) {
    const ptrdiff_t records = fnn_bit_records(s), last = (records - 1) * LANES;
    const ptrdiff_t columns = s->w + s->pad_w - 2 * last, ahead = FN(fetched_ahead)(s);
    FN(bits_job) job = {.shape = s, .records = records, .ahead = ahead,
                        .fetched = ahead ? 2 * s->w : 0,
                        .inside = FN(mask)(s->q - last),
                        .first = FN(mask)(LANES) & ~FN(mask)(s->pad_w),
                        .even = FN(mask)(fnn_min(columns, LANES)),
                        .odd = FN(mask)(fnn_max(0, fnn_min(columns - LANES, LANES)))};
    if (records == 1) job.even &= job.first;
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
