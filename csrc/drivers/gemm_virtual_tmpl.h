/* See drivers/gemm.h. */

/* Writes B[k0 .. k0+kc)[j0 .. j0+nc) as panels of NR = FN(fnn_table).gemm_nr columns each:
 *
 *   panels[(p * kc + k) * NR + j] = B[k0 + k][j0 + p * NR + j]     p < ceil(nc / NR), k < kc
 *
 * with zeros where j0 + p * NR + j >= j0 + nc. `panels` is 64-byte aligned, so every row of a panel
 * starts on a vector. j0 is a multiple of NR. Called once for every block, from any thread. */
typedef void FN(fnn_pack_fn)(const void *source, ptrdiff_t k0, ptrdiff_t kc, ptrdiff_t j0,
                             ptrdiff_t nc, real *panels);

/* fnn_gemm with such a B: shape->b_* are ignored and batch must be 1. Runs on ctx->threads
 * threads; a caller that is parallel itself passes a context of 1 thread and a workspace per
 * worker. Blocks are at most gemm_kc rows deep, columns are cut in multiples of NR; the bits of
 * the result do not depend on either the cut or the threads. With c_at, the columns of C are vectors
 * (n is a whole number of them) at c + c_at[v], wherever that is, rows shape->c_rs apart. */
size_t FN(fnn_gemm_virtual_workspace)(const fnn_ctx *ctx, const fnn_gemm_shape *shape);
fnn_status FN(fnn_gemm_virtual)(const fnn_ctx *ctx, const fnn_gemm_shape *shape, const real *a,
                                FN(fnn_pack_fn) *pack, const void *source, const real *bias,
                                real *c, const ptrdiff_t *c_at, void *workspace);
