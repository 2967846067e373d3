/* What the other algorithms would take where im2col could read rows of pixels, and columns where it
 * could not: cycles as sums of a few terms, whose factors are fitted to the times over the problems
 * that csrc/notes/conv2d.md names. */
#include "base/common.h"

#include "drivers/conv2d.h"

enum {
    SMALL_PIXELS = 128,     /* of all images, whose estimates were fitted apart */
    PERMUTED_LANES = 16,    /* of vectors whose lanes are permuted quickly */
    SIDE_VECTORS = 8,       /* of an image's result, .. */
    SIDE_ELEMENTS = 32768,  /* .. and of either map of all images, whose columns are one product */
    MANY_WEIGHTS = 1 << 16, /* whose turning shows */
    NEAR_BYTES = 48 * 1024, /* that L1 holds */
    COLUMN_BYTES = 1 << 18, /* columns of dx that stay in L2 until they are added */
    STACK_COLUMNS = 8       /* columns for each pixel that repay a copy of dy */
};

typedef struct terms {
    double weights, pixels, lines; /* of the result that the weights pass over, and its rows */
    double elements;               /* of source and result of an image */
} terms;

/* Pairs of a row of y and a row of taps that meet a row of x. */
static double rows_inside(const fnn_conv2d_shape *s) {
    ptrdiff_t inside = 0;
    for (ptrdiff_t r = 0; r < s->r; r++) {
        const ptrdiff_t first = s->pad_top - r * s->dilation_h; /* p * stride_h that reads row 0 */
        const ptrdiff_t from = fnn_ceil_div(fnn_max(first, 0), s->stride_h);
        const ptrdiff_t to = fnn_ceil_div(fnn_max(first + s->h, 0), s->stride_h);
        inside += fnn_max(fnn_min(to, s->p) - from, 0);
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

/* What copying costs where columns are permuted. (Of few images as much as ever: their rows of pixels
 * leave out taps.) */
static const double PERMUTED = 0.7;

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

int fnn_conv2d_permutes(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, ptrdiff_t lanes) {
    return lanes == PERMUTED_LANES && pass == FNN_FORWARD && s->groups == 1 &&
           s->h * s->w <= 4 * lanes && s->p * s->q % lanes == 0 && !fnn_conv2d_is_product(s) &&
           fnn_conv2d_columns_side(s, pass, lanes) == s->n;
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
    if (side == 1 && fnn_conv2d_is_disjoint(s)) { /* planes in place; of more than two phases singly */
        const double back = s->stride_w > 2 && pass == FNN_BACKWARD_DATA ? 0.95 : 0.45;
        return each * (0.5 * vectors + 0.3) + (pass == FNN_FORWARD ? 0.35 : back) * elements;
    }
    const double permuted = fnn_conv2d_permutes(s, pass, lanes) ? PERMUTED : 1;
    if (!fnn_conv2d_is_small(s))
        return pass == FNN_FORWARD
                   ? product * (0.485 * vectors + 0.27) +
                         permuted * (0.59 * packed + 0.35 * elements)
                   : each * (0.56 * vectors + 0.3) + 1.15 * packed + 0.71 * elements;
    const double far = far_weights(&t) * (double)(s->n / side);
    if (pass == FNN_FORWARD) { /* tiles of one vector are slower, thin columns are dot products */
        const int thin = lanes >= 16 && 4 * side * pixels <= lanes;
        const double tile = thin ? 0.22 * (double)(side * pixels)
                                 : 0.545 * vectors + (vectors > 1 ? 0 : 0.115);
        return product * tile + FAR_COST * far + 6 * runs + 0.43 * elements;
    }
    if (pixels == 1) /* w^T is read as it lies */
        return each * 0.22 + FAR_COST * far_weights(&t) + 22 * runs + 0.9 * elements;
    return each * 0.7 * vectors + far + 22 * runs + 0.9 * elements;
}

/* All of them add to dw once. What copying dy costs (one thread, where all share a product) is
 * repaid where it meets many times as many columns as it has. */
ptrdiff_t fnn_conv2d_columns_stack(const fnn_conv2d_shape *s, ptrdiff_t most) {
    const ptrdiff_t columns = s->c / s->groups * s->r * s->s;
    if (s->n < 2 || most < 2 || columns < STACK_COLUMNS * s->p * s->q) return 1;
    return fnn_ceil_div(s->n, fnn_ceil_div(s->n, most));
}

ptrdiff_t fnn_conv2d_columns_blocks(const fnn_conv2d_shape *s, ptrdiff_t element) {
    const ptrdiff_t channel = s->r * s->s * s->p * s->q * element;
    return fnn_ceil_div(s->c / s->groups, fnn_max(COLUMN_BYTES / channel, 1));
}

double fnn_conv2d_packed_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                                const fnn_conv2d_sizes *tile) {
    const fnn_conv2d_maps maps = fnn_conv2d_maps_of(s, tile->element);
    const ptrdiff_t pixels = s->p * s->q, columns = s->c / s->groups * s->r * s->s;
    const int plain = fnn_conv2d_is_product(s);
    const double weights = (double)(s->k * columns), images = (double)s->n;
    const double rows = (double)(s->groups * columns) * images; /* of columns, of all images */
    const int disjoint = fnn_conv2d_is_disjoint(s); /* planes in place */
    const double runs = plain || disjoint ? 0 : rows * (double)s->p, packed = runs * (double)s->q;
    const double x = plain ? 0 : maps.x;
    if (pass == FNN_BACKWARD_DATA) { /* dy passes once for as many channels as give a block */
        const double blocks =
            plain || disjoint ? 1 : (double)fnn_conv2d_columns_blocks(s, tile->element);
        const double back = disjoint && s->stride_w > 2 ? 0.89 : s->stride_h > 1 ? 0.39 : 0.09;
        return 3600 + images * weights * (0.39 * (double)fnn_ceil_div(pixels, tile->lanes) + 0.18) +
               blocks * (360 * images * (double)s->groups + 0.19 * maps.y + maps.away) +
               0.31 * packed + 5.9 * runs + back * x + 0.38 * maps.far;
    }
    if (pass == FNN_FORWARD) {
        const ptrdiff_t side = fnn_conv2d_columns_side(s, pass, tile->lanes);
        const double products = images / (double)side;
        const double vectors = (double)fnn_ceil_div(side * pixels, tile->lanes);
        return 3100 + products * (weights * (0.33 * vectors + 0.6) + 290 * (double)s->groups) +
               3.1 * rows / (double)side * vectors + 0.09 * packed + 2.2 * runs + 0.34 * x +
               0.23 * maps.y + 0.34 * maps.far;
    }
    const ptrdiff_t stack = plain ? 1 : fnn_conv2d_columns_stack(s, tile->kc / pixels);
    const double products = (double)fnn_ceil_div(s->n, stack);
    const double vectors = (double)fnn_ceil_div(columns, tile->lanes);
    return 4000 +
           images * vectors * (double)pixels * (0.4 * (double)s->k + 1.5 * (double)s->groups) +
           0.2 * packed + 3.5 * runs + 0.12 * x + (stack > 1 ? 5.3 * maps.y : 0) +
           products * (430 * (double)s->groups + 0.23 * weights) + 0.44 * maps.far;
}

/* The gradient of the weights: the tile's half cycles and its ends, what becomes of the sums, and
 * the copies. Loads bind tiles of one channel, which count more of them than they wait for. */
static double weight_planes_cycles(const fnn_conv2d_shape *s, const fnn_conv2d_maps *maps,
                                   const fnn_conv2d_tiled *plan) {
    const ptrdiff_t in = s->c / s->groups;
    const double groups = (double)(s->n * s->groups), rows = groups * (double)s->p;
    const double weights = (double)(s->k * in * s->r * s->s), chunks = (double)plan->chunks;
    const double half = plan->threes ? 0.12 : plan->single ? 0.26 : 0.39;
    const double sums = plan->outer ? 0.8 * chunks + 0.16 * (double)plan->steps : 8 * chunks;
    const double read = maps->x * (double)plan->copies / (double)(s->stride_h * s->stride_w);
    return 4500 + 105 * groups + sums * weights +
           rows * (half * (double)plan->cost + (plan->outer ? 10 : 4) * (double)plan->tiles +
                   5.5 * (double)in) +
           (s->stride_w > 1 ? 0.5 : 0.32) * read + (plan->outer ? 0.53 : 0.25) * maps->far;
}

double fnn_conv2d_planes_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                                const fnn_conv2d_sizes *tile, const fnn_conv2d_tiled *plan) {
    const fnn_conv2d_maps maps = fnn_conv2d_maps_of(s, tile->element);
    if (pass == FNN_BACKWARD_WEIGHT) return weight_planes_cycles(s, &maps, plan);
    const int data = pass == FNN_BACKWARD_DATA;
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups;
    const double from =
        data ? maps.y : maps.x * (double)plan->copies / (double)(s->stride_h * s->stride_w);
    const double lines = (double)(s->n * s->groups * plan->lines), classes = (double)plan->classes;
    return 4200 + 0.33 * classes * lines / (double)plan->height * (double)plan->cost +
           lines * (4.7 * (double)(data ? k : c) + 2.5 * classes * (double)(data ? c : k)) +
           (!data && s->stride_w > 1 ? 0.49 : 0.35) * from +
           (0.04 + (plan->run ? 0.31 : 0) + (classes > 1 ? 0.27 : 0)) * (data ? maps.x : maps.y) +
           (data ? 0.54 * (double)(s->k * c * s->r * s->s) : 0) + 0.26 * maps.far +
           1.2 * maps.away;
}

/* The tile's half cycles, but of rows of taps outside of x; its loads of vectors from L2, if the
 * rows that a row of the result reads exceed L1; and turning whole vectors of images. */
double fnn_conv2d_images_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                                const fnn_conv2d_sizes *tile, const fnn_conv2d_tiled *plan) {
    const fnn_conv2d_maps maps = fnn_conv2d_maps_of(s, tile->element);
    const double blocks = (double)fnn_ceil_div(s->n, tile->lanes), groups = (double)s->groups;
    const double images = blocks * (double)tile->lanes, vectors = images / (double)s->n;
    const double weights = (double)(s->k * (s->c / s->groups) * s->r * s->s);
    const int weight = pass == FNN_BACKWARD_WEIGHT;
    const double words = (maps.x + maps.y) * (double)tile->element / 4;
    const double turning = 2700 + vectors * ((weight ? 0.29 : 0.43) * words + 0.26 * maps.far +
                                             3 * maps.away);
    if (weight)
        return turning + blocks * groups * (40 + 0.49 * (double)(s->p * s->q * plan->cost)) +
               weights * (0.56 * (double)tile->lanes + 0.68 * blocks * (double)s->p);
    const double positions = (double)plan->lines, lines = positions * (double)plan->classes;
    const double inside = rows_inside(s) / (double)(s->p * s->r);
    const double loads =
        plan->bytes > NEAR_BYTES ? positions * (double)plan->columns / (double)plan->reuse : 0;
    return turning + blocks * (groups * (45 + 0.334 * inside * lines * (double)plan->cost) +
                               weights * (0.49 * loads + 0.27));
}
