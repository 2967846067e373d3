/* Depthwise convolution over planes that are copied to L1: there they have zeros around them, and a
 * column of results is summed with all rows of taps in registers. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_near.h"

enum {
    FEWEST_ROWS = 8,         /* of a result: those of the smallest tile */
    FEWEST_COLUMNS = 12,     /* of a result of one plane, in a vector of 16, .. */
    FIVE_COLUMNS = 16,       /* .. and with windows of five rows, which have other kernels */
    MOST_PIXELS = 16384,     /* of a plane, .. */
    FIVE_PIXELS = 4096,      /* .. and with five rows of taps: L1 holds its result and the next one */
    FAR_BYTES = 1024 * 1024, /* source from which on the next planes' is fetched ahead */
    GRAIN = 200000           /* multiply-adds worth a task */
};

typedef struct size {
    int taps, rows;
} size;

#define X(TAPS, ROWS) {TAPS, ROWS},
static const size tiles_16[] = {FNN_CONV2D_NEAR_16(X)}, tiles_32[] = {FNN_CONV2D_NEAR_32(X)};
#undef X

/* The tile that computes the fewest rows in vain. */
static int choose_tile(ptrdiff_t registers, ptrdiff_t taps, ptrdiff_t rows, ptrdiff_t *tile_rows) {
    const size *tiles = registers == 32 ? tiles_32 : tiles_16;
    const int count = (int)(registers == 32 ? sizeof tiles_32 : sizeof tiles_16) / (int)sizeof *tiles;
    ptrdiff_t least = PTRDIFF_MAX;
    int best = 0;
    for (int i = 0; i < count; i++) {
        const ptrdiff_t cost = fnn_ceil_div(rows, tiles[i].rows) * (tiles[i].rows + 1);
        if (tiles[i].taps != taps || tiles[i].rows > rows || cost >= least) continue;
        least = cost;
        best = i;
    }
    *tile_rows = tiles[best].rows;
    return best;
}

static FNN_NOINLINE fnn_conv2d_pick near_pick(const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const fnn_conv2d_shape seen = fnn_conv2d_as_forward(s, pass);
    return fnn_conv2d_picked(&seen);
}

int fnn_conv2d_near_can(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                        int is_f64) {
    if (is_f64 || pass == FNN_BACKWARD_WEIGHT || ctx->kernels->f32.conv2d_near == NULL ||
        s->groups < 2 || s->c != s->groups || s->k != s->groups ||
        (s->r != 3 && s->r != 5 && s->r != 7) ||
        (pass == FNN_BACKWARD_DATA &&
         (s->stride_h != 1 || s->stride_w != 1 || s->dilation_h != 1 || s->dilation_w != 1 ||
          s->pad_top >= s->r || s->pad_left >= s->s)))
        return 0;
    const fnn_conv2d_pick pick = near_pick(s, pass);
    const fnn_conv2d_shape *picked = &pick.shape;
    const ptrdiff_t columns = ctx->kernels->f32.lanes / 2; /* of a vector of two planes */
    if (picked->stride_h != 1 || picked->stride_w != 1 || picked->dilation_h != 1 ||
        picked->dilation_w != 1 || picked->p < FEWEST_ROWS)
        return 0;
    if (pick.col_step == 2) return s->groups % 2 == 0 && picked->q >= columns && picked->w >= columns;
    return pick.col_step == 1 && ctx->kernels->f32.conv2d_registers == 32 && s->r > 3 &&
           picked->q >= (s->r == 5 ? FIVE_COLUMNS : FEWEST_COLUMNS) &&
           picked->h * picked->w <= (s->r == 5 ? FIVE_PIXELS : MOST_PIXELS);
}

double fnn_conv2d_near_cycles(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                              fnn_conv2d_pass pass) {
    const fnn_conv2d_pick pick = near_pick(s, pass);
    const fnn_conv2d_shape *picked = &pick.shape;
    const ptrdiff_t columns = ctx->kernels->f32.lanes / pick.col_step;
    ptrdiff_t rows;
    choose_tile(ctx->kernels->f32.conv2d_registers, s->r, picked->p, &rows);
    const double stored = (double)(picked->h * fnn_ceil_div(picked->w, columns));
    const double sums = (double)(fnn_round_up(picked->p, rows) * fnn_ceil_div(picked->q, columns));
    return (2.5 * stored + sums * (2.5 + 0.5 * (double)(s->r * s->s))) / (double)pick.col_step;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_near_tmpl.c"
#include "base/real_end.h"
