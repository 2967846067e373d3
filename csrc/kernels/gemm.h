/* Contracts of the gemm kernels (a template: included once per element type).
 *
 * MR x NR is the register tile: MR rows of A, each element broadcast, times NR = gemm_nr columns
 * of B in vectors. Operand B comes in panels of NR columns: row k of panel p starts at
 * b + p * b_ps + k * b_ks. A packed block has b_ks = NR and b_ps = kc * NR; a matrix with unit
 * column stride is read in place with b_ks = its row stride and b_ps = NR. */

typedef struct FN(gemm_operands) {
    ptrdiff_t m, n, k;
    const real *a;
    ptrdiff_t a_rs, a_ks; /* between rows and between k */
    const real *b;
    ptrdiff_t b_ks, b_ps;
    real *c;
    ptrdiff_t c_rs;
    const ptrdiff_t *c_at; /* where vectors of C's columns lie from c on, all whole; or NULL */
    const real *bias_column, *bias_row; /* n and m elements, or NULL */
    int accumulate, relu;
    /* k comes in segments, of g->k each (0: in one): behind each, A and B go on so much further */
    ptrdiff_t segments, a_jump, b_jump;
    real *panels;    /* or NULL: where to copy B, see below */
    int wide;        /* few rows, a B of whole vectors in place: row by row, see gemm_wide_tmpl.c */
    int streams;     /* B, read in place, comes from beyond L2: fetch it ahead */
    ptrdiff_t next;  /* not 0, with streams: B is packed, fetch as much so much further on */
    ptrdiff_t ahead; /* the kernel's own: how much further than otherwise B is fetched ahead */
    ptrdiff_t count, a_bs, b_bs, c_bs; /* without biases: so many products, so far apart; 0 is 1 */
    ptrdiff_t a_more, b_more, c_more;  /* the kernel's own: from tile to tile, more than otherwise */
} FN(gemm_operands);

/* C[i][j] = relu(bias + (C[i][j] +) sum over k of A[i][k] B[k][j]), in rising k, segment by
 * segment, from the bias of the row on: an element's bits do not depend on how the caller cuts m
 * and n. Any strides of A. The last panel may be narrower than NR; it is read with a mask if
 * gemm_masked, else whole, and must then be packed with padding. Columns j >= n of C are not
 * touched. k may be 0. C overlaps nothing.
 *
 * With `panels`, if gemm_copies, m is MR, k one segment, c_at NULL, and B lies in place, some whole
 * panels wide: they are copied there, packed. */
typedef void FN(gemm_block_fn)(const FN(gemm_operands) *g);

/* The same product for a B whose columns are contiguous: B[k][j] = b[j * b_ps + k], and a_ks = 1.
 * Lanes run along k, so nothing is packed; pays for few rows and long k. An element's bits do not
 * depend on how the caller cuts m and n. b_ks is ignored. */
typedef void FN(gemm_dot_fn)(const FN(gemm_operands) *g);

/* The same product for such a B and a_ks = 1, in rising k from 0 for every element, so its bits do
 * not depend on the caller's cuts either. Pays from some rows and a vector of columns on. Needs
 * ISAs with gemm_squares_rows > 0. So many rows of A and LANES columns of B that end with the last
 * one are readable, whatever m and n. */
typedef void FN(gemm_squares_fn)(const FN(gemm_operands) *g);

/* The same product for a B of few columns, its rows one behind another (b_ks = n), and a long k, by all
 * lanes: vectors of B hold several k, or parts of them, and vectors of A are permuted to match. Needs
 * ISAs with gemm_few_rows > 0, gemm_few_period(n) <= GEMM_FEW_LONGEST, n <= 2 LANES, a_ks > 0, and a_ks
 * times the rows of B that a vector crosses less than LANES. */
typedef void FN(gemm_few_fn)(const FN(gemm_operands) *g);

enum { FN(GEMM_FEW_LONGEST) = 60 };

/* Ends of rows of B that so many elements hold at most, wherever a vector begins. */
FNN_INLINE ptrdiff_t FN(gemm_few_crossed)(ptrdiff_t n, ptrdiff_t elements) {
    return elements % n == 0 ? elements / n - 1 : (elements + n - 2) / n;
}

/* Vectors of B that begin and end with whole rows of n: a multiple of four; and how many rows those are. */
FNN_INLINE ptrdiff_t FN(gemm_few_period)(ptrdiff_t n) { return 4 * (n >> __builtin_ctz((unsigned)n)); }
FNN_INLINE ptrdiff_t FN(gemm_few_depth)(ptrdiff_t n, ptrdiff_t lanes) {
    return 4 * lanes >> __builtin_ctz((unsigned)n);
}

/* Moves a transposed product into place: C[j][i] = relu(bias + (C[j][i] +) T[i][j]) for i < g->m
 * and j < g->n, with row j of C at g->c + j * c_rs; bias_row has g->m elements and bias_column
 * g->n. Rows of T are t_rs apart, a multiple of the vector's length, and readable that far. */
typedef void FN(gemm_turn_fn)(const FN(gemm_operands) *g, const real *t, ptrdiff_t t_rs);

/* dst[i * dst_rs + j] = src[i * src_rs + j * src_cs] for i < rows, j < cols, and 0 for
 * cols <= j < width, a multiple of the vector's length. Quick if either stride of src is 1. Rows
 * are written in turn, so with src_cs = 1 dst_rs may be less than width (but not than cols). */
typedef void FN(gemm_pack_fn)(ptrdiff_t rows, ptrdiff_t cols, const real *src, ptrdiff_t src_rs,
                              ptrdiff_t src_cs, real *dst, ptrdiff_t dst_rs, ptrdiff_t width);
