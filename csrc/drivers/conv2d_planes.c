/* Filling padded planes: what `direct` and `im2col` share. */
#include "base/common.h"
#include "kernels/kernels.h"

#include "drivers/conv2d.h"

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_planes_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_planes_tmpl.c"
#include "base/real_end.h"
