/* Contracts of the conv2d kernels (a template: included once per element type).
 *
 * The direct kernels work on padded planes: rows of `pitch` elements, zeros around the image,
 * pixels of one column phase (column mod stride) side by side, so that a tap is a constant
 * offset and a run of pixels is a run of addresses even across rows. */
#include "kernels/conv2d_tiles.h"

/* y[o][j] = bias[o] + sum over channels c, taps t of
 *           w[o*w_out + c*w_in + tap[t].w] * x[c*x_channel + tap[t].x + j]
 * for o < O, j < V*LANES of tile (O, V); y is dense. bias may be NULL. The order of the sum does
 * not depend on the tile. A tile of fnn_conv2d_packs reads w[c*w_in + t*O + o] instead, here and
 * in the next kernel. All of x that the formula names is read, also where the caller wants
 * no result. */
typedef void FN(conv2d_tile_fn)(const fnn_conv2d_sum *sum, int tile, const real *x, const real *w,
                                const real *bias, real *y);

/* The same sum for tile (O, R, V): rows of V vectors, of which the last has `last` pixels, written
 * to their places:
 *
 *   y[o*y_channel + r*y_row + j] = bias[o] + sum of w[..] * x[c*x_channel + tap[t].x + r*x_row + j]
 *
 * for o < O, r < R, j < (V-1)*LANES + last; x is read to the end of the last vector. */
typedef struct FN(conv2d_place) {
    ptrdiff_t x_row, y_channel, y_row, last;
} FN(conv2d_place);
typedef void FN(conv2d_rows_fn)(const fnn_conv2d_sum *sum, const FN(conv2d_place) *place, int tile,
                                const real *x, const real *w, const real *bias, real *y);

/* The same where a pixel is a vector, for a run of P of them, x_row and y_row apart: tile (O, P) of
 * rows of one vector. */
typedef FN(conv2d_rows_fn) FN(conv2d_pixels_fn);

/* The same for one output channel and taps in threes that stand x_row apart: each vector of x is
 * loaded once for the three. Tile (R, V). */
typedef FN(conv2d_rows_fn) FN(conv2d_rows3_fn);

/* Both: one output channel, a pixel is a vector, and taps come in runs of T that stand x_row
 * apart. Tile (T, P). */
typedef FN(conv2d_rows_fn) FN(conv2d_pixel_runs_fn);

/* dst[c][i][j] = src[c][row + i*row_step][col + j*col_step], 0 outside of the h x w source,
 * for c < planes, i < rows, j < cols; rows of dst are dense, and `slack` zeros follow each of its
 * planes: at least LANES, or, if col_step > 1, none, and nothing behind the last plane is written.
 * row and col may be negative. With twin > 0, which has a col_step of 2 and a slack of LANES, also
 * dst[twin + ..] = src[..][col + 1 + j*col_step]. */
typedef struct FN(conv2d_crop) {
    ptrdiff_t planes, h, w, src_plane;
    ptrdiff_t row, row_step, col, col_step;
    ptrdiff_t rows, cols, dst_plane, slack, twin;
} FN(conv2d_crop);
typedef void FN(conv2d_pad_fn)(const FN(conv2d_crop) *crop, const real *src, real *dst);

/* The same for LANES images side by side, pixels in whole vectors:
 *
 *   dst[c*dst_plane + (i*pitch + j)*LANES + l] =
 *       src[l*src_image + c*src_plane + (row + i)*w + j - left]
 *
 * for c < planes, i < rows, j < pitch, l < LANES, and 0 outside of the h x w source and for
 * l >= images; left >= 0 and left + w <= pitch. dst starts on a vector. `clean`: what is outside of
 * the source is 0 already. */
typedef struct FN(conv2d_images) {
    ptrdiff_t images, src_image, planes, src_plane, h, w;
    ptrdiff_t row, rows, left, pitch, dst_plane;
    int clean;
} FN(conv2d_images);
typedef void FN(conv2d_pad_images_fn)(const FN(conv2d_images) *images, const real *src, real *dst);

/* The way back, of what is inside: src[c][row + i*row_step][col + j*col_step] = dst[c][i][j]. */
typedef void FN(conv2d_unpad_fn)(const FN(conv2d_crop) *crop, real *src, const real *dst);

/* Takes the pixels j0 .. j0+count of `outs` channels from a tile (channels tile_stride apart)
 * to their places: pixel j is row j / pitch, column j % pitch of a grid of `cols` columns, stored
 * at dst[o*dst_plane + row*row_step + column*col_step]; columns from `cols` on are dropped. */
typedef struct FN(conv2d_grid) {
    ptrdiff_t pitch, cols;
    ptrdiff_t dst_plane, row_step, col_step;
} FN(conv2d_grid);
typedef void FN(conv2d_scatter_fn)(const FN(conv2d_grid) *grid, ptrdiff_t j0, ptrdiff_t count,
                                   ptrdiff_t outs, const real *tile, ptrdiff_t tile_stride,
                                   real *dst);

/* The gradient of the weights: K output channels by R rows, a row being an input channel and
 * tap, as sums over all pixels (n, p, q):
 *
 *   g[i][k] (+)= sum of x[row[i] + n*x_image + p*x_row + q] * dy[..]
 *
 * Nothing outside of these pixels is read. `add` adds to g, else g is only written. */

/* dy[k*dy_channel + n*dy_image + p*cols + q]; tile (K, R); pixels lie in lanes, and each sum is
 * left as a vector of partial sums: g is [R][K] vectors. */
typedef void FN(conv2d_dot_fn)(const fnn_conv2d_pixels *pixels, int tile, const ptrdiff_t *row,
                               const real *x, const real *dy, int add, real *g);

/* The same for one output channel and the nine rows of a 3x3 window, whose rows of taps stand
 * x_row apart: row[3*r + s] = row[s] + r*x_row. `tile` is not used. */
typedef FN(conv2d_dot_fn) FN(conv2d_dot3_fn);

/* dy[((n*rows + p)*cols + q) * V*LANES + k], channels in lanes; tile (V, R); g is [R][V*LANES].
 * dy starts on a vector. */
typedef void FN(conv2d_outer_fn)(const fnn_conv2d_pixels *pixels, int tile, const ptrdiff_t *row,
                                 const real *x, const real *dy, int add, real *g);

/* The same for one vector of channels and rows that come in runs of T neighbouring taps:
 * row[i + t] = row[i] + t for t < T and every T-th i. Columns of x are S apart: q*S stands for q
 * above. Tile (T, runs, S). Tables of vectors shorter than 32 bytes hold NULL instead. */
typedef FN(conv2d_outer_fn) FN(conv2d_outer_runs_fn);

/* dst[j*dst_row + i] = src[i*src_row + j] for i < rows, j < cols, and 0 for rows <= i < padded. */
typedef void FN(conv2d_transpose_fn)(ptrdiff_t rows, ptrdiff_t cols, const real *src,
                                     ptrdiff_t src_row, real *dst, ptrdiff_t dst_row,
                                     ptrdiff_t padded);

/* y[i] = sum of the lanes of vector i at x[i*x_step], i < count; y is dense. */
typedef void FN(conv2d_fold_fn)(ptrdiff_t count, const real *x, ptrdiff_t x_step, real *y);

/* A panel of the matrix of columns [channel and tap][pixel], read from padded planes: row
 * k = c*taps + t, column j = pixel (i, j % cols) of image n with n*rows + i = j / cols, and the
 * element is
 *
 *   B(k, j) = planes[n*image + c*channel + tap[t] + i*x_row + j % cols].
 *
 * panel[k*nr + j] = B(k0 + k, j0 + j), or with rows and columns exchanged B(j0 + j, k0 + k), for
 * k < depth, j < width, and 0 for width <= j < nr; nr is a multiple of LANES. The transposed form
 * takes one image, and reads up to LANES - 1 elements behind those named.
 *
 * float32 and vectors of 32 bytes and more, not transposed: with a step of 2 or 4, j % cols stands for
 * (j % cols)*step, taps come in runs of so many neighbours, k0 and depth are multiples of it, and
 * cols*step is a vector or more. What the next panel reads is fetched to L2.
 *
 * float32 and vectors of 64 bytes, not transposed: with `place`, channels are images as they lie, of up to
 * four vectors, and the element is planes[n*image + c*channel + place[t][i][j]], 0 for -1; rows*cols is a
 * whole number of vectors. */
typedef void FN(conv2d_columns_fn)(const fnn_conv2d_columns *columns, ptrdiff_t k0, ptrdiff_t depth,
                                   ptrdiff_t j0, ptrdiff_t width, ptrdiff_t nr, const real *planes,
                                   real *panel);
typedef FN(conv2d_columns_fn) FN(conv2d_columns_transposed_fn);

/* The adjoint: planes = 0, then planes[c*channel + tap[t] + i*x_row + j] += src[c][t][i][j] for
 * c < channels, i < rows, j < cols; src is dense. */
typedef void FN(conv2d_add_columns_fn)(const fnn_conv2d_columns *columns, ptrdiff_t rows,
                                       ptrdiff_t channels, const real *src, real *planes);

/* Vector c of sums (+)= the sum over n < rows and i < pixels of x[n*row + c*channel + i], in partial
 * sums, for c < channels. `add` adds to sums, else they are only written. */
typedef void FN(conv2d_channel_sums_fn)(ptrdiff_t rows, ptrdiff_t row, ptrdiff_t channels,
                                        ptrdiff_t channel, ptrdiff_t pixels, const real *x, int add,
                                        real *sums);
