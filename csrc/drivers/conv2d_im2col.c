/* Convolution as a matrix product whose columns are packed straight from padded planes. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"
#include "drivers/conv2d_sizes.h"
#include "drivers/gemm.h"

enum {
    BAND_BYTES = 512 * 1024,   /* of a band whose planes are columns, .. */
    BAND_PIXELS = 128,         /* .. but at least so many pixels of the result, which fill panels */
    STACK_BYTES = 512 * 1024,  /* planes of images that L2 keeps until their columns are packed */
    FAR = 1 << 20,             /* bytes of all images that no L2 holds from one pass to the next */
    FARTHER = 1 << 30,         /* bytes times rows (128 count) to be fetched far ahead, or copied */
    FARTHEST = 32 << 20,       /* bytes that come from memory, where order is worth a copy */
    MANY_WEIGHTS = 512 << 10,  /* bytes of them that should not pass once for every image */
    APART_BYTES = 512 << 10,   /* of an image's panels, and half of the weights' */
    APART_FEWEST = 48,         /* channels on either side */
    LEFT_AHEAD = 16,           /* rows between the fetching of an image's row and its left pixels */
    TURNING = 256,             /* pixels of all images that repay turning the weights */
    GRAIN = 200000,            /* multiply-adds worth a task */
    SUMS_GRAIN = 65536         /* elements of dy worth one */
};

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_turned_tmpl.h"
#include "drivers/conv2d_joined_tmpl.c"
#include "drivers/conv2d_im2col_plan_tmpl.h"
#include "drivers/conv2d_im2col_tmpl.c"
#include "drivers/conv2d_im2col_weight_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_bias_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_turned_tmpl.h"
#include "drivers/conv2d_joined_tmpl.c"
#include "drivers/conv2d_im2col_plan_tmpl.h"
#include "drivers/conv2d_im2col_tmpl.c"
#include "drivers/conv2d_im2col_weight_tmpl.c"
#include "base/real_end.h"
