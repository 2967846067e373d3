/* Contracts of the conv2d kernels whose pixels are vectors of groups, one group in each lane (a
 * template: included once per element type). fnn_conv2d_lines stands in kernels/conv2d_tiles.h. */

/* For each line l of `count` and j < l.pixels, where every element is a vector:
 *
 *   y[l.y - y_from + j*y_step] = w[0] + sum over channels c, runs i of l, t < run[i].taps of
 *       w[LANES + c*w_channel + run[i].w + t*w_step] *
 *       x[c*x_channel + l.x - x_from + run[i].x + (j + t)*x_step]
 *
 * for l.run <= i < l.run + l.runs: w starts with the bias. All of them start on a vector. The order of
 * the sum does not depend on the tile, which has at most l.pixels: it moves back for the last ones.
 *
 * With `broad` (vectors of 64 bytes, float32) an element of x is a number, a pixel of one group, for
 * LANES results, and tiles have so many pixels, a line at least as many: FNN_CONV2D_BROAD with an x_step
 * of 1 or 2, or FNN_CONV2D_BROAD_NARROW with 1. */
typedef void FN(conv2d_lanes_fn)(const fnn_conv2d_lines *lines, const real *x, const real *w,
                                 real *y);

/* y[i*pixels + j] = bias[i] + w[i] * x[i*pixels + j] for i < planes, j < pixels: a window of one pixel
 * on every pixel. bias may be NULL. */
typedef void FN(conv2d_scale_fn)(ptrdiff_t planes, ptrdiff_t pixels, const real *x, const real *w,
                                 const real *bias, real *y);
