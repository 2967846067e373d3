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
    BIAS_GRAIN = 65536,  /* elements of dy worth a task */
    BIAS_CHANNELS = 32,  /* sums at a time: two kilobytes */
    FEW_TILES = 3,       /* of Winograd's, beside which transforming the weights is much */
    PHASES_CHANNELS = 32 /* on either side, that repay copying the phases of both maps */
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

/* And columns against `direct` where there are few channels; the other way round for the gradient
 * of the weights with 16 registers, whose tiles are small, if images suffice for `batch`. */
static const double DOUBT_COLUMNS = 1.05;

typedef struct features {
    ptrdiff_t c, k, lanes; /* channels per group */
    int split;             /* 16 registers, and a stride that puts columns into phases */
    double rows;           /* cycles of im2col's rows of pixels, once asked for; else -1 */
} features;

/* An algorithm, and the rule that led to it. */
typedef struct choice {
    fnn_algorithm algorithm;
    const char *reason;
} choice;

static double rows_cycles(const fnn_ctx *ctx, const fnn_conv2d_shape *s, features *f,
                          fnn_conv2d_pass pass, int is_f64) {
    const fnn_conv2d_sizes sizes = fnn_conv2d_sizes_of(ctx, is_f64);
    if (f->rows < 0) f->rows = fnn_conv2d_rows_cycles(s, pass, &sizes);
    return f->rows;
}

/* Winograd's transforms cost the same for any number of channels on the other side, so there must
 * be some on either, and two tiles; the weights' transform must meet three that are whole, or of
 * three images and half full, else five. (Where operations are done in halves, multiply-adds saved
 * are worth more beside a transform: three quarters full will do.) A strict one saves less. Few tiles
 * of small maps, and maps that fill little of theirs, may cost more than rows of pixels or columns
 * do. Phases of a dilated window are images, which are copied out and back. */
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
    const int most = ctx->halves && 4 * dense.n * h * w >= 3 * tiles * m * m;
    const int few_will_do = whole || most || (dense.n > 2 && half);
    const ptrdiff_t least = pass != FNN_BACKWARD_WEIGHT ? 2 : few_will_do ? 3 : 5;
    if (tiles < least || 2 * fewest < lanes || 16 * product < 9 * square) return 0;
    const int filled = 8 * dense.n * h * w > 5 * tiles * m * m;
    const int small = fnn_conv2d_is_small(s), few = small && tiles <= FEW_TILES;
    if (!dilated && ((filled && !few) || pass == FNN_BACKWARD_WEIGHT)) return 1;
    if (pass == FNN_BACKWARD_WEIGHT) return filled;
    const double rows = rows_cycles(ctx, s, f, pass, 0);
    /* less those of which tiles that are not whole make no use, where operations weigh more than
     * making U does */
    const int less = ctx->halves && tiles >= 3 * FEW_TILES;
    const ptrdiff_t down = fnn_ceil_div(h, m), right = fnn_ceil_div(w, m);
    const ptrdiff_t rows_short = less ? fnn_min(down * m - h, down) : 0;
    const ptrdiff_t cols_short = less ? fnn_min(right * m - w, right) : 0;
    const ptrdiff_t positions =
        (down * (m + 2) - rows_short) * (right * (m + 2) - cols_short) / (down * right);
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

/* Few channels, and the gradient of the weights: the algorithm that is expected to take least.
 * `direct` takes so many cycles, or if that is 0, those of its padded planes. */
static choice choose_few(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                         int is_f64, double direct) {
    const fnn_conv2d_sizes sizes = fnn_conv2d_sizes_of(ctx, is_f64);
    if (fnn_conv2d_is_empty(s)) return (choice){FNN_DIRECT, "nothing to compute"};
    const double columns = fnn_conv2d_packed_cycles(s, pass, &sizes);
    if (direct == 0) {
        const fnn_conv2d_tiled plan = is_f64 ? fnn_conv2d_direct_tiled_f64(ctx, s, pass)
                                             : fnn_conv2d_direct_tiled_f32(ctx, s, pass);
        direct = fnn_conv2d_planes_cycles(s, pass, &sizes, &plan);
    }
    double batch = direct;
    if (sizes.lanes > 1 && 4 * s->n >= sizes.lanes) { /* fewer images leave most lanes empty */
        const fnn_conv2d_tiled plan = is_f64 ? fnn_conv2d_batch_tiled_f64(ctx, s, pass)
                                             : fnn_conv2d_batch_tiled_f32(ctx, s, pass);
        batch = fnn_conv2d_images_cycles(s, pass, &sizes, &plan);
    }
    const int wide = ctx->kernels->f32.conv2d_registers == 32;
    const double doubt = pass != FNN_BACKWARD_WEIGHT ? DOUBT_COLUMNS : wide ? 1 : 1 / DOUBT_COLUMNS;
    if (doubt * columns < direct && columns <= batch)
        return (choice){FNN_IM2COL, fnn_conv2d_is_product(s)
                                        ? "1x1 window on every pixel: a product for each group"
                                        : "columns of pixels: outputs or taps enough to repay packing"};
    if (batch < direct)
        return (choice){FNN_BATCH, "images side by side: short rows or few channels fill vectors"};
    return (choice){FNN_DIRECT, "register tiles: nothing here repays packing columns"};
}

static features features_of(const fnn_ctx *ctx, const fnn_conv2d_shape *s, int is_f64) {
    const int wide = ctx->kernels->f32.conv2d_registers == 32;
    const int split = s->dilation_w % s->stride_w != 0; /* columns, in phases */
    return (features){.c = s->c / s->groups, .k = s->k / s->groups, .split = !wide && split,
                      .lanes = is_f64 ? ctx->kernels->f64.lanes : ctx->kernels->f32.lanes,
                      .rows = -1};
}

static choice choose(const fnn_ctx *ctx, const fnn_conv2d_shape *s, features *f,
                     fnn_conv2d_pass pass, int is_f64) {
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
    if (fnn_conv2d_is_whole(s))
        return (choice){FNN_IM2COL, "windows cover their planes: a linear layer's product"};
    if (fnn_conv2d_is_product(s) && s->groups == 1)
        return (choice){FNN_IM2COL, "a plain matrix product: 1x1 window on every pixel"};
    const double windows = fnn_conv2d_windows_cycles(ctx, s, pass, is_f64);
    if (windows > 0) {
        const choice few = choose_few(ctx, s, pass, is_f64, windows);
        if (few.algorithm != FNN_DIRECT) return few;
    }
    if (windows >= 0)
        return (choice){FNN_DIRECT, "groups of few channels: windows in place, or groups side by side"};
    if (!is_f64 && fnn_conv2d_winograd_can(s) && prefers_winograd(ctx, s, f, pass))
        return (choice){FNN_WINOGRAD, "3x3 window: fewer multiplications than the sum has"};
    if (!is_f64 && prefers_flat(ctx, s, f, pass))
        return (choice){FNN_WINOGRAD, "wide window: fewer multiplications along rows than the sum has"};
    if (fnn_conv2d_takes_patches(ctx, s, pass, is_f64))
        return (choice){FNN_IM2COL, "few input channels: patches side by side fill register tiles"};
    if (!is_f64 && fnn_conv2d_takes_rows_weight(ctx, s, pass))
        return (choice){FNN_IM2COL, "rows of pixels, of which none meets zeros around the planes"};
    if (!is_f64 && fnn_conv2d_by_taps(ctx, s, pass))
        return (choice){FNN_IM2COL, "channels fill tiles of a product for each tap, in place"};
    const choice deep = choose_deep(ctx, s, f, pass, is_f64);
    if (deep.algorithm != FNN_AUTO) return deep;
    return choose_few(ctx, s, pass, is_f64, 0);
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_tmpl.c"
#include "base/real_end.h"

fnn_algorithm fnn_conv2d_choose(fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                                int is_f64) {
    choice found = {FNN_AUTO, NULL};
    ctx->chosen = NULL;
    ctx->chosen = is_f64 ? (const void *)find_method_f64(ctx, s, pass, &found)
                         : (const void *)find_method_f32(ctx, s, pass, &found);
    return found.algorithm;
}
