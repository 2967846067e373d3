#define FNN_ISA_NAME scalar
#define FNN_ROLLED
#include "simd/scalar.h"

/* gemm: rows and vectors of the register tile, rows up to which it may be two panels wide, rows
 * that share a pointer, rows of the tile for a shallow B (0: none), depth of a block in bytes,
 * bytes of a block of B (L2 keeps it beside A and C), whether a partial vector of B may be loaded
 * in the inner loop; rows and columns (by rows) of the tile of dot products */
#define GEMM_MR 2
#define GEMM_NARROW_ROWS 2
#define GEMM_NV 2
#define GEMM_WIDE_ROWS 0
#define GEMM_SHARE 4
#define GEMM_SHALLOW_ROWS 0
#define GEMM_KC 1024
#define GEMM_B_BLOCK (256 << 10)
#define GEMM_MASKED 0
#define GEMM_DOT_ROWS 2
#define GEMM_DOT_COLS 2
#define GEMM_DOT_INSTANCES(X) X(1, 2) X(2, 2)
#define GEMM_DOT_WIDE_INSTANCES(X)
#define GEMM_DOT_THIN_INSTANCES(X)
#define GEMM_DOT_PIECE 0
#define GEMM_SQUARES_ROWS 0
#define GEMM_FEW_ROWS 0
#define GEMM_INSTANCES(X) \
    X(1, 1) X(2, 1)       \
    X(1, 2) X(2, 2)
/* softmax: short rows whose exponentials go in lockstep, and at most 4 vectors of long ones */
#define SOFTMAX_LOCKSTEP 1
/* conv2d: vector registers, which decide the register tiles */
#define CONV_REGISTERS 16

#include "isa/unit.h"
