/* Forward, and backward-data without stride, where windows are one row high, or higher and not strided,
 * by F(4, 4) along rows (kernels/winograd.h).
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
    FNN_FLAT_STACK = 2,     /* most blocks side by side */
    FNN_FLAT_LANES = 16     /* most rows of a block */
};

/* A register tile of the products: of conv2d_pixels, or the one of conv2d_rows, whose rows are pixels
 * here, that reads its weights packed. */
typedef struct fnn_flat_tile {
    int number, outs, pixels; /* in its list */
    ptrdiff_t packed;         /* output channels whose U lies side by side: 1, or all of the tile's */
    ptrdiff_t cost;           /* half cycles for `outs` channels of a position */
} fnn_flat_tile;

typedef struct fnn_flat_plan {
    fnn_conv2d_pick pick;
    ptrdiff_t in, out, outs; /* channels of a group; of its results at a time */
    ptrdiff_t image_rows;    /* of an image's results: whole blocks of windows of several rows */
    ptrdiff_t rows, blocks;  /* of all images; stacks of LANES of them */
    ptrdiff_t high;          /* rows of the source that a block reads, in whole vectors */
    ptrdiff_t terms;         /* of a product's sum: input channels, rows of taps and chunks */
    ptrdiff_t stride, tiles; /* phases; tiles of a row */
    ptrdiff_t chunks, slots; /* of all phases: of a row of taps; input tiles of a channel's row */
    ptrdiff_t stack, run;    /* blocks side by side; tiles of a product: some between them in vain */
    ptrdiff_t pitch;         /* columns of a turned row, its zeros counted */
    fnn_flat_tile tile;
} fnn_flat_plan;

/* Chunks of the taps of a phase. */
FNN_INLINE ptrdiff_t fnn_flat_chunks(const fnn_flat_plan *plan, ptrdiff_t phase) {
    const ptrdiff_t taps = fnn_ceil_div(plan->pick.shape.s - phase, plan->stride);
    return fnn_ceil_div(fnn_max(taps, 0), FNN_FLAT_M);
}

/* Whether it is possible: taps are neighbours once columns are picked, and if there is one row of them, it
 * is inside of the source. */
int fnn_conv2d_flat_can(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass);

/* What the pass does, seen as a forward one; stacks are not so high that threads lack blocks, which changes
 * no sum. */
fnn_flat_plan fnn_flat_lay(const fnn_conv2d_shape *seen, ptrdiff_t lanes, int registers, int threads);

/* Cycles that it is expected to take; infinitely many where V would not fit L2. */
double fnn_conv2d_flat_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass, ptrdiff_t lanes,
                              int registers);

#endif
