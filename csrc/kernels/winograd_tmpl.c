/* Winograd transforms of pixels; contracts and formulas in kernels/winograd.h. */

/* ---- pixels to transformed tiles ---- */

/* `count` pixels of the strip's planes from x on, lanes being channels, to dst. */
FNN_INLINE void FN(winograd_pixels)(const fnn_winograd_strip *strip, ptrdiff_t count, const real *x,
                                    real *dst) {
    vec v[LANES];
    if (strip->ahead)
        FNN_UNROLL
        for (int l = 0; l < LANES; l++)
            __builtin_prefetch(x + strip->ahead + l * strip->plane, 0, 2);
    if (count == LANES && strip->channels == LANES) {
        FNN_UNROLL
        for (int l = 0; l < LANES; l++) v[l] = FN(load)(x + l * strip->plane);
        FN(transpose)(v);
        FNN_UNROLL
        for (int i = 0; i < LANES; i++) FN(store)(dst + i * LANES, v[i]);
        return;
    }
    const vmask mask = FN(mask)(count);
    FNN_UNROLL
    for (int l = 0; l < LANES; l++)
        v[l] = l < strip->channels ? FN(load_m)(x + l * strip->plane, mask) : FN(zero)();
    FN(transpose)(v);
    FNN_UNROLL
    for (int i = 0; i < LANES; i++)
        if (i < count) FN(store)(dst + i * LANES, v[i]);
}

/* rows x cols pixels from the strip's first one on, with their zeros; rows `pitch` apart. */
static FNN_CHOSEN_F32 void FN(winograd_gather)(const fnn_winograd_strip *strip, ptrdiff_t rows,
                                               ptrdiff_t cols, const real *x, real *dst,
                                               ptrdiff_t pitch) {
    const ptrdiff_t left = fnn_min(fnn_max(-strip->col, 0), cols);
    const ptrdiff_t right = fnn_max(fnn_min(strip->w - strip->col, cols), left);
    for (ptrdiff_t r = 0; r < rows; r++, dst += pitch) {
        const ptrdiff_t row = strip->row + r;
        const int inside = row >= 0 && row < strip->h;
        const ptrdiff_t from = inside ? left : cols;
        for (ptrdiff_t c = 0; c < from; c++) FN(store)(dst + c * LANES, FN(zero)());
        const real *const src = x + row * strip->w + strip->col;
        for (ptrdiff_t c = from; c < right; c += LANES) {
            /* the last pixels again rather than a part of a vector */
            const ptrdiff_t at = right - from < LANES ? c : fnn_min(c, right - LANES);
            FN(winograd_pixels)(strip, fnn_min(LANES, right - at), src + at, dst + at * LANES);
        }
        for (ptrdiff_t c = fnn_max(from, right); c < cols; c++)
            FN(store)(dst + c * LANES, FN(zero)());
    }
}

/* Columns first, in place, each once although neighbouring tiles share it; then rows, straight
 * to the (m+2)^2 streams, whose next lines are fetched for writing a tile ahead: they lie in L2,
 * and stores wait for their lines one after the other. */
FNN_INLINE void FN(winograd_forth)(int m, int gradient, const fnn_winograd_strip *strip,
                                   const real *x, real *scratch, real *v, real *sums) {
    const int side = m + 2, window = gradient ? m : side;
    const ptrdiff_t cols = fnn_winograd_column(strip, m, strip->tiles - 1) + window;
    const ptrdiff_t pitch = (cols + 1) * LANES;
    vec total = FN(zero)();
    FN(winograd_gather)(strip, window, cols, x, scratch, pitch);
    for (ptrdiff_t c = 0; c < cols; c++) {
        real *p = scratch + c * LANES;
        vec d[6], o[6];
        FNN_UNROLL
        for (int i = 0; i < window; i++) d[i] = FN(load)(p + i * pitch);
        if (gradient)
            FN(winograd_a)(m, d, o);
        else
            FN(winograd_bt)(m, d, o);
        FNN_UNROLL
        for (int i = 0; i < side; i++) FN(store)(p + i * pitch, o[i]);
        FNN_UNROLL
        for (int i = 1; i < window; i++) d[0] += d[i];
        total += d[0];
    }
    if (sums) {
        const vmask mask = FN(mask)(strip->channels);
        FN(store_m)(sums, FN(load_m)(sums, mask) + total, mask);
    }
    for (ptrdiff_t t = 0; t < strip->tiles; v += fnn_winograd_step(strip, t), t++) {
        const real *p = scratch + fnn_winograd_column(strip, m, t) * LANES;
        real *to = v;
        for (int i = 0; i < side; i++, p += pitch) {
            vec d[6], o[6];
            FNN_UNROLL
            for (int j = 0; j < window; j++) d[j] = FN(load)(p + j * LANES);
            if (gradient && t >= strip->tiles - strip->shorter) d[m - 1] = FN(zero)();
            if (gradient)
                FN(winograd_a)(m, d, o);
            else
                FN(winograd_bt)(m, d, o);
            FNN_UNROLL
            for (int j = 0; j < side; j++, to += strip->position) {
                FN(store)(to, o[j]);
                __builtin_prefetch(to + strip->tile, 1);
            }
        }
    }
}

static FNN_CHOSEN_F32 void FN(winograd_input)(int m, const fnn_winograd_strip *strip, const real *x,
                                              real *scratch, real *v) {
    if (m == 2)
        FN(winograd_forth)(2, 0, strip, x, scratch, v, NULL);
    else if (FNN_REAL_IS_F32 && m == 3)
        FN(winograd_forth)(3, 0, strip, x, scratch, v, NULL);
    else
        FN(winograd_forth)(4, 0, strip, x, scratch, v, NULL);
}

static FNN_CHOSEN_F32 void FN(winograd_gradient)(int m, const fnn_winograd_strip *strip,
                                                 const real *dy, real *scratch, real *v,
                                                 real *sums) {
    if (m == 2)
        FN(winograd_forth)(2, 1, strip, dy, scratch, v, sums);
    else
        FN(winograd_forth)(4, 1, strip, dy, scratch, v, sums);
}

/* ---- products back to pixels ---- */

/* `count` pixels, dense in src and readable to the next multiple of LANES, to the strip's planes. */
static FNN_CHOSEN_F32 void FN(winograd_place)(const fnn_winograd_strip *strip, ptrdiff_t count,
                                              const real *src, int relu, const real *gate, real *y) {
    const vec floor = FN(splat)(relu ? 0 : (real)-INFINITY);
    for (ptrdiff_t c = 0; c < count; c += LANES) {
        vec v[LANES];
        FNN_UNROLL
        for (int i = 0; i < LANES; i++) v[i] = FN(load)(src + (c + i) * LANES);
        FN(transpose)(v);
        FNN_UNROLL
        for (int l = 0; l < LANES; l++) v[l] = FN(maximum)(floor, v[l]);
        if (count - c >= LANES && strip->channels == LANES && !gate) {
            FNN_UNROLL
            for (int l = 0; l < LANES; l++) FN(store)(y + c + l * strip->plane, v[l]);
        } else {
            const vmask mask = FN(mask)(fnn_min(count - c, LANES));
            FNN_UNROLL
            for (int l = 0; l < LANES; l++) {
                const ptrdiff_t at = c + l * strip->plane;
                if (l >= strip->channels) continue;
                if (gate) v[l] = FN(reluv_backward)(v[l], FN(load_m)(gate + at, mask));
                FN(store_m)(y + at, v[l], mask);
            }
        }
    }
}

FNN_INLINE void FN(winograd_back)(int m, const fnn_winograd_strip *strip, const real *v,
                                  const real *bias, int relu, const real *gate, real *scratch,
                                  real *y) {
    const int side = m + 2, line = FNN_LINE / (int)sizeof(real);
    const ptrdiff_t rows = fnn_min(m, strip->h - strip->row);
    const ptrdiff_t cols =
        fnn_min(fnn_winograd_column(strip, m, strip->tiles - 1) + m, strip->w - strip->col);
    const vec shift = bias ? FN(load_m)(bias, FN(mask)(strip->channels)) : FN(zero)();
    const ptrdiff_t corner = strip->row * strip->w + strip->col;
    real *const first = y + corner;
    if (gate) gate += corner;
    const int dense = cols == strip->w; /* whole rows are neighbours in the planes too */
    for (ptrdiff_t t = 0; t < strip->tiles; v += fnn_winograd_step(strip, t), t++) {
        const ptrdiff_t column = fnn_winograd_column(strip, m, t);
        if (strip->ahead && t * m * m % line < m * m) { /* each tile a line of each plane */
            const ptrdiff_t at = dense ? t * m * rows : t % m * strip->w + t / m * m * m;
            for (int l = 0; l < strip->channels; l++)
                __builtin_prefetch(first + at + l * strip->plane, 1);
            for (int l = 0; gate && l < strip->channels; l++)
                __builtin_prefetch(gate + at + l * strip->plane);
        }
        real *to = scratch + column * LANES;
        const ptrdiff_t kept = fnn_min(m, cols - column);
        vec half[4][6];
        FNN_UNROLL
        for (int j = 0; j < side; j++) {
            vec d[6], o[6];
            FNN_UNROLL
            for (int i = 0; i < side; i++) d[i] = FN(load)(v + (i * side + j) * strip->position);
            FN(winograd_at)(m, d, o);
            FNN_UNROLL
            for (int i = 0; i < m; i++) half[i][j] = o[i];
        }
        FNN_UNROLL
        for (int i = 0; i < m; i++, to += cols * LANES) {
            vec o[6];
            FN(winograd_at)(m, half[i], o);
            if (kept == m) {
                FNN_UNROLL
                for (int j = 0; j < m; j++) FN(store)(to + j * LANES, o[j] + shift);
            } else {
                for (int j = 0; j < kept; j++) FN(store)(to + j * LANES, o[j] + shift);
            }
        }
    }
    if (dense)
        FN(winograd_place)(strip, rows * cols, scratch, relu, gate, first);
    else
        for (ptrdiff_t i = 0; i < rows; i++)
            FN(winograd_place)(strip, cols, scratch + i * cols * LANES, relu,
                               gate ? gate + i * strip->w : NULL, first + i * strip->w);
}

static FNN_CHOSEN_F32 void FN(winograd_output)(int m, const fnn_winograd_strip *strip, const real *v,
                                               const real *bias, int relu, const real *gate,
                                               real *scratch, real *y) {
    if (m == 2)
        FN(winograd_back)(2, strip, v, bias, relu, gate, scratch, y);
    else if (FNN_REAL_IS_F32 && m == 3)
        FN(winograd_back)(3, strip, v, bias, relu, gate, scratch, y);
    else
        FN(winograd_back)(4, strip, v, bias, relu, gate, scratch, y);
}
