/* Max pooling of the commonest windows, and the kernel that chooses; contracts in
 * kernels/pool.h.
 *
 * Comparing tap after tap is a chain of ten cycles a tap. The quick way takes the maximum of all
 * taps first and then looks for the first tap that equals it: short chains only. That is wrong
 * if there is a NaN, which the sum of all taps tells; such rows are done again. (So are those with
 * both infinities: their sum is a NaN too.) */

/* n outputs from column q on of the rows [p0, p1), all windows inside the plane (and what lies behind
 * them inside the array), and their positions if they are `indexed`; 0 if they are not to be
 * trusted. */
FNN_INLINE int FN(quick_rows)(const FN(max_window) *window, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t q,
                              ptrdiff_t n, int step, int square, int indexed) {
    const fnn_pool_shape *s = window->shape;
    const ptrdiff_t down = s->stride_h * s->w, outputs = s->q;
    const ptrdiff_t corner = p0 * down - s->pad_h * s->w + q * step - s->pad_w;
    FN(quick_windows) row = {window->x + corner, s->w,
                             FN(lane_numbers)(step) + (FN(lane_int))corner,
                             window->y + p0 * outputs + q, NULL};
    if (indexed) row.index = window->index + p0 * outputs + q;
    vec sum = FN(zero)();
#if FNN_BUNDLES
    if (square == 2 && n <= LANES)
        return FN(all_finite)(FN(quick_down)(row, p1 - p0, down, outputs, n, indexed));
#endif
    if (square == 3) {
        /* rows of windows share rows of x only if they overlap downwards as they do sideways */
        const ptrdiff_t rows = s->stride_h == step ? p1 - p0 : 1;
        for (ptrdiff_t p = p0; p < p1; p += rows) {
            FN(quick_windows) column = row;
            for (ptrdiff_t left = n; left > 0; left -= LANES) {
                sum += FN(quick_column)(column, rows, outputs, fnn_min(left, LANES), step, indexed);
                column.x += step * LANES;
                column.corner += step * LANES;
                column.y += LANES;
                if (indexed) column.index += LANES;
            }
            row.x += down;
            row.corner += (FN(lane_int))down;
            row.y += outputs;
            if (indexed) row.index += outputs;
        }
        return FN(all_finite)(sum);
    }
    for (ptrdiff_t p = p0; p < p1; p++) {
        sum += FN(quick_row)(row, n, indexed);
        row.x += down;
        row.corner += (FN(lane_int))down;
        row.y += outputs;
        if (indexed) row.index += outputs;
    }
    return FN(all_finite)(sum);
}

/* The same for windows that have a quick way: their `kind`, 0 for others. */
enum { FN(QUICK_2X2) = 1, FN(QUICK_3X3), FN(QUICK_DENSE_3X3) };
#define QUICK(name, step, square)                                                                 \
    static FNN_NOINLINE int FN(name)(const FN(max_window) *window, ptrdiff_t p0, ptrdiff_t p1,    \
                                     ptrdiff_t q, ptrdiff_t n) {                                  \
        if (window->index) return FN(quick_rows)(window, p0, p1, q, n, step, square, 1);          \
        return FN(quick_rows)(window, p0, p1, q, n, step, square, 0);                             \
    }

QUICK(quick_2x2, 2, 2)
QUICK(quick_3x3, 2, 3)
QUICK(quick_dense_3x3, 1, 3)
#undef QUICK

FNN_INLINE int FN(quick_kind)(const fnn_pool_shape *s) {
    if (s->r != s->s || s->dilation_h != 1 || s->dilation_w != 1) return 0;
    if (s->r == 2 && s->stride_w == 2) return FN(QUICK_2X2);
    if (s->r != 3) return 0;
    return s->stride_w == 2 ? FN(QUICK_3X3) : s->stride_w == 1 ? FN(QUICK_DENSE_3X3) : 0;
}

FNN_INLINE int FN(quick)(int kind, const FN(max_window) *window, ptrdiff_t p0, ptrdiff_t p1,
                         ptrdiff_t q, ptrdiff_t n) {
    if (kind == FN(QUICK_2X2)) return FN(quick_2x2)(window, p0, p1, q, n);
    if (kind == FN(QUICK_3X3)) return FN(quick_3x3)(window, p0, p1, q, n);
    return FN(quick_dense_3x3)(window, p0, p1, q, n);
}

/* Row p of outputs by the book: the inner ones [inner0, inner1) and those at the `sides`, or one of
 * both; the window's y and index are the plane's. */
static FNN_SMALL void FN(max_row)(const FN(max_window) *plane, ptrdiff_t p, ptrdiff_t inner0,
                                     ptrdiff_t inner1, int inner, int sides) {
    const fnn_pool_shape *s = plane->shape;
    FN(max_window) window = *plane;
    window.y += p * s->q;
    if (window.index) window.index += p * s->q;
    window.top = p * s->stride_h - s->pad_h;
    FN(inside)(window.top, s->r, s->dilation_h, s->h, &window.r0, &window.r1);
    if (window.r0 == window.r1) inner0 = inner1 = 0, sides = 1;
    for (ptrdiff_t q = 0; sides && q < inner0; q++) FN(max_single)(&window, q);
    if (inner && inner0 < inner1) FN(max_inner)(&window, inner0, inner1);
    for (ptrdiff_t q = inner1; sides && q < s->q; q++) FN(max_single)(&window, q);
}

/* Rows [from, to) of all planes. */
FNN_INLINE void FN(max_rows)(FN(max_window) plane, ptrdiff_t planes, ptrdiff_t from, ptrdiff_t to) {
    const fnn_pool_shape *s = plane.shape;
    const int kind = FN(quick_kind)(s), step = kind == FN(QUICK_DENSE_3X3) ? 1 : 2;
    ptrdiff_t inner0, inner1, full0, inside;
    FN(inner_columns)(s, &inner0, &inner1);
    FN(inner_rows)(s, &full0, &inside);
    full0 = fnn_max(full0, from);
    inside = fnn_min(inside, to);
    /* lanes filled one by one pay only if most are used */
    if (s->stride_w > 2 && inner1 - inner0 < LANES / 2) inner1 = inner0;
    const int sides = inner0 > 0 || inner1 < s->q;
    const int down = sides && inside - full0 >= FN(ROWS_DOWN) && s->s < FN(WIDE_WINDOW);
    for (; planes > 0; planes--) {
        const ptrdiff_t full1 =
            kind && inner0 < inner1
                ? FN(safe_rows)(s, plane.readable, inside, inner0, inner1 - inner0, step, (int)s->r)
                : 0;
        for (ptrdiff_t q = inner0 > 0 ? 0 : inner1; down && q < s->q;
             q = q + 1 == inner0 ? inner1 : q + 1)
            FN(max_down)(&plane, full0, inside - full0, q);
        for (ptrdiff_t p = from, rows; p < to; p += rows) {
            const int quick = full0 <= p && p < full1;
            rows = quick ? fnn_min(FN(QUICK_ROWS), full1 - p) : 1;
            const int done =
                quick && FN(quick)(kind, &plane, p, p + rows, inner0, inner1 - inner0);
            const int left = sides && !(down && full0 <= p && p < inside);
            if (done && !left) continue;
            for (ptrdiff_t i = p; i < p + rows; i++)
                FN(max_row)(&plane, i, inner0, inner1, !done, left);
        }
        plane.x += s->h * s->w;
        plane.readable -= s->h * s->w;
        plane.y += s->p * s->q;
        if (plane.index) plane.index += s->p * s->q;
    }
}

#if FNN_BUNDLES
/* A place in x and in the outputs; `corner` has the positions of the next LANES windows. */
typedef struct FN(bundle_place) {
    const real *x;
    real *y;
    int32_t *index;
    ivec corner;
} FN(bundle_place);

/* A bundle of windows, and on to the next; returns the sum of the taps. */
FNN_INLINE vec FN(max_bundle)(const FN(bundle) *b, int more, int indexed, vmask m,
                              FN(bundle_place) *at) {
    vec v[4];
    ivec where = {0};
    FN(bundle_taps)(b, more, at->x, v);
    FN(store_m)(at->y, FN(largest_of_four)(v, at->corner, b->w, indexed, &where), m);
    at->x += b->step;
    at->y += b->outputs;
    if (indexed) {
        FN(store_m)((real *)(void *)at->index, (vec)where, m);
        at->index += b->outputs;
        at->corner = FN(wrapped)(at->corner + b->advance, b->turn);
    }
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/* `rows` rows of outputs. */
FNN_INLINE vec FN(max_bundles)(const FN(bundle) *plan, int more, int indexed, ptrdiff_t rows,
                               FN(bundle_place) *place) {
    const FN(bundle) b = *plan;
    FN(bundle_place) at = *place;
    vec sum = FN(zero)();
    ptrdiff_t left = rows * b.q;
    for (; left > 0; left -= b.outputs)
        sum += FN(max_bundle)(&b, more, indexed, FN(mask)(fnn_min(left, b.outputs)), &at);
    *place = at;
    return sum;
}

/* Rows [p, p + rows) of a run of planes by the book. */
static FNN_SMALL void FN(max_by_book)(const fnn_pool_shape *s, ptrdiff_t p, ptrdiff_t rows,
                                         const real *x, ptrdiff_t readable, real *y,
                                         int32_t *index) {
    for (; rows > 0; rows--, p++) {
        const ptrdiff_t plane = p / s->p, outputs = plane * s->p * s->q;
        const FN(max_window) window = {.shape = s,
                                       .x = x + plane * s->h * s->w,
                                       .readable = readable - plane * s->h * s->w,
                                       .y = y + outputs,
                                       .index = index ? index + outputs : NULL};
        FN(max_row)(&window, p - plane * s->p, 0, s->q, 1, 1);
    }
}

/* All planes, if they are among those of pool_bundle_tmpl.h; else 0. */
static FNN_NOINLINE int FN(max_short)(const fnn_pool_shape *s, ptrdiff_t planes, const real *x,
                                      ptrdiff_t readable, real *y, int32_t *index) {
    if (!FN(is_short)(s)) return 0;
    const FN(bundle) b = FN(plan_bundle)(s);
    const FN(bundle_runs) runs = FN(runs_of_rows)(s, planes);
    for (ptrdiff_t i = 0; i < runs.runs; i++) {
        const ptrdiff_t safe = FN(bundled_rows)(&b, runs.rows, readable);
        FN(bundle_place) at = {x, y, index, b.corner};
        for (ptrdiff_t p = 0, rows; p < runs.rows; p += rows) {
            rows = p < safe ? fnn_min(8 * b.rows, safe - p) : runs.rows - p;
            vec sum = FN(splat)((real)NAN);
            if (p < safe && index && b.rows > 2)
                sum = FN(max_bundles)(&b, 1, 1, rows, &at);
            else if (p < safe && index)
                sum = FN(max_bundles)(&b, 0, 1, rows, &at);
            else if (p < safe)
                sum = FN(max_bundles)(&b, 1, 0, rows, &at);
            if (!FN(all_finite)(sum)) FN(max_by_book)(s, p, rows, x, readable, y, index);
        }
        x += runs.step;
        readable -= runs.step;
        y += runs.rows * s->q;
        if (index) index += runs.rows * s->q;
    }
    return 1;
}
#endif

static FNN_NOINLINE void FN(max_pool)(const fnn_pool_shape *s, ptrdiff_t planes, ptrdiff_t from,
                                      ptrdiff_t to, const real *x, ptrdiff_t readable, real *y,
                                      int32_t *index, uint16_t *bits) {
    FN(max_window) window = {s, x, readable, 0, 0, 0, y, index, bits};
#if FNN_BUNDLES
    if (from == 0 && to == s->p && FN(max_short)(s, planes, x, readable, y, index)) return;
#endif
#if FNN_POOL_LANES
    if (planes >= LANES && !bits &&
        FN(goes_in_lanes)(s, FN(quick_kind)(s), FN(goes_by_threes)(s, index) && s->pad_w)) {
        FN(max_lanes)(s, planes, from, to, x, y, index);
        return;
    }
#endif
#if FNN_BUNDLES
    if (FN(goes_by_threes)(s, index)) {
        FN(max_threes)(window, planes, from, to);
        return;
    }
#endif
    FN(max_rows)(window, planes, from, to);
}
