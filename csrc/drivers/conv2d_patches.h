/* Few input channels, forward and gradient of the weights, as products over patches: rows of taps
 * and channels lie below a column of the source,
 *
 *   P [group of rows][column][channel][row of the group]
 *
 * so that what a pixel of the result reads is one run for each group, whatever the stride, and
 * channels of the result stand in lanes. Where the window is a whole number of strides high, a
 * group is a stride of rows, which neighbouring windows share; else it has a whole window's. */
#ifndef FNN_DRIVERS_CONV2D_PATCHES_H
#define FNN_DRIVERS_CONV2D_PATCHES_H

#include "drivers/conv2d.h"

typedef struct fnn_patches_plan {
    ptrdiff_t in, out;         /* channels of a group */
    int in_place;              /* x is read where it lies */
    ptrdiff_t high, groups;    /* rows of a group of them, such groups of a window */
    ptrdiff_t depth, run, sum; /* numbers of a column, of a window's columns, of a window */
    ptrdiff_t columns, line;   /* of a group of rows; numbers of it */
    ptrdiff_t panels, nr;      /* of the result's channels */
    ptrdiff_t band, bands;     /* most rows of the result at a time */
    ptrdiff_t steps, chunks;   /* of the weights: bands of all images, and shares of them */
    size_t shared, patches, rows, worker; /* bytes: of all, of P, of rows to turn, of a worker */
} fnn_patches_plan;

/* Whether it is possible, and expected to take least. */
int fnn_conv2d_takes_patches(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                             fnn_conv2d_pass pass, int is_f64);

#endif
