/* Planes of the batch algorithm: LANES images side by side, so that a pixel is a vector.
 *
 *   [channel][row][pitch][LANES]
 *
 * Unlike the planes of drivers/conv2d.h they are never split by phase: a stride only moves the next
 * vector. Column 0 is source column `base` <= 0, every source column is stored, and rows outside
 * of the source have a place. */
#ifndef FNN_DRIVERS_CONV2D_BATCH_H
#define FNN_DRIVERS_CONV2D_BATCH_H

#include "drivers/conv2d.h"

typedef struct fnn_conv2d_batch {
    fnn_conv2d_axis rows, cols;
    ptrdiff_t base, pitch;   /* first column stored, columns */
    ptrdiff_t band, bands;   /* most positions (rows of the result) a band, bands */
    ptrdiff_t channel;       /* pixels of a channel in the largest band */
} fnn_conv2d_batch;

/* Stored rows or columns from the first that a position reads to the one that tap r does. */
FNN_INLINE ptrdiff_t fnn_conv2d_batch_reach(const fnn_conv2d_axis *axis, ptrdiff_t r) {
    return axis->backward ? fnn_conv2d_reach(axis, r) : r * axis->dilation;
}

/* The furthest of them. */
FNN_INLINE ptrdiff_t fnn_conv2d_batch_halo(const fnn_conv2d_axis *axis) {
    return axis->backward ? axis->halo : (axis->taps - 1) * axis->dilation;
}

/* Source row or column that position a reads first. */
FNN_INLINE ptrdiff_t fnn_conv2d_batch_source(const fnn_conv2d_axis *axis, ptrdiff_t a) {
    return a * axis->in_step - axis->in_origin;
}

/* Rows that `positions` read. */
FNN_INLINE ptrdiff_t fnn_conv2d_batch_rows(const fnn_conv2d_batch *planes, ptrdiff_t positions) {
    return (positions - 1) * planes->rows.in_step + fnn_conv2d_batch_halo(&planes->rows) + 1;
}

/* First position of a band: their heights differ by one at most. */
FNN_INLINE ptrdiff_t fnn_conv2d_batch_start(const fnn_conv2d_batch *planes, ptrdiff_t band) {
    return planes->rows.lo + (planes->rows.hi - planes->rows.lo) * band / planes->bands;
}

FNN_INLINE fnn_conv2d_batch fnn_conv2d_batch_planes(const fnn_conv2d_shape *s, int backward) {
    fnn_conv2d_axis (*const axis)(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t,
                                  ptrdiff_t) =
        backward ? fnn_conv2d_axis_backward : fnn_conv2d_axis_forward;
    fnn_conv2d_batch planes = {
        .rows = axis(s->h, s->p, s->r, s->stride_h, s->dilation_h, s->pad_top),
        .cols = axis(s->w, s->q, s->s, s->stride_w, s->dilation_w, s->pad_left)};
    const fnn_conv2d_axis *cols = &planes.cols;
    const ptrdiff_t last = fnn_conv2d_batch_source(cols, cols->hi - 1) +
                           fnn_conv2d_batch_halo(cols);
    planes.base = fnn_min(fnn_conv2d_batch_source(cols, cols->lo), 0);
    planes.pitch = fnn_max(last + 1, cols->in) - planes.base;
    return planes;
}

/* Pixels of a channel, never a whole number of pages: they would share sets of the L1 cache. */
FNN_INLINE ptrdiff_t fnn_conv2d_batch_spread(ptrdiff_t pixels, ptrdiff_t vector) {
    return pixels * vector % 4096 ? pixels : pixels + 1;
}

/* Bands of about `most` positions. */
FNN_INLINE void fnn_conv2d_batch_cut(fnn_conv2d_batch *planes, ptrdiff_t most, ptrdiff_t vector) {
    const ptrdiff_t positions = fnn_max(planes->rows.hi - planes->rows.lo, 1);
    planes->bands = fnn_ceil_div(positions, fnn_max(most, 1));
    planes->band = fnn_ceil_div(positions, planes->bands);
    const ptrdiff_t rows = fnn_conv2d_batch_rows(planes, planes->band);
    planes->channel = fnn_conv2d_batch_spread(rows * planes->pitch, vector);
}

#endif
