/* The reduction kernels; contracts in kernels/reduce.h. */

/* A sum and the rounding errors made on the way to it. */
typedef struct FN(exact_sum) {
    vec sum, error;
} FN(exact_sum);

FNN_INLINE void FN(add_exactly)(FN(exact_sum) *s, vec v) {
    const vec sum = s->sum + v, part = sum - s->sum;
    s->error += (s->sum - (sum - part)) + (v - part);
    s->sum = sum;
}

/* An infinite sum has a NaN for its error. */
FNN_INLINE vec FN(rounded)(FN(exact_sum) s) {
    return FN(select)(s.error == s.error, s.sum + s.error, s.sum);
}

/* Independent partial sums: enough to hide the latency of an addition at two a cycle. A block
 * is SUM_STEPS additions to each. */
enum { FN(SUM_CHAINS) = 8, FN(SUM_STEPS) = 16 };

FNN_INLINE vec FN(fold8)(const vec *v) {
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

/* Sum by lanes of at most SUM_STEPS * 8 * LANES elements. */
FNN_INLINE vec FN(sum_block)(ptrdiff_t n, const real *x) {
    vec acc[8];
    ptrdiff_t j = 0;
    FNN_UNROLL
    for (int k = 0; k < 8; k++) acc[k] = FN(zero)();
    for (; j + 8 * LANES <= n; j += 8 * LANES) {
        FNN_UNROLL
        for (int k = 0; k < 8; k++) acc[k] += FN(load)(x + j + k * LANES);
    }
    vec rest = FN(zero)();
    for (; j + LANES <= n; j += LANES) rest += FN(load)(x + j);
    if (j < n) rest += FN(load_m)(x + j, FN(mask)(n - j));
    return FN(fold8)(acc) + rest;
}

static FNN_NOINLINE void FN(sum_rows)(ptrdiff_t rows, ptrdiff_t n, const real *x, ptrdiff_t stride,
                                      real *y) {
    const ptrdiff_t block = FN(SUM_STEPS) * FN(SUM_CHAINS) * LANES;
    if (n <= LANES) {
        const vmask tail = FN(mask)(n);
        for (ptrdiff_t i = 0; i < rows; i++) y[i] = FN(sum)(FN(load_m)(x + i * stride, tail));
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++, x += stride) {
        FN(exact_sum) total = {FN(sum_block)(fnn_min(n, block), x), FN(zero)()};
        for (ptrdiff_t j = block; j < n; j += block)
            FN(add_exactly)(&total, FN(sum_block)(fnn_min(n - j, block), x + j));
        y[i] = FN(sum)(FN(rounded)(total));
    }
}

/* Sum of at most SUM_ROWS rows of eight vectors: half a kilobyte of each row at a time lets the
 * prefetcher follow (1.8 times four vectors' speed from the last cache). */
enum { FN(SUM_ROWS) = 32 };

FNN_INLINE void FN(sum_wide)(ptrdiff_t rows, const real *x, ptrdiff_t stride, vec acc[8]) {
    FNN_UNROLL
    for (int k = 0; k < 8; k++) acc[k] = FN(zero)();
    for (ptrdiff_t i = 0; i < rows; i++, x += stride) {
        FNN_UNROLL
        for (int k = 0; k < 8; k++) acc[k] += FN(load)(x + k * LANES);
    }
}

#if FNN_VBYTES >= 32
FNN_INLINE void FN(add_to)(real *sums, const real *x, vmask m) {
    FN(store_m)(sums, FN(load_m)(sums, m) + FN(load_m)(x, m), m);
}

/* The same of columns out of memory: rows are read one by one, from end to end, as memory is fastest. Two
 * in turn, or strips of each, come at a third of its speed, and partial sums, which stay in the first
 * cache, take a store for each load. */
static FNN_SMALL void FN(sum_far)(ptrdiff_t rows, ptrdiff_t n, const real *x, ptrdiff_t stride,
                                  real *y) {
    enum { MOST = SUM_FAR_BYTES / sizeof(real) };
    real part[MOST], error[MOST];
    const ptrdiff_t whole = n / LANES * LANES;
    const vmask all = FN(mask)(LANES), tail = FN(mask)(n - whole);
    __builtin_memset(error, 0, sizeof error);
    for (ptrdiff_t left = rows; left > 0;) {
        const ptrdiff_t end = fnn_max(left - FN(SUM_ROWS), 0);
        real *to = left == rows ? y : part;
        __builtin_memset(to, 0, (size_t)n * sizeof(real));
        for (; left > end; left--, x += stride) {
            for (ptrdiff_t j = 0; j < whole; j += LANES)
                FN(store)(to + j, FN(load)(to + j) + FN(load)(x + j));
            if (whole < n) FN(add_to)(to + whole, x + whole, tail);
        }
        for (ptrdiff_t j = 0; to == part && j < n; j += LANES) {
            const vmask m = j < whole ? all : tail;
            FN(exact_sum) total = {FN(load_m)(y + j, m), FN(load_m)(error + j, m)};
            FN(add_exactly)(&total, FN(load_m)(part + j, m));
            FN(store_m)(y + j, end ? total.sum : FN(rounded)(total), m);
            FN(store_m)(error + j, total.error, m);
        }
    }
}
#endif

/* Sums of `count` (a literal) vectors of columns, two or a partial one (m), eight rows at a time, to
 * y: in one order of additions for either, which those count on who cut columns into tasks. */
FNN_INLINE void FN(sum_narrow)(int count, ptrdiff_t rows, const real *x, ptrdiff_t stride, vmask m,
                               real *y) {
    enum { CHAINS = 8 };
    FN(exact_sum) total[2] = {{FN(zero)(), FN(zero)()}, {FN(zero)(), FN(zero)()}};
    for (ptrdiff_t from = 0; from < rows; from += CHAINS * FN(SUM_ROWS)) {
        ptrdiff_t left = fnn_min(rows - from, CHAINS * FN(SUM_ROWS));
        vec acc[2 * CHAINS];
        FNN_UNROLL
        for (int k = 0; k < count * CHAINS; k++) acc[k] = FN(zero)();
        for (; left >= CHAINS; left -= CHAINS, x += CHAINS * stride) {
            FNN_UNROLL
            for (int k = 0; k < count * CHAINS; k++) {
                const real *at = x + k / count * stride + k % count * LANES;
                acc[k] += count > 1 ? FN(load)(at) : FN(load_m)(at, m);
            }
        }
        for (; left > 0; left--, x += stride) {
            FNN_UNROLL
            for (int k = 0; k < count; k++)
                acc[k] += count > 1 ? FN(load)(x + k * LANES) : FN(load_m)(x, m);
        }
        FNN_UNROLL
        for (int k = 0; k < count; k++) {
            vec chain[CHAINS];
            FNN_UNROLL
            for (int c = 0; c < CHAINS; c++) chain[c] = acc[c * count + k];
            const vec sum = FN(fold8)(chain);
            if (from == 0)
                total[k].sum = sum;
            else
                FN(add_exactly)(&total[k], sum);
        }
    }
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        if (count > 1)
            FN(store)(y + k * LANES, FN(rounded)(total[k]));
        else
            FN(store_m)(y, FN(rounded)(total[k]), m);
    }
}

static FNN_NOINLINE void FN(sum_columns)(ptrdiff_t rows, ptrdiff_t n, const real *x,
                                         ptrdiff_t stride, int far, real *y) {
    const ptrdiff_t block = FN(SUM_ROWS);
    ptrdiff_t j = 0;
#if FNN_VBYTES >= 32
    if (far && n >= 4 * LANES) { /* else a strip or two are the row */
        FN(sum_far)(rows, n, x, stride, y);
        return;
    }
#endif
    (void)far;
    for (; j + 8 * LANES <= n; j += 8 * LANES) {
        FN(exact_sum) total[8];
        vec acc[8];
        FN(sum_wide)(fnn_min(rows, block), x + j, stride, acc);
        FNN_UNROLL
        for (int k = 0; k < 8; k++) total[k] = (FN(exact_sum)){acc[k], FN(zero)()};
        for (ptrdiff_t i = block; i < rows; i += block) {
            FN(sum_wide)(fnn_min(rows - i, block), x + i * stride + j, stride, acc);
            FNN_UNROLL
            for (int k = 0; k < 8; k++) FN(add_exactly)(&total[k], acc[k]);
        }
        FNN_UNROLL
        for (int k = 0; k < 8; k++) FN(store)(y + j + k * LANES, FN(rounded)(total[k]));
    }
    for (; FNN_VBYTES >= 32 && j + 2 * LANES <= n; j += 2 * LANES)
        FN(sum_narrow)(2, rows, x + j, stride, FN(mask)(LANES), y + j);
    for (; j < n; j += LANES)
        FN(sum_narrow)(1, rows, x + j, stride, FN(mask)(fnn_min(n - j, LANES)), y + j);
}
