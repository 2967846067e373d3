/* Windows by F(4, 4) along rows: how they are laid out, and what they are expected to take. */
#include <math.h>

#include "base/common.h"

#include "drivers/conv2d_flat.h"
#include "drivers/conv2d_pixels.h"

enum {
    MOST_V = 1 << 20,   /* bytes: V is read again for every `outs` channels, out of L2 */
    LEAST_CHANNELS = 8, /* on either side: both transforms pass over them */
    LEAST_WORK = 8000000 /* multiply-adds of windows of several rows: fewer do not repay them */
};

/* Numbers of the tiles of conv2d_rows. */
#define X(O, R, V) ROWS_##O##x##R##x##V,
enum { FNN_CONV2D_ROWS_16(X) };
#undef X

static fnn_flat_tile choose_tile(const fnn_flat_plan *plan, ptrdiff_t lanes, int registers) {
    const ptrdiff_t unaligned = plan->high > lanes ? lanes * (ptrdiff_t)sizeof(float) : 0;
    const pixel_need need = {.outs = plan->outs, .width = plan->run, .terms = plan->terms,
                             .run = 1, .unaligned = unaligned};
    const pixel_choice best = choose_pixels(registers, &need);
    const pixel_tile four = {FNN_CONV2D_PACKED, 1, 3, 0};
    const fnn_flat_tile tile = {best.number, best.size.outs, best.size.pixels, 1,
                                best.cost};
    const fnn_flat_tile packed = {ROWS_4x3x1, four.outs, four.pixels, four.outs,
                                  pixel_cost(&four, &need, PTRDIFF_MAX)};
    const int can = fnn_conv2d_packs(registers, four.outs, four.pixels) &&
                    plan->out % four.outs == 0;
    return can && packed.cost <= tile.cost ? packed : tile;
}

/* Blocks side by side are one longer row, which may fill the register tiles better. */
static void stack_blocks(fnn_flat_plan *plan, ptrdiff_t stack, ptrdiff_t lanes, int registers) {
    plan->stack = stack;
    plan->run = (stack - 1) * plan->slots + plan->tiles;
    plan->blocks = fnn_ceil_div(plan->rows, lanes * stack);
    plan->tile = choose_tile(plan, lanes, registers);
}

static ptrdiff_t v_bytes(const fnn_flat_plan *plan) {
    return FNN_FLAT_POSITIONS * plan->in * plan->stack * plan->slots * plan->high *
           (ptrdiff_t)sizeof(float);
}

fnn_flat_plan fnn_flat_lay(const fnn_conv2d_shape *s, ptrdiff_t lanes, int registers, int threads) {
    const ptrdiff_t out = s->k / s->groups;
    fnn_flat_plan plan = {.pick = fnn_conv2d_picked(s), .in = s->c / s->groups, .out = out,
                          .outs = fnn_min(out, FNN_FLAT_OUTS / lanes),
                          .image_rows = s->r > 1 ? fnn_round_up(s->p, lanes) : s->p,
                          .high = fnn_round_up(lanes + s->r - 1, lanes),
                          .tiles = fnn_ceil_div(s->q, FNN_FLAT_M)};
    const fnn_conv2d_shape *picked = &plan.pick.shape;
    plan.rows = s->n * plan.image_rows;
    plan.stride = picked->stride_w;
    plan.pitch = picked->pad_left + picked->w;
    for (ptrdiff_t phase = 0; phase < plan.stride; phase++) {
        const ptrdiff_t chunks = fnn_flat_chunks(&plan, phase);
        if (chunks == 0) continue;
        const ptrdiff_t slots = plan.tiles + chunks - 1;
        plan.chunks += chunks, plan.slots += slots;
        plan.pitch = fnn_max(plan.pitch, plan.stride * (FNN_FLAT_M * slots + 3));
    }
    plan.terms = plan.in * s->r * plan.chunks;
    stack_blocks(&plan, 1, lanes, registers);
    for (ptrdiff_t stack = 2; stack <= FNN_FLAT_STACK; stack++) {
        fnn_flat_plan other = plan;
        stack_blocks(&other, stack, lanes, registers);
        if (threads > 1 && other.blocks * s->groups < 2 * threads) break;
        if (v_bytes(&other) <= MOST_V && other.tile.cost * plan.stack < plan.tile.cost * stack)
            plan = other;
    }
    return plan;
}

/* Cycles for each of what the plan counts, on the scale of conv2d_rivals.c: fitted to the times over the
 * problems that csrc/notes/conv2d_winograd.md names. */
typedef struct factors {
    double product, turn, transform, channel, weight;
} factors;
static const factors fitted[2][2] = {/* 16 and 32 registers; windows of one row, and of several */
                                     {{1.0, 1.07, 0, 0, 8.8}, {0.92, 0.98, 0, 0, 8.1}},
                                     {{1.13, 0.45, 28, 26, 8.5}, {0.96, 0.38, 24, 22, 7.2}}};

int fnn_conv2d_flat_can(const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    if (s->s < FNN_FLAT_M || pass == FNN_BACKWARD_WEIGHT) return 0;
    if (fnn_min(s->c, s->k) < LEAST_CHANNELS * s->groups) return 0;
    if (s->n < 1 || s->p < 1 || s->q < 1 || s->w < 1) return 0;
    const int strided = s->stride_h > 1 || s->stride_w > 1;
    const ptrdiff_t work = s->n * s->p * s->q * s->k * (s->c / s->groups) * s->r * s->s;
    if (s->r > 1 && (strided || s->dilation_h > 1 || work < LEAST_WORK)) return 0;
    if (s->r == 1 && (s->pad_top != 0 || (s->p - 1) * s->stride_h >= s->h)) return 0;
    if (pass == FNN_BACKWARD_DATA && (strided || (s->r == 1 && s->p != s->h))) return 0;
    const fnn_conv2d_shape seen = fnn_conv2d_as_forward(s, pass);
    return seen.pad_left >= 0 && fnn_conv2d_picked(&seen).shape.dilation_w == 1;
}

double fnn_conv2d_flat_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass, ptrdiff_t lanes,
                              int registers) {
    const fnn_conv2d_shape seen = fnn_conv2d_as_forward(shape, pass), *s = &seen;
    const fnn_flat_plan plan = fnn_flat_lay(s, lanes, registers, 1);
    if (v_bytes(&plan) > MOST_V) return HUGE_VAL;
    const double products = 0.5 * FNN_FLAT_POSITIONS * (double)fnn_ceil_div(plan.out, plan.outs) *
                            (double)plan.tile.cost;
    const ptrdiff_t in = plan.stack * plan.in * (plan.high / lanes); /* vectors of rows */
    const ptrdiff_t out = plan.stack * plan.out;
    const double turned = (double)(lanes * (in * plan.pick.shape.w + out * s->q));
    const double transformed = (double)(in * plan.slots + out * plan.tiles);
    const double weights = (double)(s->k * plan.terms);
    const factors *f = &fitted[registers == 32][s->r > 1];
    return (double)(plan.blocks * s->groups) *
               (f->product * products + f->turn * turned + f->transform * transformed +
                f->channel * (double)(in + out)) +
           f->weight * weights;
}
