/* Matrix multiplication: which operands are packed, how the loops are blocked and cut into
 * tasks. The arithmetic is in the gemm kernels; csrc/notes/matmul.md draws the loops. */
#include "drivers/gemm.h"

#include "base/common.h"
#include "base/cpu.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

typedef enum way {
    IN_PLACE, /* panels of B where they lie: the matrix itself, or the caller's packed form */
    PACKED,   /* panels copied or transposed into the workspace, block by block */
    DOT,      /* B's columns are contiguous and few rows use them: lanes along k */
    FEW,      /* rows of B are short and lie one behind another: lanes along both */
    SQUARES,  /* B's columns are contiguous: turned in registers as they are used */
    TURNED    /* B is large, A small: C^T = B^T A^T with A packed, then C from C^T */
} way;

/* How one product is carried out; a function of the shape and the kernels alone. */
typedef struct plan {
    way way;
    int wide;                /* few rows of A, and rows of B that share few sets of L1 */
    int streams;             /* B lies beyond L2 and is read in place by runs of columns */
    int by_matrix;           /* a task is a matrix of the batch, else a piece of one */
    ptrdiff_t nc, kc;        /* a block of B: columns and depth */
    ptrdiff_t m_cut, n_cut;  /* a task's piece of C */
    int columns_first;       /* neighbouring tasks share columns */
    int b_each;              /* each worker packs a B for itself, which is sooner than sharing it */
    ptrdiff_t thin;          /* columns behind the last vector that go by themselves */
    ptrdiff_t thin_pitch;    /* stride of these columns where they are packed for dot products */
    size_t thin_bytes;       /* and their part of b_bytes */
    ptrdiff_t mc;            /* rows of A packed at once, or of C^T kept at once */
    ptrdiff_t a_pitch;       /* row stride of packed A or C^T; 0 if A is read in place */
    ptrdiff_t a_whole;       /* row stride of A packed once for all blocks of B and threads; or 0 */
    int a_by_k;              /* packed A is transposed: a row holds one k */
    size_t a_bytes, b_bytes; /* workspace: A or C^T for every worker, B for all or for each */
    size_t sums_bytes;       /* and the sums of A's rows, if the depth is cut */
} plan;

enum {
    A_BLOCK = 128 << 10, /* bytes of packed A that one block of B meets */
    A_WHOLE = 8 << 20,   /* bytes of packed A that several blocks of B meet */
    MOST_BLOCK = 1 << 20, /* bytes of a block of packed B, however large L2 is */
    PAGED_DEPTH = 8,     /* rows of a far B, whole pages apart, that L1 holds lines of at once */
    PANEL = 16 << 10,    /* bytes of a panel of B that L1 keeps while all rows of A pass */
    FEW_WAYS = 4,        /* of a set of L1 that lines of rows may take, beside others */
    ALL_WAYS = 8,        /* .. and all that there are on processors of vectors in halves */
    CROWD = 64,          /* rows of a deeper one whose lines L1 should hold at once */
    DOT_DEPTH = 4096,    /* elements of rows and columns that L2 keeps while all pairs meet */
    LONG = 2048,         /* elements that repay sums which wait in memory from piece to piece */
    DOT_ROW = 64 << 10,  /* bytes of longer ones, which pass from far sooner if they pass whole: .. */
    DOT_KEPT = 1 << 20,  /* .. bytes of the fewer of them, which L2 keeps meanwhile */
    WIDE = 2048,         /* bytes of rows that are worth reading one after another, .. */
    WIDE_ROWS = 2,       /* .. and the most rows of A that they meet then */
    FEW_DEPTH = 40,      /* k for each vector of a period of few columns; for more rows thrice that */
    FEW_LEAST = 400,     /* and in all */
    FEW_ROWS = 256,      /* so many rows hide the chains of sums of tiles */
    FEW_TURNED = 256,    /* rows times columns times lanes if A is transposed */
    GRAIN = 1 << 18,     /* multiply-adds that are worth a task of their own */
    MAX_TASKS = 32,      /* per block of B */
    THREAD_TASKS = 4,    /* and for each thread */
    PANELS = 2,          /* panels that one of several tasks packs */
    PACK_ROWS = 16,      /* rows of B that are packed side by side: so few pages at a time */
    THIN = 4,            /* most thin columns behind others */
    THIN_ROWS = 126,     /* rows of A that L2 keeps from whole vectors to thin columns */
    THIN_PITCH = 128,    /* and of their turned sums */
    THIN_MOST = 32,      /* vectors beside which thin columns no longer count */
    SUMMED = 4,          /* vectors of sums at once: for so few each has the same order of additions */
    PACK_A_ROWS = 56,    /* rows of A that one task packs */
    PACK_GRAIN = 1 << 14 /* elements that are worth packing in parallel */
};

/* What products cost besides their multiply-adds, as measured: see csrc/notes/matmul.md. Those of a B
 * with contiguous columns in units of one lane's multiply-add. */
typedef struct costs {
    double packed;         /* an element packed transposed */
    double result;         /* a result moved to its place, turned or from a square */
    double square;         /* a vector of B turned in registers, for each row of B */
    double lane, far_lane; /* of a dot product, which loads more than a tile; from L2 */
    double dot;            /* the sum of its lanes */
    double crossed;        /* dot products where squares would do: their vectors lie in two lines */
    ptrdiff_t in_place;    /* panels of B for which rows of A whole pages apart are not packed */
    ptrdiff_t kept;        /* bytes of the fewer of long rows and columns of dot products at a time */
} costs;

FNN_INLINE const costs *costs_of(const fnn_ctx *ctx) {
    static const costs whole = {14, 24, 7, 1.25, 1.5, 48, 1.25, 8, 0};
    /* multiply-adds take two turns, loads and permutations beside them as long as ever */
    static const costs halves = {7, 12, 1.5, 1.05, 1.05, 24, 1, 2, DOT_KEPT};
    return ctx->halves ? &halves : &whole;
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/gemm_plan_tmpl.h"
#include "drivers/gemm_tmpl.c"
#include "drivers/gemm_api_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/gemm_plan_tmpl.h"
#include "drivers/gemm_tmpl.c"
#include "drivers/gemm_api_tmpl.c"
#include "base/real_end.h"
