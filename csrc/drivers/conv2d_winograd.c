/* Winograd's minimal filtering for 3x3 windows that move by one pixel. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

enum {
    STRIP_COLUMNS = 64,         /* most pixels of a row of tiles transformed at a time: L1 */
    TILE_BYTES = 400 * 1024,    /* transformed tiles of a block: with their products, half of L2 */
    LEAST_TILES = 28,           /* of a block: below, the weights are read too often */
    LEAST_DEPTH = 56,           /* the same where tiles are a product's depth */
    STRICT_DEPTH = 28,          /* most tiles that a strict one adds up in one chain: accuracy */
    DEEP_TILES = 64,            /* the same where U is made anew for each block */
    WEIGHT_BYTES = 4 << 20,     /* most of U that is kept: beyond, reading it is slower than making it */
    CHUNK = 32,                 /* channels summed before they are added to the result: accuracy */
    FEW_TILES = 16,             /* at most, in all: making U costs as much as using it */
    FEW_CHUNK = 16,             /* channels whose taps, pieces of U and products share L1 */
    PART_BYTES = 512 * 1024,    /* of x's transformed tiles that meet all of dy's at a time: L2 */
    FAR_BYTES = 1 << 20,        /* planes beyond are fetched ahead: half of L2 */
    SOME = 16,                  /* channels of x a task of the gradient of the weights */
    MANY_SHARES = 8, FEW_SHARES = 4, /* of the tiles of the gradient of the weights, summed apart */
    SHARE_BLOCKS = 4,           /* at least of a share, for adding the shares to cost nothing */
    SHARE_BYTES = 5 << 19,      /* of all their sums */
    GRAIN = 200000              /* multiply-adds worth a second thread */
};

/* How the result of one pass is cut: into rows of tiles, these into strips of at most
 * STRIP_COLUMNS pixels, and strips in their order into blocks. */
typedef struct tiling {
    int m, side;                /* F(m x m, 3 x 3), side = m + 2 */
    ptrdiff_t images;
    ptrdiff_t h, w, out_h, out_w; /* of the planes that are read, and of the result */
    ptrdiff_t top, left;        /* zeros before the planes */
    ptrdiff_t rows, cols;       /* tiles of an image */
    ptrdiff_t pieces;           /* strips in a row of tiles */
    ptrdiff_t width;            /* tiles of the widest strip */
    ptrdiff_t blocks;
    ptrdiff_t tiles;            /* of the largest block */
    int far_in, far_out;        /* the planes that are read, and the result's, lie beyond L2 */
} tiling;

/* First tile of a strip, all images' tiles counted through. */
static ptrdiff_t first_tile(const tiling *t, ptrdiff_t strip) {
    return strip / t->pieces * t->cols + t->cols * (strip % t->pieces) / t->pieces;
}

/* First strip of a block. */
static ptrdiff_t first_strip(const tiling *t, ptrdiff_t block) {
    return t->images * t->rows * t->pieces * block / t->blocks;
}

/* Blocks of about TILE_BYTES, but of `least` tiles; of DEEP_TILES where U is too large to keep
 * (`deep`), or all tiles are no more than that. `tile_bytes` are a tile's. */
static void cut(tiling *t, ptrdiff_t tile_bytes, ptrdiff_t least, int deep) {
    t->side = t->m + 2;
    t->rows = fnn_ceil_div(t->out_h, t->m);
    t->cols = fnn_ceil_div(t->out_w, t->m);
    const int few = t->images * t->rows * t->cols <= DEEP_TILES;
    const ptrdiff_t most =
        fnn_max(TILE_BYTES / tile_bytes, deep || few ? DEEP_TILES : least);
    t->pieces = fnn_ceil_div(t->cols, STRIP_COLUMNS / t->m);
    t->width = fnn_ceil_div(t->cols, t->pieces);
    const ptrdiff_t strips = t->images * t->rows * t->pieces;
    t->blocks = fnn_ceil_div(strips, fnn_max(most / t->width, 1));
    t->tiles = fnn_ceil_div(strips, t->blocks) * t->width;
}

/* `count` elements rounded to an odd number of lines: streams that far apart share no set of L1. */
static ptrdiff_t spread(ptrdiff_t count, ptrdiff_t element) {
    return (fnn_ceil_div(count * element, FNN_LINE) | 1) * (FNN_LINE / element);
}

int fnn_conv2d_winograd_can(const fnn_conv2d_shape *s) {
    return s->r == 3 && s->s == 3 && s->stride_h == 1 && s->stride_w == 1 &&
           s->dilation_h == s->dilation_w;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_taps_tmpl.h"
#include "drivers/conv2d_winograd_plan_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_winograd_tmpl.c"
#include "drivers/conv2d_winograd_weight_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_taps_tmpl.h"
#include "drivers/conv2d_winograd_plan_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_winograd_tmpl.c"
#include "drivers/conv2d_winograd_weight_tmpl.c"
#include "base/real_end.h"
