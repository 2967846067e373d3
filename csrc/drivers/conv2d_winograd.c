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
    DEEP_PRODUCTS = 64 * 36,    /* and most positions of tiles, where operations done in halves leave
                                 * time to read V again from beyond L2 */
    WEIGHT_BYTES = 4 << 20,     /* most of U that is kept: beyond, reading it is slower than making it */
    SURE_CHANNELS = 32,         /* whose sums lose about what F(3,3) does: enough for a strict pass, */
    SURE_SIDE = 6,              /* unless windows that reach past smaller planes add up little */
    CHUNK = 32,                 /* channels summed before they are added to the result: accuracy */
    SURE_CHAIN = 16,            /* the same of F(3,3) with fewer channels than */
    LONG_SUM = 64,              /* so many, whose sums lose more than its transforms do */
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
 * STRIP_COLUMNS pixels, and strips in their order into blocks. Where results are fewer than tiles
 * hold, the last rows and columns of tiles are `shorter`, m - 1 results, and lie so far apart: what
 * infinity contributes to is their m-th result alone, so they need no products of those positions;
 * nor do gradients of the weights, where it sees nothing but that result. */
typedef struct tiling {
    int m, side;                /* F(m x m, 3 x 3), side = m + 2 */
    ptrdiff_t images;
    ptrdiff_t h, w, out_h, out_w; /* of the planes that are read, and of the result */
    ptrdiff_t top, left;        /* zeros before the planes */
    ptrdiff_t rows, cols;       /* tiles of an image */
    ptrdiff_t shorter_rows, shorter_cols; /* of these */
    ptrdiff_t pieces;           /* strips in a row of tiles */
    ptrdiff_t width;            /* tiles of the widest strip */
    ptrdiff_t blocks;
    ptrdiff_t tiles;            /* of the largest block */
    int far_in, far_out;        /* the planes that are read, and the result's, lie beyond L2 */
} tiling;

/* A block: strips, how many of them lie in shorter rows, its tiles, and those of whole columns. They
 * are numbered so that the ones that any position needs are neighbours: first those of whole
 * columns, shorter rows before the others, then those of shorter columns, the other rows before the
 * shorter ones. */
typedef struct span {
    ptrdiff_t from, to, shorter, tiles, whole;
} span;

/* Tiles of whole columns before a strip, all images' counted through. */
static ptrdiff_t first_tile(const tiling *t, ptrdiff_t strip) {
    const ptrdiff_t whole = t->cols - t->shorter_cols;
    return strip / t->pieces * whole + whole * (strip % t->pieces) / t->pieces;
}

/* First strip of a block. */
static ptrdiff_t first_strip(const tiling *t, ptrdiff_t block) {
    return t->images * t->rows * t->pieces * block / t->blocks;
}

/* Strips of shorter rows before a strip; where there are any, rows are single strips. */
static ptrdiff_t shorter_before(const tiling *t, ptrdiff_t strip) {
    if (!t->shorter_rows) return 0;
    const ptrdiff_t past = strip % t->rows - (t->rows - t->shorter_rows);
    return strip / t->rows * t->shorter_rows + fnn_max(past, 0);
}

static span span_of(const tiling *t, ptrdiff_t block) {
    const ptrdiff_t from = first_strip(t, block), to = first_strip(t, block + 1);
    const ptrdiff_t whole = first_tile(t, to) - first_tile(t, from);
    return (span){.from = from, .to = to,
                  .shorter = shorter_before(t, to) - shorter_before(t, from),
                  .tiles = whole + (to - from) * t->shorter_cols, .whole = whole};
}

/* The tiles of a block that position (i, j) needs: their number, and the first. */
static ptrdiff_t needed(const tiling *t, const span *block, int i, int j, ptrdiff_t *first) {
    const ptrdiff_t less = i == t->side - 1 ? block->shorter : 0;
    *first = less * (t->cols - t->shorter_cols);
    return j == t->side - 1 ? block->whole - *first : block->tiles - less * t->cols;
}

/* A strip's place in the planes of the result, the number of its first tile in its block, and the
 * step from its last whole column to the first shorter one, in tiles. */
static fnn_winograd_strip strip_of(const tiling *t, const span *block, ptrdiff_t strip,
                                   ptrdiff_t *number) {
    const ptrdiff_t piece = strip % t->pieces, row = strip / t->pieces % t->rows;
    const ptrdiff_t first = t->cols * piece / t->pieces, whole = t->cols - t->shorter_cols;
    const ptrdiff_t past = row - (t->rows - t->shorter_rows), strips = block->to - block->from;
    const ptrdiff_t before = shorter_before(t, strip) - shorter_before(t, block->from);
    const ptrdiff_t others = strip - block->from - before;
    *number = past >= 0 ? before * whole
                        : first_tile(t, strip) - first_tile(t, block->from) +
                              (block->shorter - before) * whole;
    const ptrdiff_t second =
        block->whole + t->shorter_cols * (past >= 0 ? strips - block->shorter + before : others);
    const ptrdiff_t jump = second - *number - (whole - 1);
    if (!whole) *number = second;
    return (fnn_winograd_strip){.row = row * t->m - fnn_max(past, 0), .col = first * t->m,
                                .tiles = t->cols * (piece + 1) / t->pieces - first,
                                .shorter = t->shorter_cols, .jump = jump};
}

/* Blocks of about TILE_BYTES, but of `least` tiles; of `deep` where U is too large to keep
 * (`anew`), or all tiles are no more than DEEP_TILES. `tile_bytes` are a tile's. */
static void cut(tiling *t, ptrdiff_t tile_bytes, ptrdiff_t least, ptrdiff_t deep, int anew) {
    t->side = t->m + 2;
    t->rows = fnn_ceil_div(t->out_h, t->m);
    t->cols = fnn_ceil_div(t->out_w, t->m);
    const int few = t->images * t->rows * t->cols <= DEEP_TILES;
    const ptrdiff_t most =
        fnn_max(TILE_BYTES / tile_bytes, anew ? deep : few ? DEEP_TILES : least);
    t->pieces = fnn_ceil_div(t->cols, STRIP_COLUMNS / t->m);
    t->width = fnn_ceil_div(t->cols, t->pieces);
    const ptrdiff_t strips = t->images * t->rows * t->pieces;
    t->blocks = fnn_ceil_div(strips, fnn_max(most / t->width, 1));
    t->tiles = fnn_ceil_div(strips, t->blocks) * t->width;
}

/* Whole rows of tiles in one strip: as few products as there can be. */
static void shorten(tiling *t) {
    if (t->pieces > 1) return;
    t->shorter_rows = fnn_min(t->rows * t->m - t->out_h, t->rows);
    t->shorter_cols = fnn_min(t->cols * t->m - t->out_w, t->cols);
}

/* Products along an axis of `size` results. */
static ptrdiff_t axis_products(ptrdiff_t m, ptrdiff_t size) {
    const ptrdiff_t tiles = fnn_ceil_div(size, m);
    return (m + 2) * tiles - fnn_min(tiles * m - size, tiles);
}

/* Of both axes. */
static ptrdiff_t products_of(const fnn_conv2d_shape *s, ptrdiff_t m, int backward) {
    return axis_products(m, backward ? s->h : s->p) * axis_products(m, backward ? s->w : s->q);
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
