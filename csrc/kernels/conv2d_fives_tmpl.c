/* Windows of 5x5 at 2x2 places two pixels apart: a quarter of a vector are the places of one of four
 * planes. Part of conv2d_few.
 *
 *   a row of x    0 1 2 3 4 5 6 ..    columns of taps 0 and 1: pixels 0 2 and 1 3 of it and of the row
 *   three quarters  low |0 1 2 3|     two below; 2 and 3 of `middle`; 4: pixels 4 6, 1 and 3 of `high`
 *                middle |2 3 4 5|
 *                  high |3 4 5 6|     25 weights of four planes serve all images */

/* Four elements of each of four planes. */
FNN_INLINE vec FN(fives_load)(const real *p, ptrdiff_t plane) {
    vec x = FN(load_quarter)(p);
    FNN_UNROLL
    for (int i = 1; i < 4; i++) x = FN(insert_quarter)(x, i, p + i * plane);
    return x;
}

/* The quarters of a row. */
FNN_INLINE void FN(fives_row)(const real *p, ptrdiff_t plane, vec part[3]) {
    part[0] = FN(fives_load)(p, plane);
    part[2] = FN(fives_load)(p + 3, plane);
    part[1] = FN(quarters)(part[0], part[2], 2, 3, 1, 2);
}

/* Four planes of all images. */
FNN_INLINE void FN(fives_planes)(const fnn_conv2d_few *a, const real *x, const real *w,
                                 const real *bias, real *y) {
    const ptrdiff_t plane = a->plane, cols = a->tap_row;
    vec by[25], start = FN(zero)();
    if (bias) start = FN(permute)(FN(load_quarter)(bias), FN(lane_numbers)(1) >> 2);
    FNN_UNROLL
    for (int t = 0; t < 25; t += 4) {
        const int from = t < 24 ? t : 21;
        const vec four = FN(fives_load)(w + from, 25);
        by[t] = t < 24 ? FN(quarters)(four, four, 0, 0, 0, 0) : FN(quarters)(four, four, 3, 3, 3, 3);
        if (t == 24) break;
        by[t + 1] = FN(quarters)(four, four, 1, 1, 1, 1);
        by[t + 2] = FN(quarters)(four, four, 2, 2, 2, 2);
        by[t + 3] = FN(quarters)(four, four, 3, 3, 3, 3);
    }
    for (ptrdiff_t n = a->images; n > 0; n--, x += a->x_image, y += a->y_image) {
        vec sum[2] = {start, FN(zero)()}, above[3], below[3];
        for (const char *p = (const char *)(x + 4 * plane), *const end = (const char *)(x + 8 * plane);
             p < end; p += FNN_LINE)
            __builtin_prefetch(p);
        FNN_UNROLL
        for (int odd = 0; odd < 2; odd++) {
            FN(fives_row)(x + odd * cols, plane, above);
            FNN_UNROLL
            for (int r = odd; r < 5; r += 2) {
                const vec *const v = by + 5 * r;
                vec s = sum[odd];
                FN(fives_row)(x + (r + 2) * cols, plane, below);
                s = FN(fma)(v[0], FN(quarters)(above[0], below[0], 0, 2, 0, 2), s);
                s = FN(fma)(v[1], FN(quarters)(above[0], below[0], 1, 3, 1, 3), s);
                s = FN(fma)(v[2], FN(quarters)(above[1], below[1], 0, 2, 0, 2), s);
                s = FN(fma)(v[3], FN(quarters)(above[1], below[1], 1, 3, 1, 3), s);
                sum[odd] = FN(fma)(v[4], FN(quarters)(above[2], below[2], 1, 3, 1, 3), s);
                FNN_UNROLL
                for (int i = 0; i < 3; i++) above[i] = below[i];
            }
        }
        FN(store)(y, sum[0] + sum[1]);
    }
}

/* Returns whether it did these planes. The last four move back to end with the planes. */
static FNN_NOINLINE int FN(conv2d_fives)(const fnn_conv2d_few *a, ptrdiff_t planes, const real *x,
                                         const real *w, const real *bias, real *y) {
    if (!fnn_conv2d_is_fives(a) || planes < 4) return 0;
    for (ptrdiff_t i = 0; i < planes; i += 4) {
        const ptrdiff_t j = fnn_min(i, planes - 4);
        FN(fives_planes)(a, x + j * a->plane, w + j * 25, bias ? bias + j : NULL, y + j * 4);
    }
    return 1;
}
