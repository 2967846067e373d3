/* Optimiser steps over lists of arrays. Denormals are flushed to zero: moments that fade away
 * would otherwise slow every later step. */
#include <math.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "base/pool.h"
#include "kernels/kernels.h"

/* Elements a task updates, tasks for each thread at most, and the size of all arrays together from
 * which tasks go to other threads: some 12 us of work. */
enum { TASK_SIZE = 4096, THREAD_TASKS = 4, PARALLEL_SIZE = 16384 };

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/optim_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/optim_tmpl.c"
#include "base/real_end.h"
