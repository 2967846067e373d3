/* Gradients of 2x2 windows of stride 2 that fill planes whose rows are at most a vector, several rows
 * of windows a vector (kernels/pool_bundle_tmpl.h); contracts in kernels/pool.h. */
#if FNN_BUNDLES
/* How far ahead lines are asked for that will be written (in L2 1.1 to 1.2x). */
enum { FN(SHORT_AHEAD) = 512 / sizeof(real) };

typedef struct FN(short_job) {
    FN(bundle) bundle;
    ivec row[4];  /* where the elements of a row of dx are among the even and the odd columns' */
    vmask columns;
    const real *dy;
    const int32_t *index; /* NULL for averages */
    real *dx;
    FN(division) by; /* of averages */
    ivec corner;
    ptrdiff_t ahead;
} FN(short_job);

/* Whether such windows fill the planes. */
FNN_INLINE int FN(fills_short)(const fnn_pool_shape *s) {
    return s->p > 0 && s->q > 0 && s->h == 2 * s->p && s->w == 2 * s->q && s->w <= LANES;
}

FNN_INLINE void FN(plan_short)(const fnn_pool_shape *s, FN(short_job) *job) {
    job->bundle = FN(plan_bundle)(s);
    job->ahead = FN(SHORT_AHEAD) * fnn_asks_for_lines;
    job->corner = job->bundle.corner;
    job->columns = FN(mask)(s->w);
    FN(lane_int) at[4][LANES];
    for (ptrdiff_t row = 0; row < 4; row++)
        for (ptrdiff_t i = 0; i < LANES; i++)
            at[row][i] = (FN(lane_int))(row * s->q + i / 2 + i % 2 * LANES);
    __builtin_memcpy(job->row, at, sizeof at);
}

/* The next `rows` rows of windows; returns how many of the windows hold the elements that maxima
 * name. */
FNN_INLINE ptrdiff_t FN(spread_bundle)(FN(short_job) *job, int maxima, ptrdiff_t rows) {
    const ptrdiff_t n = rows * job->bundle.q, w = job->bundle.w;
    vec even[2], odd[2];
    ptrdiff_t met = 0;
    /* a sum starts from 0: -0 becomes 0 */
    const vec here = FN(zero)() + FN(load_m)(job->dy, FN(mask)(n));
    if (maxima) {
        const ivec none = {0}, down = none + (FN(lane_int))w;
        const ivec at = FN(load_index)(job->index, 0, n) - job->corner;
        const FN(cond) c[4] = {FN(same)(at, none), FN(same)(at, none + 1), FN(same)(at, down),
                               FN(same)(at, down + 1)};
        FNN_UNROLL
        for (int r = 0; r < 2; r++) {
            even[r] = FN(kept)(c[2 * r], here);
            odd[r] = FN(kept)(c[2 * r + 1], here);
        }
        met = FN(tally)((FN(cond))((c[0] | c[1] | c[2] | c[3]) & FN(mask)(n)), 0);
        job->index += n;
        job->corner = FN(wrapped)(job->corner + job->bundle.advance, job->bundle.turn);
    } else {
        even[0] = even[1] = odd[0] = odd[1] = FN(divided)(here, &job->by, job->by.exact);
    }
    for (ptrdiff_t row = 0; row < rows; row++) {
        FNN_UNROLL
        for (int r = 0; r < 2; r++, job->dx += w) {
            __builtin_prefetch(job->dx + job->ahead, 1);
            FN(store_m)(job->dx, FN(pick)(even[r], odd[r], job->row[row]), job->columns);
        }
    }
    job->dy += n;
    return met;
}

/* `rows` rows of windows of maxima; how many windows were met, or fewer if it is plain at once that
 * not all are. */
FNN_INLINE ptrdiff_t FN(spread_short)(const FN(short_job) *of, ptrdiff_t rows) {
    FN(short_job) job = *of;
    ptrdiff_t met = 0, seen = 0;
    for (ptrdiff_t n; rows > 0 && met == seen; rows -= n) {
        n = fnn_min(rows, job.bundle.rows);
        met += FN(spread_bundle)(&job, 1, n);
        seen += n * job.bundle.q;
    }
    return met;
}

/* 0 if an index is outside its window: dx is then unspecified. */
static FNN_NOINLINE int FN(spread_short_maxima)(const fnn_pool_shape *s, ptrdiff_t planes,
                                                const real *dy, const int32_t *index, real *dx) {
    FN(short_job) job = {.dy = dy, .index = index, .dx = dx};
    if (!FN(fills_short)(s)) return 0;
    FN(plan_short)(s, &job);
    return FN(spread_short)(&job, planes * s->p) == planes * s->p * s->q;
}

/* `rows` rows of windows of averages, `at_once` (a literal) at once; how many are left. */
FNN_INLINE ptrdiff_t FN(spread_means_by)(FN(short_job) *at, int at_once, ptrdiff_t rows) {
    FN(short_job) job = *at;
    for (; rows >= at_once; rows -= at_once) FN(spread_bundle)(&job, 0, at_once);
    at->dy = job.dy;
    at->dx = job.dx;
    return rows;
}

static FNN_NOINLINE int FN(spread_short_means)(const fnn_pool_shape *s, ptrdiff_t planes,
                                               real divisor, const real *dy, real *dx) {
    FN(short_job) job = {.dy = dy, .dx = dx, .by = FN(division_by)(divisor)};
    if (s->r != 2 || s->stride_w != 2 || !FN(fills_short)(s)) return 0;
    FN(plan_short)(s, &job);
    ptrdiff_t rows = planes * s->p;
    if (job.bundle.rows == 4)
        rows = FN(spread_means_by)(&job, 4, rows);
    else if (job.bundle.rows == 3)
        rows = FN(spread_means_by)(&job, 3, rows);
    else
        rows = FN(spread_means_by)(&job, 2, rows);
    FN(spread_means_by)(&job, 1, rows);
    return 1;
}
#endif
