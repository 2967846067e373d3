/* The choice among the register tiles of conv2d_dot where a pixel is a vector. */
#ifndef FNN_DRIVERS_CONV2D_DOTS_H
#define FNN_DRIVERS_CONV2D_DOTS_H

#include "base/common.h"
#include "kernels/conv2d_tiles.h"

/* Register tiles of each kind of ISA, in the order of kernels/conv2d_tiles.h. */
typedef struct fnn_dot_tile {
    int outs, rows;
    ptrdiff_t cost; /* half cycles for a vector of pixels, of one that was chosen */
} fnn_dot_tile;

/* The tile that needs the fewest half cycles: two multiply-adds or two loads a cycle, four cycles
 * of latency. Returns its number. */
FNN_INLINE int fnn_choose_dot(int registers, ptrdiff_t outs, ptrdiff_t rows, fnn_dot_tile *tile) {
#define X(K, R) {K, R, 0},
    static const fnn_dot_tile dots_16[] = {FNN_CONV2D_DOTS_16(X)};
    static const fnn_dot_tile dots_32[] = {FNN_CONV2D_DOTS_32(X)};
#undef X
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))
    const fnn_dot_tile *tiles = registers == 32 ? dots_32 : dots_16;
    const int count = registers == 32 ? COUNT(dots_32) : COUNT(dots_16);
#undef COUNT
    int best = 0;
    ptrdiff_t least = PTRDIFF_MAX;
    for (int i = 0; i < count; i++) {
        const ptrdiff_t k = tiles[i].outs, r = tiles[i].rows;
        if (k > outs) continue; /* the last block moves back instead of padding */
        const ptrdiff_t cost = fnn_ceil_div(outs, k) * fnn_ceil_div(rows, r) *
                               (fnn_max(fnn_max(k * r, k + r), 8) + 1);
        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    *tile = tiles[best];
    tile->cost = least;
    return best;
}

#endif
