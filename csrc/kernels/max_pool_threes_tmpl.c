/* 3x3 windows of stride 2 in both directions side by side, of planes without or with a border of one
 * element: maxima alone, or with the bits of pool_bits.h, or of narrow planes with their positions;
 * contracts in kernels/pool.h.
 *
 * A column is two vectors of windows. Third taps are moved out of first ones, the last one's out of
 * the row if all lanes are used. The way of a row of windows is the quick one of
 * max_pool_quick_tmpl.c, which is wrong if there is a NaN; then, and where whole vectors would reach
 * behind the array, windows are done from a copy that is padded (`max_carefully`).
 * Only where a permutation takes from two vectors whatever it wants, and for float32. */
#if FNN_BUNDLES
/* Columns of windows from x on: the first window's corner, which may be outside of the plane. */
typedef struct FN(three_windows) {
    const real *x;
    ptrdiff_t w, q;
    real *y;
    uint16_t *bits; /* of the first row of windows, and of the first vector */
    ptrdiff_t step; /* words from a row's records to the next one's */
    int32_t *index; /* and the first window's position */
    ptrdiff_t corner;
    /* the first row is above the plane, the first column left of it, the last row below it */
    int above, beside, below;
    ptrdiff_t whole; /* windows that do not reach over the right border */
    int first;       /* of the plane's rows: its upper row's bits are told, too */
} FN(three_windows);

/* What is told beside maxima, a literal. */
enum { FN(NOTHING_TOLD), FN(BITS_TOLD), FN(POSITIONS_TOLD) };

/* The largest of three; the two bits that tell which, or its position of theirs. */
FNN_INLINE vec FN(largest_of_three)(const vec v[3], int told, uint16_t *bits, const ivec places[3],
                                    ivec *at) {
    const vec two = FN(maximum)(v[1], v[0]);
    if (told == FN(BITS_TOLD)) {
        const FN(cond) early = FN(at_most)(v[2], two);
        bits[0] = FN(above_where)(early, v[1], v[0]);
        bits[1] = early;
    } else if (told == FN(POSITIONS_TOLD)) {
        *at = FN(iwhere)(FN(above)(v[1], v[0]), places[1], places[0]);
        *at = FN(iwhere)(FN(above)(v[2], two), places[2], *at);
    }
    return FN(maximum)(v[2], two);
}

/* A row outside the plane. */
FNN_INLINE void FN(nothing)(int count, vec most[2]) {
    FNN_UNROLL
    for (int k = 0; k < count; k++) most[k] = FN(splat)((real)-INFINITY);
}

/* Lanes of what is in the plane: of a row's first vector, and of each vector's third taps. */
typedef struct FN(inside_lanes) {
    vmask first, third[2];
} FN(inside_lanes);

/* The largest of each window's taps in a row, of `count` vectors, `full` or not, of planes with a
 * border of one element or not (`pad`), and what is to be `told` (all literals); positions are those
 * in the row. What is loaded is added to the sum. */
FNN_INLINE vec FN(largest_of_rows)(int count, int full, int pad, int told, const real *x,
                                   const FN(inside_lanes) *in, vec most[2], uint16_t *bits,
                                   ivec *at, vec sum) {
    const ivec first = FN(lane_numbers)(2), places[3] = {first, first + 1, first + 2};
    const vec least = FN(splat)((real)-INFINITY);
    vec v[2][3];
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        const real *from = x + 2 * k * LANES;
        const int border = pad && k == 0;
        vec low = FN(pin)(border ? FN(load_m)(from, in->first) : FN(load)(from));
        const vec high = FN(pin)(FN(load)(from + LANES));
        sum += low + high;
        if (border) low = FN(load_over)(least, in->first, from);
        v[k][0] = FN(even_lanes)(low, high);
        v[k][1] = FN(odd_lanes)(low, high);
    }
    FNN_UNROLL
    for (int k = 0; k < count; k++) {
        const int last = full && k + 1 == count;
        const vec next = last ? FN(splat)(x[2 * count * LANES]) : v[count - 1][0];
        v[k][2] = FN(slide)(v[k][0], next, 1);
        if (pad) v[k][2] = FN(where)(in->third[k], v[k][2], least);
        most[k] = FN(largest_of_three)(v[k], told, bits + k * FNN_BIT_WORDS, places, at);
    }
    return full ? sum + FN(splat)(x[2 * count * LANES]) : sum;
}

/* n outputs of `rows` rows in `count` vectors (one if positions are told); returns the sum of the
 * taps. */
FNN_INLINE vec FN(threes_of)(int count, int full, int pad, int told, FN(three_windows) windows,
                             ptrdiff_t rows, ptrdiff_t n) {
    vec most[3][2];
    const FN(inside_lanes) in = {
        FN(mask)(LANES) & ~FN(mask)(windows.beside),
        {FN(mask)(fnn_min(windows.whole, LANES)),
         FN(mask)(fnn_max(0, fnn_min(windows.whole - LANES, LANES)))}};
    uint16_t unread[2 * FNN_BIT_WORDS];
    uint16_t *bits = told == FN(BITS_TOLD) ? windows.bits : unread;
    const ivec down = (ivec){0} + (FN(lane_int))windows.w;
    ivec at[3] = {{0}}, corner = (ivec){0} + (FN(lane_int))windows.corner;
    vec sum = FN(zero)();
    if (pad && windows.above)
        FN(nothing)(count, most[2]);
    else /* what tells the row above's lower row tells this one's upper row, too */
        sum = FN(largest_of_rows)(count, full, pad, told, windows.x, &in, most[2],
                                  windows.first ? bits : unread, at + 2, sum);
    for (; rows > 0; rows--) {
        FNN_UNROLL
        for (int k = 0; k < count; k++) most[0][k] = most[2][k];
        at[0] = at[2];
        sum = FN(largest_of_rows)(count, full, pad, told, windows.x += windows.w, &in, most[1],
                                  bits + 2, at + 1, sum);
        windows.x += windows.w;
        if (pad && windows.below && rows == 1)
            FN(nothing)(count, most[2]);
        else
            sum = FN(largest_of_rows)(count, full, pad, told, windows.x, &in, most[2],
                                      bits + windows.step, at + 2, sum);
        __builtin_prefetch(windows.y + FN(OUTPUTS_AHEAD), 1);
        FNN_UNROLL
        for (int k = 0; k < count; k++) {
            const vec v[3] = {most[0][k], most[1][k], most[2][k]};
            const ivec places[3] = {at[0], at[1] + down, at[2] + down + down};
            ivec where = {0};
            const vec all =
                FN(largest_of_three)(v, told, bits + k * FNN_BIT_WORDS + 4, places, &where);
            FN(store_outputs)(windows.y + k * LANES,
                              told == FN(POSITIONS_TOLD) ? windows.index : NULL, all,
                              where + corner, k < count - 1 ? LANES : n - k * LANES);
        }
        windows.y += windows.q;
        if (told == FN(BITS_TOLD)) bits += windows.step;
        if (told == FN(POSITIONS_TOLD)) windows.index += windows.q, corner += down + down;
    }
    return sum;
}

/* The same of any number of outputs. */
FNN_INLINE vec FN(threes)(int pad, int told, FN(three_windows) row, ptrdiff_t rows, ptrdiff_t n) {
    vec sum = FN(zero)();
    const int many = told != FN(POSITIONS_TOLD);
    for (; many && n >= 2 * LANES; n -= 2 * LANES) {
        sum += FN(threes_of)(2, 1, pad, told, row, rows, 2 * LANES);
        row.x += 4 * LANES;
        row.y += 2 * LANES;
        if (told == FN(BITS_TOLD)) row.bits += 2 * FNN_BIT_WORDS;
        row.beside = 0;
        row.whole -= 2 * LANES;
    }
    if (many && n == LANES) sum += FN(threes_of)(1, 1, pad, told, row, rows, n);
    if (many && n > LANES) sum += FN(threes_of)(2, 0, pad, told, row, rows, n);
    if (0 < n && n < LANES) sum += FN(threes_of)(1, 0, pad, told, row, rows, n);
    return sum;
}

#define THREES(name, told)                                                                        \
    static FNN_NOINLINE vec FN(name)(const FN(three_windows) *row, ptrdiff_t rows, int pad) {     \
        if (pad) return FN(threes)(1, told, *row, rows, row->q);                                  \
        return FN(threes)(0, told, *row, rows, row->q);                                           \
    }

THREES(largest_threes, FN(NOTHING_TOLD))
THREES(told_threes, FN(BITS_TOLD))
THREES(placed_threes, FN(POSITIONS_TOLD))
#undef THREES

/* Whether all that is to be told of the windows is told in this file. */
FNN_INLINE int FN(goes_by_threes)(const fnn_pool_shape *s, const int32_t *index) {
    return fnn_steps_by_threes(s) && (!index || s->q < LANES);
}

/* The largest of three by the book, its bits and its position; in lanes of `outside` the first does
 * not count. */
static FNN_SMALL vec FN(first_of_three)(const vec v[3], vmask outside, uint16_t *bits,
                                        const ivec places[3], ivec *at) {
    const FN(cond) second = FN(above)(v[1], v[0]) | FN(unlike)(v[1], v[1]) | outside;
    const vec two = FN(where)(second, v[1], v[0]);
    const FN(cond) third = FN(above)(v[2], two) | FN(unlike)(v[2], v[2]);
    bits[0] = second & ~third;
    bits[1] = ~third;
    *at = FN(iwhere)(third, places[2], FN(iwhere)(second, places[1], places[0]));
    return FN(where)(third, v[2], two);
}

/* Vector k of row p of the windows, from a copy: by the book, so that a NaN is above all. */
static FNN_SMALL void FN(max_carefully)(const FN(max_window) *plane, ptrdiff_t p, ptrdiff_t k) {
    const fnn_pool_shape *s = plane->shape;
    const ptrdiff_t records = fnn_bit_records(s), n = fnn_min(s->q - k * LANES, LANES);
    const ptrdiff_t top = 2 * p - s->pad_h, left = 2 * k * LANES - s->pad_w;
    const ptrdiff_t first = fnn_max(left, 0), end = fnn_min(left + 2 * n + 1, s->w);
    const ivec lanes = FN(lane_numbers)(2) + (FN(lane_int))(top * s->w + left);
    uint16_t bits[8], *record = plane->bits;
    vec most[3], v[3];
    ivec at[3], where;
    for (int r = 0; r < 3; r++) {
        real taps[3 * LANES];
        const int inside = 0 <= top + r && top + r < s->h;
        for (int i = 0; i < 3 * LANES; i++) taps[i] = (real)-INFINITY;
        if (inside)
            __builtin_memcpy(taps + (first - left), plane->x + (top + r) * s->w + first,
                             (size_t)(end - first) * sizeof(real));
        v[0] = FN(even_lanes)(FN(load)(taps), FN(load)(taps + LANES));
        v[1] = FN(odd_lanes)(FN(load)(taps), FN(load)(taps + LANES));
        v[2] = FN(slide)(v[0], FN(load)(taps + 2 * LANES), 1);
        const ivec here = lanes + (FN(lane_int))(r * s->w), places[3] = {here, here + 1, here + 2};
        most[r] = FN(first_of_three)(v, left < 0, bits + 2 * r, places, at + r);
    }
    const vec all = FN(first_of_three)(most, top < 0 ? -1 : 0, bits + 6, at, &where);
    FN(store_outputs)(plane->y + p * s->q + k * LANES,
                      plane->index ? plane->index + p * s->q + k * LANES : NULL, all, where, n);
    if (!record) return;
    record += (p * records + k) * FNN_BIT_WORDS;
    if (p == 0) record[0] = bits[0], record[1] = bits[1];
    for (int i = 0; i < 2; i++) {
        record[2 + i] = bits[2 + i];
        record[4 + i] = bits[6 + i];
        record[records * FNN_BIT_WORDS + i] = bits[4 + i];
    }
}

/* Words of a row's records that no window tells, so that equal maps have equal bits. */
FNN_INLINE void FN(clear_words)(uint16_t *bits, ptrdiff_t records) {
    for (ptrdiff_t k = 0; k < records; k++)
        for (int i = 0; i < FNN_BIT_WORDS; i++) bits[k * FNN_BIT_WORDS + i] = 0;
}

/* Rows [from, to) of all planes. */
FNN_INLINE void FN(max_threes)(FN(max_window) plane, ptrdiff_t planes, ptrdiff_t from,
                               ptrdiff_t to) {
    const fnn_pool_shape *s = plane.shape;
    const int pad = s->pad_h == 1;
    const ptrdiff_t step = fnn_bit_records(s) * FNN_BIT_WORDS;
    for (; planes > 0; planes--) {
        const ptrdiff_t safe = FN(safe_rows)(s, plane.readable, to, 0, s->q, 2, 3);
        if (plane.bits && pad && from == 0) FN(clear_words)(plane.bits, fnn_bit_records(s));
        if (plane.bits && to == s->p)
            FN(clear_words)(plane.bits + to * step, fnn_bit_records(s));
        for (ptrdiff_t p = from, rows; p < to; p += rows) {
            rows = p < safe ? fnn_min(FN(QUICK_ROWS), fnn_min(safe, to) - p) : 1;
            vec sum = FN(splat)((real)NAN);
            if (p < safe) {
                FN(three_windows) row = {.x = plane.x + (2 * p - pad) * s->w - pad, .w = s->w,
                                         .q = s->q, .y = plane.y + p * s->q, .step = step,
                                         .above = 2 * p < pad, .beside = pad,
                                         .below = 2 * (p + rows) > s->h,
                                         .whole = fnn_min(s->q, s->w / 2), .first = p == 0,
                                         .corner = (2 * p - pad) * s->w - pad};
                if (plane.bits) row.bits = plane.bits + p * step;
                if (plane.index) row.index = plane.index + p * s->q;
                sum = plane.bits    ? FN(told_threes)(&row, rows, pad)
                      : plane.index ? FN(placed_threes)(&row, rows, pad)
                                    : FN(largest_threes)(&row, rows, pad);
            }
            if (FN(all_finite)(sum)) continue;
            for (ptrdiff_t i = p; i < p + rows; i++)
                for (ptrdiff_t k = 0; k < fnn_bit_records(s); k++) FN(max_carefully)(&plane, i, k);
        }
        plane.x += s->h * s->w;
        plane.readable -= s->h * s->w;
        plane.y += s->p * s->q;
        if (plane.bits) plane.bits += fnn_bit_words(s);
        if (plane.index) plane.index += s->p * s->q;
    }
}
#else
FNN_INLINE int FN(goes_by_threes)(const fnn_pool_shape *s, const int32_t *index) {
    (void)s, (void)index;
    return 0;
}
#endif
