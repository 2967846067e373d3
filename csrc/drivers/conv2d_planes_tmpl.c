/* Planes of phases as crops, for one element type; contracts in drivers/conv2d_planes_tmpl.h. */

FN(conv2d_crop) FN(fnn_conv2d_phase_crop)(const fnn_conv2d_planes *planes, ptrdiff_t i,
                                          ptrdiff_t j, ptrdiff_t channels, ptrdiff_t a0,
                                          ptrdiff_t positions) {
    const fnn_conv2d_axis *rows = &planes->rows, *cols = &planes->cols;
    const int split = !rows->backward;
    return (FN(conv2d_crop)){
        .planes = channels, .h = rows->in, .w = cols->in, .src_plane = rows->in * cols->in,
        .row = a0 * rows->in_step - rows->in_origin + (split ? fnn_conv2d_residue(rows, i) : 0),
        .row_step = rows->in_step,
        .col = cols->lo * cols->in_step - cols->in_origin +
               (split ? fnn_conv2d_residue(cols, j) : 0),
        .col_step = cols->in_step,
        .rows = positions + rows->halo, .cols = planes->pitch, .dst_plane = planes->channel,
        .slack = planes->phase - (positions + rows->halo) * planes->pitch,
        .twin = split && cols->stride == 2 && cols->phases == 2 ? planes->phase : 0};
}

/* As many planes at a time as L1 keeps until all of their phases are copied. */
void FN(fnn_conv2d_copy_planes)(const FN(fnn_table) *kernels, const fnn_conv2d_planes *planes,
                                ptrdiff_t channels, const real *src, ptrdiff_t src_plane,
                                ptrdiff_t a0, ptrdiff_t positions, real *dst) {
    enum { SOURCE = (16 << 10) / sizeof(real) };
    const int split = !planes->rows.backward && planes->copies > 1;
    const ptrdiff_t read = (positions + planes->rows.halo) * planes->rows.in_step * planes->cols.in;
    const ptrdiff_t most = split ? fnn_max(SOURCE / fnn_max(read, 1), 1) : channels;
    for (ptrdiff_t c = 0; c < channels; c += most, src += most * src_plane) {
        for (ptrdiff_t i = 0; i < (split ? planes->rows.phases : 1); i++) {
            for (ptrdiff_t j = 0; j < (split ? planes->cols.phases : 1); j++) {
                FN(conv2d_crop) crop = FN(fnn_conv2d_phase_crop)(
                    planes, i, j, fnn_min(most, channels - c), a0, positions);
                crop.src_plane = src_plane;
                kernels->conv2d_pad(&crop, src,
                                    dst + c * planes->channel +
                                        (i * planes->cols.phases + j) * planes->phase);
                if (crop.twin) break;
            }
        }
    }
}
