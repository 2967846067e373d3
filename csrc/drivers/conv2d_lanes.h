/* Convolution of LANES groups at a time, one in each lane: what its two drivers share.
 *
 *   source  [channel of the group][row][pitch][LANES]      columns of zeros on either side
 *   weights [result][bias | channel, tap][LANES]
 *
 * Rows outside of the source are not stored: the sums that would read them leave them out. */
#ifndef FNN_DRIVERS_CONV2D_LANES_H
#define FNN_DRIVERS_CONV2D_LANES_H

#include "drivers/conv2d.h"

/* One axis seen from the side that is computed. Result o sums taps of its class alone, and tap r
 * reads source position source(o) + reach(r). */
typedef struct fnn_lanes_axis {
    ptrdiff_t in, out, taps, stride, dilation, pad, classes;
    int backward;
} fnn_lanes_axis;

FNN_INLINE ptrdiff_t fnn_lanes_source(const fnn_lanes_axis *axis, ptrdiff_t o) {
    return axis->backward ? (o + axis->pad) / axis->stride : o * axis->stride - axis->pad;
}
FNN_INLINE ptrdiff_t fnn_lanes_class(const fnn_lanes_axis *axis, ptrdiff_t o) {
    return axis->backward ? (o + axis->pad) % axis->stride : 0;
}
FNN_INLINE ptrdiff_t fnn_lanes_reach(const fnn_lanes_axis *axis, ptrdiff_t r) {
    return axis->backward ? -(r * axis->dilation / axis->stride) : r * axis->dilation;
}
FNN_INLINE ptrdiff_t fnn_lanes_tap_class(const fnn_lanes_axis *axis, ptrdiff_t r) {
    return axis->backward ? r * axis->dilation % axis->stride : 0;
}

/* First source position that results from o on read, and one behind the last that those before o
 * do; neither need exist. */
FNN_INLINE ptrdiff_t fnn_lanes_from(const fnn_lanes_axis *axis, ptrdiff_t o) {
    return fnn_lanes_source(axis, o) +
           (axis->backward ? fnn_lanes_reach(axis, axis->taps - 1) : 0);
}
FNN_INLINE ptrdiff_t fnn_lanes_until(const fnn_lanes_axis *axis, ptrdiff_t o) {
    return fnn_lanes_source(axis, o - 1) + 1 +
           (axis->backward ? 0 : fnn_lanes_reach(axis, axis->taps - 1));
}

typedef struct fnn_lanes_planes {
    fnn_lanes_axis rows, cols;
    ptrdiff_t left, pitch; /* columns of zeros before a row; columns stored */
} fnn_lanes_planes;

FNN_INLINE fnn_lanes_planes fnn_lanes_lay(const fnn_conv2d_shape *s, int backward) {
    fnn_lanes_planes planes = {
        .rows = {s->h, s->p, s->r, s->stride_h, s->dilation_h, s->pad_top, 1, backward},
        .cols = {s->w, s->q, s->s, s->stride_w, s->dilation_w, s->pad_left, 1, backward}};
    fnn_lanes_axis *rows = &planes.rows, *cols = &planes.cols;
    if (backward) {
        rows->in = s->p, rows->out = s->h, rows->classes = s->stride_h;
        cols->in = s->q, cols->out = s->w, cols->classes = s->stride_w;
    }
    planes.left = fnn_max(-fnn_lanes_from(cols, 0), 0);
    planes.pitch = planes.left + fnn_max(fnn_lanes_until(cols, cols->out), cols->in);
    return planes;
}

#endif
