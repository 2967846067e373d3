/* Windows of one row by F(4, 4): forward and backward-data, and what they are expected to take. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_flat.h"
#include "drivers/conv2d_pixels.h"

enum {
    GRAIN = 200000,          /* multiply-adds worth a second thread */
    FAR_BYTES = 1 << 20,     /* maps beyond are fetched ahead: half of L2 */
    MOST_V = 1 << 20,        /* bytes: V is read again for every `outs` channels, out of L2 */
    LEAST_CHANNELS = 8       /* on either side: both transforms pass over them */
};

static FNN_NOINLINE fnn_flat_plan fnn_flat_lay(const fnn_conv2d_shape *s, ptrdiff_t lanes) {
    const ptrdiff_t out = s->k / s->groups;
    fnn_flat_plan plan = {.pick = fnn_conv2d_picked(s), .in = s->c / s->groups, .out = out,
                          .outs = fnn_min(out, FNN_FLAT_OUTS / lanes), .rows = s->n * s->p,
                          .blocks = fnn_ceil_div(s->n * s->p, lanes),
                          .tiles = fnn_ceil_div(s->q, FNN_FLAT_M)};
    const fnn_conv2d_shape *picked = &plan.pick.shape;
    plan.stride = picked->stride_w;
    plan.pitch = picked->pad_left + picked->w;
    for (ptrdiff_t phase = 0; phase < plan.stride; phase++) {
        const ptrdiff_t chunks = fnn_flat_chunks(&plan, phase);
        if (chunks == 0) continue;
        const ptrdiff_t slots = plan.tiles + chunks - 1;
        plan.chunks += chunks, plan.slots += slots;
        plan.pitch = fnn_max(plan.pitch, plan.stride * (FNN_FLAT_M * slots + 3));
    }
    return plan;
}

/* Numbers of the tiles of conv2d_rows. */
#define X(O, R, V) ROWS_##O##x##R##x##V,
enum { FNN_CONV2D_ROWS_16(X) };
#undef X

/* A register tile of the products: of conv2d_pixels, or the one of conv2d_rows, whose rows are pixels
 * here, that reads its weights packed. */
typedef struct flat_tile {
    int number; /* in its list */
    pixel_tile size;
    ptrdiff_t packed; /* output channels whose U lies side by side: 1, or all of a tile's */
    ptrdiff_t cost;   /* half cycles for `outs` channels of a position */
} flat_tile;

static FNN_NOINLINE flat_tile choose_tile(const fnn_flat_plan *plan, int registers) {
    const pixel_need need = {.outs = plan->outs, .width = plan->tiles,
                             .terms = plan->in * plan->chunks, .run = 1};
    const pixel_choice best = choose_pixels(registers, &need);
    const flat_tile tile = {best.number, best.size, 1, pixel_cost(&best.size, &need)};
    flat_tile packed = {ROWS_4x3x1, {FNN_CONV2D_PACKED, 1, 3}, FNN_CONV2D_PACKED, 0};
    packed.cost = pixel_cost(&packed.size, &need);
    const int can = fnn_conv2d_packs(registers, packed.size.outs, packed.size.pixels) &&
                    plan->out % FNN_CONV2D_PACKED == 0;
    return can && packed.cost <= tile.cost ? packed : tile;
}

/* Cycles for each of what the plan counts, on the scale of conv2d_rivals.c: fitted to the times over the
 * problems that README.md names. */
typedef struct factors {
    double product, turn, transform, channel, weight;
} factors;
static const factors fitted[2] = {{1.0, 1.07, 0, 0, 8.8}, {1.13, 0.45, 28, 26, 8.5}};

int fnn_conv2d_flat_can(const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    if (s->r != 1 || s->s < FNN_FLAT_M || pass == FNN_BACKWARD_WEIGHT) return 0;
    if (fnn_min(s->c, s->k) < LEAST_CHANNELS * s->groups) return 0;
    if (s->n < 1 || s->p < 1 || s->q < 1 || s->w < 1) return 0;
    if (s->pad_top != 0 || (s->p - 1) * s->stride_h >= s->h) return 0;
    if (pass == FNN_BACKWARD_DATA && (s->stride_h > 1 || s->stride_w > 1 || s->p != s->h)) return 0;
    const fnn_conv2d_shape seen = fnn_conv2d_as_forward(s, pass);
    return seen.pad_left >= 0 && fnn_conv2d_picked(&seen).shape.dilation_w == 1;
}

double fnn_conv2d_flat_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass, ptrdiff_t lanes,
                              int registers) {
    const fnn_conv2d_shape seen = fnn_conv2d_as_forward(shape, pass), *s = &seen;
    const fnn_flat_plan plan = fnn_flat_lay(s, lanes);
    const double v_bytes =
        (double)(FNN_FLAT_POSITIONS * lanes) * (double)(plan.in * plan.slots) * sizeof(float);
    if (v_bytes > MOST_V) return HUGE_VAL;
    const double products = 0.5 * FNN_FLAT_POSITIONS * (double)fnn_ceil_div(plan.out, plan.outs) *
                            (double)choose_tile(&plan, registers).cost;
    const double turned = (double)(lanes * (plan.in * plan.pick.shape.w + plan.out * s->q));
    const double transformed = (double)(plan.in * plan.slots + plan.out * plan.tiles);
    const double weights = (double)(s->k * plan.in * plan.chunks);
    const factors *f = &fitted[registers == 32];
    return (double)(plan.blocks * s->groups) *
               (f->product * products + f->turn * turned + f->transform * transformed +
                f->channel * (double)(plan.in + plan.out)) +
           f->weight * weights;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_flat_tmpl.c"
#include "base/real_end.h"
