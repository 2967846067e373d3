/* A dilated window as a dense one: every d-th row and column of an image is an image of its own.
 *
 * With pad = d * pad' + shift, result row d*t + a reads source rows d*(t + r - pad') + a - shift,
 * so phase a of the result is an undilated convolution of phase a of the source, whose row i is
 * row d*i + a - shift, zero where there is none. All phases have one shape, that of the largest. */
#ifndef FNN_DRIVERS_CONV2D_PHASES_H
#define FNN_DRIVERS_CONV2D_PHASES_H

#include "drivers/conv2d.h"

/* Rows, or columns, of a phase of the source and of the result, and the padding. */
typedef struct fnn_phases_axis {
    ptrdiff_t in, out, pad, shift;
} fnn_phases_axis;

FNN_INLINE fnn_phases_axis fnn_phases_split(ptrdiff_t in, ptrdiff_t out, ptrdiff_t dilation,
                                            ptrdiff_t pad) {
    const ptrdiff_t shift = pad % dilation;
    return (fnn_phases_axis){.in = in ? (in - 1 + shift) / dilation + 1 : 0,
                             .out = fnn_ceil_div(out, dilation),
                             .pad = pad / dilation, .shift = shift};
}

/* The convolution of all phases, for a window dilated alike in both directions. */
FNN_INLINE fnn_conv2d_shape fnn_phases_shape(const fnn_conv2d_shape *s) {
    const ptrdiff_t d = s->dilation_h;
    const fnn_phases_axis rows = fnn_phases_split(s->h, s->p, d, s->pad_top);
    const fnn_phases_axis cols = fnn_phases_split(s->w, s->q, d, s->pad_left);
    fnn_conv2d_shape phases = *s;
    phases.n = s->n * d * d;
    phases.h = rows.in, phases.w = cols.in, phases.p = rows.out, phases.q = cols.out;
    phases.pad_top = rows.pad, phases.pad_left = cols.pad;
    phases.pad_bottom = rows.out + s->r - 1 - rows.pad - rows.in;
    phases.pad_right = cols.out + s->s - 1 - cols.pad - cols.in;
    phases.dilation_h = phases.dilation_w = 1;
    phases.relu = 0, phases.gate = NULL; /* the maps' own: see phases_finish */
    return phases;
}

#endif
