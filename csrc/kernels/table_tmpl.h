/* Kernel types and the table, for one element type. */

#include "kernels/gemm.h"
#include "kernels/conv2d.h"
#include "kernels/winograd.h"
#include "kernels/conv2d_window.h"
#include "kernels/conv2d_lanes.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "kernels/pool.h"
#include "kernels/softmax.h"
#include "kernels/cross_entropy.h"
#include "kernels/optim.h"
#include "kernels/probe.h"

typedef struct FN(fnn_table) {
#define KERNEL(name) FN(name##_fn) *name;
#define TILE(name) int name;
#include "kernels/kernels.def"
#undef KERNEL
#undef TILE
} FN(fnn_table);
