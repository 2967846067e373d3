/* Measures of the machine, for benchmarks. */
#include "kernels/kernels.h"

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/probe_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/probe_tmpl.c"
#include "base/real_end.h"
