/* Direct convolution: forward and backward-data as one engine over padded planes. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

/* Register tiles of each kind of ISA, in the order of kernels/conv2d_tiles.h. */
typedef enum tile_kind {
    RUN,       /* vectors across rows: conv2d_tile and conv2d_scatter */
    ROWS,      /* whole rows: conv2d_rows */
    ROWS3,     /* whole rows, each read once for three rows of taps: conv2d_rows3 */
    TILE_KINDS
} tile_kind;
typedef struct tile_size {
    int outs, rows, vectors;
} tile_size;
#define X(O, V) {O, 1, V},
static const tile_size runs_16[] = {FNN_CONV2D_TILES_16(X)};
static const tile_size runs_32[] = {FNN_CONV2D_TILES_32(X)};
#undef X
#define X(O, R, V) {O, R, V},
static const tile_size rows_16[] = {FNN_CONV2D_ROWS_16(X)};
static const tile_size rows_32[] = {FNN_CONV2D_ROWS_32(X)};
#undef X
#define X(R, V) {1, R, V},
static const tile_size rows3_16[] = {FNN_CONV2D_ROWS3_16(X)};
static const tile_size rows3_32[] = {FNN_CONV2D_ROWS3_32(X)};
#undef X
#define LIST(tiles) {tiles, (int)(sizeof(tiles) / sizeof *(tiles))}
static const struct {
    const tile_size *tiles;
    int count;
} tile_lists[2][TILE_KINDS] = {{LIST(runs_16), LIST(rows_16), LIST(rows3_16)},
                               {LIST(runs_32), LIST(rows_32), LIST(rows3_32)}};
#undef LIST

enum {
    BAND_BYTES = 512 * 1024,   /* padded input that stays in the L2 cache beside the weights */
    GROUP_BYTES = 32 * 1024,   /* and of groups that are copied together */
    WEIGHT_BYTES = 256 * 1024, /* weights that stay in L2 while the pixels go by */
    FEW = 4, MANY = 64,        /* channels of a source, of a result */
    GRAIN = 200000,            /* multiply-adds worth a task */
    TILE_COST = 60             /* of a call, in half cycles */
};

/* What a band of one group asks for. */
typedef struct tile_need {
    ptrdiff_t outs, terms;          /* output channels; input channels by taps */
    ptrdiff_t height, width, pitch; /* of the largest band */
    ptrdiff_t least_height;         /* of any: a tile of rows must fit it */
    int lanes, vector_bytes;
    int whole_rows;                 /* results of a row are neighbours */
    int threes;                     /* taps are three rows, neighbours in the planes */
} tile_need;

/* Half cycles: two multiply-adds or two loads a cycle, a line that a load straddles counted
 * twice, four cycles of latency. A straddling load also holds up what waits for it, by about half a
 * cycle: (8, 3) is 5 to 10 % faster than (4, 6), and (6, 4) 15 % faster than (3, 8). */
static ptrdiff_t step_cost(ptrdiff_t products, ptrdiff_t broadcasts, ptrdiff_t vectors,
                           ptrdiff_t vector_bytes) {
    const ptrdiff_t straddling = vectors * vector_bytes / FNN_LINE;
    return fnn_max(fnn_max(products, broadcasts + vectors + straddling), 8) + 1 + straddling;
}

/* Half cycles for all of the band by this tile; PTRDIFF_MAX if it does not fit, or would take more
 * than `most` if it were full everywhere: that spares divisions. A run is stored, read again, and
 * stored row by row. */
static ptrdiff_t tile_cost(tile_kind kind, const tile_size *t, const tile_need *need,
                           ptrdiff_t most) {
    const ptrdiff_t vectors = (ptrdiff_t)t->rows * t->vectors, across = t->vectors * need->lanes;
    if (t->outs > fnn_max(need->outs, 1)) return PTRDIFF_MAX;
    const ptrdiff_t step = step_cost(t->outs * vectors, t->outs, vectors, need->vector_bytes);
    const ptrdiff_t least = need->terms * step + 2 * t->outs * vectors + TILE_COST;
    const double all = (double)(need->outs * need->height * need->width * least);
    if (kind != ROWS3 && all > (double)most * (double)(t->outs * vectors * need->lanes))
        return PTRDIFF_MAX;
    const ptrdiff_t blocks = fnn_ceil_div(need->outs, t->outs);
    if (kind == RUN) {
        const ptrdiff_t run = (need->height - 1) * need->pitch + need->width;
        const ptrdiff_t stores = t->outs * (4 * t->vectors + 10 * (across / need->pitch + 1));
        return blocks * fnn_ceil_div(run, across) * (need->terms * step + stores + TILE_COST);
    }
    if (!need->whole_rows || t->rows > need->least_height ||
        t->vectors > fnn_ceil_div(need->width, need->lanes))
        return PTRDIFF_MAX;
    /* one channel at a time reads the planes once for each */
    if (kind == ROWS3 && (!need->threes || need->outs > 2)) return PTRDIFF_MAX;
    ptrdiff_t sum = need->terms * step;
    if (kind == ROWS3)
        sum = need->terms / 3 *
              step_cost(3 * vectors, 3, vectors + 2 * t->vectors, need->vector_bytes);
    return blocks * fnn_ceil_div(need->height, t->rows) * fnn_ceil_div(need->width, across) *
           (sum + t->outs * vectors * 2 + TILE_COST);
}

typedef struct tile_choice {
    tile_kind kind;
    int number; /* in its list */
    tile_size size;
    ptrdiff_t cost; /* half cycles for the band */
} tile_choice;

static tile_choice choose_tile(int registers, const tile_need *need) {
    tile_choice best = {RUN, 0, {1, 1, 1}, PTRDIFF_MAX};
    for (int kind = TILE_KINDS - 1; kind >= 0; kind--) { /* the best are last, .. */
        const tile_size *tiles = tile_lists[registers == 32][kind].tiles;
        for (int i = tile_lists[registers == 32][kind].count - 1; i >= 0; i--) {
            const ptrdiff_t cost = tile_cost(kind, &tiles[i], need, best.cost);
            if (cost <= best.cost) /* .. and of equal ones the first is taken */
                best = (tile_choice){kind, i, tiles[i], cost};
        }
    }
    return best;
}

/* Multiply-adds that the band asks for, of those that its cycles could do. */
static double tile_share(const tile_choice *tile, const tile_need *need) {
    const double work = (double)need->outs * (double)need->terms * (double)need->height *
                        (double)need->width / need->lanes;
    return work / (double)tile->cost;
}

static const char *const tile_kernels[] = {"conv2d_tile", "conv2d_rows", "conv2d_rows3"};

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_direct_plan_tmpl.h"
#include "drivers/conv2d_direct_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_direct_plan_tmpl.h"
#include "drivers/conv2d_direct_tmpl.c"
#include "base/real_end.h"
