/* Forward, and backward-data without stride, where windows are one row high, by F(4, 4) along rows
 * (kernels/winograd.h).
 *
 * Only columns that some tap reads are taken; they are split by phase of column (column mod stride),
 * and the taps of a phase into chunks of four. Chunk i of result tile t reads input tile t + i, so that an
 * input tile is transformed once for all chunks. */
#ifndef FNN_DRIVERS_CONV2D_FLAT_H
#define FNN_DRIVERS_CONV2D_FLAT_H

#include "drivers/conv2d.h"

enum {
    FNN_FLAT_M = 4,         /* results and taps of a tile */
    FNN_FLAT_POSITIONS = 7, /* products of a tile */
    FNN_FLAT_OUTS = 128,    /* output channels at a time, times LANES */
    FNN_FLAT_CHANNELS = 4,  /* input channels turned at a time: L1 */
    FNN_FLAT_LANES = 16     /* most rows side by side */
};

typedef struct fnn_flat_plan {
    fnn_conv2d_pick pick;
    ptrdiff_t in, out, outs; /* channels of a group; of its results at a time */
    ptrdiff_t rows, blocks;  /* of the results of all images; of LANES of them */
    ptrdiff_t stride, tiles; /* phases; tiles of a row */
    ptrdiff_t chunks, slots; /* of all phases: of taps; input tiles of a channel's row */
    ptrdiff_t pitch;         /* columns of a turned row, its zeros counted */
} fnn_flat_plan;

/* Chunks of the taps of a phase. */
FNN_INLINE ptrdiff_t fnn_flat_chunks(const fnn_flat_plan *plan, ptrdiff_t phase) {
    const ptrdiff_t taps = fnn_ceil_div(plan->pick.shape.s - phase, plan->stride);
    return fnn_ceil_div(fnn_max(taps, 0), FNN_FLAT_M);
}

/* Whether it is possible: rows of taps inside of the source, neighbours once columns are picked. */
int fnn_conv2d_flat_can(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass);

/* Cycles that it is expected to take; infinitely many where V would not fit L2. */
double fnn_conv2d_flat_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass, ptrdiff_t lanes,
                              int registers);

#endif
