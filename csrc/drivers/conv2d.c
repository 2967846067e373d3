/* conv2d: the entry points, the choice of algorithm, the gradient of the bias alone. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"
#include "drivers/conv2d_flat.h"
#include "drivers/conv2d_patches.h"
#include "drivers/conv2d_phases.h"
#include "drivers/conv2d_sizes.h"

enum {
    BIAS_GRAIN = 65536, /* elements of dy worth a task */
    BIAS_CHANNELS = 32, /* sums at a time: two kilobytes */
    COLUMN_BYTES = 256 * 1024, /* of columns of a channel: beyond, `direct` is better */
    BATCH_MAPS = 40 << 20,     /* bytes of maps that the last cache holds */
    FEWEST_WEIGHTS = 8192,     /* whose gradient from few images, .. */
    MOST_WEIGHTS = 80000,
    IMAGE_TAPS = 100,          /* .. images times taps, is sooner made of columns; from two images
                                * that of half as many, and however many */
    FEW_TILES = 3,             /* of Winograd's, beside which transforming the weights is much */
    PHASES_CHANNELS = 32       /* on either side, that repay copying the phases of both maps */
};

/* Cycles to copy an element to its phase or back, where it is no longer in the caches. */
static const double PHASES_COPY = 1.8;

/* Cycles that `direct` and packed columns take more for an element of the maps where a stride
 * splits columns, which they copy apart or weave together, and `batch` where it turns what a stride
 * passes over. Fitted with 16 registers; with 32 they make the choice no better. */
static const double SPLIT_COPY = 0.7, STRIDED_TURN = 0.2;

/* What other algorithms must promise against im2col's rows, whose estimate is the surest; and
 * against its columns, of small maps. */
static const double DOUBT = 1.1;

typedef struct features {
    ptrdiff_t c, k, lanes;   /* channels per group */
    int short_sum;           /* few terms in an output's sum */
    int pointwise, strided;
    int narrow, tiny;        /* a row is no longer than a vector; than half of one */
    int few_pixels;          /* too few to pay for regrouping the weights */
    int few_images;          /* too few to pay for bringing sums of the weights in order */
    int large;               /* the columns of one channel exceed a block of them */
    int cached;              /* and the result does not exceed the last cache */
    int many_taps;           /* of which `direct` reads runs, and columns would be copied */
    int wide;                /* tiles of 32 registers: the product keeps its speed on few columns */
    int split;               /* 16 registers, and a stride that puts columns into phases */
    double rows;             /* cycles of im2col's rows of pixels, once asked for; else -1 */
} features;

/* An algorithm, and the rule that led to it. */
typedef struct choice {
    fnn_algorithm algorithm;
    const char *reason;
} choice;

/* The rule that takes the matrix product, or NULL. Direct tiles lose lanes at the ends of short
 * rows and time in taking a tile to its places if its sum is short; the matrix product pays for
 * packing its columns, which many output channels repay. Fitted to both algorithms' times over
 * the problems that csrc/notes/conv2d.md names: at most 4 % is lost on average. */
static const char *why_columns(const features *f, fnn_conv2d_pass pass, ptrdiff_t pixels,
                               ptrdiff_t images) {
    const ptrdiff_t c = f->c, k = f->k, lanes = f->lanes;
    const char *const pointwise = "1x1 window with channels enough to repay packing";
    const char *const few_in = "few input channels, and outputs enough to repay packing";
    const char *const strided = "stride, and channels enough to repay packing";
    const char *const narrow = "rows no longer than a vector, and many channels";
    switch (pass) {
    case FNN_FORWARD:
        if (f->pointwise) return k >= 2 * lanes ? pointwise : NULL;
        if (f->short_sum) return k >= 4 * lanes && !f->cached ? few_in : NULL;
        if (f->strided) return c >= lanes && k >= 4 * lanes ? strided : NULL;
        return f->narrow && !f->tiny && c >= 4 * lanes && k >= 8 * lanes ? narrow : NULL;
    case FNN_BACKWARD_DATA:
        if (f->pointwise) return k >= 2 * lanes && k >= c ? pointwise : NULL;
        if (k >= 16 * c) return k >= 2 * lanes && !f->large ? few_in : NULL;
        return f->wide && f->few_pixels && c >= 16 * lanes && k >= 16 * lanes
                   ? "few pixels, and many channels" : NULL;
    default:
        if (f->pointwise) return fnn_min(c, k) >= 2 * lanes ? pointwise : NULL;
        if (f->short_sum) return k >= 16 * lanes ? few_in : NULL;
        if (f->many_taps && images >= 8) return NULL;
        if (f->split && c >= 16 && k >= 24 && c * k >= 512) return strided;
        return f->narrow && c * k >= lanes * lanes &&
                       (pixels >= 128 || f->few_images || c * k >= 64 * lanes * lanes)
                   ? narrow : NULL;
    }
}

/* Images side by side lose no lanes at the ends of rows and need no phases, but every element of
 * both maps is turned, which maps beyond the caches do not repay, and many weights pass by for each
 * tile. Few input channels of many outputs are better multiplied. Fitted to all three algorithms'
 * times over the problems that csrc/notes/conv2d.md names. */
static int prefers_batch(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, ptrdiff_t lanes,
                         ptrdiff_t element) {
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups, pixels = s->p * s->q;
    const ptrdiff_t images = fnn_round_up(s->n, lanes), whole = fnn_round_up(s->q, lanes);
    const ptrdiff_t taps = s->r * s->s, weights = c * k * taps;
    if (lanes == 1 || taps == 1 || c > 32 || k > 64 || 4 * s->n < 3 * images) return 0;
    if (pass == FNN_BACKWARD_WEIGHT && weights > 10000) return 0; /* a vector of sums for each */
    if (pass == FNN_BACKWARD_DATA && k >= 16 * c) return 0;
    if (s->n * (s->c * s->h * s->w + s->k * pixels) * element > BATCH_MAPS) return 0;
    const ptrdiff_t turned = c * s->h * s->w + k * pixels;
    const ptrdiff_t products = weights * pixels / fnn_max(turned, 1); /* for each */
    if (s->stride_h > 1 || s->stride_w > 1) return products >= 8;
    if (s->q <= lanes) return products >= 4;
    if (4 * s->q <= 3 * whole) return products >= 6;
    if (products < 12 || weights > 4096) return 0;
    if (pass == FNN_BACKWARD_DATA && c == 1) return 1;
    if (pass == FNN_BACKWARD_WEIGHT) return s->q < whole || (whole <= 2 * lanes && weights <= 640);
    return s->q < whole && whole <= 2 * lanes;
}

/* Weights where a stride splits columns, with 16 registers of 32 bytes: columns of many channels,
 * or `direct` where its tile is two vectors of channels, cost less than images side by side. */
static int split_unlike_batch(const features *f, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                              ptrdiff_t element) {
    if (pass != FNN_BACKWARD_WEIGHT || !f->split || f->lanes * element != 32) return 0;
    if (f->c >= 16 && f->c * f->k >= 1024) return 1;
    if (f->lanes != 8 || s->q < 24) return 0;
    return (f->k == 16 && f->c >= 6) || (f->k > 16 && s->s == 1);
}

static double rows_cycles(const fnn_ctx *ctx, const fnn_conv2d_shape *s, features *f,
                          fnn_conv2d_pass pass, int is_f64) {
    const fnn_conv2d_sizes sizes = fnn_conv2d_sizes_of(ctx, is_f64);
    if (f->rows < 0) f->rows = fnn_conv2d_rows_cycles(s, pass, &sizes);
    return f->rows;
}

/* Winograd's transforms cost the same for any number of channels on the other side, so there must
 * be some on either, and two tiles; the weights' transform must meet three that are whole, or of
 * three images and half full, else five. A strict one saves less. Few tiles of small maps, and maps
 * that fill little of theirs, may cost more than rows of pixels or columns do. Phases of a dilated
 * window are images, which are copied out and back. */
static int prefers_winograd(const fnn_ctx *ctx, const fnn_conv2d_shape *s, features *f,
                            fnn_conv2d_pass pass) {
    const int strict = ctx->precision == FNN_STRICT, m = strict ? 2 : 4;
    const int dilated = s->dilation_h > 1;
    const fnn_conv2d_shape dense = fnn_phases_shape(s);
    const ptrdiff_t h = pass == FNN_BACKWARD_DATA ? dense.h : dense.p;
    const ptrdiff_t w = pass == FNN_BACKWARD_DATA ? dense.w : dense.q;
    const ptrdiff_t tiles = dense.n * fnn_ceil_div(h, m) * fnn_ceil_div(w, m);
    const ptrdiff_t fewest = fnn_min(f->c, f->k), product = f->c * f->k;
    const ptrdiff_t lanes = fnn_max(f->lanes, 8), square = lanes * lanes;
    if (dilated && fewest < PHASES_CHANNELS) return 0;
    if (strict && !(tiles > 4 && fewest >= lanes && product >= 2 * square)) return 0;
    const int whole = h % m == 0 && w % m == 0, half = 2 * dense.n * h * w > tiles * m * m;
    const int few_will_do = whole || (dense.n > 2 && half);
    const ptrdiff_t least = pass != FNN_BACKWARD_WEIGHT ? 2 : few_will_do ? 3 : 5;
    if (tiles < least || 2 * fewest < lanes || 16 * product < 9 * square) return 0;
    const int filled = 8 * dense.n * h * w > 5 * tiles * m * m;
    const int small = fnn_conv2d_is_small(s), few = small && tiles <= FEW_TILES;
    if (!dilated && ((filled && !few) || pass == FNN_BACKWARD_WEIGHT)) return 1;
    if (pass == FNN_BACKWARD_WEIGHT) return filled;
    const double rows = rows_cycles(ctx, s, f, pass, 0);
    const ptrdiff_t positions = (m + 2) * (m + 2);
    const double copied = (double)(s->n * (s->c * s->h * s->w + s->k * s->p * s->q));
    const double columns = small ? fnn_conv2d_columns_cycles(s, pass, f->lanes) : rows;
    const double rival = !small ? DOUBT * rows : columns < rows ? columns : rows;
    return rows == 0 || fnn_conv2d_winograd_cycles(s, tiles, positions, f->lanes) +
                                (dilated ? PHASES_COPY * copied : 0) <= rival;
}

/* F(4, 4) along rows saves half of the products of seven taps, and loses lanes neither at the ends of
 * rows nor by strides; its transforms and turning cost as much for any number of channels. Dilated
 * windows of several rows go by phases. */
static int prefers_flat(const fnn_ctx *ctx, const fnn_conv2d_shape *s, features *f,
                        fnn_conv2d_pass pass) {
    const fnn_table_f32 *kernels = &ctx->kernels->f32;
    if (ctx->precision == FNN_STRICT || !kernels->winograd_flat_input) return 0;
    const int dilated = s->r > 1 && s->dilation_h > 1;
    if (dilated && (s->dilation_h != s->dilation_w || s->stride_h > 1 || s->stride_w > 1)) return 0;
    const fnn_conv2d_shape dense = dilated ? fnn_phases_shape(s) : *s;
    if (!fnn_conv2d_flat_can(&dense, pass)) return 0;
    const ptrdiff_t lanes = f->lanes;
    const ptrdiff_t copied = dilated ? s->n * (s->c * s->h * s->w + s->k * s->p * s->q) : 0;
    const double flat =
        fnn_conv2d_flat_cycles(&dense, pass, lanes, kernels->conv2d_registers) +
        PHASES_COPY * (double)copied;
    if (flat > fnn_conv2d_direct_cycles(s, pass, lanes)) return 0;
    const double rows = rows_cycles(ctx, s, f, pass, 0);
    return rows == 0 || flat <= rows;
}

/* Many channels: the algorithm that is expected to take least; FNN_AUTO where im2col cannot read
 * rows of pixels. */
static choice choose_deep(const fnn_ctx *ctx, const fnn_conv2d_shape *s, features *f,
                          fnn_conv2d_pass pass, int is_f64) {
    const fnn_conv2d_sizes sizes = fnn_conv2d_sizes_of(ctx, is_f64);
    const double rows = rows_cycles(ctx, s, f, pass, is_f64);
    if (rows == 0) return (choice){FNN_AUTO, NULL};
    const double columns = fnn_conv2d_columns_cycles(s, pass, sizes.lanes);
    const double maps = (double)(s->c * s->h * s->w + s->k * s->p * s->q);
    const ptrdiff_t turned = fnn_round_up(s->n, sizes.lanes);
    const double copied = f->split && s->s > 1 ? SPLIT_COPY * maps * (double)s->n : 0;
    const double direct = fnn_conv2d_direct_cycles(s, pass, sizes.lanes) + copied;
    const double batch = sizes.lanes > 1 && s->r * s->s > 1
                             ? fnn_conv2d_batch_cycles(s, pass, sizes.lanes, sizes.element) +
                                   (f->split ? STRIDED_TURN * maps * (double)turned : 0)
                             : direct;
    const double others = batch < direct ? batch : direct;
    if (rows <= columns && rows <= DOUBT * others)
        return (choice){FNN_IM2COL, "rows of pixels and panels of channels that fill register tiles"};
    const double doubt = fnn_conv2d_is_small(s) ? DOUBT : 1;
    if (columns < rows && columns + copied <= doubt * others)
        return (choice){FNN_IM2COL, "columns of pixels that repay packing"};
    if (batch < direct)
        return (choice){FNN_BATCH, "images side by side: few weights for each pixel"};
    return (choice){FNN_DIRECT, "register tiles of pixels: rows of channels would cost more"};
}

static choice choose(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                     int is_f64) {
    if (ctx->chosen) return (choice){ctx->algorithm, "chosen before"};
    switch (ctx->algorithm) {
    case FNN_AUTO: break;
    case FNN_DIRECT:
    case FNN_IM2COL:
    case FNN_BATCH: return (choice){ctx->algorithm, "forced"}; /* these do every shape */
    case FNN_WINOGRAD:
        if (fnn_conv2d_winograd_can(s)) return (choice){ctx->algorithm, "forced"};
        /* fall through */
    default: return (choice){FNN_AUTO, "the forced algorithm cannot do this shape"};
    }
    const ptrdiff_t lanes = is_f64 ? ctx->kernels->f64.lanes : ctx->kernels->f32.lanes;
    const ptrdiff_t pixels = s->p * s->q;
    const ptrdiff_t element = (ptrdiff_t)(is_f64 ? sizeof(double) : sizeof(float));
    const int wide = ctx->kernels->f32.conv2d_registers == 32;
    const int split = s->dilation_w % s->stride_w != 0; /* columns, in phases */
    const ptrdiff_t taps = s->r * s->s, weights = s->k * s->c * taps;
    const int few = s->n == 2 ? 2 * weights >= FEWEST_WEIGHTS
                              : s->n * taps <= IMAGE_TAPS && weights >= FEWEST_WEIGHTS &&
                                    weights <= MOST_WEIGHTS;
    features f = {.c = s->c / s->groups, .k = s->k / s->groups, .lanes = lanes,
                  .short_sum = s->c / s->groups <= 4 && s->r * s->s <= 25,
                  .pointwise = s->r * s->s == 1,
                  .strided = s->stride_h > 1 || s->stride_w > 1,
                  .narrow = s->q <= lanes, .tiny = 2 * s->q <= lanes,
                  .few_pixels = s->n * pixels < 64,
                  .few_images = s->n == 1 || (s->groups == 1 && few),
                  .large = s->r * s->s * pixels * element > COLUMN_BYTES,
                  .cached = s->r * s->s * pixels * element > COLUMN_BYTES &&
                            s->n * s->k * pixels * element <= BATCH_MAPS,
                  .many_taps = wide && s->r * s->s >= (split ? 49 : 25),
                  .wide = wide,
                  .split = !wide && split, .rows = -1};
    if (fnn_conv2d_is_product(s) && s->groups == 1)
        return (choice){FNN_IM2COL, "a plain matrix product: 1x1 window on every pixel"};
    if (fnn_conv2d_depthwise_suits(ctx, s, pass, is_f64))
        return (choice){FNN_DIRECT, "groups of few channels: windows in place, or groups side by side"};
    if (!is_f64 && fnn_conv2d_winograd_can(s) && prefers_winograd(ctx, s, &f, pass))
        return (choice){FNN_WINOGRAD, "3x3 window: fewer multiplications than the sum has"};
    if (!is_f64 && prefers_flat(ctx, s, &f, pass))
        return (choice){FNN_WINOGRAD, "wide window: fewer multiplications along rows than the sum has"};
    if (fnn_conv2d_takes_patches(ctx, s, pass, is_f64))
        return (choice){FNN_IM2COL, "few input channels: patches side by side fill register tiles"};
    const choice deep = choose_deep(ctx, s, &f, pass, is_f64);
    if (deep.algorithm != FNN_AUTO) return deep;
    if (prefers_batch(s, pass, lanes, element) && !split_unlike_batch(&f, s, pass, element))
        return (choice){FNN_BATCH, "images side by side: short rows and few channels fill vectors"};
    const char *const columns = why_columns(&f, pass, pixels, s->n);
    if (columns) return (choice){FNN_IM2COL, columns};
    return (choice){FNN_DIRECT, "register tiles: nothing here repays packing columns"};
}

fnn_algorithm fnn_conv2d_choice(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                fnn_conv2d_pass pass, int is_f64) {
    return choose(ctx, s, pass, is_f64).algorithm;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_tmpl.c"
#include "base/real_end.h"
