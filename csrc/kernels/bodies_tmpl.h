/* Every kernel body, for one element type and one ISA. */

#include "simd/math_tmpl.h"
#include "simd/shuffle_tmpl.h"

#include "simd/transpose_tmpl.h"

#include "kernels/gemm_tmpl.c"
#include "kernels/gemm_pack_tmpl.c"
#include "kernels/gemm_dot_tmpl.c"
#include "kernels/gemm_turn_tmpl.c"
#include "kernels/conv2d_tmpl.c"
#include "kernels/elementwise_tmpl.c"
#include "kernels/reduce_tmpl.c"
#include "kernels/pool_tmpl.c"
#include "kernels/max_pool_tmpl.c"
#include "kernels/max_pool_quick_tmpl.c"
#include "kernels/avg_pool_tmpl.c"
#include "kernels/softmax_tmpl.c"
#include "kernels/softmax_columns_tmpl.c"
#include "kernels/cross_entropy_tmpl.c"
#include "kernels/optim_tmpl.c"
#include "kernels/probe_tmpl.c"
