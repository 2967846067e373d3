/* Filling padded planes, for one element type; see drivers/conv2d.h. */

/* Positions a0 .. a0+positions of `channels` source planes, with their halo, to dst. */
static void FN(copy_planes)(const FN(fnn_table) *kernels, const fnn_conv2d_planes *planes,
                            ptrdiff_t channels, const real *src, ptrdiff_t a0, ptrdiff_t positions,
                            real *dst) {
    const fnn_conv2d_axis *rows = &planes->rows, *cols = &planes->cols;
    const int split = !rows->backward;
    for (ptrdiff_t i = 0; i < (split ? rows->phases : 1); i++) {
        for (ptrdiff_t j = 0; j < (split ? cols->phases : 1); j++) {
            const FN(conv2d_crop) crop = {
                .planes = channels, .h = rows->in, .w = cols->in, .src_plane = rows->in * cols->in,
                .row = a0 * rows->in_step - rows->in_origin +
                       (split ? fnn_conv2d_residue(rows, i) : 0),
                .row_step = rows->in_step,
                .col = cols->lo * cols->in_step - cols->in_origin +
                       (split ? fnn_conv2d_residue(cols, j) : 0),
                .col_step = cols->in_step,
                .rows = positions + rows->halo, .cols = planes->pitch,
                .dst_plane = planes->channel,
                .slack = planes->phase - (positions + rows->halo) * planes->pitch};
            kernels->conv2d_pad(&crop, src, dst + (i * cols->phases + j) * planes->phase);
        }
    }
}
