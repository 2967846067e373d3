/* Windows of one run of taps that have few places on a plane: lanes are taps, and LANES sums are
 * folded together. Contract in kernels/conv2d_window.h. */
enum { FN(few_ahead) = 2048 / sizeof(real) }; /* elements: planes lie side by side */

FNN_INLINE void FN(few_fetch)(const real *x) {
    FNN_UNROLL
    for (int l = 0; l < 3; l++)
        __builtin_prefetch(x + FN(few_ahead) + l * (ptrdiff_t)(FNN_LINE / sizeof(real)));
}

/* Adds weights times what lies under them at each of 2x2 places to these places' sums. */
FNN_INLINE void FN(add_square)(vec by, const real *from, ptrdiff_t right, ptrdiff_t down, vmask part,
                               vec *sums) {
    const real *const below = from + down;
    sums[0] = FN(fma)(by, FN(load_m)(from, part), sums[0]);
    sums[1] = FN(fma)(by, FN(load_m)(from + right, part), sums[1]);
    sums[2] = FN(fma)(by, FN(load_m)(below, part), sums[2]);
    sums[3] = FN(fma)(by, FN(load_m)(below + right, part), sums[3]);
}

/* Results of `planes` planes of 2x2 places from LANES sums; bias is the first plane's, or NULL. */
FNN_INLINE void FN(store_squares)(vec *sums, ptrdiff_t planes, const real *bias, real *y) {
    FN(store_first_lanes)(y, FN(sum_each)(sums, LANES), FN(mask)(4 * planes));
    for (ptrdiff_t i = 0; i < (bias ? 4 * planes : 0); i++) y[i] += bias[i / 4];
}

#if FNN_VBYTES == 32
/* At 2x2 places, runs of at most LANES taps: the sums of two planes are folded together. */
static FNN_NOINLINE void FN(conv2d_few_squares)(const fnn_conv2d_few *a, ptrdiff_t planes,
                                                const real *x, const real *w, const real *bias,
                                                real *y) {
    const ptrdiff_t cols = a->tap_cols, right = a->col_step, down = a->row_step;
    const vmask part = FN(mask)(cols);
    for (ptrdiff_t j = 0; j < planes; j += 2, y += LANES) {
        vec sums[LANES];
        const ptrdiff_t some = fnn_min(planes - j, 2);
        FNN_UNROLL
        for (int i = 0; i < LANES; i++) sums[i] = FN(zero)();
        FNN_UNROLL
        for (int i = 0; i < LANES; i += 4) {
            if (i >= 4 * some) break;
            const real *from = x, *const end = w + a->taps;
            FN(few_fetch)(x);
            for (; w < end; w += cols, from += a->tap_row) {
                const vec by = FN(load_m)(w, part);
                FN(add_square)(by, from, right, down, part, sums + i);
            }
            x += a->plane;
        }
        FN(store_squares)(sums, some, bias ? bias + j : NULL, y);
    }
}
#elif FNN_VBYTES == 64
/* At 2x2 places: all rows of a window at once, with gaps between them, which masks leave out; the
 * sums of four planes are folded together. */
static FNN_NOINLINE void FN(conv2d_few_squares)(const fnn_conv2d_few *a, ptrdiff_t planes,
                                                const real *x, const real *w, const real *bias,
                                                real *y) {
    enum { MOST = 4 }; /* vectors of a plane that has such a window */
    vmask inside[MOST];
    ptrdiff_t at[MOST + 1] = {0}, vectors = 0, t = 0;
    const ptrdiff_t cols = a->tap_cols, right = a->col_step, down = a->row_step;
    for (; vectors < MOST && at[vectors] < a->taps; vectors++) {
        unsigned bits = 0;
        at[vectors + 1] = at[vectors];
        for (int l = 0; l < LANES; l++, t++) {
            if (t % a->tap_row >= cols || at[vectors + 1] == a->taps) continue;
            bits |= 1u << l;
            at[vectors + 1]++;
        }
        inside[vectors] = (vmask)bits;
    }
    for (ptrdiff_t j = 0; j < planes; j += 4, y += LANES) {
        vec sums[LANES];
        const ptrdiff_t some = fnn_min(planes - j, 4);
        FNN_UNROLL
        for (int i = 0; i < LANES; i++) sums[i] = FN(zero)();
        FNN_UNROLL
        for (int i = 0; i < LANES; i += 4) {
            if (i >= 4 * some) break;
            const real *from = x;
            FN(few_fetch)(x);
            for (ptrdiff_t v = 0; v < vectors; v++, from += LANES) {
                const vmask part = inside[v];
                const vec by = FN(load_spread)(w + at[v], part);
                FN(add_square)(by, from, right, down, part, sums + i);
            }
            x += a->plane;
            w += a->taps;
        }
        FN(store_squares)(sums, some, bias ? bias + j : NULL, y);
    }
}
#endif

#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
#include "kernels/conv2d_fives_tmpl.c"
#endif

/* One image. */
static FNN_NOINLINE void FN(conv2d_few_runs)(const fnn_conv2d_few *a, ptrdiff_t planes, const real *x,
                                             const real *w, const real *bias, real *y) {
    if (a->tap_cols < a->taps) {
        FN(conv2d_few_squares)(a, planes, x, w, bias, y);
        return;
    }
    vec sums[LANES];
    int held = 0;
    const ptrdiff_t count = a->rows * a->cols, whole = a->taps / LANES * LANES;
    const vmask rest = FN(mask)(a->taps - whole);
    real *to = y;
    for (ptrdiff_t j = 0; j < planes; j++, x += a->plane, w += a->taps) {
        for (ptrdiff_t i = 0; i < count; i++) {
            const real *const from = x + i / a->cols * a->row_step + i % a->cols * a->col_step;
            vec acc = FN(zero)();
            for (ptrdiff_t s = 0; s < whole; s += LANES)
                acc = FN(fma)(FN(load)(w + s), FN(load)(from + s), acc);
            if (whole < a->taps)
                acc = FN(fma)(FN(load_m)(w + whole, rest), FN(load_m)(from + whole, rest), acc);
            sums[held++] = acc;
            if (held < LANES && (j + 1 < planes || i + 1 < count)) continue;
            for (int l = held; l < LANES; l++) sums[l] = FN(zero)();
            FN(store_first_lanes)(to, FN(sum_each)(sums, LANES), FN(mask)(held));
            to += LANES;
            held = 0;
        }
    }
    for (ptrdiff_t j = 0; j < (bias ? planes : 0); j++)
        for (ptrdiff_t i = 0; i < fnn_opaque(count); i++) y[j * count + i] += bias[j];
}

static void FN(conv2d_few)(const fnn_conv2d_few *a, ptrdiff_t planes, const real *x, const real *w,
                           const real *bias, real *y) {
#if FNN_VBYTES == 64 && FNN_REAL_IS_F32
    if (FN(conv2d_fives)(a, planes, x, w, bias, y)) return;
#endif
    for (ptrdiff_t n = 0; n < a->images; n++)
        FN(conv2d_few_runs)(a, planes, x + n * a->x_image, w, bias, y + n * a->y_image);
}
