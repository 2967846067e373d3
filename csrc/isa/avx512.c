#if defined(__x86_64__)
#define FNN_ISA_NAME avx512
#include "simd/avx512.h"

/* gemm: rows and vectors of the register tile, rows up to which it may be two panels wide, rows
 * that share a pointer, rows of the tile for a shallow B (0: none; three vectors of floats have
 * one row more), depth of a block in bytes, bytes of a block of B (L2 keeps it beside A and C),
 * whether a partial vector of B may be loaded in the inner loop; rows and columns (by rows) of the
 * tile of dot products, where there may be a column more, and for a single column */
#define GEMM_MR 14
#define GEMM_NARROW_ROWS 18
#define GEMM_NV 2
#define GEMM_WIDE_ROWS 6
#define GEMM_SHARE 4
#define GEMM_SHALLOW_ROWS 8
#define GEMM_KC 2048
#define GEMM_B_BLOCK (512 << 10)
#define GEMM_MASKED 1
#define GEMM_DOT_ROWS 4
#define GEMM_DOT_COLS 8
#define GEMM_DOT_INSTANCES(X) X(1, 8) X(2, 8) X(3, 4) X(4, 4)
#define GEMM_DOT_WIDE_INSTANCES(X) X(3, 5) X(4, 5)
#define GEMM_DOT_THIN_INSTANCES(X) X(4, 1)
#define GEMM_DOT_PIECE 0
#define GEMM_SQUARES_ROWS 16
#define GEMM_FEW_ROWS 4
#define GEMM_SQUARES_FEWEST 8
#define GEMM_SQUARES_INSTANCES(X) X(8) X(12) X(16)
#define GEMM_INSTANCES(X)                                                                     \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) \
    X(12, 1) X(13, 1) X(14, 1) X(15, 1) X(16, 1) X(17, 1) X(18, 1)                            \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) \
    X(12, 2) X(13, 2) X(14, 2)                                                                \
    X(1, 3) X(2, 3) X(3, 3) X(4, 3) X(5, 3) X(6, 3)                                           \
    X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4) X(8, 3)
/* softmax: short rows whose exponentials go in lockstep, and at most 4 vectors of long ones */
#define SOFTMAX_LOCKSTEP 8
/* conv2d: vector registers, which decide the register tiles */
#define CONV_REGISTERS 32

#include "isa/unit.h"
#else
typedef int fnn_no_avx512; /* this processor family has no such ISA */
#endif
