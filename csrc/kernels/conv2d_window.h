/* Contracts of the conv2d kernels that read and write planes in place, without padded copies (a
 * template: included once per element type). fnn_conv2d_window and fnn_conv2d_walk stand in
 * kernels/conv2d_tiles.h. No element outside of the planes is touched; rows are dense. Tables of
 * vectors shorter than 32 bytes and of float64 hold NULL instead. */

/* Rows [first, last) of the result planes j < walk->planes:
 *
 *   dst[j*dst_plane + p*out_cols + q] = bias[j*bias_plane] + sum over channels c, taps r, s of
 *       w[j*w_plane + c*w_channel + r*size + s] *
 *       src[j*src_plane + c*src_channel + (p*stride - top + r)*in_cols + q*stride - left + s]
 *
 * without the taps outside of the source plane. bias may be NULL. The order of the sum does not
 * depend on the rows asked for, but for planes that AVX-512 takes whole (fnn_conv2d_is_single). With
 * walk->past, whose demands stand there, AVX-512 may write past the caches. */
typedef void FN(conv2d_window_fn)(const fnn_conv2d_window *window, const fnn_conv2d_walk *walk,
                                  ptrdiff_t first, ptrdiff_t last, const real *src, const real *w,
                                  const real *bias, real *dst);

/* The adjoint for a stride of 2: `src` are planes of out_rows x out_cols, and
 *
 *   dst[j*dst_plane + h*in_cols + v] = sum over channels c, taps r, s of
 *       w[j*w_plane + c*w_channel + r*size + s] *
 *       src[j*src_plane + c*src_channel + p*out_cols + q]
 *
 * where h = 2p - top + r, v = 2q - left + s; for rows first <= h < last. */
typedef void FN(conv2d_spread_fn)(const fnn_conv2d_window *window, const fnn_conv2d_walk *walk,
                                  ptrdiff_t first, ptrdiff_t last, const real *src, const real *w,
                                  real *dst);

/* The gradient of one window, as vectors of partial sums g[tap][LANES], over `images` planes of x
 * (in_rows x in_cols) and of dy (out_rows x out_cols):
 *
 *   g[r*size + s] = sum over n, p, q of dy[n*dy_image + p*out_cols + q] *
 *                   x[n*x_image + (p*stride - top + r)*in_cols + q*stride - left + s]
 *
 * With 16 registers (conv2d_registers) windows of 5 are for a stride of 2 only. */
typedef void FN(conv2d_window_weight_fn)(const fnn_conv2d_window *window, ptrdiff_t images,
                                         ptrdiff_t x_image, ptrdiff_t dy_image, const real *x,
                                         const real *dy, real *g);

/* The same for the windows of three planes of dy and `channels` of x, each set side by side, and rows
 * first .. last of x, added to g[(plane*channels + channel)*9 + tap]. For windows of 3 one pixel
 * apart, left = 1, in_cols = out_cols whole vectors. Only AVX-512's table of float32 holds this. */
typedef void FN(conv2d_three_weight_fn)(const fnn_conv2d_window *window, ptrdiff_t channels,
                                        ptrdiff_t first, ptrdiff_t last, const real *x,
                                        const real *dy, real *g);

/* The sum of conv2d_window for windows of height x width taps, row_step and col_step pixels apart,
 * and a stride of 1, on planes of 4 <= out_cols <= 8, or more where width is 1, left is 0 and
 * in_cols is out_cols: tap (r, s) reads row p - top + r*row_step, column q - left + s*col_step. There is one
 * channel and at most FNN_CONV2D_SHORT_TAPS taps. Only tables of float32, AVX2 and AVX-512,
 * hold this and the next four kernels. */
typedef FN(conv2d_window_fn) FN(conv2d_short_fn);

/* Its gradient for `planes` planes of x and dy that lie side by side, of some images, as vectors of partial
 * sums g[plane][tap][LANES], which are added to if `add` is set; out_rows is a multiple of 7 and windows are
 * 3x3, of neighbouring taps. */
typedef void FN(conv2d_short_weight_fn)(const fnn_conv2d_window *window, ptrdiff_t planes,
                                        ptrdiff_t images, ptrdiff_t x_image, ptrdiff_t dy_image,
                                        int add, const real *x, const real *dy, real *g);

/* For windows of runs of tap_cols taps that follow each other in a plane; for all images, which lie
 * x_image and y_image apart, and j < planes, p < rows, q < cols:
 *
 *   y[(j*rows + p)*cols + q] = bias[j] + sum over t < taps of
 *       w[j*taps + t] * x[j*plane + p*row_step + q*col_step + t / tap_cols * tap_row + t % tap_cols]
 *
 * There is one run, but at 2x2 places: there AVX2 takes runs of at most LANES taps, AVX-512 any
 * with at most 64 elements from the first tap to the last. bias may be NULL. */
typedef void FN(conv2d_few_fn)(const fnn_conv2d_few *few, ptrdiff_t planes, const real *x,
                               const real *w, const real *bias, real *y);

/* Windows of stride 1 over one plane or, with a stride and a dilation of 2, over two. x is the first
 * pixel that is read of the first one; for j < planes:
 *
 *   y[j*out_plane + p*out_cols + q] = w[j] + sum over taps r, s of w[2 + (r*width + s)*2 + j] *
 *       x[j*plane + (p - top + r)*row_step + (q - left + s)*planes]
 *
 * without the taps outside of rows x cols pixels; of one plane both numbers of w are the same. `rows`
 * is memory for out_rows + height - 1 rows of `pitch` pixels of all planes, of which those outside
 * are zeros. tile_rows are those of tile number `tile`, at most out_rows, and height is its taps;
 * of two planes cols and out_cols are at least LANES / 2, of one plane pitch is LANES + width - 1.
 * Elements between the pixels of two planes are read, too. */
typedef void FN(conv2d_near_fn)(fnn_conv2d_near *near, const real *x, const real *w, real *rows,
                                real *y);

/* The adjoint of any windows, for 4 <= out_cols <= 8: row h, column v of plane j of dx is the sum
 * over the row's terms with lo <= v < hi of dy[j*rows*cols + term.dy] * w[j*taps + term.w + v]. */
typedef void FN(conv2d_few_spread_fn)(const fnn_conv2d_few *few, ptrdiff_t planes, const real *dy,
                                      const real *w, real *dx);
