/* What the other algorithms would take where im2col could read rows of pixels: cycles as sums of a
 * few terms, whose factors are fitted to the times over the problems that csrc/notes/conv2d.md
 * names. */
#include "base/common.h"

#include "drivers/conv2d.h"

enum {
    SMALL_PIXELS = 128,     /* of all images, whose estimates were fitted apart */
    SIDE_VECTORS = 8,       /* of an image's result, .. */
    SIDE_ELEMENTS = 32768,  /* .. and of either map of all images, whose columns are one product */
    MANY_WEIGHTS = 1 << 16  /* whose turning shows */
};

typedef struct terms {
    double weights, pixels, lines; /* of the result that the weights pass over, and its rows */
    double elements;               /* of source and result of an image */
} terms;

/* Pairs of a row of y and a row of taps that meet a row of x. */
static double rows_inside(const fnn_conv2d_shape *s) {
    ptrdiff_t inside = 0;
    for (ptrdiff_t p = 0; p < s->p; p++)
        for (ptrdiff_t r = 0; r < s->r; r++) {
            const ptrdiff_t row = p * s->stride_h + r * s->dilation_h - s->pad_top;
            inside += row >= 0 && row < s->h;
        }
    return (double)inside;
}

int fnn_conv2d_is_small(const fnn_conv2d_shape *s) {
    return s->n * fnn_max(s->h * s->w, s->p * s->q) <= SMALL_PIXELS;
}

/* Share of the rows of taps that meet x for some row of y. */
static double share_met(const fnn_conv2d_shape *s) {
    ptrdiff_t met = 0;
    for (ptrdiff_t r = 0; r < s->r; r++) {
        const ptrdiff_t first = s->pad_top - r * s->dilation_h; /* p * stride_h that reads row 0 */
        const ptrdiff_t p = fnn_ceil_div(fnn_max(first, 0), s->stride_h);
        met += p < s->p && p * s->stride_h < first + s->h;
    }
    return (double)met / (double)s->r;
}

static terms terms_of(const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const int forward = pass == FNN_FORWARD;
    const double lines = forward ? (double)s->p : (double)s->h / (double)s->stride_h;
    const double columns = forward ? (double)s->q : (double)s->w / (double)s->stride_w;
    return (terms){.weights = (double)(s->k * (s->c / s->groups) * s->r * s->s),
                   .pixels = lines * columns, .lines = lines,
                   .elements = (double)(s->c * s->h * s->w + s->k * s->p * s->q)};
}

/* Cycles of a weight from beyond L2, and how many come from there in a call. */
static const double FAR_COST = 0.4;
static double far_weights(const terms *t) {
    return t->weights > FNN_CONV2D_FAR_WEIGHTS ? t->weights : 0;
}

double fnn_conv2d_direct_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, ptrdiff_t lanes) {
    const terms t = terms_of(s, pass);
    const int data = pass == FNN_BACKWARD_DATA;
    const double vectors = t.pixels / (double)lanes;
    if (!fnn_conv2d_is_small(s))
        return (double)s->n *
               (t.weights * (0.51 * vectors + 0.073 * t.lines + 0.28) + 0.39 * t.elements);
    const ptrdiff_t classes = data ? s->stride_h * s->stride_w : 1; /* and regrouped weights */
    const double image = t.weights * share_met(s) *
                             (0.6 * (vectors > 1 ? vectors : 1) + 0.14 * t.lines + 0.08) +
                         (data ? 0.63 : 0.38) * t.elements +
                         10 * (double)(classes * (data ? s->c : s->k));
    return (double)s->n * image + (data ? 0.54 * t.weights : 0) + FAR_COST * far_weights(&t) + 1000;
}

double fnn_conv2d_batch_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, ptrdiff_t lanes,
                               ptrdiff_t element) {
    const terms t = terms_of(s, pass);
    const double blocks = (double)fnn_ceil_div(s->n, lanes);
    const double columns = t.pixels / t.lines;
    /* source rows that one row of the result reads, which may exceed the L2 cache */
    const int forward = pass == FNN_FORWARD;
    const ptrdiff_t reach = (s->r - 1) * s->dilation_h / (forward ? 1 : s->stride_h) + 1;
    const ptrdiff_t row = forward ? s->c * s->w : s->k * s->q;
    const ptrdiff_t rows = fnn_min(reach, forward ? s->h : s->p);
    const double bytes = (double)(row / s->groups * rows * lanes * element);
    const double cycles = blocks *
                          (t.weights * (0.61 * rows_inside(s) / (double)s->r * columns + 0.24) +
                           0.36 * (double)lanes * t.elements) *
                          (bytes > 5e5 ? 0.85 + 3e-7 * bytes : 1);
    return fnn_conv2d_is_small(s) ? 1.15 * cycles + FAR_COST * far_weights(&t) : cycles;
}

double fnn_conv2d_winograd_cycles(const fnn_conv2d_shape *s, ptrdiff_t tiles, ptrdiff_t positions,
                                  ptrdiff_t lanes) {
    const double products = (double)(s->k * (s->c / s->groups));
    if (!fnn_conv2d_is_small(s))
        return (double)positions * (products * (0.625 * (double)tiles / (double)lanes + 0.27) +
                                    0.45 * (double)(tiles * (s->c + s->k)));
    return (double)positions * (products * (0.65 * (double)tiles / (double)lanes + 0.42) +
                                0.6 * (double)(tiles * (s->c + s->k))) + 1500;
}

ptrdiff_t fnn_conv2d_columns_side(const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                                  ptrdiff_t lanes) {
    const int few = s->p * s->q <= SIDE_VECTORS * lanes &&
                    s->n * (s->c / s->groups) * s->h * s->w <= SIDE_ELEMENTS &&
                    s->n * (s->k / s->groups) * s->p * s->q <= SIDE_ELEMENTS;
    return pass == FNN_FORWARD && few && !fnn_conv2d_is_product(s) ? fnn_max(s->n, 1) : 1;
}

double fnn_conv2d_columns_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                                 ptrdiff_t lanes) {
    const terms t = terms_of(s, pass);
    const ptrdiff_t side = fnn_conv2d_columns_side(s, pass, lanes), pixels = s->p * s->q;
    const double vectors = (double)fnn_ceil_div(side * pixels, lanes);
    const double runs = (double)(s->n * s->c * s->r * s->s * s->p); /* rows of pixels, .. */
    const double packed = runs * (double)s->q;                      /* .. and pixels, of columns */
    const double elements = (double)s->n * t.elements;
    if (fnn_conv2d_is_product(s)) {
        /* backward-data of one image uses a line of its transposed weights for one tile, and comes
         * again: that shows where a tile is wide; several images turn them once, which shows where
         * they are many */
        const int several = s->groups == 1 && s->n > 1;
        const double turned = t.weights >= MANY_WEIGHTS ? 0.8 / (double)s->n : 0;
        const double walked =
            pass == FNN_BACKWARD_DATA && lanes >= 8 ? (several ? turned : 0.6) : 0;
        const int thin = lanes >= 16 && pixels > lanes && (pixels - 1) % lanes < lanes / 4;
        const double wide = thin ? vectors - 0.4 : vectors;
        return (double)s->n * t.weights * (0.515 * wide + 0.074 + walked) + 0.086 * elements;
    }
    const double each = (double)s->n * t.weights, product = each / (double)side;
    if (!fnn_conv2d_is_small(s))
        return pass == FNN_FORWARD
                   ? product * (0.485 * vectors + 0.27) + 0.59 * packed + 0.35 * elements
                   : each * (0.56 * vectors + 0.3) + 1.15 * packed + 0.71 * elements;
    const double far = far_weights(&t) * (double)(s->n / side);
    if (pass == FNN_FORWARD) /* tiles of one vector are slower */
        return product * (0.545 * vectors + (vectors > 1 ? 0 : 0.115)) + FAR_COST * far +
               6 * runs + 0.43 * elements;
    return each * 0.7 * vectors + far + 22 * runs + 0.9 * elements;
}
