#if defined(__aarch64__)
#define FNN_ISA_NAME neon
#include "simd/neon.h"

/* gemm: rows and vectors of the register tile, rows up to which it may be two panels wide, rows
 * that share a pointer, rows of the tile for a shallow B (0: none), depth of a block in bytes,
 * bytes of a block of B (L2 keeps it beside A and C), whether a partial vector of B may be loaded
 * in the inner loop; rows and columns (by rows) of the tile of dot products */
#define GEMM_MR 5
#define GEMM_NARROW_ROWS 12
#define GEMM_NV 4
#define GEMM_WIDE_ROWS 2
#define GEMM_SHARE 4
#define GEMM_SHALLOW_ROWS 0
#define GEMM_KC 1024
#define GEMM_B_BLOCK (256 << 10)
#define GEMM_MASKED 0
#define GEMM_DOT_ROWS 4
#define GEMM_DOT_COLS 8
#define GEMM_DOT_INSTANCES(X) X(1, 8) X(2, 8) X(3, 4) X(4, 4)
#define GEMM_DOT_WIDE_INSTANCES(X) X(3, 5) X(4, 5)
#define GEMM_DOT_THIN_INSTANCES(X)
#define GEMM_DOT_PIECE 0
#define GEMM_SQUARES_ROWS 0
#define GEMM_FEW_ROWS 0
#define GEMM_INSTANCES(X)                                                                     \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) \
    X(12, 1)                                                                                  \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2)                                                   \
    X(1, 3) X(2, 3) X(3, 3) X(4, 3) X(5, 3)                                                   \
    X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4)                                                   \
    X(1, 5) X(2, 5) X(1, 6) X(2, 6) X(1, 7) X(2, 7) X(1, 8) X(2, 8)
/* softmax: short rows whose exponentials go in lockstep, and at most 4 vectors of long ones */
#define SOFTMAX_LOCKSTEP 4
/* conv2d: vector registers, which decide the register tiles */
#define CONV_REGISTERS 32

#include "isa/unit.h"
#else
typedef int fnn_no_neon; /* this processor family has no such ISA */
#endif
