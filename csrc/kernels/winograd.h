/* Contracts of the Winograd kernels (a template: included once per element type).
 *
 * F(m x m, 3 x 3) computes m x m outputs of a 3x3 convolution from (m+2) x (m+2) inputs d:
 *
 *   y = A^T [ (G g G^T) . (B^T d B) ] A
 *
 * with (m+2)^2 multiplications, which `positions` (i, j) number as i*(m+2) + j (Lavin and Gray,
 * Fast Algorithms for Convolutional Neural Networks, 2015). The polynomials are evaluated at
 * 0, 1, -1 and infinity for m = 2, at 0, +-sqrt(1/2), +-sqrt(2) and infinity for m = 4: their
 * products are whole numbers, and no coefficient exceeds 2.83; and at +-1/2, +-3/2 and infinity for
 * m = 3 (input, output and weights, float32 only), where all coefficients but 1/6 are exact.
 * The gradient of the weights is the adjoint, G^T [ (A dy A^T) . (B^T d B) ] G.
 *
 * Channels lie in lanes. `scratch` holds fnn_winograd_scratch(m, tiles) vectors and starts on one. */
#include "kernels/winograd_strip.h"

/* v[position*strip->position + t*strip->tile + l] = (B^T d B) of channel l, tile t, whose d starts at
 * row strip->row and column strip->col + t*m; 0 outside of the planes and for lanes without a
 * channel. */
typedef void FN(winograd_input_fn)(int m, const fnn_winograd_strip *strip, const real *x,
                                   real *scratch, real *v);

/* The same for A d A^T with m x m elements d of the gradient of the output, of shorter tiles with 0 in
 * the last column. sums, or NULL: sums[l] += all d of channel l. */
typedef void FN(winograd_gradient_fn)(int m, const fnn_winograd_strip *strip, const real *dy,
                                      real *scratch, real *v, real *sums);

/* y = A^T v A + bias[l], stored where the planes are; strip->row and strip->col are not negative.
 * bias (of strip->channels elements) may be NULL. With `relu` y < 0 ? 0 : y; with a gate (like y,
 * else NULL) gate <= 0 ? 0 : y, also where the processor takes tiny numbers for 0. */
typedef void FN(winograd_output_fn)(int m, const fnn_winograd_strip *strip, const real *v,
                                    const real *bias, int relu, const real *gate, real *scratch,
                                    real *y);

/* One position's product for whole slabs of NR = gemm_nr output channels:
 * m[t*NR + k] (+)= sum over c < channels of v[t*32 + c] u[c*NR + k], for t < tiles and k < NR, in
 * rising c; more tiles than half of gemm_mr. What gemm_block computes, without its choices. NULL
 * for vectors shorter than 32 bytes and for float64. */
typedef void FN(winograd_product_fn)(ptrdiff_t tiles, ptrdiff_t channels, const real *v,
                                     const real *u, int add, real *m);

/* The same for the gradient of the weights of 16 input channels:
 * m[c*NR + k] (+)= sum over t < tiles of v[t*16 + c] d[t*NR + k], for c < 16 and k < NR. */
typedef void FN(winograd_depth_fn)(ptrdiff_t tiles, const real *v, const real *d, int add,
                                   real *m);

/* Row i of G g G^T for `channels` input channels and NR = gemm_nr output channels:
 * u[j*position + c*NR + k], j < m+2, from taps[(c*9 + r*3 + s)*NR + k]. */
typedef void FN(winograd_weights_fn)(int m, int i, ptrdiff_t channels, const real *taps, real *u,
                                     ptrdiff_t position);

/* taps[(c*9 + r*3 + s)*NR + k] (+)= G^T u G, from u[position number*position + c*NR + k]. */
typedef void FN(winograd_taps_fn)(int m, ptrdiff_t channels, const real *u, ptrdiff_t position,
                                  int add, real *taps);

/* m = 4 and four tiles, for which U need not be in memory: row i of the products' positions,
 * M[j*m_position + t*NR + k] (+)= sum over c < channels of U v[j*v_position + t*v_tile + c], j < 6
 * and t < 4, with row i of U from taps as above. Meanwhile fetches two places, FNN_LINE*3/4 bytes
 * apart, at ahead + n*ahead_half + c*ahead_row for vector n of NR. Wants 32 registers. */
typedef void FN(winograd_four_fn)(int i, ptrdiff_t channels, const real *taps, const real *v,
                                  ptrdiff_t v_tile, ptrdiff_t v_position, int add, real *m,
                                  ptrdiff_t m_position, const real *ahead, ptrdiff_t ahead_row,
                                  ptrdiff_t ahead_half);

/* m = 2 and sixteen tiles: of 16 input and LANES output channels the products of all positions,
 * M[p*m_position + t*LANES + k] (+)= sum over c < 16 of U v[p*v_position + t*16 + c], t < 16, with
 * U from windows w[k*w_out + c*w_in]: either w_in = 9 or, if `turned`, w_out = 9 and taps from the
 * last to the first. u has room for 16 * 16 vectors. Meanwhile fetches 16 runs of 144 elements,
 * ahead_row apart. Wants 32 registers and LANES = 16; NULL elsewhere. */
typedef void FN(winograd_sixteen_fn)(const real *w, ptrdiff_t w_out, ptrdiff_t w_in, int turned,
                                     real *u, const real *v, ptrdiff_t v_position, int add, real *m,
                                     ptrdiff_t m_position, const real *ahead, ptrdiff_t ahead_row);

/* Wide windows, by F(4, 4) along their rows: four results from seven inputs d and four taps g with seven
 * products instead of 16, y = A^T [ (G g) . (B^T d) ], at +-A, +-B, +-C and infinity. Every element of x,
 * v, m and y is a vector, of LANES rows. Both are NULL for vectors shorter than 32 bytes and for float64. */
#define FNN_FLAT_A 0.25
#define FNN_FLAT_B 0.9
#define FNN_FLAT_C 1.75

/* v[c*v_channel + p*v_position + t*v_tile] = (B^T d)[p], d[i] = x[c*x_channel + (4*t + i)*x_step], for
 * c < channels, t < tiles, p < 7. */
typedef void FN(winograd_flat_input_fn)(ptrdiff_t channels, ptrdiff_t x_channel, ptrdiff_t tiles,
                                        const real *x, ptrdiff_t x_step, real *v,
                                        ptrdiff_t v_channel, ptrdiff_t v_tile,
                                        ptrdiff_t v_position);

/* y[(o*tiles + t)*4*LANES + j*LANES] = bias[o] + (A^T M)[j], M[p] = m[p*m_position + (o*tiles + t)*LANES],
 * for o < outs, t < tiles, j < 4. bias may be NULL. */
typedef void FN(winograd_flat_output_fn)(ptrdiff_t outs, ptrdiff_t tiles, const real *m,
                                         ptrdiff_t m_position, const real *bias, real *y);
