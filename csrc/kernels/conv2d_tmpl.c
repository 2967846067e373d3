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
#include "kernels/conv2d_window_tmpl.c"
#include "kernels/conv2d_spread_tmpl.c"
#include "kernels/conv2d_window_weight_tmpl.c"
