/* Groups of few channels: `direct` without padded copies, which would cost as much as the sums. By
 * windows over planes in place; or with LANES groups side by side in the lanes of vectors
 * (drivers/conv2d_lanes.h), where rows fill no vectors or no window kernel exists. */
#include <string.h>

#include "base/common.h"
#include "base/cpu.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_few.h"
#include "drivers/conv2d_near.h"

enum {
    GRAIN = 200000,           /* multiply-adds worth a task */
    BLOCK_BYTES = 24 * 1024,  /* rows of a group's source that stay in the L1 cache */
    DOT_BYTES = 1024,         /* of a plane that repays the call for its dot product */
    SCALE_GRAIN = 32768,      /* pixels worth a task where each is multiplied once */
    STRIP_COLUMNS = 32,       /* and rows of planes by strips; where lines may be written by halves: .. */
    STRIP_FAR_COLUMNS = 40,   /* .. beyond the last cache, .. */
    STRIP_BYTES = 20 << 20,   /* .. which holds so much of both maps, or three quarters by half lines */
    FOLD = 32,                /* gradients of windows whose sums are folded together */
    IMAGES = 4,               /* that go side by side through sums of short rows */
    BROAD_LONG = 40,          /* pixels of a row beyond which F(4, 4) along rows may be sooner, .. */
    BROAD_DEEP = 64,          /* .. and channels beyond which rows of pixels may, .. */
    BROAD_SMALL = 16,         /* .. or, where windows are of four taps, columns */
    THREE_PAIRS = 18,         /* of channels: sums by threes of results that stay in the L1 cache, .. */
    THREE_BYTES = 24 * 1024,  /* .. with so much of both maps */
    THREE_PARTS = 8           /* of the images */
};

/* Whether gradients of weights go by strips (conv2d_roll_weight). */
static FNN_NOINLINE int weight_strips_suit(const fnn_ctx *ctx, const fnn_conv2d_shape *s) {
    return s->r == 3 && s->stride_h == 1 && (ctx->halves || ctx->kernels->f32.lanes == 8);
}

/* Copied planes serve all channels of a group, so the more there are the cheaper is the copy; it is
 * dearest with a stride of 2, which splits the planes in four. Products of a group's channels up
 * to which each way was seen to win. With 16 registers the gradient of 5x5 weights has too few for
 * its sums, and only a stride of 2 repays it. */
static int window_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                        int is_f64) {
    const int weight = pass == FNN_BACKWARD_WEIGHT, strided = s->stride_h == 2;
    if (s->r != s->s || (s->r != 3 && s->r != 5) || s->dilation_h != 1 || s->dilation_w != 1 ||
        s->stride_h != s->stride_w || s->stride_h > 2 ||
        !(is_f64 ? ctx->kernels->f64.conv2d_window != NULL
                 : ctx->kernels->f32.conv2d_window != NULL))
        return 0;
    /* one group: rows that fill vectors, which `batch` does not repay, and few channels of few */
    if (s->groups == 1 &&
        (weight || strided || s->r != 3 || fnn_min(s->c, s->k) < 3 ||
         s->q % ctx->kernels->f32.lanes || ctx->kernels->f32.conv2d_registers < 32))
        return 0;
    if (weight && !strided && s->r == 5 && ctx->kernels->f32.conv2d_registers == 16) return 0;
    /* strips find columns beside the plane in the first and the last two of a row alone */
    if (weight && weight_strips_suit(ctx, s) && fnn_max(s->pad_left, s->q + 2 - s->w - s->pad_left) > 8)
        return 0;
    const ptrdiff_t pairs = (s->c / s->groups) * (s->k / s->groups);
    if (!strided) return pairs <= (weight ? 8 : 16);
    /* strided windows are shuffled for each result anew, copied planes once */
    if (pass == FNN_FORWARD) return pairs <= (s->r == 3 ? 32 : 8);
    return pairs <= (weight || s->r == 5 ? 32 : 64);
}

/* A vector of this ISA: its lanes and bytes. */
typedef struct width {
    ptrdiff_t lanes, bytes;
} width;

/* Whether the last cache does not hold both maps of float32. */
static FNN_NOINLINE int maps_are_far(const fnn_ctx *ctx, const fnn_conv2d_shape *s) {
    const double bytes = (double)(s->n * (s->c * s->h * s->w + s->k * s->p * s->q)) * sizeof(float);
    return bytes > STRIP_BYTES * (ctx->halves ? 1 : 0.75);
}

/* Whether results go past the caches: nobody reads them again here, and lines are written whole. */
static int goes_past(const fnn_ctx *ctx, const fnn_conv2d_shape *s, const void *dst, size_t row) {
    return ctx->halves && maps_are_far(ctx, s) && !s->relu && !s->gate &&
           ((uintptr_t)dst | row) % FNN_LINE == 0;
}

/* Whether a group's results go by strips (conv2d_roll): planes that L1 holds, by vectors of 32 bytes.
 * Where loads may straddle lines planes are larger while the last cache holds all of them, as a strip leaves
 * lines of a plane half written; and where vectors of 64 bytes take two turns, strips are of either kind, of
 * 3x3 alone. */
static int strips_suit(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const int data = pass == FNN_BACKWARD_DATA;
    const ptrdiff_t rows = data ? s->h : s->p, cols = data ? s->w : s->q;
    const ptrdiff_t most = !fnn_straddles          ? STRIP_COLUMNS
                           : maps_are_far(ctx, s) ? STRIP_FAR_COLUMNS
                                                  : FNN_CONV2D_STRIP_COLUMNS;
    return (ctx->halves || ctx->kernels->f32.lanes == 8) && s->stride_h == 1 &&
           (data ? s->k : s->c) == s->groups && 8 <= cols && cols <= most && rows <= most;
}

/* Whether strips of 32 bytes are sooner than of 64 where these take two turns: three for two, but for
 * 5x5, whose weights are more than 16 registers. */
static FNN_NOINLINE int strips_halve(const fnn_ctx *ctx, const fnn_conv2d_shape *s, ptrdiff_t cols) {
    return ctx->halves && s->r == 3 && 3 * fnn_ceil_div(cols, 16) >= 2 * fnn_ceil_div(cols, 8);
}

/* Where strips of 64 bytes stop, so that those of 32 bytes take what is left of a row: 56 columns as 48 and 8,
 * not 64. Of narrow rows too little is gained. */
static FNN_NOINLINE ptrdiff_t strips_stop(const fnn_ctx *ctx, const fnn_conv2d_shape *s, ptrdiff_t cols) {
    const ptrdiff_t over = cols % 16;
    const int mixed = ctx->halves && s->r == 3 && cols > 32 && 0 < over && over <= 8;
    return mixed && !strips_halve(ctx, s, cols) ? cols - over : cols;
}

/* Cycles for one plane by strips: the two ends of a row take masks. */
static double strip_cycles(ptrdiff_t rows, ptrdiff_t cols, double taps) {
    const ptrdiff_t strips = fnn_ceil_div(cols, 8);
    return (double)rows * ((double)strips * (1.5 + 0.32 * taps) +
                           (double)fnn_min(strips, 2) * 0.33 * taps);
}

FNN_INLINE fnn_conv2d_window conv2d_window(const fnn_conv2d_shape *s) {
    return (fnn_conv2d_window){.size = (int)s->r, .stride = (int)s->stride_h,
                               .in_rows = s->h, .in_cols = s->w,
                               .out_rows = s->p, .out_cols = s->q,
                               .top = s->pad_top, .left = s->pad_left,
                               .height = s->r, .width = s->s,
                               .row_step = s->dilation_h, .col_step = s->dilation_w};
}

/* Whether a plane's results are one vector (conv2d_single). */
static int single_suits(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, width vector) {
    const fnn_conv2d_window window = conv2d_window(s);
    return vector.bytes == 64 && pass == FNN_FORWARD && s->c == s->groups &&
           fnn_conv2d_is_single(&window);
}

/* Cycles for one group of one image by the kernels of windows in place. Fitted, like the two below,
 * to the times in csrc/notes/conv2d_depthwise.md. */
static double window_cycles(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                            width vector) {
    const int data = pass == FNN_BACKWARD_DATA, weight = pass == FNN_BACKWARD_WEIGHT;
    const int strided = s->stride_h == 2, backward = data || weight;
    const double taps = (double)(s->r * s->s), results = (double)(s->k / s->groups);
    const double fold = weight ? 25 + 10 * taps / (double)s->n : 0;
    const ptrdiff_t columns = data ? s->w : s->q, step = data && strided ? 2 : 1;
    const ptrdiff_t rows = data ? s->h : s->p;
    const int sums = weight && weight_strips_suit(ctx, s);
    const ptrdiff_t lanes = sums && strips_halve(ctx, s, columns) ? 8 : vector.lanes;
    const double vectors = (double)(rows * fnn_ceil_div(columns, step * lanes));
    /* all other models are of processors whose vectors take one turn */
    if (!weight && results == 1 && strips_suit(ctx, s, pass))
        return ctx->halves && s->r == 5 ? 17 * vectors
                                        : (ctx->halves ? 0.6 : 1) * strip_cycles(rows, columns, taps);
    if (sums && fnn_straddles)
        return (ctx->halves ? 0.65 : 1) * results * (fold + vectors * (lanes == 8 ? 5.8 : 8.4));
    if (single_suits(s, pass, vector)) return 20 * results;
    const int narrow = vector.lanes == 16 && s->w <= 16, wide = s->w >= 2 * vector.lanes;
    /* strips of one channel, which 16 registers have no quick masks for */
    const int strips = data && strided && s->r == 3 && s->k == s->groups &&
                       (vector.lanes == 16 || wide);
    /* conv2d_stride, measured against lanes at 10 to 17 columns of x */
    if (ctx->halves && vector.lanes == 16 && strided && !backward && s->r == 3 &&
        s->c == s->groups)
        return results * (30 * (double)fnn_ceil_div(columns, lanes) + 10 * vectors);
    const double each = strips ? (narrow ? 4 : 6)
                        : data && strided ? 11.5 + 0.32 * taps
                        : strided       ? 9.5 + 0.8 * taps
                        : weight        ? 3 + 0.6 * taps
                                        : 5 + 0.56 * taps;
    const double slow = vector.bytes == 32 && strided && backward && !strips ? 1.4 : 1;
    return results * (fold + slow * vectors * each);
}

/* By the engine of `direct` with its padded copies; its gradient of a 3x3 window has a kernel. */
static double copy_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, width vector) {
    const int data = pass == FNN_BACKWARD_DATA;
    const int three = pass == FNN_BACKWARD_WEIGHT && s->r == 3 && s->s == 3 && s->stride_h == 1 &&
                      s->stride_w == 1 && s->dilation_h == 1 && s->dilation_w == 1;
    const double vectors =
        (double)((data ? s->h : s->p) * fnn_ceil_div(data ? s->w : s->q, vector.lanes));
    const double each = three ? 8.4 : 6 + 1.2 * (double)(s->r * s->s);
    return (double)(s->k / s->groups) *
           (100 + 0.1 * (double)(s->h * s->w) + vectors * each);
}

/* By LANES groups side by side: every pixel is turned, and full vectors are summed. */
static double lane_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, width vector) {
    const int weight = pass == FNN_BACKWARD_WEIGHT;
    const double turn = (double)vector.bytes / (weight ? 16 : 10);
    const double product = !weight ? 0.55 : s->stride_w > 1 ? 1.2 : 0.7;
    const double results = (double)(s->k / s->groups * s->p * s->q);
    const double blocks = (double)fnn_ceil_div(s->groups, vector.lanes);
    return blocks / (double)s->groups *
           (turn * ((double)(s->h * s->w) + results) + product * (double)(s->r * s->s) * results);
}

static int prefers_lanes(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                         width vector, int window) {
    if (vector.lanes == 1 || s->groups == 1 || s->c != s->groups || s->k > 4 * s->groups) return 0;
    return lane_cycles(s, pass, vector) <
           (window ? window_cycles(ctx, s, pass, vector) : copy_cycles(s, pass, vector));
}

/* Whether there is a kernel for these short rows (kernels/conv2d_window.h), or for windows of one
 * column, to which it does not matter where a row ends. */
static int short_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                       int is_f64) {
    const ptrdiff_t columns = pass == FNN_BACKWARD_DATA ? s->w : s->q;
    const int tall = s->s == 1 && s->pad_left == 0 && s->q == s->w && pass != FNN_BACKWARD_WEIGHT;
    if (!(is_f64 ? ctx->kernels->f64.conv2d_short != NULL
                 : ctx->kernels->f32.conv2d_short != NULL))
        return 0;
    return s->groups > 1 && s->c == s->groups && s->stride_h == 1 && s->stride_w == 1 &&
           s->r * s->s <= FNN_CONV2D_SHORT_TAPS && columns >= 4 && (columns <= 8 || tall) &&
           (pass == FNN_FORWARD ? s->k <= 4 * s->groups : s->k == s->groups) &&
           (pass != FNN_BACKWARD_WEIGHT ||
            (s->p % 7 == 0 && s->r == 3 && s->s == 3 && s->dilation_h == 1 && s->dilation_w == 1));
}

/* Seven rows of a plane at a time by blocks of 3x3, 3x1 or single taps. */
static double short_cycles(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const ptrdiff_t threes = s->dilation_h == 1 ? s->r / 3 : 0;
    const ptrdiff_t squares = s->dilation_w == 1 ? s->s / 3 : 0;
    /* a block of its own; rows of x of several vectors cost it more */
    const int five = ctx->halves && s->r == 5 && s->s == 5 && s->dilation_h == 1 &&
                     s->dilation_w == 1 && s->q <= 8;
    const ptrdiff_t blocks = 29 * threes * squares + 11 * threes * (s->s - 3 * squares) +
                             8 * (s->r - 3 * threes) * s->s;
    const double taps = five ? s->w > 8 ? 56 : 48 : (double)blocks;
    const double fold = pass == FNN_BACKWARD_WEIGHT ? 2.0 / (double)s->n : 0; /* of each tap */
    const int data = pass == FNN_BACKWARD_DATA;
    const ptrdiff_t tiles =
        fnn_ceil_div(data ? s->h : s->p, 7) * fnn_ceil_div(data ? s->w : s->q, 8);
    return (double)(s->k / s->groups) * ((double)tiles * (10 + taps) + fold * (double)(s->r * s->s));
}

/* Whether a group's results are one vector, so that its pixels need not be turned (`broad` of
 * drivers/conv2d_lanes.h): tiles that are five sixths full, of pixels side by side or two apart. Rows
 * of results in two lines are repaid by large windows alone. Where operations are done in halves, loads
 * hide behind multiply-adds: what multiplies no zeros, or saves products (seven taps, long rows), is
 * sooner. */
static int broad_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                       width vector) {
    const int data = pass == FNN_BACKWARD_DATA;
    const ptrdiff_t in = (data ? s->k : s->c) / s->groups, out = (data ? s->c : s->k) / s->groups;
    if (vector.bytes != 64 || vector.lanes != 16 || pass == FNN_BACKWARD_WEIGHT) return 0;
    if (out != vector.lanes || in < 4 || s->r == 1 || s->s == 1 || fnn_conv2d_winograd_can(s))
        return 0;
    const ptrdiff_t lines = s->dilation_w / fnn_conv2d_gcd(s->stride_w, s->dilation_w);
    if (data ? lines > 2 : s->stride_w * s->dilation_w > 2) return 0;
    if (lines == 2 && (s->s < 3 || s->r * s->s < 15)) return 0;
    const ptrdiff_t pixels = (data ? s->w / s->stride_w : s->q) / lines;
    const ptrdiff_t step = data ? lines : s->stride_w * s->dilation_w;
    const ptrdiff_t tile = fnn_conv2d_broad_tile(ctx, pixels, step), whole = fnn_round_up(pixels, tile);
    const int narrow = tile == FNN_CONV2D_BROAD_NARROW;
    /* taps of a row that meet columns of zeros */
    const ptrdiff_t zeros = narrow ? (s->pad_left * (s->pad_left + s->stride_w) +
                                      s->pad_right * (s->pad_right + s->stride_w)) / (2 * s->stride_w)
                                   : 0;
    /* `batch` loads less where images fill its vectors */
    if (narrow && 32 * s->n > 31 * fnn_round_up(s->n, vector.lanes)) return 0;
    if (narrow && pixels > BROAD_LONG &&
        (in >= vector.lanes || 6 * pixels < 5 * fnn_round_up(pixels, FNN_CONV2D_BROAD)))
        return 0;
    if (narrow && (in > BROAD_DEEP || (in > BROAD_SMALL && s->r * s->s <= 4))) return 0;
    if (ctx->halves && in >= vector.lanes &&
        (16 * (s->q / lines * s->s - zeros) < 15 * whole * s->s ||
         (s->s >= 7 && s->stride_w == 1)))
        return 0;
    return 6 * pixels >= 5 * whole && pixels >= tile;
}

/* How a pass goes: by windows in place, by lanes of groups, by multiplying planes, or not here. */
typedef enum way {
    WAY_NONE, WAY_WINDOW, WAY_LANES, WAY_SCALE, WAY_SHORT, WAY_FEW, WAY_NEAR, WAY_THREE
} way;

/* The gradient of few windows by threes of results, in rows that fill vectors. */
static int three_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                       int is_f64) {
    return !is_f64 && pass == FNN_BACKWARD_WEIGHT && ctx->kernels->f32.conv2d_three_weight &&
           s->groups == 1 && s->r == 3 && s->s == 3 && s->stride_h == 1 && s->stride_w == 1 &&
           s->dilation_h == 1 && s->dilation_w == 1 && s->pad_left == 1 && s->q == s->w &&
           s->q % ctx->kernels->f32.lanes == 0 && s->k % 3 == 0 && s->c * s->k <= THREE_PAIRS;
}

static way choose_way(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                      int is_f64) {
    const ptrdiff_t lanes = is_f64 ? ctx->kernels->f64.lanes : ctx->kernels->f32.lanes;
    const width vector = {lanes, lanes * (ptrdiff_t)(is_f64 ? sizeof(double) : sizeof(float))};
    const int window = window_suits(ctx, s, pass, is_f64);
    if (s->groups > 1 && s->c == s->groups && s->k == s->groups && fnn_conv2d_is_product(s) &&
        (pass != FNN_BACKWARD_WEIGHT || s->p * s->q * vector.bytes >= DOT_BYTES * lanes))
        return WAY_SCALE;
    if (fnn_conv2d_few_suits(ctx, s, pass, is_f64)) return WAY_FEW;
    if (three_suits(ctx, s, pass, is_f64)) return WAY_THREE;
    if (short_suits(ctx, s, pass, is_f64)) {
        const double cycles = short_cycles(ctx, s, pass);
        if (cycles < lane_cycles(s, pass, vector) &&
            (!window || cycles < window_cycles(ctx, s, pass, vector)))
            return WAY_SHORT;
    }
    if (fnn_conv2d_near_can(ctx, s, pass, is_f64)) {
        const double cycles = fnn_conv2d_near_cycles(ctx, s, pass);
        if (cycles < lane_cycles(s, pass, vector) &&
            (!window || cycles < window_cycles(ctx, s, pass, vector)))
            return WAY_NEAR;
    }
    if (prefers_lanes(ctx, s, pass, vector, window) || broad_suits(ctx, s, pass, vector))
        return WAY_LANES;
    return window ? WAY_WINDOW : WAY_NONE;
}

int fnn_conv2d_depthwise_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                               fnn_conv2d_pass pass, int is_f64) {
    return choose_way(ctx, s, pass, is_f64) != WAY_NONE;
}

double fnn_conv2d_windows_cycles(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                 fnn_conv2d_pass pass, int is_f64) {
    const ptrdiff_t lanes = is_f64 ? ctx->kernels->f64.lanes : ctx->kernels->f32.lanes;
    const ptrdiff_t element = (ptrdiff_t)(is_f64 ? sizeof(double) : sizeof(float));
    const way way = choose_way(ctx, s, pass, is_f64);
    /* others must promise a fifth less: mostly where vectors of groups are partly empty */
    if (way == WAY_LANES && s->c == s->groups)
        return 3000 + 0.8 * (double)(s->n * s->groups) *
                          lane_cycles(s, pass, (width){lanes, lanes * element});
    if (way == WAY_NONE) return -1;
    if (s->groups == 1 || (s->c == s->groups && s->k == s->groups) || way != WAY_WINDOW) return 0;
    const int data = pass == FNN_BACKWARD_DATA, weight = pass == FNN_BACKWARD_WEIGHT;
    const int strided = s->stride_h == 2;
    const fnn_conv2d_maps maps = fnn_conv2d_maps_of(s, element);
    const ptrdiff_t across = lanes * (data && strided ? 2 : 1);
    const double vectors =
        (double)((data ? s->h : s->p) * fnn_ceil_div(data ? s->w : s->q, across));
    const double taps = (double)(s->r * s->s), pairs = (double)(s->n * s->c * (s->k / s->groups));
    const double each = !strided ? (weight ? 0.5 : lanes * element == FNN_LINE ? 0.74 : 0.57) * taps
                        : weight ? 3.4 + 1.35 * taps
                        : data   ? 1.2 + 0.32 * taps
                                 : 10 + 0.62 * taps;
    return 3000 + pairs * (10 + vectors * each) + 0.27 * (maps.x + maps.y) +
           50 * (double)(s->n * s->groups);
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_three_weight_tmpl.h"
#include "drivers/conv2d_depthwise_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_depthwise_tmpl.c"
#include "base/real_end.h"
