/* Convolution as matrix products whose rows are pixels: forward and backward-data of `im2col`. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"
#include "drivers/conv2d_sizes.h"
#include "drivers/conv2d_rows.h"

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_taps_tmpl.h"
#include "drivers/conv2d_rows_weights_tmpl.h"
#include "drivers/conv2d_rows_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_taps_tmpl.h"
#include "drivers/conv2d_rows_weights_tmpl.h"
#include "drivers/conv2d_rows_tmpl.c"
#include "base/real_end.h"
