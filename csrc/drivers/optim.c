/* Optimiser steps over lists of arrays. Denormals are flushed to zero: moments that fade away
 * would otherwise slow every later step. */
#include <math.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "base/pool.h"
#include "kernels/kernels.h"

/* Elements a task updates, and the size of all arrays together from which tasks go to other
 * threads. */
enum { TASK_SIZE = 8192, PARALLEL_SIZE = 32768 };

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/optim_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/optim_tmpl.c"
#include "base/real_end.h"
