/* The whole C interface of fastnn: the only header the binding sees.
 *
 * Every driver is a pure function of its arguments: it allocates nothing, keeps nothing,
 * reads no global choice and knows no Python. `ctx` says which kernels, how many threads,
 * which algorithm; the result never depends on the number of threads. Sizes and strides
 * count elements, workspaces count bytes and are 64-byte aligned; a workspace of size 0 may
 * be NULL. Pointers need only the element's alignment unless stated. Outputs never overlap
 * inputs unless stated. Each driver exists as <name>_f32 and <name>_f64.
 */
#ifndef FASTNN_H
#define FASTNN_H

#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/pool.h"

typedef struct fnn_kernels fnn_kernels; /* one ISA's table; see kernels/kernels.h */

typedef enum fnn_status {
    FNN_OK,
    FNN_UNSUPPORTED, /* the forced algorithm cannot do this shape */
    FNN_BAD_INDEX    /* a label is out of range; its value is in the shape's `bad_index` */
} fnn_status;

typedef enum fnn_algorithm {
    FNN_AUTO, FNN_DIRECT, FNN_IM2COL, FNN_BATCH, FNN_WINOGRAD
} fnn_algorithm;
typedef enum fnn_precision { FNN_FAST, FNN_STRICT } fnn_precision;

typedef struct fnn_ctx {
    const fnn_kernels *kernels;
    int threads;
    fnn_algorithm algorithm;
    fnn_precision precision;
    ptrdiff_t l2; /* bytes of a core's L2 cache (fnn_cpu_l2), 0 if not known; changes no result */
    /* kernels of vectors half as long, where the processor does operations on those of `kernels` in
     * two halves (fnn_isa_halves), or NULL */
    const fnn_kernels *halves;
    const void *chosen; /* what fnn_conv2d_choose found for one shape and pass, or NULL */
} fnn_ctx;

/* ---- instruction sets (dispatch.c) -------------------------------------------------- */

int fnn_isa_count(void);                               /* compiled into this library */
const char *fnn_isa_name(int index);                   /* in rising order of preference */
int fnn_isa_usable(int index);                         /* by this processor */
const fnn_kernels *fnn_isa_kernels(int index);
const fnn_kernels *fnn_isa_halves(int index);          /* those of fnn_ctx.halves */
int fnn_kernel_count(void);                            /* kernels in a table, both dtypes */
const char *fnn_kernel_name(int index);                /* e.g. "gemm_block_f32" */

/* For tests of the tests: a table (one for all, written anew by each call) in which one kernel
 * does nothing but count its calls. */
const fnn_kernels *fnn_kernels_without(int isa, int kernel);
int fnn_stand_in_calls(void);

const char *fnn_compiler(void); /* that built this library, e.g. "GCC 12.4.0" */

/* ---- matrix multiplication ----------------------------------------------------------- */

typedef enum fnn_bias { FNN_NO_BIAS, FNN_BIAS_PER_COLUMN, FNN_BIAS_PER_ROW } fnn_bias;

/* C[b] (m x n) = op(A[b]) (m x k) op(B[b]) (k x n), for b < batch. A transposition is a swap
 * of row and column stride; a batch stride of 0 repeats a matrix. C has unit column stride. */
typedef struct fnn_gemm_shape {
    ptrdiff_t m, n, k, batch;
    ptrdiff_t a_rs, a_cs, a_bs; /* strides of A between rows, columns, matrices */
    ptrdiff_t b_rs, b_cs, b_bs;
    ptrdiff_t c_rs, c_bs;
    int accumulate; /* C += instead of C =; C is not read otherwise */
    fnn_bias bias;  /* added once, before the ReLU */
    int relu;
    int b_packed; /* B is the result of fnn_gemm_pack_b for the same n and k; batch == 1 */
    int b_far;    /* a hint, however small B is: it has left L2; 2: with much else; 3: all caches */
    const void *gate; /* laid out as C: C is 0 where this is not positive, at the very end; or NULL */
    void *sums;       /* [m], the sums of op(A)'s rows, A read once for both; batch == 1; or NULL */
} fnn_gemm_shape;

/* ---- convolution ---------------------------------------------------------------------- */

/* y[n][k][p][q] = bias[k] + sum x[n][c'][p*stride_h + r*dilation_h - pad_top][..] w[k][c][r][s]
 * with c' = c + (k / (K/G)) * C/G; all arrays dense, NCHW and K(C/G)RS. */
typedef struct fnn_conv2d_shape {
    ptrdiff_t n, c, h, w; /* c counts all groups' channels */
    ptrdiff_t k, r, s;
    ptrdiff_t p, q;
    ptrdiff_t stride_h, stride_w;
    ptrdiff_t pad_top, pad_bottom, pad_left, pad_right;
    ptrdiff_t dilation_h, dilation_w;
    ptrdiff_t groups;
    /* a ReLU joined to the pass, which would be a pass over memory of its own */
    int relu;         /* forward: y < 0 ? 0 : y */
    const void *gate; /* backward-data: the ReLU's result, like dx: gate <= 0 ? 0 : dx; or NULL */
} fnn_conv2d_shape;

typedef enum fnn_conv2d_pass { FNN_FORWARD, FNN_BACKWARD_DATA, FNN_BACKWARD_WEIGHT } fnn_conv2d_pass;

/* The algorithm a pass would run, or FNN_AUTO if the forced one cannot do the shape. Depends on
 * shape, kernels and wish, never on threads. ctx->chosen spares workspace and pass the choice,
 * for that shape, type, kernels and wish alone. */
fnn_algorithm fnn_conv2d_choose(fnn_ctx *ctx, const fnn_conv2d_shape *shape, fnn_conv2d_pass pass,
                                int is_f64);

enum { FNN_PLAN_NOTES = 12 };
typedef struct fnn_plan_note {
    const char *name;
    ptrdiff_t value;
} fnn_plan_note;

/* What a pass would do, for people. The notes are sizes that the algorithm works with, in its
 * own words; texts are constants. */
typedef struct fnn_conv2d_plan {
    fnn_algorithm algorithm; /* FNN_AUTO if the forced one cannot do the shape */
    const char *reason;      /* of the chooser */
    size_t workspace;
    const char *kernel;      /* that does the arithmetic; NULL if the algorithm does not say */
    int notes;
    fnn_plan_note note[FNN_PLAN_NOTES];
    double share;            /* of the multiply-add lanes that the kernel fills; 0 if unknown */
    const char *basis;       /* what that is computed from */
} fnn_conv2d_plan;

/* ---- pooling -------------------------------------------------------------------------- */

/* Planes (batch times channels) of h x w -> p x q; windows r x s. */
typedef struct fnn_pool_shape {
    ptrdiff_t planes, h, w, p, q, r, s;
    ptrdiff_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int count_include_pad;      /* average only */
    ptrdiff_t divisor_override; /* average only; 0 if absent */
} fnn_pool_shape;

/* Words for each plane of the bits that may stand for the positions of maxima
 * (kernels/pool_bits.h); 0 for windows that have none. */
ptrdiff_t fnn_pool_bits(const fnn_pool_shape *shape);

/* ---- elementwise and reductions ------------------------------------------------------- */

enum { FNN_MAX_DIMS = 32 };

typedef enum fnn_binary_op { FNN_ADD, FNN_SUB, FNN_MUL, FNN_DIV } fnn_binary_op;
typedef enum fnn_unary_op { FNN_EXP, FNN_LOG, FNN_TANH, FNN_SIGMOID, FNN_RELU } fnn_unary_op;

/* Broadcasting: out is dense of `size`; a stride of 0 repeats. ndim may be 0. */
typedef struct fnn_broadcast_shape {
    int ndim;
    ptrdiff_t size[FNN_MAX_DIMS], a_stride[FNN_MAX_DIMS], b_stride[FNN_MAX_DIMS];
} fnn_broadcast_shape;

/* x is dense [outer][length][inner]; an operation works along `length`. */
typedef struct fnn_axis_shape {
    ptrdiff_t outer, length, inner;
} fnn_axis_shape;

/* ---- cross-entropy -------------------------------------------------------------------- */

typedef enum fnn_reduction { FNN_NONE, FNN_MEAN, FNN_SUM } fnn_reduction;

typedef struct fnn_cross_entropy_shape {
    ptrdiff_t rows, classes;
    int64_t ignore_index;
    double label_smoothing; /* in [0, 1] */
    fnn_reduction reduction;
    int64_t bad_index; /* set when the driver returns FNN_BAD_INDEX */
} fnn_cross_entropy_shape;

/* ---- optimisers ----------------------------------------------------------------------- */

typedef struct fnn_sgd {
    double lr, momentum, dampening, weight_decay;
    int nesterov, maximize;
    int first; /* the momentum buffers hold nothing yet */
} fnn_sgd;

typedef struct fnn_adam {
    double lr, beta1, beta2, eps, weight_decay;
    int decoupled, maximize, amsgrad;
    int64_t step; /* from 1 */
} fnn_adam;

/* ---- probes ------------------------------------------------------------------------------ */

/* of the last two each vector that is read is written twice, or four times */
typedef enum fnn_stream {
    FNN_STREAM_READ,
    FNN_STREAM_WRITE,
    FNN_STREAM_COPY,
    FNN_STREAM_DOUBLE,
    FNN_STREAM_QUADRUPLE
} fnn_stream;

#include "base/real_f32.h"
#include "drivers/api_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/api_tmpl.h"
#include "base/real_end.h"

#endif
