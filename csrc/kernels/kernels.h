/* The table that an ISA's unit exports: every kernel of kernels.def for float32 and float64. */
#ifndef FNN_KERNELS_H
#define FNN_KERNELS_H

#include "base/common.h"
#include "fastnn.h"

#include "base/real_f32.h"
#include "kernels/table_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "kernels/table_tmpl.h"
#include "base/real_end.h"

struct fnn_kernels {
    const char *isa;
    fnn_table_f32 f32;
    fnn_table_f64 f64;
};

#endif
