/* Convolution of LANES groups at a time, one in each lane: the gradient of the weights. */
#include <string.h>

#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_dots.h"
#include "drivers/conv2d_lanes.h"

enum {
    STEP_BYTES = 256 * 1024,    /* x and dy of a step that stay in the L2 cache */
    PARTIAL_BYTES = 512 * 1024, /* all partial gradients */
    TASKS = 16,                 /* tasks to aim at */
    GRAIN = 200000              /* multiply-adds worth a task */
};

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_lanes_weight_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_lanes_weight_tmpl.c"
#include "base/real_end.h"
