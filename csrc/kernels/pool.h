#include "kernels/pool_bits.h"

/* Contracts of the pooling kernels (a template: included once per element type).
 *
 * All work on `planes` planes x [h][w] and y [p][q] of a fnn_pool_shape (its `planes` is not read),
 * one behind the other. The window of output (p, q) holds the taps (p stride_h - pad_h +
 * r dilation_h, q stride_w - pad_w + s dilation_w) for r < R, s < S; taps outside the plane are
 * skipped by the kernel. `readable` elements may be read from x on, at least the planes: whole
 * vectors run past the end of a row. Nothing is flushed. Outputs overlap no input. */

/* Rows [from, to) of each output plane: the largest tap, -inf without any, and its position
 * h * W + w: the first of equals, but a NaN wins and the last one is told; -1 without any tap.
 * index may be NULL; h * w must fit in int32 otherwise. In its stead `bits` may say which taps they
 * are (kernels/pool_bits.h), of windows that have such bits and of whole vectors of LANES 16. */
typedef void FN(max_pool_fn)(const fnn_pool_shape *shape, ptrdiff_t planes, ptrdiff_t from,
                             ptrdiff_t to, const real *x, ptrdiff_t readable, real *y,
                             int32_t *index, uint16_t *bits);

/* dx [h][w] = 0, then dx[index[i]] += dy[i] for i < p q, in that order; -1 is passed over. Of the
 * shape only h, w, p and q are read. Returns 0, or 1 as soon as another index is outside
 * [0, h w). */
typedef int FN(max_pool_backward_fn)(const fnn_pool_shape *shape, ptrdiff_t planes, const real *dy,
                                     const int32_t *index, real *dx);

/* The same for taps that bits tell, but windows one below the other are summed first; NULL in the
 * tables of vectors that do not have 16 lanes. */
typedef void FN(max_pool_bits_backward_fn)(const fnn_pool_shape *shape, ptrdiff_t planes,
                                           const real *dy, const uint16_t *bits, real *dx);

/* Rows [from, to) of each output plane: the sum of the taps (dilation is 1), in an order that
 * the shape tells, divided by divisor_override, else by the number of taps inside the padded plane (count_include_pad)
 * or inside the plane. */
typedef void FN(avg_pool_fn)(const fnn_pool_shape *shape, ptrdiff_t planes, ptrdiff_t from,
                             ptrdiff_t to, const real *x, ptrdiff_t readable, real *y);

/* dx [h][w] = sum of dy / divisor over the windows that hold (h, w): in the order of p, then q, or of
 * the sums of each p in the order of p. */
typedef void FN(avg_pool_backward_fn)(const fnn_pool_shape *shape, ptrdiff_t planes, const real *dy,
                                      real *dx);
