/* Convolution of LANES images at a time, one in each lane: forward and backward-data. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_batch.h"
#include "drivers/conv2d_pixels.h"

enum {
    BATCH_BYTES = 512 * 1024, /* source and result of a band that stay in the L2 cache */
    GRAIN = 200000            /* multiply-adds worth a task */
};

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_batch_tmpl.h"
#include "drivers/conv2d_batch_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_batch_tmpl.h"
#include "drivers/conv2d_batch_tmpl.c"
#include "base/real_end.h"
