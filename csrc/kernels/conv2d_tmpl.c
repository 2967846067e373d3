/* The conv2d kernels, split by family; contracts in kernels/conv2d.h. */

enum { FN(conv2d_registers) = CONV_REGISTERS };

#include "kernels/conv2d_copy_tmpl.c"
#include "kernels/conv2d_sums_tmpl.c"
#include "kernels/conv2d_images_tmpl.c"
#include "kernels/conv2d_tile_tmpl.c"
#include "kernels/conv2d_rows_tmpl.c"
#include "kernels/conv2d_weight_tmpl.c"
#include "kernels/conv2d_dot3_tmpl.c"
#include "kernels/conv2d_columns_tmpl.c"

/* Vectors of 128 bits gain nothing by runs of taps: few layers have but one vector of channels. */
#if FNN_VBYTES >= 32
#include "kernels/conv2d_outer_runs_tmpl.c"
#else
#define conv2d_outer_runs_f32 NULL
#define conv2d_outer_runs_f64 NULL
#endif

/* Windows in place take part of a vector at the ends of every row. Vectors of 128 bits do that by
 * copies, which costs more than is gained: their tables hold no such kernel. Nor do those of
 * float64, which has padded copies and lanes of groups for them: 100 KB less. */
#if FNN_VBYTES >= 32 && FNN_REAL_IS_F32
#include "kernels/conv2d_window_tmpl.c"
#if FNN_VBYTES < FNN_LINE
#define conv2d_three_weight_f32 NULL
#endif
#include "kernels/conv2d_spread_tmpl.c"
#include "kernels/conv2d_window_weight_tmpl.c"
#include "kernels/conv2d_few_tmpl.c"
#include "kernels/conv2d_near_tmpl.c"
#include "kernels/conv2d_short_tmpl.c"
#elif FNN_REAL_IS_F32
#define conv2d_window_f32 NULL
#define conv2d_spread_f32 NULL
#define conv2d_window_weight_f32 NULL
#define conv2d_three_weight_f32 NULL
#define conv2d_short_f32 NULL
#define conv2d_short_weight_f32 NULL
#define conv2d_few_f32 NULL
#define conv2d_near_f32 NULL
#define conv2d_few_spread_f32 NULL
#else
#define conv2d_window_f64 NULL
#define conv2d_spread_f64 NULL
#define conv2d_window_weight_f64 NULL
#define conv2d_three_weight_f64 NULL
#define conv2d_short_f64 NULL
#define conv2d_short_weight_f64 NULL
#define conv2d_few_f64 NULL
#define conv2d_near_f64 NULL
#define conv2d_few_spread_f64 NULL
#endif

#include "kernels/conv2d_lanes_tmpl.c"
