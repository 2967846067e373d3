/* Sums of taps where a pixel is a vector of groups and so is a weight: any window, stride and
 * dilation, and every lane is full whatever the width. Contracts in kernels/conv2d_lanes.h.
 *
 *   tile of P pixels, T taps of a run:       w0 w1 w2  in registers
 *     x   [0] [1] [2] .. [P-1] [P] [P+1]     each loaded once for T pixels of the sums */

/* Pixels to which T taps are added: with one tap a load for each multiply-add would be the limit.
 * `broad`: a pixel is one number, for a vector of results, and the next one so many on. */
FNN_INLINE void FN(conv2d_line_taps)(int broad, int size, int taps, ptrdiff_t x_step,
                                     ptrdiff_t w_step, const real *x, const real *w, vec acc[14]) {
    vec held[5];
    FNN_UNROLL
    for (int t = 0; t < taps; t++) held[t] = FN(pin)(FN(load)(w + t * w_step));
    FNN_UNROLL
    for (int i = 0; i < size + taps - 1; i++, x += x_step) {
        vec pixel = broad ? FN(splat)(*x) : FN(load)(x);
        if (taps > 1) pixel = FN(pin)(pixel);
        FNN_UNROLL
        for (int t = 0; t < taps; t++)
            if (i - t >= 0 && i - t < size)
                acc[i - t] = FN(fma)(held[t], pixel, acc[i - t]);
    }
}

FNN_INLINE void FN(conv2d_line_tile)(int broad, int size, const fnn_conv2d_lines *a,
                                     const fnn_conv2d_line *line, const real *x, const real *w,
                                     real *y) {
    vec acc[14];
    const int narrow = broad && size == FNN_CONV2D_BROAD_NARROW;
    const ptrdiff_t x_step = broad ? broad : a->x_step, w_step = a->w_step, y_step = a->y_step;
    const fnn_conv2d_tap_run *const first = a->run + line->run, *const end = first + line->runs;
    FNN_UNROLL
    for (int i = 0; i < size; i++) acc[i] = FN(load)(w);
    w += LANES;
    for (ptrdiff_t c = a->channels; c > 0; c--, x += a->x_channel, w += a->w_channel) {
        for (const fnn_conv2d_tap_run *run = first; run < end; run++) {
            const real *from = x + run->x, *by = w + run->w;
            ptrdiff_t taps = run->taps;
            for (; broad && !narrow && taps >= 5; taps -= 5, from += 5 * x_step, by += 5 * w_step)
                FN(conv2d_line_taps)(broad, size, 5, x_step, w_step, from, by, acc);
            for (; !narrow && taps >= 3; taps -= 3, from += 3 * x_step, by += 3 * w_step)
                FN(conv2d_line_taps)(broad, size, 3, x_step, w_step, from, by, acc);
            for (; !broad && taps >= 2; taps -= 2, from += 2 * x_step, by += 2 * w_step)
                FN(conv2d_line_taps)(broad, size, 2, x_step, w_step, from, by, acc);
            for (; taps > 0; taps--, from += x_step, by += w_step)
                FN(conv2d_line_taps)(broad, size, 1, x_step, w_step, from, by, acc);
        }
    }
    FNN_UNROLL
    for (int i = 0; i < size; i++) FN(store)(y + i * y_step, acc[i]);
}

/* Between tiles: tests between runs of taps cost all sums 2-3 %, whether or not there is something
 * to fetch. */
static FNN_NOINLINE void FN(conv2d_fetch_lines)(fnn_conv2d_ahead *ahead, ptrdiff_t pairs) {
    for (; pairs > 0; pairs--) FN(conv2d_fetch_ahead)(ahead);
}

/* The lines from `line` on that ask for tile `number`; returns the first that does not. */
FNN_INLINE const fnn_conv2d_line *FN(conv2d_line_run)(int broad, int size, const fnn_conv2d_lines *a,
                                                      const fnn_conv2d_line *line, const real *x,
                                                      const real *w, real *y) {
    const fnn_conv2d_line *const end = a->line + a->count;
    const ptrdiff_t x_tile = size * a->x_step, y_tile = size * a->y_step;
    const int number = line->tile;
    for (; line < end && line->tile == number; line++) {
        const real *from = x + (line->x - a->x_from);
        real *to = y + (line->y - a->y_from);
        for (ptrdiff_t j = 0; j < line->pixels; j += size, from += x_tile, to += y_tile) {
            const ptrdiff_t over = j + size - line->pixels;
            if (!broad && a->ahead) FN(conv2d_fetch_lines)(a->ahead, 2 * line->runs);
            if (over > 0) from -= over * a->x_step, to -= over * a->y_step;
            FN(conv2d_line_tile)(broad, size, a, line, from, w, to);
        }
    }
    return line;
}

#if FNN_VBYTES < 16
#define CONV_LINES FNN_CONV2D_LINES_1
#elif CONV_REGISTERS == 32
#define CONV_LINES FNN_CONV2D_LINES_32
#else
#define CONV_LINES FNN_CONV2D_LINES_16
#endif
#define X(SIZE)                                                                                  \
    static FNN_NOINLINE const fnn_conv2d_line *FN(conv2d_lanes_##SIZE)(                          \
        const fnn_conv2d_lines *lines, const fnn_conv2d_line *line, const real *x, const real *w, \
        real *y) {                                                                               \
        return FN(conv2d_line_run)(0, SIZE, lines, line, x, w, y);                               \
    }
CONV_LINES(X)
#undef X

#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
#define CONV_BROAD
static FNN_NOINLINE void FN(conv2d_broad)(const fnn_conv2d_lines *lines, const real *x,
                                          const real *w, real *y) {
    FN(conv2d_line_run)(1, FNN_CONV2D_BROAD, lines, lines->line, x, w, y);
}
static FNN_NOINLINE void FN(conv2d_broad_narrow)(const fnn_conv2d_lines *lines, const real *x,
                                                 const real *w, real *y) {
    FN(conv2d_line_run)(1, FNN_CONV2D_BROAD_NARROW, lines, lines->line, x, w, y);
}
static FNN_NOINLINE void FN(conv2d_broad_2)(const fnn_conv2d_lines *lines, const real *x,
                                            const real *w, real *y) {
    FN(conv2d_line_run)(2, FNN_CONV2D_BROAD, lines, lines->line, x, w, y);
}
#endif

static void FN(conv2d_lanes)(const fnn_conv2d_lines *lines, const real *x, const real *w, real *y) {
    typedef const fnn_conv2d_line *run(const fnn_conv2d_lines *, const fnn_conv2d_line *,
                                       const real *, const real *, real *);
    static run *const tiles[] = {
#define X(SIZE) FN(conv2d_lanes_##SIZE),
        CONV_LINES(X)
#undef X
    };
    const fnn_conv2d_line *line = lines->line, *const end = line + lines->count;
#ifdef CONV_BROAD
    if (lines->broad) {
        (lines->broad == FNN_CONV2D_BROAD_NARROW ? FN(conv2d_broad_narrow)
         : lines->x_step == 1                    ? FN(conv2d_broad)
                                                 : FN(conv2d_broad_2))(lines, x, w, y);
        return;
    }
#undef CONV_BROAD
#endif
    while (line < end) line = tiles[line->tile](lines, line, x, w, y);
}
#undef CONV_LINES

static void FN(conv2d_scale)(ptrdiff_t planes, ptrdiff_t pixels, const real *x, const real *w,
                             const real *bias, real *y) {
    const ptrdiff_t whole = pixels / LANES * LANES;
    const vmask rest = FN(mask)(pixels - whole);
    for (ptrdiff_t i = 0; i < planes; i++, x += pixels, y += pixels) {
        const vec factor = FN(splat)(w[i]), start = bias ? FN(splat)(bias[i]) : FN(zero)();
        for (ptrdiff_t j = 0; j < whole; j += LANES)
            FN(store)(y + j, FN(fma)(factor, FN(load)(x + j), start));
        if (whole < pixels)
            FN(store_m)(y + whole, FN(fma)(factor, FN(load_m)(x + whole, rest), start), rest);
    }
}
