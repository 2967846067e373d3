/* The part of the Winograd kernels' contracts that does not depend on the element type. */
#ifndef FNN_WINOGRAD_STRIP_H
#define FNN_WINOGRAD_STRIP_H

#include <stddef.h>

/* A run of tiles side by side in the planes of one vector of channels, and their places among
 * transformed tiles. Strides and offsets count elements. */
typedef struct fnn_winograd_strip {
    ptrdiff_t channels;       /* that exist, at most LANES */
    ptrdiff_t plane, h, w;    /* planes of h x w, `plane` apart */
    ptrdiff_t row, col;       /* of the first tile's first element; may lie outside the plane */
    ptrdiff_t tiles;
    ptrdiff_t shorter;        /* of them, the last: tiles of m - 1 columns, so far apart */
    ptrdiff_t tile, position; /* between tiles, and between the (m+2)^2 positions of one tile */
    ptrdiff_t jump;           /* instead of `tile` from the others to the shorter ones */
    ptrdiff_t ahead;          /* reading: from a pixel to the one to fetch for the next strip, or 0;
                               * writing: whether to fetch the places early */
} fnn_winograd_strip;

/* Scratch of a transform of `tiles` tiles, in vectors: m+2 rows, each with a vector between it and
 * the next, so that rows do not share a set of L1. */
static inline ptrdiff_t fnn_winograd_scratch(int m, ptrdiff_t tiles) {
    return (m + 2) * (m * tiles + 3);
}

/* Columns from the first tile to tile t, and elements of the step from it to the next tile. */
static inline ptrdiff_t fnn_winograd_column(const fnn_winograd_strip *strip, int m, ptrdiff_t t) {
    const ptrdiff_t past = t - (strip->tiles - strip->shorter);
    return m * t - (past > 0 ? past : 0);
}

static inline ptrdiff_t fnn_winograd_step(const fnn_winograd_strip *strip, ptrdiff_t t) {
    return t + 1 == strip->tiles - strip->shorter ? strip->jump : strip->tile;
}

#endif
