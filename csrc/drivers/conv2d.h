/* What the convolution drivers share: the geometry of one axis, and the algorithms' entries. */
#ifndef FNN_DRIVERS_CONV2D_H
#define FNN_DRIVERS_CONV2D_H

#include "base/common.h"
#include "fastnn.h"

/* One axis of a convolution over padded planes, seen from the side that is computed.
 *
 * Forward computes outputs a in [lo, hi) from input a*stride + r*dilation - pad; the input is
 * split into phases (padded position mod stride), so that a tap is a constant offset.
 * Backward-data computes inputs h = a*stride + phase - pad, a class per phase, from output
 * a - (r*dilation - phase) / stride for the taps whose r*dilation has that phase. Either way
 * the phases that occur are (i*dilation) mod stride for i < phases, tap r belongs to
 * i = r mod phases, and a tap reaches `halo` rows further than the first at most. */
typedef struct fnn_conv2d_axis {
    ptrdiff_t in, out; /* extents of the source and of the result */
    ptrdiff_t taps, stride, dilation;
    ptrdiff_t lo, hi, halo;
    ptrdiff_t phases;
    ptrdiff_t in_step, in_origin;   /* stored row i is source row (lo+i)*in_step - in_origin .. */
    ptrdiff_t out_step, out_origin; /* position a is result row a*out_step + phase - out_origin */
    int backward;
} fnn_conv2d_axis;

FNN_INLINE ptrdiff_t fnn_conv2d_gcd(ptrdiff_t a, ptrdiff_t b) {
    while (b) {
        const ptrdiff_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

FNN_INLINE fnn_conv2d_axis fnn_conv2d_axis_forward(ptrdiff_t in, ptrdiff_t out, ptrdiff_t taps,
                                                   ptrdiff_t stride, ptrdiff_t dilation,
                                                   ptrdiff_t pad) {
    return (fnn_conv2d_axis){
        .in = in, .out = out, .taps = taps, .stride = stride, .dilation = dilation,
        .lo = 0, .hi = out, .halo = (taps - 1) * dilation / stride,
        .phases = fnn_min(taps, stride / fnn_conv2d_gcd(stride, dilation)),
        .in_step = stride, .in_origin = pad, .out_step = 1};
}

FNN_INLINE fnn_conv2d_axis fnn_conv2d_axis_backward(ptrdiff_t in, ptrdiff_t out, ptrdiff_t taps,
                                                    ptrdiff_t stride, ptrdiff_t dilation,
                                                    ptrdiff_t pad) {
    const ptrdiff_t halo = (taps - 1) * dilation / stride;
    return (fnn_conv2d_axis){
        .in = out, .out = in, .taps = taps, .stride = stride, .dilation = dilation,
        .lo = pad / stride, .hi = in ? (in - 1 + pad) / stride + 1 : pad / stride, .halo = halo,
        .phases = fnn_min(taps, stride / fnn_conv2d_gcd(stride, dilation)),
        .in_step = 1, .in_origin = halo, .out_step = stride, .out_origin = pad, .backward = 1};
}

/* The residue that phase i stands for. */
FNN_INLINE ptrdiff_t fnn_conv2d_residue(const fnn_conv2d_axis *axis, ptrdiff_t i) {
    return i * axis->dilation % axis->stride;
}

/* Stored row that tap r reads for the first position, within its phase's plane. */
FNN_INLINE ptrdiff_t fnn_conv2d_reach(const fnn_conv2d_axis *axis, ptrdiff_t r) {
    const ptrdiff_t steps = r * axis->dilation / axis->stride;
    return axis->backward ? axis->halo - steps : steps;
}

/* Positions of class i that fall into the result, within [lo, hi). */
FNN_INLINE ptrdiff_t fnn_conv2d_first(const fnn_conv2d_axis *axis, ptrdiff_t i) {
    if (!axis->backward) return 0;
    return fnn_ceil_div(axis->out_origin - fnn_conv2d_residue(axis, i) + axis->stride,
                        axis->stride) - 1;
}
FNN_INLINE ptrdiff_t fnn_conv2d_last(const fnn_conv2d_axis *axis, ptrdiff_t i) {
    if (!axis->backward) return axis->out - 1;
    return (axis->out - 1 + axis->out_origin - fnn_conv2d_residue(axis, i) + axis->stride) /
               axis->stride - 1;
}

/* Padded planes: one per channel, of `copies` phases, each of rows of `pitch` elements. */
typedef struct fnn_conv2d_planes {
    fnn_conv2d_axis rows, cols;
    ptrdiff_t copies, pitch;
    ptrdiff_t band, bands;    /* most positions a band, bands */
    ptrdiff_t unit;           /* bands but the last are multiples of it; 0: of 1 */
    ptrdiff_t phase, channel; /* elements of a phase, of a channel */
} fnn_conv2d_planes;

/* Where a tap reads for the first position of a band. */
FNN_INLINE ptrdiff_t fnn_conv2d_tap_offset(const fnn_conv2d_planes *planes, ptrdiff_t r,
                                           ptrdiff_t s) {
    const fnn_conv2d_axis *rows = &planes->rows, *cols = &planes->cols;
    const ptrdiff_t copy =
        rows->backward ? 0 : r % rows->phases * cols->phases + s % cols->phases;
    return copy * planes->phase + fnn_conv2d_reach(rows, r) * planes->pitch +
           fnn_conv2d_reach(cols, s);
}

/* Bytes that one position (a row) of `channels` channels takes, its copies counted. */
FNN_INLINE ptrdiff_t fnn_conv2d_row_bytes(const fnn_conv2d_planes *planes, ptrdiff_t channels,
                                          ptrdiff_t element) {
    return fnn_max(channels, 1) * planes->copies * planes->pitch * element;
}

/* Axes to planes whose bands have about `most` positions. A phase ends with a vector of zeros. */
FNN_INLINE void fnn_conv2d_lay_planes(fnn_conv2d_planes *planes, ptrdiff_t most, ptrdiff_t lanes,
                                      ptrdiff_t element) {
    const fnn_conv2d_axis *rows = &planes->rows;
    const ptrdiff_t positions = fnn_max(rows->hi - rows->lo, 1);
    const ptrdiff_t unit = fnn_max(planes->unit, 1), units = fnn_ceil_div(positions, unit);
    planes->bands = fnn_min(fnn_ceil_div(positions, fnn_max(most, 1)), units);
    planes->band = fnn_min(fnn_ceil_div(units, planes->bands) * unit, positions);
    planes->phase = (planes->band + rows->halo) * planes->pitch + lanes;
    planes->channel = planes->copies * planes->phase;
    /* channels a multiple of the page size apart would share one set of the L1 cache */
    if (planes->channel * element % 4096 == 0) planes->channel += lanes;
}

/* First position of a band: their heights differ by one unit at most, but for the last. */
FNN_INLINE ptrdiff_t fnn_conv2d_band_start(const fnn_conv2d_planes *planes, ptrdiff_t band) {
    const ptrdiff_t positions = planes->rows.hi - planes->rows.lo;
    const ptrdiff_t unit = fnn_max(planes->unit, 1), units = fnn_ceil_div(positions, unit);
    return planes->rows.lo + fnn_min(units * band / planes->bands * unit, positions);
}

/* Columns of a stored row. Where every copy's rows both start and end with zeros, the end of one
 * row is the start of the next; the last row's are the vector of zeros behind the phase. */
FNN_INLINE ptrdiff_t fnn_conv2d_pitch(const fnn_conv2d_axis *cols, ptrdiff_t lanes) {
    const ptrdiff_t whole = cols->hi - cols->lo + cols->halo;
    ptrdiff_t shared = fnn_min(lanes, cols->halo); /* positions do not overlap */
    for (ptrdiff_t i = 0; i < (cols->backward ? 1 : cols->phases); i++) {
        const ptrdiff_t first = cols->lo * cols->in_step - cols->in_origin +
                                (cols->backward ? 0 : fnn_conv2d_residue(cols, i));
        const ptrdiff_t before = first < 0 ? fnn_ceil_div(-first, cols->in_step) : 0;
        const ptrdiff_t rest = fnn_max(cols->in - first, 0);
        const ptrdiff_t until = fnn_ceil_div(rest, cols->in_step);
        shared = fnn_min(shared, fnn_min(before, whole - until));
    }
    return whole - fnn_max(shared, 0);
}

FNN_INLINE fnn_conv2d_planes fnn_conv2d_planes_forward(const fnn_conv2d_shape *s,
                                                       ptrdiff_t lanes) {
    fnn_conv2d_planes planes = {
        .rows = fnn_conv2d_axis_forward(s->h, s->p, s->r, s->stride_h, s->dilation_h, s->pad_top),
        .cols = fnn_conv2d_axis_forward(s->w, s->q, s->s, s->stride_w, s->dilation_w, s->pad_left)};
    planes.copies = planes.rows.phases * planes.cols.phases;
    planes.pitch = fnn_conv2d_pitch(&planes.cols, lanes);
    return planes;
}

FNN_INLINE fnn_conv2d_planes fnn_conv2d_planes_backward(const fnn_conv2d_shape *s,
                                                        ptrdiff_t lanes) {
    fnn_conv2d_planes planes = {
        .rows = fnn_conv2d_axis_backward(s->h, s->p, s->r, s->stride_h, s->dilation_h, s->pad_top),
        .cols = fnn_conv2d_axis_backward(s->w, s->q, s->s, s->stride_w, s->dilation_w, s->pad_left),
        .copies = 1};
    planes.pitch = fnn_conv2d_pitch(&planes.cols, lanes);
    return planes;
}

/* What a forward pass reads of its source: every row_step-th row from `row` on, of h, every
 * col_step-th column from `col` on, of w; and the problem over these alone. */
typedef struct fnn_conv2d_pick {
    ptrdiff_t h, w, row, row_step, col, col_step;
    fnn_conv2d_shape shape;
} fnn_conv2d_pick;

/* One axis of it: taps and positions that share a divisor read every so many elements. */
FNN_INLINE ptrdiff_t fnn_conv2d_pick_axis(ptrdiff_t taps, ptrdiff_t *in, ptrdiff_t *stride,
                                          ptrdiff_t *dilation, ptrdiff_t *pad, ptrdiff_t *from) {
    const ptrdiff_t step = taps == 1 ? *stride : fnn_conv2d_gcd(*stride, *dilation);
    *from = (step - *pad % step) % step;
    *in = fnn_ceil_div(fnn_max(*in - *from, 0), step);
    *pad = (*pad + *from) / step;
    *stride /= step;
    *dilation = taps == 1 ? 1 : *dilation / step;
    return step;
}

FNN_INLINE fnn_conv2d_pick fnn_conv2d_picked(const fnn_conv2d_shape *s) {
    fnn_conv2d_pick pick = {.h = s->h, .w = s->w, .shape = *s};
    fnn_conv2d_shape *to = &pick.shape;
    pick.row_step = fnn_conv2d_pick_axis(s->r, &to->h, &to->stride_h, &to->dilation_h,
                                         &to->pad_top, &pick.row);
    pick.col_step = fnn_conv2d_pick_axis(s->s, &to->w, &to->stride_w, &to->dilation_w,
                                         &to->pad_left, &pick.col);
    return pick;
}

/* A pass without stride as a forward one: backward-data is the same with the window turned by half a
 * turn. */
FNN_INLINE fnn_conv2d_shape fnn_conv2d_as_forward(const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    fnn_conv2d_shape seen = *s;
    if (pass == FNN_FORWARD) return seen;
    seen.c = s->k, seen.k = s->c;
    seen.h = s->p, seen.w = s->q, seen.p = s->h, seen.q = s->w;
    const ptrdiff_t down = (s->r - 1) * s->dilation_h, right = (s->s - 1) * s->dilation_w;
    seen.pad_top = down - s->pad_top, seen.pad_bottom = down - s->pad_bottom;
    seen.pad_left = right - s->pad_left, seen.pad_right = right - s->pad_right;
    return seen;
}

/* A 1x1 window on every pixel: the image is the matrix of columns as it stands. */
FNN_INLINE int fnn_conv2d_is_product(const fnn_conv2d_shape *s) {
    return s->r == 1 && s->s == 1 && s->stride_h == 1 && s->stride_w == 1 && s->p == s->h &&
           s->q == s->w && s->pad_top == 0 && s->pad_left == 0;
}

/* Windows that do not overlap: each phase's plane is a row of the matrix of columns. */
FNN_INLINE int fnn_conv2d_is_disjoint(const fnn_conv2d_shape *s) {
    return (s->r - 1) * s->dilation_h < s->stride_h && (s->s - 1) * s->dilation_w < s->stride_w &&
           !fnn_conv2d_is_product(s);
}

/* Whether the gradient of the weights is a product for each tap, of the pixels of x that it reads where
 * they lie, and is expected to take least by it; float32. */
int fnn_conv2d_by_taps(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, fnn_conv2d_pass pass);

/* Whether windows cover their planes: a product of images and weights. */
int fnn_conv2d_is_whole(const fnn_conv2d_shape *shape);

/* Whether there is nothing to compute, or to sum. */
FNN_INLINE int fnn_conv2d_is_empty(const fnn_conv2d_shape *s) {
    return !(s->n && s->c && s->k && s->h && s->w && s->p && s->q);
}

/* Winograd's algorithm: 3x3 windows, not strided, and dilated alike in both directions. */
int fnn_conv2d_winograd_can(const fnn_conv2d_shape *shape);

/* What the drivers' choices must know of a table of kernels. */
typedef struct fnn_conv2d_sizes {
    ptrdiff_t lanes, mr, nr, kc, element; /* element: bytes */
    int copies;                           /* gemm_copies */
} fnn_conv2d_sizes;

/* Cycles that im2col is expected to take if it reads rows of pixels, 0 if it cannot: too few
 * channels, too many taps, or the gradient of the weights. */
double fnn_conv2d_rows_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                              const fnn_conv2d_sizes *sizes);

/* And whether it does, instead of packing columns; `known`: these cycles, or less than 0. */
int fnn_conv2d_takes_rows(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                          const fnn_conv2d_sizes *sizes, double known);

/* Whether it reads rows of pixels for the gradient of the weights, of float32. */
int fnn_conv2d_takes_rows_weight(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                 fnn_conv2d_pass pass);

/* Cycles that others are expected to take where rows of pixels are possible, forward or
 * backward-data: `direct`, `batch`, and columns, im2col's other form. */
double fnn_conv2d_direct_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                                ptrdiff_t lanes);
double fnn_conv2d_batch_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                               ptrdiff_t lanes, ptrdiff_t element);
double fnn_conv2d_columns_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                                 ptrdiff_t lanes);

/* Weights that leave L2 between two calls. */
enum { FNN_CONV2D_FAR_WEIGHTS = 250000 };

/* Whether all images have so few pixels that what is done once a call or a channel shows. */
int fnn_conv2d_is_small(const fnn_conv2d_shape *shape);

/* Images whose columns are one product: all of few pixels, which fill its vectors, and whose
 * weights pass once; or one. */
ptrdiff_t fnn_conv2d_columns_side(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                                  ptrdiff_t lanes);

/* Do columns take their vectors of pixels from channels of a few vectors as they lie? */
int fnn_conv2d_permutes(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, ptrdiff_t lanes);

/* Images, at most so many, whose pixels are one depth of the gradient of the weights by columns; and
 * blocks of channels by which columns of dx stay in L2 until they are added. */
ptrdiff_t fnn_conv2d_columns_stack(const fnn_conv2d_shape *shape, ptrdiff_t most);
ptrdiff_t fnn_conv2d_columns_blocks(const fnn_conv2d_shape *shape, ptrdiff_t element);

/* The same of `winograd`, for tiles transformed to so many positions, in all images. */
double fnn_conv2d_winograd_cycles(const fnn_conv2d_shape *shape, ptrdiff_t tiles,
                                  ptrdiff_t positions, ptrdiff_t lanes);

/* Elements of both maps, and words of four bytes beyond half of L2 and beyond the last cache: terms
 * of what every algorithm is expected to take where there are few channels. */
typedef struct fnn_conv2d_maps {
    double x, y, far, away;
} fnn_conv2d_maps;

FNN_INLINE fnn_conv2d_maps fnn_conv2d_maps_of(const fnn_conv2d_shape *s, ptrdiff_t element) {
    const double x = (double)(s->n * s->c * s->h * s->w), y = (double)(s->n * s->k * s->p * s->q);
    const double words = (x + y) * (double)element / 4, far = words - 5e5, away = words - 1.5e7;
    return (fnn_conv2d_maps){x, y, far > 0 ? far : 0, away > 0 ? away : 0};
}

/* What the estimates of `direct` and `batch` ask of their plans. */
typedef struct fnn_conv2d_tiled {
    ptrdiff_t cost;           /* half cycles of the tile, for .. */
    ptrdiff_t height;         /* .. so many rows (`batch`: a row; its weights: a pixel) */
    ptrdiff_t lines, columns; /* positions of all classes */
    ptrdiff_t classes, copies;
    ptrdiff_t tiles, chunks, steps; /* of weights: of a row of pixels; sums apart; pixels apart */
    ptrdiff_t reuse, bytes;   /* `batch`: products of a load, bytes that a row of results reads */
    int run, outer, threes, single;
} fnn_conv2d_tiled;

/* Pixels of a tile of one vector of results, for so many pixels of a row, and so far apart. */
int fnn_conv2d_broad_tile(const fnn_ctx *ctx, ptrdiff_t pixels, ptrdiff_t x_step);

/* Cycles of any pass and any channels: columns, `direct` by padded planes, `batch`; and `direct` by
 * windows in place (conv2d_depthwise.c) of several groups that are not single channels, or by lanes
 * of groups; 0 for other groups of few channels, and less where that is no way. */
double fnn_conv2d_packed_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                                const fnn_conv2d_sizes *sizes);
double fnn_conv2d_planes_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                                const fnn_conv2d_sizes *sizes, const fnn_conv2d_tiled *plan);
double fnn_conv2d_images_cycles(const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                                const fnn_conv2d_sizes *sizes, const fnn_conv2d_tiled *plan);
double fnn_conv2d_windows_cycles(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                 fnn_conv2d_pass pass, int is_f64);

/* A size worth telling, for a pass's description. */
FNN_INLINE void fnn_conv2d_note(fnn_conv2d_plan *plan, const char *name, ptrdiff_t value) {
    if (plan->notes == FNN_PLAN_NOTES) return;
    plan->note[plan->notes++] = (fnn_plan_note){name, value};
}

/* Whether `direct` treats groups of few channels by themselves (drivers/conv2d_depthwise.c). */
int fnn_conv2d_depthwise_suits(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                               fnn_conv2d_pass pass, int is_f64);

/* Each algorithm: what it needs, how it describes itself, and the passes. Arguments as in
 * fastnn.h; the shape has been checked for emptiness, and floating-point control is set. */
#include "base/real_f32.h"
#include "drivers/conv2d_passes_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/conv2d_passes_tmpl.h"
#include "base/real_end.h"

#endif
