/* The plan of im2col's rows of pixels: how source, weights and result are laid out and cut. */
#ifndef FNN_DRIVERS_CONV2D_ROWS_H
#define FNN_DRIVERS_CONV2D_ROWS_H

#include "drivers/conv2d.h"

enum { FNN_ROWS_TAPS = 32 /* of an axis */ };

/* One axis of a result. Class i holds the positions a in [first, last]; position a of class i is
 * element a*out_step + shift of the result, and the sum over n in [start[i], start[i+1]) of tap
 * `tap[n]` and element a*in_step - pad + reach[n] of the source, in rising order of reach, for
 * from[n] <= a <= to[n]: elsewhere the tap lies outside of the source. The axis counts only every
 * `skip`th element of the tensor, from `origin` on: no tap reads another. */
typedef struct fnn_rows_axis {
    ptrdiff_t in, out, pad;  /* elements of source and result */
    ptrdiff_t in_step, out_step, skip, origin;
    int classes, run;        /* run: the taps of a class reach one element further each */
    ptrdiff_t lo, hi, halo;  /* all positions; what is read beyond the last one's first */
    ptrdiff_t first[FNN_ROWS_TAPS], last[FNN_ROWS_TAPS], shift[FNN_ROWS_TAPS];
    int start[FNN_ROWS_TAPS + 1], tap[FNN_ROWS_TAPS];
    ptrdiff_t reach[FNN_ROWS_TAPS], from[FNN_ROWS_TAPS], to[FNN_ROWS_TAPS];
} fnn_rows_axis;

typedef struct fnn_rows_plan {
    fnn_rows_axis rows, cols;
    ptrdiff_t images, groups, in, out, taps; /* channels per group */
    ptrdiff_t tensor_rows, tensor_columns;   /* of the source */
    int reversed;                    /* taps: backward */
    ptrdiff_t w_out, w_in;           /* strides of the weights between channels of either side */
    ptrdiff_t nr, panels;
    ptrdiff_t side, stacks;          /* images side by side in a column; stacks of them */
    ptrdiff_t band, bands;           /* positions of rows */
    ptrdiff_t depth, cuts;           /* channels of the source in a product */
    int merged;                      /* rows of taps in a product, at most */
    int runs;                        /* one product a row of taps, over padded columns */
    int split, sorted;               /* columns of the source by residue, of the result by class */
    int gathers;                     /* stored columns are not those of the tensor */
    ptrdiff_t pitch, columns;        /* columns of a stored row of source and result */
    ptrdiff_t source, result, flat;  /* elements of each */
    int kept;                        /* weights of the whole call */
    ptrdiff_t copies;                /* least rows of a product that can copy weights, or 0 */
    int whole;                       /* weights lie channel by channel */
    double cycles;                   /* expected */
    int threads, shared;             /* shared: turned sources of the whole call */
    ptrdiff_t sources;               /* areas that hold one */
} fnn_rows_plan;

/* The best plan, for axes of at most FNN_ROWS_TAPS taps; it depends on the threads in its last
 * three fields alone. */
fnn_rows_plan fnn_conv2d_rows_plan(const fnn_conv2d_shape *shape, int backward,
                                   const fnn_conv2d_sizes *tile, int threads);

/* Whether the first product of a panel, for a stack of `images`, brings its weights in order on the
 * way: they are whole rows of NR channels, of a tap that lies inside for enough pixels. */
FNN_INLINE int fnn_rows_copies(const fnn_rows_plan *plan, ptrdiff_t panel, ptrdiff_t images) {
    return plan->copies && (panel + 1) * plan->nr <= plan->out &&
           (plan->cols.to[0] - plan->cols.from[0] + 1) * images >= plan->copies;
}

/* Where a source column is stored. */
FNN_INLINE ptrdiff_t fnn_rows_column(const fnn_rows_plan *plan, ptrdiff_t column) {
    if (!plan->split) return column;
    const ptrdiff_t step = plan->cols.in_step;
    return column % step * (plan->pitch / step) + column / step;
}

/* First row of the source that positions from a0 on read, and one past the last for those before
 * a1. */
FNN_INLINE ptrdiff_t fnn_rows_top(const fnn_rows_axis *rows, ptrdiff_t a0) {
    return fnn_min(fnn_max(a0 * rows->in_step - rows->pad, 0), rows->in);
}
FNN_INLINE ptrdiff_t fnn_rows_end(const fnn_rows_axis *rows, ptrdiff_t a1) {
    const ptrdiff_t end = (a1 - 1) * rows->in_step - rows->pad + rows->halo + 1;
    return fnn_max(fnn_min(end, rows->in), 0);
}

#endif
