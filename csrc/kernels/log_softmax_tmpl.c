/* Largest numbers and sums of exponentials of dense rows, which log-softmax and the loss share, and
 * log-softmax; contracts in kernels/softmax.h. */

/* Rows whose maxima, sums and logarithms are taken together: neither has to wait for the one
 * before in its row, and one lane of a vector logarithm costs as much as all of them. */
enum { FN(LOG_ROWS) = 64 };

/* As many of them as stay in the first cache from pass to pass. */
FNN_INLINE ptrdiff_t FN(row_block)(ptrdiff_t n) {
    return fnn_max(1, fnn_min(FN(LOG_ROWS), 16384 / (ptrdiff_t)sizeof(real) / n));
}

/* From here on the loops over a row are worth it. */
enum { FN(LONG_ROW) = 32 * LANES };

/* Lanes whose largest is that of each row, four vectors of all rows after each other: for short
 * rows the loops over each of them would take longer than its loads. */
FNN_INLINE void FN(rows_largest)(ptrdiff_t rows, ptrdiff_t n, const real *x,
                                 vec most[FN(SHORT_ROWS)]) {
    ptrdiff_t j = 0;
    FNN_UNROLL
    for (int k = 0; k < FN(SHORT_ROWS); k++) most[k] = FN(splat)((real)-INFINITY);
    if (n >= FN(LONG_ROW)) {
        for (ptrdiff_t k = 0; k < rows; k++) most[k] = FN(lanes_largest)(n, x + k * n);
        return;
    }
    for (; j + 4 * LANES <= n; j += 4 * LANES) {
        FNN_LOOP
        for (ptrdiff_t k = 0; k < rows; k++) {
            const real *p = x + k * n + j;
            const vec a = FN(maximum)(FN(load)(p), FN(load)(p + LANES));
            const vec b = FN(maximum)(FN(load)(p + 2 * LANES), FN(load)(p + 3 * LANES));
            most[k] = FN(maximum)(most[k], FN(maximum)(a, b));
        }
    }
    for (; j + LANES <= n; j += LANES) {
        FNN_LOOP
        for (ptrdiff_t k = 0; k < rows; k++)
            most[k] = FN(maximum)(most[k], FN(load)(x + k * n + j));
    }
    if (j == n) return;
    const vmask tail = FN(mask)(n - j);
    const ivec live = FN(lanes_below)(n - j);
    FNN_LOOP
    for (ptrdiff_t k = 0; k < rows; k++) {
        const vec v = FN(select)(live, FN(load_m)(x + k * n + j, tail), most[k]);
        most[k] = FN(maximum)(most[k], v);
    }
}

/* The sum of exp(x[k * LANES ...] - shift) over the vectors k < count, if not all (literals) as far
 * as the elements go that are left. Asks for what lies `ahead` elements further on. */
FNN_INLINE vec FN(sum_exponentials)(int count, int all, ptrdiff_t left, const real *x, real shift,
                                    ptrdiff_t ahead, const FN(exp_terms) *c) {
    vec e[FN(ROW_GROUP)];
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        const real *from = x + k * LANES;
        const ptrdiff_t lanes = fnn_max(0, fnn_min(left - k * LANES, LANES));
        e[k] = all ? FN(load)(from)
                   : FN(select)(FN(lanes_below)(lanes), FN(load_m)(from, FN(mask)(lanes)),
                                FN(splat)((real)-INFINITY));
        e[k] -= FN(splat)(shift);
    }
    FN(exp_differences)(e, count, c);
    FNN_UNROLL
    for (int k = 0; k < count; k++) FN(ask_for_line)(k, x + ahead);
    FNN_UNROLL
    for (int k = 2; k < count; k++) e[k % 2] += e[k];
    vec sum = e[0];
    FNN_UNROLL
    for (int k = 1; k < fnn_min(count, 2); k++) sum += e[k];
    return sum;
}

/* The same over n elements, whole groups and at least one. */
FNN_INLINE vec FN(sum_groups)(ptrdiff_t n, const real *x, real shift, ptrdiff_t ahead,
                              const FN(exp_terms) *c) {
    const real *end = x + n;
    vec sum = FN(zero)();
    do {
        sum += FN(sum_exponentials)(FN(ROW_GROUP), 1, 0, x, shift, ahead, c);
        x += FN(ROW_GROUP) * LANES;
    } while (x < end);
    return sum;
}

/* Maximum of `count` (a literal) rows of n <= LANES elements and the sum of the exponentials of
 * what is below it. */
FNN_INLINE void FN(short_statistics)(int count, ptrdiff_t n, const real *x, real *most,
                                     real *sum) {
    vec high[FN(SHORT_ROWS)], e[FN(SHORT_ROWS)], all[FN(SHORT_ROWS)];
    FN(short_rows)(count, n, x, high, e, all);
    FN(store_rows)(most, high, count);
    FN(store_rows)(sum, all, count);
}

/* sum[i] = sum_j exp(x[i][j] - shift[i]) of rows of any length, up to eight rows after each
 * other as in rows_largest. A row's last vectors go together, though one or two may be
 * empty: one alone would be a chain that nothing hides. Asks for what lies `ahead` elements further
 * on; sum has room for a multiple of SHORT_ROWS. */
static FNN_NOINLINE void FN(row_sums)(ptrdiff_t rows, ptrdiff_t n, const real *x, const real *shift,
                                      real *sum, ptrdiff_t ahead) {
    enum { MANY = FN(ROW_GROUP), FEW = (MANY + 1) / 2, PLAIN = 2 * FN(SUM_STEPS) * LANES };
    const ptrdiff_t left = n % (MANY * LANES), whole = n - left;
    const ptrdiff_t first = fnn_min(PLAIN, whole);
    const FN(exp_terms) c = FN(exp_constants)(1);
    FN(exact_sum) total[FN(SHORT_ROWS)]; /* nothing, as long as no row is long */
    FNN_UNROLL
    for (int k = 0; k < FN(SHORT_ROWS); k++) total[k].sum = total[k].error = FN(zero)();
    for (; rows > 0; rows -= FN(SHORT_ROWS), x += FN(SHORT_ROWS) * n) {
        const ptrdiff_t m = fnn_min(fnn_opaque(rows), FN(SHORT_ROWS));
        vec v[FN(SHORT_ROWS)];
        FNN_UNROLL
        for (int k = 0; k < FN(SHORT_ROWS); k++) v[k] = FN(zero)();
        FNN_LOOP
        for (ptrdiff_t k = 0; whole > 0 && k < m; k++) {
            ptrdiff_t j = 0, some = first;
            for (;;) {
                v[k] = FN(sum_groups)(some, x + k * n + j, shift[k], ahead, &c);
                j += some;
                if (j == whole) break;
                FN(add_exactly)(total + k, v[k]);
                some = fnn_min(PLAIN, whole - j);
            }
        }
        if (left > FEW * LANES) {
            FNN_LOOP
            for (ptrdiff_t k = 0; k < m; k++)
                v[k] += FN(sum_exponentials)(MANY, 0, left, x + k * n + whole, shift[k], ahead, &c);
        } else if (left > 0) {
            FNN_LOOP
            for (ptrdiff_t k = 0; k < m; k++)
                v[k] += FN(sum_exponentials)(FEW, 0, left, x + k * n + whole, shift[k], ahead, &c);
        }
        if (whole > PLAIN) {
            FNN_LOOP
            for (ptrdiff_t k = 0; k < m; k++) {
                FN(add_exactly)(total + k, v[k]);
                v[k] = FN(rounded)(total[k]);
                total[k].sum = total[k].error = FN(zero)();
            }
        }
        FN(fold_rows)(v, FN(SHORT_ROWS), 0);
        FN(store_rows)(sum, v, FN(SHORT_ROWS));
        shift += FN(SHORT_ROWS);
        sum += FN(SHORT_ROWS);
    }
}

/* The same with the largest of each row, best of no more rows than row_block; most has as much
 * room. */
static FNN_NOINLINE void FN(row_statistics)(ptrdiff_t rows, ptrdiff_t n, const real *x, real *most,
                                            real *sum) {
    ptrdiff_t i = 0;
    if (n <= LANES) {
        for (; i + FN(SHORT_ROWS) <= rows; i += FN(SHORT_ROWS))
            FN(short_statistics)(FN(SHORT_ROWS), n, x + i * n, most + i, sum + i);
        for (; i < rows; i++) FN(short_statistics)(1, n, x + i * n, most + i, sum + i);
        return;
    }
    for (; i < rows; i += FN(SHORT_ROWS)) {
        vec v[FN(SHORT_ROWS)];
        const ptrdiff_t m = fnn_min(rows - i, FN(SHORT_ROWS));
        FN(rows_largest)(m, n, x + i * n, v);
        FN(fold_rows)(v, FN(SHORT_ROWS), 1);
        FN(store_rows)(most + i, v, FN(SHORT_ROWS));
    }
    FN(row_sums)(rows, n, x, most, sum, rows * n);
}

static FNN_NOINLINE void FN(log_softmax_rows)(ptrdiff_t rows, ptrdiff_t n, const real *x, real *y) {
    real most[FN(LOG_ROWS)], sum[FN(LOG_ROWS)], logs[FN(LOG_ROWS)];
    if (n == 0) return;
    const ptrdiff_t block = FN(row_block)(n);
    for (; rows > 0; rows -= block, x += block * n, y += block * n) {
        const ptrdiff_t m = fnn_min(rows, block);
        FN(row_statistics)(m, n, x, most, sum);
        FN(log)(m, sum, logs);
        for (ptrdiff_t i = 0; i < m; i++) {
            const vec high = FN(splat)(most[i]), low = FN(splat)(logs[i]);
            ptrdiff_t j = i * n;
            for (; j + LANES <= (i + 1) * n; j += LANES)
                FN(store)(y + j, (FN(load)(x + j) - high) - low);
            if (j < (i + 1) * n) {
                const vmask tail = FN(mask)((i + 1) * n - j);
                FN(store_first_lanes)(y + j, (FN(load_m)(x + j, tail) - high) - low, tail);
            }
        }
    }
}
