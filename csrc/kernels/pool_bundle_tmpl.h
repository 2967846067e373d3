/* Several short rows of 2x2 windows of stride 2, side by side in one vector; contracts in
 * kernels/pool.h.
 *
 * A row of q windows reads the first 2 q elements of two rows of x. Two registers hold 2 q elements
 * of 2, 3 or 4 such rows, and two permutations take the left and the right taps of all of them:
 *
 *     rows    low                     high
 *     2       row 0                   row 1
 *     3       row 0, start of row 2   row 1, rest of row 2
 *     4       row 0, row 2            row 1, row 3                (half a vector each)
 *
 * Planes of twice as many rows as outputs follow each other as if they were one.
 * Only where a permutation takes from two vectors whatever it wants, and for float32. */
#undef FNN_BUNDLES
#define FNN_BUNDLES (FNN_VBYTES == 64 && FNN_REAL_IS_F32)
#if FNN_BUNDLES
typedef struct FN(bundle) {
    ptrdiff_t w, q, rows;    /* rows of outputs in a bundle */
    ptrdiff_t step, outputs; /* elements of x from bundle to bundle, and outputs */
    ptrdiff_t reach;         /* elements from a bundle's first that are read */
    ivec corner;             /* the positions of the first bundle's windows in their planes */
    ivec turn;               /* where positions begin anew: a plane's rows of windows */
    ivec advance;            /* positions from bundle to bundle, less whole turns */
    ivec left, right;     /* where the taps are in low and high */
    vmask over_low, over_high;
    ptrdiff_t from_low, from_high; /* what goes over their lanes */
} FN(bundle);

/* Whether rows are that short, and windows and planes plain. */
FNN_INLINE int FN(is_short)(const fnn_pool_shape *s) {
    return s->r == 2 && s->s == 2 && s->stride_h == 2 && s->stride_w == 2 && s->pad_h == 0 &&
           s->pad_w == 0 && s->dilation_h == 1 && s->dilation_w == 1 && s->q > 0 && s->p > 0 &&
           2 * s->q <= LANES && 2 * s->q <= s->w && 2 * s->p <= s->h;
}

/* v less `turn` where it is not below that; v < 2 turn. */
FNN_INLINE ivec FN(wrapped)(ivec v, ivec turn) {
    return FN(least_unsigned)(v, v - turn);
}

FNN_INLINE FN(bundle) FN(plan_bundle)(const fnn_pool_shape *s) {
    FN(lane_int) left[LANES] = {0}, corner[LANES] = {0};
    const ptrdiff_t w = s->w, q = s->q;
    const ptrdiff_t rows = 4 * q <= LANES ? 4 : 3 * q <= LANES ? 3 : 2;
    /* of row 2: its start in low, how much of it is there */
    const ptrdiff_t start = rows == 4 ? LANES / 2 : 2 * q;
    const ptrdiff_t part = rows == 4 ? 2 * q : fnn_min(2 * q, LANES - start);
    FN(bundle) b = {.w = w, .q = q, .rows = rows, .step = 2 * rows * w, .outputs = rows * q};
    for (ptrdiff_t row = 0, place = 0, i = 0; row < rows; row++, place++) {
        if (place == s->p) place = 0;
        for (ptrdiff_t column = 0; column < 2 * q; column += 2, i++) {
            ptrdiff_t at = (row == 1 || row == 3 ? LANES : 0) + (row >= 2 ? start : 0);
            if (row == 2 && column >= part) at = LANES + start - part;
            left[i] = (FN(lane_int))(at + column);
            corner[i] = (FN(lane_int))(place * 2 * w + column);
        }
    }
    __builtin_memcpy(&b.corner, corner, sizeof corner);
    b.turn = (ivec){0} + (FN(lane_int))(s->p * 2 * w);
    b.advance = (ivec){0} + (FN(lane_int))(rows % s->p * 2 * w);
    __builtin_memcpy(&b.left, left, sizeof left);
    b.right = b.left + 1;
    b.reach = (2 * (rows - 1) + 1) * w + 2 * q;
    b.reach = fnn_max(b.reach, 3 * w + LANES);
    if (rows > 2) {
        b.over_low = (vmask)(FN(mask)(start + part) & ~FN(mask)(start));
        b.from_low = 4 * w - start;
        b.over_high = rows == 4 ? b.over_low
                                : (vmask)(FN(mask)(start + 2 * q - part) & ~FN(mask)(start));
        b.from_high = rows == 4 ? 6 * w - start : 4 * w + part - start;
    }
    return b;
}

/* The taps of a bundle of windows whose first is at x; `more` is a literal: rows > 2. */
FNN_INLINE void FN(bundle_taps)(const FN(bundle) *b, int more, const real *x, vec v[4]) {
    FNN_UNROLL
    for (int r = 0; r < 2; r++, x += b->w) {
        vec low = FN(load)(x), high = FN(load)(x + 2 * b->w);
        if (more) {
            low = FN(load_over)(low, b->over_low, x + b->from_low);
            high = FN(load_over)(high, b->over_high, x + b->from_high);
        }
        v[2 * r] = FN(pick)(low, high, b->left);
        v[2 * r + 1] = FN(pick)(low, high, b->right);
    }
}

/* How the rows of some planes follow each other: `runs` runs of `rows` rows of outputs, `step`
 * elements of x apart. */
typedef struct FN(bundle_runs) {
    ptrdiff_t runs, rows, step;
} FN(bundle_runs);

FNN_INLINE FN(bundle_runs) FN(runs_of_rows)(const fnn_pool_shape *s, ptrdiff_t planes) {
    if (s->h == 2 * s->p) return (FN(bundle_runs)){1, planes * s->p, 0};
    return (FN(bundle_runs)){planes, s->p, s->h * s->w};
}

/* How many of a run's rows, whole bundles or all, may be read by them. */
FNN_INLINE ptrdiff_t FN(bundled_rows)(const FN(bundle) *b, ptrdiff_t rows, ptrdiff_t readable) {
    const ptrdiff_t last = (rows - 1) / b->rows * b->rows;
    if (last * 2 * b->w + b->reach <= readable) return rows;
    const ptrdiff_t room = readable - b->reach;
    return room < 0 ? 0 : (room / (2 * b->w * b->rows) + 1) * b->rows;
}
#endif
