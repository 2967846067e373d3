/* Softmax along dense rows; contracts in kernels/softmax.h. */

/* Lanes whose largest is that of n numbers; any of them if one is NaN, which the sum of exponentials
 * finds. */
static FNN_NOINLINE vec FN(lanes_largest)(ptrdiff_t n, const real *x) {
    vec m[4];
    ptrdiff_t j = 0;
    if (n >= 4 * LANES) {
        FNN_UNROLL
        for (int k = 0; k < 4; k++) m[k] = FN(load)(x + k * LANES);
        j = 4 * LANES;
    } else {
        FNN_UNROLL
        for (int k = 0; k < 4; k++) m[k] = FN(splat)((real)-INFINITY);
    }
    for (; j + 4 * LANES <= n; j += 4 * LANES) {
        FNN_UNROLL
        for (int k = 0; k < 4; k++) m[k] = FN(maximum)(m[k], FN(load)(x + j + k * LANES));
    }
    for (; j + LANES <= n; j += LANES) m[0] = FN(maximum)(m[0], FN(load)(x + j));
    if (j < n) {
        const vec v = FN(load_m)(x + j, FN(mask)(n - j));
        m[1] = FN(maximum)(m[1], FN(select)(FN(lanes_below)(n - j), v, m[1]));
    }
    return FN(maximum)(FN(maximum)(m[0], m[1]), FN(maximum)(m[2], m[3]));
}

FNN_INLINE vec FN(row_largest)(ptrdiff_t n, const real *x) {
    return FN(largest)(FN(lanes_largest)(n, x));
}

/* Vectors of a long row, and short rows, that go in lockstep. */
enum {
    FN(ROW_GROUP) = SOFTMAX_LOCKSTEP < 4 ? SOFTMAX_LOCKSTEP : 4,
    FN(SHORT_ROWS) = SOFTMAX_LOCKSTEP
};

/* Whether a line begins with vector k where one begins with vector 0. */
FNN_INLINE int FN(begins_line)(int k) {
    return k * (int)(LANES * sizeof(real)) % FNN_LINE == 0;
}

/* Asks for the line in which vector k of p begins. */
FNN_INLINE void FN(ask_for_line)(int k, const real *p) {
    if (FN(begins_line)(k)) __builtin_prefetch(p + k * LANES);
}

/* y[j] *= f */
FNN_INLINE void FN(row_scale)(ptrdiff_t n, vec f, real *y) {
    ptrdiff_t j = 0;
    for (; j + LANES <= n; j += LANES) FN(store)(y + j, FN(load)(y + j) * f);
    if (j < n) {
        const vmask tail = FN(mask)(n - j);
        FN(store_first_lanes)(y + j, FN(load_m)(y + j, tail) * f, tail);
    }
}

/* What goes along with the exponentials of a row, whose chains leave room: the row before is
 * scaled, the largest of the row after is looked for, lines of the result are fetched for writing. */
typedef struct FN(beside) {
    real *before;
    vec factor;
    const real *after;
    vec most;
    const real *to; /* where the exponentials go, 1 KB on; NULL: nothing is fetched */
} FN(beside);

/* The same for one vector of them, the first or second (k, a literal) of two; `scale` (a literal):
 * whether the row before, too. */
FNN_INLINE void FN(go_beside)(FN(beside) *b, ptrdiff_t j, int k, int scale) {
    b->most = FN(maximum)(b->most, FN(load)(b->after + j));
    if (FN(begins_line)(k) && b->to) __builtin_prefetch(b->to + j, 1);
    if (scale) FN(store)(b->before + j, FN(load)(b->before + j) * b->factor);
}

/* y[j + k * LANES ...] = exp(x[...] - shift) for the vectors k < count (a literal), added to
 * *sum; b, unless NULL (a literal), takes the same ones, else what lies `ahead` elements further
 * on is asked for. */
FNN_INLINE void FN(some_exponentials)(int count, ptrdiff_t j, const real *x, vec shift, real *y,
                                      vec *sum, FN(beside) *b, int scale, ptrdiff_t ahead,
                                      const FN(exp_terms) *c) {
    vec e[FN(ROW_GROUP)];
    FNN_UNROLL
    for (int k = 0; k < count; k++) e[k] = FN(load)(x + j + k * LANES) - shift;
    FN(exp_differences)(e, count, c);
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        if (b)
            FN(go_beside)(b, j + k * LANES, k % 2, scale);
        else
            FN(ask_for_line)(k, x + j + ahead);
        FN(store)(y + j + k * LANES, e[k]);
    }
    FNN_UNROLL
    for (int k = 2; k < count; k++) e[k % 2] += e[k];
    vec all = e[0];
    FNN_UNROLL
    for (int k = 1; k < fnn_min(count, 2); k++) all += e[k];
    *sum += all;
}

/* y[j] = exp(x[j] - shift) for j < n, whole groups, and lanes of their sum and of `loose`. The row
 * before is scaled `late` elements (a literal) later: its factor may be late. */
FNN_INLINE vec FN(group_exponentials)(ptrdiff_t n, const real *x, vec shift, real *y, vec loose,
                                      FN(beside) *b, int late, ptrdiff_t ahead,
                                      const FN(exp_terms) *c) {
    const ptrdiff_t group = FN(ROW_GROUP) * LANES;
    FN(exact_sum) total = {loose, FN(zero)()};
    ptrdiff_t j = 0;
    for (; j < late; j += group)
        FN(some_exponentials)(FN(ROW_GROUP), j, x, shift, y, &total.sum, b, 0, ahead, c);
    if (late) b->before -= late;
    while (j < n) {
        const ptrdiff_t end = fnn_min(n, j + 2 * FN(SUM_STEPS) * LANES);
        vec sum = FN(zero)();
        for (; j < end; j += group)
            FN(some_exponentials)(FN(ROW_GROUP), j, x, shift, y, &sum, b, 1, ahead, c);
        if (j < n)
            FN(add_exactly)(&total, sum);
        else
            total.error += sum; /* the next row waits for the last one */
    }
    if (late) FN(row_scale)(late, b->factor, b->before + n);
    return total.sum + total.error;
}

/* y[j] = exp(x[j] - shift), and their sum in every lane; b or NULL as above. */
FNN_INLINE vec FN(exponentials_beside)(ptrdiff_t n, const real *x, vec shift, real *y,
                                       FN(beside) *b, const FN(exp_terms) *c) {
    const ptrdiff_t group = FN(ROW_GROUP) * LANES;
    /* the next row, unless it would put this one out of a first cache */
    const ptrdiff_t ahead = n <= 24576 / (ptrdiff_t)sizeof(real) ? n : 0;
    const ptrdiff_t whole = n / group * group;
    vec loose = FN(zero)();
    /* the end of the row first: its chains then lie below those of the rest */
    ptrdiff_t j = whole;
    for (; j + LANES <= n; j += LANES)
        FN(some_exponentials)(1, j, x, shift, y, &loose, b, 1, ahead, c);
    if (j < n) {
        const vmask tail = FN(mask)(n - j);
        const ivec live = FN(lanes_below)(n - j);
        vec a = FN(load_m)(x + j, tail) - shift;
        FN(exp_differences)(&a, 1, c);
        if (b) {
            const vec v = FN(load_m)(b->after + j, tail);
            b->most = FN(maximum)(b->most, FN(select)(live, v, b->most));
            FN(store_first_lanes)(b->before + j, FN(load_m)(b->before + j, tail) * b->factor,
                                  tail);
        }
        FN(store_first_lanes)(y + j, a, tail);
        loose += FN(select)(live, a, FN(zero)());
    }
    return FN(sum_everywhere)(
        FN(group_exponentials)(whole, x, shift, y, loose, b, 0, ahead, c));
}

/* Elements of p before a line. */
FNN_INLINE ptrdiff_t FN(to_line)(const real *p) {
    return (ptrdiff_t)(-(uintptr_t)p % FNN_LINE / sizeof(real));
}

/* The exponentials of n <= LANES elements, and lanes of their sum. */
FNN_INLINE vec FN(edge_exponentials)(ptrdiff_t n, const real *x, vec shift, real *y,
                                     const FN(exp_terms) *c) {
    const vmask part = FN(mask)(n);
    vec a = FN(load_m)(x, part) - shift;
    FN(exp_differences)(&a, 1, c);
    FN(store_m)(y, a, part);
    return FN(select)(FN(lanes_below)(n), a, FN(zero)());
}

FNN_INLINE void FN(scale_edge)(ptrdiff_t n, vec factor, real *y) {
    const vmask part = FN(mask)(n);
    FN(store_m)(y, FN(load_m)(y, part) * factor, part);
}

/* exponentials_beside of rows of five groups and more, whole vectors of each of the three on
 * lines: across them a store takes two cycles. From end to end: in another order memory's streams are
 * at a half of their speed. */
FNN_INLINE vec FN(exponentials_on_lines)(ptrdiff_t n, const real *x, vec shift, real *y,
                                         FN(beside) *b, const FN(exp_terms) *c) {
    const ptrdiff_t group = FN(ROW_GROUP) * LANES;
    const ptrdiff_t head = FN(to_line)(y), before = FN(to_line)(b->before);
    const ptrdiff_t after = FN(to_line)(b->after);
    const ptrdiff_t all = (n - fnn_max(head, fnn_max(before, after))) / LANES * LANES;
    const ptrdiff_t whole = all / group * group;
    vec loose = FN(zero)();
    const real *next = b->after;
    real *prior = b->before + before;
    b->most = FN(load)(next);
    x += head;
    y += head;
    b->before = prior;
    b->after += after;
    if (head > 0) loose += FN(edge_exponentials)(head, x - head, shift, y - head, c);
    if (before > 0) FN(scale_edge)(before, b->factor, prior - before);
    vec sum = FN(group_exponentials)(whole, x, shift, y, loose, b, 4 * FN(ROW_GROUP) * LANES, 0, c);
    b->before = prior;
    ptrdiff_t j = whole;
    for (; j < all; j += LANES) FN(some_exponentials)(1, j, x, shift, y, &sum, b, 1, 0, c);
    FNN_UNROLL
    for (int k = 0; k < 2; k++, j += LANES) {
        const ptrdiff_t left = n - head - j, left_before = n - before - j;
        if (left > 0) sum += FN(edge_exponentials)(fnn_min(left, LANES), x + j, shift, y + j, c);
        if (left_before > 0) FN(scale_edge)(fnn_min(left_before, LANES), b->factor, prior + j);
    }
    /* edges of maxima may overlap the rest */
    b->most = FN(maximum)(b->most, FN(load)(next + n - 2 * LANES));
    b->most = FN(maximum)(b->most, FN(load)(next + n - LANES));
    return FN(sum_everywhere)(sum);
}

#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
/* One step of fold_rows: the groups of 2 w lanes of a, then those of b, each folded to w. */
FNN_INLINE vec FN(fold_groups)(vec a, vec b, int w, int maximal) {
    FN(lane_int) at[LANES];
    ivec low;
    FNN_UNROLL
    for (int i = 0; i < LANES; i++) at[i] = i / w * 2 * w + i % w;
    __builtin_memcpy(&low, at, sizeof low);
    const vec u = FN(pick)(a, b, low), v = FN(pick)(a, b, low + w);
    return maximal ? FN(maximum)(u, v) : u + v;
}
#endif

/* Folds `count` (a literal) rows of a vector each, as fold_each does. Eight rows of 16 lanes take
 * two shuffles each instead of four when they go into one vector: row i into its lanes 2i, 2i + 1. */
FNN_INLINE void FN(fold_rows)(vec *v, int count, int maximal) {
#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
    if (count == 8) {
        FNN_UNROLL
        for (int i = 0; i < 4; i++) v[i] = FN(fold_groups)(v[2 * i], v[2 * i + 1], 8, maximal);
        FNN_UNROLL
        for (int i = 0; i < 2; i++) v[i] = FN(fold_groups)(v[2 * i], v[2 * i + 1], 4, maximal);
        v[0] = FN(fold_groups)(v[0], v[1], 2, maximal);
        const vec other = FN(neighbours)(v[0]);
        v[0] = maximal ? FN(maximum)(v[0], other) : v[0] + other;
        return;
    }
#endif
    FN(fold_each)(v, count, maximal);
}

/* Every lane: what fold_rows made of row i (a literal). */
FNN_INLINE vec FN(of_row)(const vec *v, int count, int i) {
#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
    if (count == 8) return FN(pick)(v[0], v[0], (ivec){0} + 2 * i);
#endif
    (void)count;
    return v[i];
}

/* What fold_rows made of the rows, to p. */
FNN_INLINE void FN(store_rows)(real *p, const vec *v, int count) {
#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
    if (count == 8) {
        FN(store_m)(p, FN(even_lanes)(v[0], v[0]), FN(mask)(8));
        return;
    }
#endif
    FNN_UNROLL
    for (int i = 0; i < count; i++) p[i] = v[i][0];
}

/* 1 / v[0] in every lane, v being the same everywhere: with AVX-512 a division of a whole vector is
 * dear. */
FNN_INLINE vec FN(inverse)(vec v) {
    return FNN_VBYTES == 64 ? FN(splat)(1 / v[0]) : FN(splat)(1) / v;
}

/* Makes divisors of the sums that fold_rows made: where a division of a whole vector is dear, one of
 * all rows' sums, or of a single number. */
FNN_INLINE void FN(prepare_sums)(vec *v, int count) {
#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
    v[0] = count == 8 ? FN(splat)(1) / v[0] : FN(inverse)(v[0]);
#else
    (void)v, (void)count;
#endif
}

FNN_INLINE vec FN(over_sum)(vec e, const vec *v, int count, int i) {
#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
    return e * FN(of_row)(v, count, i);
#else
    return e / FN(of_row)(v, count, i);
#endif
}

/* The same for `count` (a literal) rows of n <= LANES elements: their exponentials e[i]; high and sum
 * are as fold_rows leaves the largest of each and the sums of the exponentials. */
FNN_INLINE void FN(short_rows)(int count, ptrdiff_t n, const real *x, vec *high, vec *e, vec *sum) {
    const vmask tail = FN(mask)(n);
    const ivec live = FN(lanes_below)(n);
    const vec least = FN(splat)((real)-INFINITY);
    const FN(exp_terms) c = FN(exp_constants)(0); /* all registers are taken */
    FNN_UNROLL
    for (int i = 0; i < count; i++)
        high[i] = e[i] = FN(select)(live, FN(load_m)(x + i * n, tail), least);
    FN(fold_rows)(high, count, 1);
    FNN_UNROLL
    for (int i = 0; i < count; i++) e[i] -= FN(of_row)(high, count, i);
    /* eight of the quick exponentials would not fit the registers */
    enum { TOGETHER = FNN_QUICK_EXP ? FN(ROW_GROUP) : FN(SHORT_ROWS) };
    FNN_UNROLL
    for (int i = 0; i < count; i += TOGETHER)
        FN(exp_differences)(e + i, fnn_min(count - i, TOGETHER), &c);
    FNN_UNROLL
    for (int i = 0; i < count; i++) sum[i] = e[i];
    FN(fold_rows)(sum, count, 0);
}

/* Softmax of `count` (a literal) rows of n <= LANES elements. */
FNN_INLINE void FN(softmax_short)(int count, ptrdiff_t n, const real *x, real *y) {
    const vmask tail = FN(mask)(n);
    vec high[FN(SHORT_ROWS)], e[FN(SHORT_ROWS)], sum[FN(SHORT_ROWS)];
    FN(short_rows)(count, n, x, high, e, sum);
    FN(prepare_sums)(sum, count);
    FNN_UNROLL
    for (int i = 0; i < count; i++)
        FN(store_first_lanes)(y + i * n, FN(over_sum)(e[i], sum, count, i), tail);
}

/* Whether rows go beside each other: where there are few lanes, it would only be more code. */
#undef FNN_BESIDE
#define FNN_BESIDE (FNN_VBYTES >= 32 && FNN_REAL_IS_F32)
#if FNN_BESIDE
/* Rows shorter than this would wait for their maximum if it were found beside the row before. */
enum { FN(WAITING_ROW) = 512 };

/* Long rows of which four fit a first cache: exponentials of one, beside them the factor of the
 * one before and the maximum of the next, or of the one after that. `lines` (a literal): on lines,
 * and the result's are fetched; shorter rows, and half as many lanes, would only pay for it. */
FNN_INLINE void FN(softmax_beside)(ptrdiff_t rows, ptrdiff_t n, const real *x, real *y, int lines) {
    const FN(exp_terms) c = FN(exp_constants)(1);
    const ptrdiff_t lead = lines || n >= FN(WAITING_ROW) ? 1 : 2;
    vec high = FN(row_largest)(n, x), next = lead > 1 ? FN(row_largest)(n, x + n) : high;
    /* for want of a row before the first, whatever is there is multiplied by one */
    FN(beside) b = {.before = y, .factor = FN(splat)(1)};
    for (; rows > 0; rows--, x += n, y += n) {
        b.after = rows > lead ? x + lead * n : x;
        b.most = FN(splat)((real)-INFINITY);
        b.to = lines && fnn_asks_for_lines ? y + 1024 / sizeof(real) : NULL;
        const vec sum = lines ? FN(exponentials_on_lines)(n, x, high, y, &b, &c)
                              : FN(exponentials_beside)(n, x, high, y, &b, &c);
        const vec found = FN(largest)(b.most);
        high = lead > 1 ? next : found;
        next = found;
        b.before = y;
        b.factor = FN(inverse)(sum);
    }
    FN(row_scale)(n, b.factor, b.before);
}
#endif

static FNN_NOINLINE void FN(softmax_rows)(ptrdiff_t rows, ptrdiff_t n, const real *x, real *y) {
    ptrdiff_t i = 0;
    if (n == 0) return;
    if (n <= LANES) {
        for (; i + FN(SHORT_ROWS) <= rows; i += FN(SHORT_ROWS))
            FN(softmax_short)(FN(SHORT_ROWS), n, x + i * n, y + i * n);
        for (; i < rows; i++) FN(softmax_short)(1, n, x + i * n, y + i * n);
        return;
    }
#if FNN_BESIDE
    if (rows > 1 && n <= 12288 / (ptrdiff_t)sizeof(real)) {
        if (FNN_VBYTES == FNN_LINE && n >= FN(WAITING_ROW))
            FN(softmax_beside)(rows, n, x, y, 1);
        else
            FN(softmax_beside)(rows, n, x, y, 0);
        return;
    }
#endif
    const FN(exp_terms) c = FN(exp_constants)(1);
    for (; i < rows; i++, x += n, y += n) {
        const vec sum = FN(exponentials_beside)(n, x, FN(row_largest)(n, x), y, NULL, &c);
        FN(row_scale)(n, FN(inverse)(sum), y);
    }
}
