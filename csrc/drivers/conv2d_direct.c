/* Direct convolution: forward and backward-data as one engine over padded planes. */
#include <string.h>

#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

/* Register tiles of each kind of ISA, in the order of kernels/conv2d_tiles.h. */
typedef struct tile_size {
    int outs, rows, vectors; /* rows is 0 for a run of vectors that crosses rows */
} tile_size;
static const tile_size runs_16[] = {
#define X(O, V) {O, 0, V},
    FNN_CONV2D_TILES_16(X)};
static const tile_size runs_32[] = {FNN_CONV2D_TILES_32(X)};
#undef X
#define X(O, R, V) {O, R, V},
static const tile_size rows_16[] = {FNN_CONV2D_ROWS_16(X)};
static const tile_size rows_32[] = {FNN_CONV2D_ROWS_32(X)};
#undef X
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

enum {
    BAND_BYTES = 512 * 1024,   /* padded input that stays in the L2 cache beside the weights */
    GROUP_BYTES = 32 * 1024,   /* and of groups that are copied together */
    WEIGHT_BYTES = 256 * 1024, /* weights that stay in L2 while the pixels go by */
    GRAIN = 200000,            /* multiply-adds worth a task */
    TILE_COST = 60             /* of a call, in half cycles */
};

/* What a band of one group asks for. */
typedef struct tile_need {
    ptrdiff_t outs, terms;           /* output channels; input channels by taps */
    ptrdiff_t height, width, pitch;  /* of the largest band */
    ptrdiff_t least_height;          /* of any: a tile of rows must fit it */
    int lanes, vector_bytes, whole_rows; /* whole_rows: results of a row are neighbours */
} tile_need;

/* Half cycles of one tap of a tile: two multiply-adds or two loads a cycle, a line that a load
 * straddles counted twice, four cycles of latency. */
static ptrdiff_t tap_cost(ptrdiff_t outs, ptrdiff_t vectors, ptrdiff_t vector_bytes) {
    const ptrdiff_t loads = outs + vectors + vectors * vector_bytes / FNN_LINE;
    return fnn_max(fnn_max(outs * vectors, loads), 8) + 1;
}

/* Half cycles for all of the band by this tile; PTRDIFF_MAX if it does not fit. A run's tile is
 * stored, read again, and stored row by row. */
static ptrdiff_t tile_cost(const tile_size *t, const tile_need *need) {
    const ptrdiff_t blocks = fnn_ceil_div(need->outs, t->outs);
    if (t->outs > fnn_max(need->outs, 1)) return PTRDIFF_MAX;
    if (t->rows == 0) {
        const ptrdiff_t run = (need->height - 1) * need->pitch + need->width;
        const ptrdiff_t pixels = (ptrdiff_t)t->vectors * need->lanes;
        const ptrdiff_t stores = t->outs * (4 * t->vectors + 10 * (pixels / need->pitch + 1));
        return blocks * fnn_ceil_div(run, pixels) *
               (need->terms * tap_cost(t->outs, t->vectors, need->vector_bytes) + stores + TILE_COST);
    }
    if (!need->whole_rows || t->rows > need->least_height ||
        t->vectors > fnn_ceil_div(need->width, need->lanes))
        return PTRDIFF_MAX;
    const ptrdiff_t vectors = (ptrdiff_t)t->rows * t->vectors;
    return blocks * fnn_ceil_div(need->height, t->rows) *
           fnn_ceil_div(need->width, (ptrdiff_t)t->vectors * need->lanes) *
           (need->terms * tap_cost(t->outs, vectors, need->vector_bytes) + t->outs * vectors * 2 +
            TILE_COST);
}

/* The cheapest tile and its number in its list. */
static int choose_tile(int registers, const tile_need *need, tile_size *size) {
    const int wide = registers == 32;
    const tile_size *const lists[2] = {wide ? runs_32 : runs_16, wide ? rows_32 : rows_16};
    const int counts[2] = {wide ? COUNT(runs_32) : COUNT(runs_16),
                           wide ? COUNT(rows_32) : COUNT(rows_16)};
    int best = 0;
    ptrdiff_t least = PTRDIFF_MAX;
    for (int list = 0; list < 2; list++) {
        for (int i = 0; i < counts[list]; i++) {
            const ptrdiff_t cost = tile_cost(&lists[list][i], need);
            if (cost < least) {
                least = cost;
                best = i;
                *size = lists[list][i];
            }
        }
    }
    return best;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_direct_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_direct_tmpl.c"
#include "base/real_end.h"
