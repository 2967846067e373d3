/* The choice among the register tiles of conv2d_pixels and conv2d_pixel_runs. */
#ifndef FNN_DRIVERS_CONV2D_PIXELS_H
#define FNN_DRIVERS_CONV2D_PIXELS_H

#include "base/common.h"
#include "kernels/conv2d_tiles.h"

enum { PIXEL_TILE_COST = 40 /* of a call, in half cycles */ };

/* Register tiles of each kind of ISA, in the order of kernels/conv2d_tiles.h: conv2d_pixels if taps
 * is 1, else conv2d_pixel_runs. */
typedef struct pixel_tile {
    int outs, taps, pixels, framed;
} pixel_tile;
#define X(O, P) {O, 1, P, 0},
static const pixel_tile pixels_16[] = {FNN_CONV2D_PIXELS_16(X)};
static const pixel_tile pixels_32[] = {FNN_CONV2D_PIXELS_32(X)};
#undef X
#define X(T, P, F) {1, T, P, F},
static const pixel_tile runs_16[] = {FNN_CONV2D_PIXEL_RUNS_16(X)};
static const pixel_tile runs_32[] = {FNN_CONV2D_PIXEL_RUNS_32(X)};
#undef X
#define LIST(tiles) {tiles, (int)(sizeof(tiles) / sizeof *(tiles))}
static const struct {
    const pixel_tile *tiles;
    int count;
} tile_lists[2][2] = {{LIST(pixels_16), LIST(runs_16)}, {LIST(pixels_32), LIST(runs_32)}};
#undef LIST

/* What a row of one class asks for: output channels, pixels, input channels by taps, taps that
 * stand as far apart as pixels do (1 if they do not), and whether all of these but one read zeros at
 * either end. */
typedef struct pixel_need {
    ptrdiff_t outs, width, terms, run;
    int framed;
    ptrdiff_t unaligned; /* bytes of a vector, if vectors begin anywhere */
} pixel_need;

typedef struct pixel_choice {
    int number; /* in its list */
    pixel_tile size;
    ptrdiff_t cost; /* half cycles for a row */
} pixel_choice;

/* Half cycles for a row: two multiply-adds or two loads a cycle, a line that a load straddles as in
 * conv2d_direct.c, four cycles of latency; PTRDIFF_MAX if the tile is too large, or would take more
 * than `most` if it were full everywhere. */
FNN_INLINE ptrdiff_t pixel_cost(const pixel_tile *t, const pixel_need *need, ptrdiff_t most) {
    if (t->outs > need->outs || t->pixels > need->width) return PTRDIFF_MAX;
    if (t->taps > 1 && t->taps != need->run) return PTRDIFF_MAX;
    if (t->framed && !(need->framed && t->pixels == need->width)) return PTRDIFF_MAX;
    const ptrdiff_t read = t->pixels + (t->framed ? 1 - t->taps : t->taps - 1);
    const ptrdiff_t products =
        (ptrdiff_t)t->outs * t->taps * (t->framed ? read : (ptrdiff_t)t->pixels);
    const ptrdiff_t straddling = t->pixels * need->unaligned / FNN_LINE;
    const ptrdiff_t loads = t->outs * t->taps + read + straddling;
    const ptrdiff_t step = fnn_max(fnn_max(products, loads), 8) + 1 + straddling;
    const ptrdiff_t terms = t->taps > 1 ? need->terms / t->taps : need->terms;
    const ptrdiff_t cost = terms * step + 2 * t->outs * t->pixels + PIXEL_TILE_COST;
    if ((double)(need->outs * need->width * cost) > (double)most * (t->outs * t->pixels))
        return PTRDIFF_MAX;
    return fnn_ceil_div(need->outs, t->outs) * fnn_ceil_div(need->width, t->pixels) * cost;
}

FNN_INLINE pixel_choice choose_pixels(int registers, const pixel_need *need) {
    pixel_choice best = {.cost = PTRDIFF_MAX};
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < tile_lists[registers == 32][kind].count; i++) {
            const pixel_tile *tile = &tile_lists[registers == 32][kind].tiles[i];
            const ptrdiff_t cost = pixel_cost(tile, need, best.cost);
            if (cost < best.cost) best = (pixel_choice){i, *tile, cost};
        }
    }
    return best;
}

#endif
