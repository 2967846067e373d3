/* What the other algorithms would take where im2col could read rows of pixels: cycles as sums of a
 * few terms, whose factors are fitted to the times over the problems that csrc/notes/conv2d.md
 * names. */
#include "base/common.h"

#include "drivers/conv2d.h"

enum { MANY_WEIGHTS = 1 << 16 };

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

static terms terms_of(const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const int forward = pass == FNN_FORWARD;
    const double lines = forward ? (double)s->p : (double)s->h / (double)s->stride_h;
    const double columns = forward ? (double)s->q : (double)s->w / (double)s->stride_w;
    return (terms){.weights = (double)(s->k * (s->c / s->groups) * s->r * s->s),
                   .pixels = lines * columns, .lines = lines,
                   .elements = (double)(s->c * s->h * s->w + s->k * s->p * s->q)};
}

double fnn_conv2d_direct_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, ptrdiff_t lanes) {
    const terms t = terms_of(s, pass);
    return (double)s->n * (t.weights * (0.51 * t.pixels / (double)lanes + 0.073 * t.lines + 0.28) +
                           0.39 * t.elements);
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
    return blocks * (t.weights * (0.61 * rows_inside(s) / (double)s->r * columns + 0.24) +
                     0.36 * (double)lanes * t.elements) *
           (bytes > 5e5 ? 0.85 + 3e-7 * bytes : 1);
}

double fnn_conv2d_winograd_cycles(const fnn_conv2d_shape *s, ptrdiff_t tiles, ptrdiff_t positions,
                                  ptrdiff_t lanes) {
    const double products = (double)(s->k * (s->c / s->groups));
    return (double)positions * (products * (0.625 * (double)tiles / (double)lanes + 0.27) +
                                0.45 * (double)(tiles * (s->c + s->k)));
}

double fnn_conv2d_columns_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                                 ptrdiff_t lanes) {
    const terms t = terms_of(s, pass);
    const ptrdiff_t pixels = s->p * s->q;
    const double vectors = (double)fnn_ceil_div(pixels, lanes);
    const double packed = (double)(s->c * s->r * s->s * pixels);
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
        return (double)s->n * (t.weights * (0.515 * wide + 0.074 + walked) + 0.086 * t.elements);
    }
    if (pass == FNN_FORWARD)
        return (double)s->n * (t.weights * (0.485 * vectors + 0.27) + 0.59 * packed +
                               0.35 * t.elements);
    return (double)s->n * (t.weights * (0.56 * vectors + 0.3) + 1.15 * packed + 0.71 * t.elements);
}
