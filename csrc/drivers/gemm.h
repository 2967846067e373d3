/* The matrix multiplication's interface to other drivers: a product whose operand B exists only
 * as a function that writes pieces of it (the columns of an image, say). */
#ifndef FNN_DRIVERS_GEMM_H
#define FNN_DRIVERS_GEMM_H

#include "fastnn.h"

#include "base/real_f32.h"
#include "drivers/gemm_virtual_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/gemm_virtual_tmpl.h"
#include "base/real_end.h"

#endif
