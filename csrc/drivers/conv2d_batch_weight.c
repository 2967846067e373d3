/* Convolution of LANES images at a time, one in each lane: the gradient of the weights. */
#include <string.h>

#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_batch.h"
#include "drivers/conv2d_dots.h"

enum {
    SUM_BYTES = 160 * 1024,     /* a task's block of the gradient */
    PIXEL_BYTES = 384 * 1024,   /* x and dy of a step that stay in the L2 cache */
    PARTIAL_BYTES = 512 * 1024, /* all partial gradients */
    FAR_BYTES = 1024 * 1024,    /* x beyond which the next step's is fetched ahead */
    TASKS = 16,                 /* tasks to aim at */
    GRAIN = 200000              /* multiply-adds worth a task */
};

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_batch_tmpl.h"
#include "drivers/conv2d_batch_weight_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_batch_tmpl.h"
#include "drivers/conv2d_batch_weight_tmpl.c"
#include "base/real_end.h"
