/* Winograd's algorithm for dilated windows: phases are copied out, convolved, and copied back. */
#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_phases.h"

enum { GRAIN = 32768 /* elements worth a task */ };

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_phases_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_phases_tmpl.c"
#include "base/real_end.h"
