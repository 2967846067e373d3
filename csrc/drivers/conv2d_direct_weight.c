/* Direct convolution: the gradient of the weights. */
#include <string.h>

#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

/* Register tiles of each kind of ISA, in the order of kernels/conv2d_tiles.h; outs counts
 * channels for the dot tiles and vectors of channels for the outer ones. */
typedef struct weight_tile {
    int outs, rows;
} weight_tile;
#define X(K, R) {K, R},
static const weight_tile dots_16[] = {FNN_CONV2D_DOTS_16(X)};
static const weight_tile dots_32[] = {FNN_CONV2D_DOTS_32(X)};
static const weight_tile outers_16[] = {FNN_CONV2D_OUTERS_16(X)};
static const weight_tile outers_32[] = {FNN_CONV2D_OUTERS_32(X)};
#undef X
typedef struct runs_tile {
    int taps, runs, stride;
} runs_tile;
#define X(T, G, S) {T, G, S},
static const runs_tile runs_16[] = {FNN_CONV2D_OUTER_RUNS_16(X)};
static const runs_tile runs_32[] = {FNN_CONV2D_OUTER_RUNS_32(X)};
#undef X
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

enum {
    SUM_BYTES = 320 * 1024,      /* a task's block of the gradient */
    PIXEL_BYTES = 256 * 1024,    /* its padded planes and transposed pixels at a time */
    PARTIAL_BYTES = 512 * 1024,  /* all partial gradients */
    BLOCK_BYTES = 24 * 1024,     /* transposed pixels that stay in L1 beside x and sums */
    NEAR_BYTES = 64 * 1024,      /* sums that may pass by with each block */
    TASKS = 16,                  /* tasks to aim at */
    GRAIN = 200000,              /* multiply-adds worth a task */
    MOST_OUTS = 4                /* vectors of channels of the widest outer tile */
};

/* The cheapest tile for outs x rows; a lane's work counts one, and a cycle does two. A load of x
 * that straddles two lines holds up the multiply-adds by about half a cycle. Returns the cost of
 * one pixel vector (dot) or one pixel (outer). */
static ptrdiff_t choose_weight_tile(const weight_tile *tiles, int count, int outer, ptrdiff_t lanes,
                                    ptrdiff_t vector_bytes, ptrdiff_t outs, ptrdiff_t rows,
                                    int *choice) {
    ptrdiff_t least = PTRDIFF_MAX;
    for (int i = 0; i < count; i++) {
        const ptrdiff_t k = outer ? tiles[i].outs * lanes : tiles[i].outs;
        if (!outer && k > outs) continue; /* the last block moves back instead of padding */
        const ptrdiff_t loads = outer ? tiles[i].outs + tiles[i].rows
                                      : tiles[i].outs + 2 * tiles[i].rows;
        const ptrdiff_t straddling = outer ? 0 : tiles[i].rows * vector_bytes / FNN_LINE;
        const ptrdiff_t cost = fnn_ceil_div(outs, k) * fnn_ceil_div(rows, tiles[i].rows) *
                               (fnn_max(fnn_max(tiles[i].outs * tiles[i].rows, loads), 8) + 1 +
                                straddling);
        if (cost < least) {
            least = cost;
            *choice = i;
        }
    }
    return least;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_direct_weight_plan_tmpl.h"
#include "drivers/conv2d_direct_weight_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_direct_weight_plan_tmpl.h"
#include "drivers/conv2d_direct_weight_tmpl.c"
#include "base/real_end.h"
