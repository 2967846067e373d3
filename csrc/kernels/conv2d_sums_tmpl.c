/* Sums for the gradient of the bias; contract in kernels/conv2d.h. dy passes by once, in its own
 * order: the planes of a block of channels lie side by side in every image, however small. */

enum { FN(SUM_CHANNELS) = 32 }; /* sums kept as vectors: two kilobytes, always at hand */

/* Sums by lanes of one plane. */
FNN_INLINE vec FN(plane_sum)(ptrdiff_t pixels, const real *x) {
    vec acc[4];
    ptrdiff_t j = 0;
    FNN_UNROLL
    for (int v = 0; v < 4; v++) acc[v] = FN(zero)();
    for (; j + 4 * LANES <= pixels; j += 4 * LANES) {
        FNN_UNROLL
        for (int v = 0; v < 4; v++) acc[v] += FN(load)(x + j + v * LANES);
    }
    for (; j + LANES <= pixels; j += LANES) acc[0] += FN(load)(x + j);
    if (j < pixels) acc[1] += FN(load_m)(x + j, FN(mask)(pixels - j));
    return (acc[0] + acc[1]) + (acc[2] + acc[3]);
}

static FNN_NOINLINE void FN(conv2d_channel_sums)(ptrdiff_t rows, ptrdiff_t row,
                                                 ptrdiff_t channels, ptrdiff_t channel,
                                                 ptrdiff_t pixels, const real *x, int add,
                                                 real *sums) {
    vec sum[FN(SUM_CHANNELS)];
    for (ptrdiff_t c = 0; c < channels; c += FN(SUM_CHANNELS)) {
        const ptrdiff_t some = fnn_min(channels - c, FN(SUM_CHANNELS));
        real *to = sums + c * LANES;
        for (ptrdiff_t k = 0; k < some; k++)
            sum[k] = add ? FN(load)(to + k * LANES) : FN(zero)();
        for (ptrdiff_t n = 0; n < rows; n++)
            for (ptrdiff_t k = 0; k < some; k++)
                sum[k] += FN(plane_sum)(pixels, x + n * row + (c + k) * channel);
        for (ptrdiff_t k = 0; k < some; k++) FN(store)(to + k * LANES, sum[k]);
    }
}
