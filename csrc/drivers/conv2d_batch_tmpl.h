/* Filling the planes of the batch algorithm, for one element type; see drivers/conv2d_batch.h. */

/* Rows row .. row+rows of `channels` planes of LANES images, of which `images` exist, to dst; src
 * is the first image's first plane. */
FNN_INLINE void FN(batch_planes)(const FN(fnn_table) *kernels, const fnn_conv2d_batch *planes,
                                 ptrdiff_t images, ptrdiff_t src_image, ptrdiff_t channels,
                                 ptrdiff_t row, ptrdiff_t rows, const real *src, real *dst) {
    const FN(conv2d_images) pack = {
        .images = images, .src_image = src_image, .planes = channels,
        .src_plane = planes->rows.in * planes->cols.in, .h = planes->rows.in,
        .w = planes->cols.in, .row = row, .rows = rows, .left = -planes->base,
        .pitch = planes->pitch, .dst_plane = planes->channel * kernels->lanes};
    kernels->conv2d_pad_images(&pack, src, dst);
}
