/* What both poolings share; contracts in kernels/pool.h.
 *
 * Lanes are neighbouring outputs of a row. Outputs whose window lies inside the plane in width
 * ("inner") are done by vectors; the few at the sides one by one. */

/* ceil(a / b) without the division that most calls can spare */
FNN_INLINE ptrdiff_t FN(steps)(ptrdiff_t a, ptrdiff_t b) {
    return b == 1 ? a : fnn_ceil_div(a, b);
}

/* The taps of a window that fall inside a line of `size`, for a window that starts at `start`. */
FNN_INLINE void FN(inside)(ptrdiff_t start, ptrdiff_t taps, ptrdiff_t dilation, ptrdiff_t size,
                           ptrdiff_t *from, ptrdiff_t *to) {
    *from = start < 0 ? fnn_min(taps, FN(steps)(-start, dilation)) : 0;
    *to = start < size ? fnn_min(taps, FN(steps)(size - start, dilation)) : *from;
    if (*to < *from) *to = *from;
}

/* The outputs [from, to) of a line of `outputs` whose windows are all inside it; `reach` is from a
 * window's first tap to its last. */
FNN_INLINE void FN(inner_outputs)(ptrdiff_t outputs, ptrdiff_t size, ptrdiff_t pad,
                                  ptrdiff_t reach, ptrdiff_t stride, ptrdiff_t *from,
                                  ptrdiff_t *to) {
    const ptrdiff_t room = size + pad - reach;
    *from = fnn_min(outputs, FN(steps)(pad, stride));
    *to = room > 0 ? fnn_min(outputs, FN(steps)(room, stride)) : 0;
    if (*to < *from) *to = *from;
}

FNN_INLINE void FN(inner_rows)(const fnn_pool_shape *s, ptrdiff_t *from, ptrdiff_t *to) {
    FN(inner_outputs)(s->p, s->h, s->pad_h, (s->r - 1) * s->dilation_h, s->stride_h, from, to);
}

FNN_INLINE void FN(inner_columns)(const fnn_pool_shape *s, ptrdiff_t *from, ptrdiff_t *to) {
    FN(inner_outputs)(s->q, s->w, s->pad_w, (s->s - 1) * s->dilation_w, s->stride_w, from, to);
}

/* p[0], p[stride], p[2 stride] ..., of which p[0] .. p[left - 1] may be read; lanes beyond are
 * unspecified. `step` is the literal 1, 2 or 0 (any other stride); `whole` a literal that
 * promises left >= LANES step. */
FNN_INLINE vec FN(load_strided)(const real *p, ptrdiff_t left, ptrdiff_t stride, int step,
                                int whole) {
    if (step == 1) {
        if (whole) return FN(load)(p);
        return FN(load_m)(p, FN(mask)(fnn_min(left, LANES)));
    }
    if (step == 2) {
        if (whole) return FN(even_lanes)(FN(load)(p), FN(load)(p + LANES));
        const ptrdiff_t second = fnn_max(0, fnn_min(left - LANES, LANES));
        return FN(even_lanes)(FN(load_m)(p, FN(mask)(fnn_min(left, LANES))),
                              FN(load_m)(p + LANES, FN(mask)(second)));
    }
    real lane[LANES];
    vec v;
    for (ptrdiff_t i = 0; i < LANES; i++) lane[i] = i * stride < left ? p[i * stride] : 0;
    __builtin_memcpy(&v, lane, sizeof v);
    return v;
}

/* The taps of one row of LANES windows `square` wide, from x on: v. The literal `step` is 1 or 2;
 * of taps_reach elements this row's may be read. */
FNN_INLINE void FN(load_taps_of_row)(const real *x, int step, int square, vec *v) {
    int first = 0;
    if (step == 2) { /* two taps of one pair of loads */
        const vec low = FN(pin)(FN(load)(x)), high = FN(pin)(FN(load)(x + LANES));
        v[0] = FN(even_lanes)(low, high);
        v[1] = FN(odd_lanes)(low, high);
        first = 2;
    }
    FNN_UNROLL
    for (int k = first; k < square; k++) v[k] = FN(load_strided)(x + k, 0, step, step, 1);
}

/* The same for `square` rows, w apart, of square windows. */
FNN_INLINE void FN(load_taps)(const real *x, ptrdiff_t w, int step, int square, vec v[9]) {
    FNN_UNROLL
    for (int r = 0; r < square; r++) FN(load_taps_of_row)(x + r * w, step, square, v + r * square);
}

/* How many elements from the first tap on load_taps reads. */
FNN_INLINE ptrdiff_t FN(taps_reach)(ptrdiff_t w, int step, int square) {
    const int beyond = step == 2 ? 2 * ((square - 1) / 2) : square - 1;
    return (square - 1) * w + beyond + step * LANES;
}

/* How many elements from a plane's start on load_taps reads for n outputs from q on of its first
 * `rows` rows. */
FNN_INLINE ptrdiff_t FN(rows_reach)(const fnn_pool_shape *s, ptrdiff_t rows, ptrdiff_t q,
                                    ptrdiff_t n, int step, int square) {
    const ptrdiff_t column = (q + fnn_round_up(n, LANES) - LANES) * step - s->pad_w;
    const ptrdiff_t row = (rows - 1) * s->stride_h - s->pad_h;
    return row * s->w + column + FN(taps_reach)(s->w, step, square);
}

/* The first row of outputs, at most `rows`, for which that is behind the array, of which `readable`
 * elements lie from the plane's start on. */
FNN_INLINE ptrdiff_t FN(safe_rows)(const fnn_pool_shape *s, ptrdiff_t readable, ptrdiff_t rows,
                                   ptrdiff_t q, ptrdiff_t n, int step, int square) {
    if (FN(rows_reach)(s, rows, q, n, step, square) <= readable) return rows;
    const ptrdiff_t room = readable - FN(rows_reach)(s, 1, q, n, step, square);
    return room < 0 ? 0 : room / (s->stride_h * s->w) + 1;
}

/* How many planes, at most `planes`, have all of these rows inside the array. */
FNN_INLINE ptrdiff_t FN(whole_planes)(const fnn_pool_shape *s, ptrdiff_t planes,
                                      ptrdiff_t readable, ptrdiff_t rows, ptrdiff_t q,
                                      ptrdiff_t n, int step, int square) {
    const ptrdiff_t room = readable - FN(rows_reach)(s, rows, q, n, step, square);
    return room < 0 ? 0 : fnn_min(planes, room / (s->h * s->w) + 1);
}

/* A division by a whole number. Where multiply-adds are not rounded twice it is a multiplication by
 * the rounded inverse, whose remainder tells what is left to add: the quotient as division rounds
 * it, in four operations of half a cycle where a division of a vector takes eleven cycles. Right
 * for each float32, denormals too, over 9 and six others, for all mantissas over odd numbers up to
 * 599. */
typedef struct FN(division) {
    vec by, inverse;
    int exact; /* a power of two, whose inverse is all that it takes */
} FN(division);

/* What may be divided by: few enough bits for the remainders of denormals. */
enum { FN(MOST_TAPS) = 65536 };

FNN_INLINE FN(division) FN(division_by)(real divisor) {
    const ptrdiff_t n = (ptrdiff_t)divisor;
    return (FN(division)){FN(splat)(divisor), FN(splat)(1 / divisor), (n & (n - 1)) == 0};
}

/* `exact`: d's, or 0 where what it spares is not worth a branch. */
FNN_INLINE vec FN(divided)(vec v, const FN(division) *d, int exact) {
    if (exact) return v * d->inverse;
#if FNN_VBYTES >= 32
    const vec quotient = v * d->inverse, rest = FN(fma)(-quotient, d->by, v);
    const vec large = FN(splat)((real)(FNN_REAL_IS_F32 ? 0x1p127 : 0x1p1023));
    /* an infinite quotient's is a NaN, and may be any number */
    return FN(fma)(FN(minimum)(rest, large), d->inverse, quotient);
#else
    return v / d->by;
#endif
}

/* Windows from which one output is done along its rows instead of tap by tap. */
enum { FN(WIDE_WINDOW) = 8 };

/* How many taps a window that starts at `start` divides by, in one direction. */
FNN_INLINE ptrdiff_t FN(tap_count)(ptrdiff_t start, ptrdiff_t taps, ptrdiff_t size, ptrdiff_t pad,
                                   int count_pad) {
    const ptrdiff_t end = fnn_min(start + taps, size + pad);
    if (count_pad) return end - start;
    return fnn_min(end, size) - fnn_max(start, 0);
}

/* The divisor of outputs in a row of windows `rows` tall (as tap_count has it). */
FNN_INLINE real FN(divisor)(const fnn_pool_shape *s, ptrdiff_t rows, ptrdiff_t q) {
    if (s->divisor_override) return (real)s->divisor_override;
    return (real)(rows * FN(tap_count)(q * s->stride_w - s->pad_w, s->s, s->w, s->pad_w,
                                       s->count_include_pad));
}

/* Whether that of windows inside the plane is among those of FN(division). */
FNN_INLINE int FN(divides_evenly)(const fnn_pool_shape *s) {
    return s->divisor_override >= 0 && s->divisor_override <= FN(MOST_TAPS);
}
