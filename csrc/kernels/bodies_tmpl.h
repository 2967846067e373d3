/* Every kernel body, for one element type and one ISA. */

#include "simd/math_tmpl.h"
#include "simd/shuffle_tmpl.h"
#include "simd/where_tmpl.h"

#include "simd/transpose_tmpl.h"

#include "kernels/elementwise_tmpl.c"
#include "kernels/gemm_tmpl.c"
#include "kernels/gemm_wide_tmpl.c"
#include "kernels/gemm_block_tmpl.c"
#include "kernels/gemm_pack_tmpl.c"
#include "kernels/gemm_dot_tmpl.c"
#include "kernels/gemm_squares_tmpl.c"
#include "kernels/gemm_few_tmpl.c"
#include "kernels/gemm_turn_tmpl.c"
#include "kernels/conv2d_tmpl.c"
#include "kernels/winograd_lines_tmpl.h"
#include "kernels/winograd_tmpl.c"
#include "kernels/winograd_weights_tmpl.c"
#include "kernels/winograd_product_tmpl.c"
#if FNN_VBYTES >= 32 && FNN_REAL_IS_F32
#include "kernels/winograd_flat_tmpl.c"
#elif FNN_REAL_IS_F32
#define winograd_flat_input_f32 NULL
#define winograd_flat_output_f32 NULL
#else
#define winograd_flat_input_f64 NULL
#define winograd_flat_output_f64 NULL
#endif
#include "kernels/reduce_tmpl.c"
#include "kernels/pool_tmpl.c"
#include "kernels/pool_bundle_tmpl.h"
#include "kernels/max_pool_tmpl.c"
#include "kernels/pool_lanes_tmpl.c"
#include "kernels/max_pool_vectors_tmpl.c"
#include "kernels/max_pool_threes_tmpl.c"
#include "kernels/max_pool_quick_tmpl.c"
#include "kernels/pool_spread_tmpl.c"
#include "kernels/pool_spread_bits_tmpl.c"
#include "kernels/pool_spread_short_tmpl.c"
#include "kernels/max_pool_backward_tmpl.c"
#include "kernels/avg_pool_tmpl.c"
#include "kernels/avg_pool_backward_tmpl.c"
#include "kernels/softmax_tmpl.c"
#include "kernels/softmax_backward_tmpl.c"
#include "kernels/log_softmax_tmpl.c"
#include "kernels/softmax_columns_tmpl.c"
#include "kernels/cross_entropy_tmpl.c"
#include "kernels/optim_tmpl.c"
#include "kernels/probe_tmpl.c"
