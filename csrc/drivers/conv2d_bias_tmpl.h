/* The gradient of the bias beside that of the weights: what a task has read of dy is summed while it
 * lies in the caches, in parts that are added in their order. Where pixels lie in lanes a channel
 * has a vector of partial sums; where channels do, one sum. For a driver that has included
 * kernels/kernels.h. */

typedef struct FN(bias_sums) {
    real *db;                  /* NULL: nobody asks for it */
    real *parts;               /* [part][channel][width]; starts on a line */
    ptrdiff_t channels, width; /* of all groups; LANES or 1 */
} FN(bias_sums);

/* Of `rows` rows, `channels` channels from `first` on: `pixels` elements of each, side by side. */
typedef struct FN(bias_region) {
    ptrdiff_t rows, row, first, channels, channel, pixels;
} FN(bias_region);

FNN_INLINE size_t FN(bias_bytes)(ptrdiff_t parts, ptrdiff_t channels, ptrdiff_t width) {
    return fnn_lines((size_t)(parts * channels * width) * sizeof(real));
}

/* The region's first element is *dy; `add` adds to the part's sums, else they are only written. */
FNN_INLINE void FN(add_bias)(const FN(fnn_table) *kernels, const FN(bias_sums) *sums,
                             ptrdiff_t part, FN(bias_region) region, const real *dy, int add) {
    if (!sums->db) return;
    kernels->conv2d_channel_sums(
        region.rows, region.row, region.channels, region.channel, region.pixels, dy, add,
        sums->parts + (part * sums->channels + region.first) * sums->width);
}

/* The parts are added in their order. */
static void FN(finish_bias)(const FN(fnn_table) *kernels, const FN(bias_sums) *sums,
                            ptrdiff_t parts) {
    const ptrdiff_t n = sums->channels * sums->width;
    if (!sums->db) return;
    for (ptrdiff_t part = 1; part < parts; part++)
        kernels->add(1, n, sums->parts, n, 1, sums->parts + part * n, n, 1, sums->parts);
    if (sums->width > 1)
        kernels->conv2d_fold(sums->channels, sums->parts, sums->width, sums->db);
    else
        memcpy(sums->db, sums->parts, (size_t)n * sizeof(real));
}
