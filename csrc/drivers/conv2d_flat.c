/* Windows by F(4, 4) along rows: forward and backward-data. */
#include <stdint.h>
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_flat.h"

enum {
    GRAIN = 200000,          /* multiply-adds worth a second thread */
    FAR_BYTES = 1 << 20      /* maps beyond are fetched ahead: half of L2 */
};

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_flat_tmpl.c"
#include "base/real_end.h"
