/* Convolution of LANES images at a time, one in each lane: the gradient of the weights. */
#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_batch.h"

/* Register tiles of each kind of ISA, in the order of kernels/conv2d_tiles.h. */
typedef struct dot_tile {
    int outs, rows;
} dot_tile;
#define X(K, R) {K, R},
static const dot_tile dots_16[] = {FNN_CONV2D_DOTS_16(X)};
static const dot_tile dots_32[] = {FNN_CONV2D_DOTS_32(X)};
#undef X
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

enum {
    SUM_BYTES = 160 * 1024,     /* a task's block of the gradient */
    PIXEL_BYTES = 384 * 1024,   /* x and dy of a step that stay in the L2 cache */
    PARTIAL_BYTES = 512 * 1024, /* all partial gradients */
    TASKS = 16,                 /* tasks to aim at */
    GRAIN = 200000              /* multiply-adds worth a task */
};

/* The tile that needs the fewest half cycles: two multiply-adds or two loads a cycle, four cycles
 * of latency. */
static int choose_dot(int registers, ptrdiff_t outs, ptrdiff_t rows, dot_tile *tile) {
    const dot_tile *tiles = registers == 32 ? dots_32 : dots_16;
    const int count = registers == 32 ? COUNT(dots_32) : COUNT(dots_16);
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
    return best;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_batch_tmpl.h"
#include "drivers/conv2d_batch_weight_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_batch_tmpl.h"
#include "drivers/conv2d_batch_weight_tmpl.c"
#include "base/real_end.h"
