/* The gradient of 3x3 windows of stride 1 over planes in place, where loads that straddle two lines hide
 * behind multiply-adds: a strip of one vector runs down the planes, and each column of taps is a load that
 * leaves out what is beside the row. Part of conv2d_window_weight.
 *
 *   x row j, p = j + top:   now, before, last = dy rows p, p-1, p-2
 *     x[s] for each column s                   acc[0][s] acc[1][s] acc[2][s] += x[s] * now, before, last
 *
 * Every strip takes masks. AVX-512's cost nothing; AVX2's masked loads take the ports of multiply-adds, so
 * a row is a load and an `and`, but for those that end with their plane. */

enum {
    /* both planes go at once while the next ones are fetched, or in bands while the next band is, so that
     * L1 holds what is summed and what comes */
    FN(roll_whole_bytes) = 16 * 1024,
    FN(roll_band_bytes) = 12 * 1024,
    FN(roll_free_masks) = FNN_VBYTES == FNN_LINE
};

/* The lanes of a strip that a row of dy has, and those of them that find x at each column of taps; rows
 * lo .. hi of x meet three rows of dy and, unless masks cost nothing, are not at an end of the plane that
 * the strip reaches over. */
typedef struct FN(roll_place) {
    vspan live, tap[3];
    ptrdiff_t lo, hi;
} FN(roll_place);

static FNN_SMALL void FN(roll_set_place)(const fnn_conv2d_window *a, ptrdiff_t q,
                                         FN(roll_place) *place) {
    const ptrdiff_t lanes = fnn_min(a->out_cols - q, LANES), col = q - a->left, end = col + 2 + LANES;
    place->live = FN(span)(0, lanes);
    for (ptrdiff_t s = 0; s < 3; s++)
        place->tap[s] = FN(span)(fnn_max(fnn_min(-col - s, LANES), 0),
                                 fnn_max(fnn_min(a->in_cols - col - s, lanes), 0));
    place->lo = 2 - a->top;
    place->hi = fnn_min(a->out_rows - a->top, a->in_rows);
    if (FN(roll_free_masks)) return;
    place->lo = fnn_max(place->lo, col < 0);
    place->hi = fnn_min(a->out_rows - a->top - (lanes < LANES), a->in_rows - (end > a->in_cols));
    if (-col > a->in_cols || end > 2 * a->in_cols || LANES - lanes > a->out_cols)
        place->hi = 0; /* over more than one row */
}

/* Of rows lo .. hi. */
FNN_INLINE vec FN(roll_load)(const real *p, vspan span) {
    return FN(roll_free_masks) ? FN(load_span)(p, span) : FN(keep)(FN(load)(p), span);
}

/* Where the sums have come to: rows first .. end of an image at x and dy, and the strip at column q. What
 * lies x_next and dy_next behind its rows is fetched: of the next image (x_image) or of the first one of the
 * next channel (x_other), or of the next band. */
typedef struct FN(roll_walk) {
    fnn_conv2d_window window;
    ptrdiff_t images, x_image, dy_image, x_other, dy_other, height, last;
    const real *x, *dy;
    ptrdiff_t first, end, q, x_next, dy_next;
    FN(roll_place) place[4]; /* of the first strip, the last but one, the last; [1] of all others */
} FN(roll_walk);

/* The same walk, of which nothing waits in registers: GCC would keep it in vectors, and what comes from
 * there comes behind all multiply-adds that wait for their turn. */
FNN_INLINE FN(roll_walk) *FN(roll_anew)(FN(roll_walk) *walk) {
    __asm__("" : "+r"(walk) : : "memory");
    return walk;
}

/* Rows j .. end of x, of which some meet rows outside of dy; x and dy are what the first one meets. */
FNN_INLINE void FN(roll_weight_edge)(const fnn_conv2d_window *window, ptrdiff_t j, ptrdiff_t end,
                                     vspan live, const vspan span[3], const real **x,
                                     const real **dy, vec acc[3][3]) {
    FNN_LOOP
    for (; j < end; j++) {
        vec v[3];
        FNN_UNROLL
        for (int s = 0; s < 3; s++) v[s] = FN(pin)(FN(load_span)(*x + s, span[s]));
        FNN_UNROLL
        for (int r = 0; r < 3; r++) {
            if ((size_t)(j + window->top - r) >= (size_t)window->out_rows) continue;
            const vec d = FN(pin)(FN(load_span)(*dy - r * window->out_cols, live));
            FNN_UNROLL
            for (int s = 0; s < 3; s++) acc[r][s] = FN(fma)(v[s], d, acc[r][s]);
        }
        *x += window->in_cols;
        *dy += window->out_cols;
    }
}

/* One strip; returns the walk. */
FNN_INLINE FN(roll_walk) *FN(roll_weight_strip)(FN(roll_walk) *walk, vec acc[3][3]) {
    const ptrdiff_t to_go = walk->last - walk->q;
    const FN(roll_place) *place = &walk->place[walk->q == 0       ? 0
                                               : to_go > LANES ? 1
                                               : to_go > 0     ? 2
                                                               : 3];
    const vspan live = place->live, span[3] = {place->tap[0], place->tap[1], place->tap[2]};
    const real *x = walk->x + walk->first * walk->window.in_cols + walk->q - walk->window.left;
    const real *dy = walk->dy + (walk->first + walk->window.top) * walk->window.out_cols + walk->q;
    const ptrdiff_t lo = fnn_min(fnn_max(place->lo, walk->first), walk->end);
    const ptrdiff_t hi = fnn_max(fnn_min(place->hi, walk->end), lo);
    for (ptrdiff_t j = walk->first, until = lo;; j = hi, until = walk->end) {
        FN(roll_weight_edge)(&walk->window, j, until, live, span, &x, &dy, acc);
        walk = FN(roll_anew)(walk);
        if (until == walk->end) return walk;
        if (lo < hi) {
            const ptrdiff_t in_cols = walk->window.in_cols, out_cols = walk->window.out_cols;
            const ptrdiff_t x_next = walk->x_next, dy_next = walk->dy_next;
            vec before = FN(roll_load)(dy - out_cols, live);
            vec last = FN(roll_load)(dy - 2 * out_cols, live);
            ptrdiff_t left = hi - lo;
            FNN_LOOP
            do {
                const vec now = FN(pin)(FN(roll_load)(dy, live));
                FNN_UNROLL
                for (int s = 0; s < 3; s++) {
                    const vec v = FN(pin)(FN(roll_load)(x + s, span[s]));
                    acc[0][s] = FN(fma)(v, now, acc[0][s]);
                    acc[1][s] = FN(fma)(v, before, acc[1][s]);
                    acc[2][s] = FN(fma)(v, last, acc[2][s]);
                }
                __builtin_prefetch(dy + dy_next);
                __builtin_prefetch(x + x_next);
                x += in_cols;
                dy += out_cols;
                last = before;
                before = now;
            } while (--left > 0);
        }
        walk = FN(roll_anew)(walk);
    }
}

static FNN_NOINLINE void FN(conv2d_roll_weight)(const fnn_conv2d_window *window, ptrdiff_t images,
                                                ptrdiff_t x_image, ptrdiff_t dy_image, const real *x,
                                                const real *dy, real *g) {
    const ptrdiff_t in_cols = window->in_cols, cols = window->out_cols;
    const ptrdiff_t bytes = window->in_rows * (in_cols + cols) * (ptrdiff_t)sizeof(real);
    const ptrdiff_t bands = bytes <= FN(roll_whole_bytes) ? 1 : fnn_ceil_div(bytes, FN(roll_band_bytes));
    const ptrdiff_t height = fnn_ceil_div(window->in_rows, bands);
    FN(roll_walk) start = {.window = *window, .images = images, .x_image = x_image,
                           .dy_image = dy_image, .height = height,
                           .x_other = window->in_rows * in_cols - (images - 1) * x_image,
                           .dy_other = window->out_rows * cols - (images - 1) * dy_image,
                           .last = (cols - 1) / LANES * LANES, .x = x, .dy = dy,
                           .x_next = height * in_cols, .dy_next = height * cols};
    FN(roll_walk) *walk = &start;
    vec acc[3][3];
    FN(roll_set_place)(window, 0, &start.place[0]);
    for (ptrdiff_t i = 3, q = start.last; i > 0 && q > 0; i--, q -= LANES)
        FN(roll_set_place)(window, q, &start.place[i]);
    FNN_UNROLL
    for (int r = 0; r < 3; r++) {
        FNN_UNROLL
        for (int s = 0; s < 3; s++) acc[r][s] = FN(zero)();
    }
    for (; walk->images > 0; walk->images--) {
        if (walk->height >= walk->window.in_rows) {
            walk->x_next = walk->images > 1 ? walk->x_image : walk->x_other;
            walk->dy_next = walk->images > 1 ? walk->dy_image : walk->dy_other;
        }
        for (walk->first = 0; walk->first < walk->window.in_rows; walk->first = walk->end) {
            walk->end = fnn_min(walk->first + walk->height, walk->window.in_rows);
            for (walk->q = 0; walk->q < walk->window.out_cols; walk->q += LANES)
                walk = FN(roll_weight_strip)(walk, acc);
        }
        walk->x += walk->x_image;
        walk->dy += walk->dy_image;
    }
    FNN_UNROLL
    for (int r = 0; r < 3; r++) {
        FNN_UNROLL
        for (int s = 0; s < 3; s++) FN(store)(g + (r * 3 + s) * LANES, FN(pin)(acc[r][s]));
    }
}
