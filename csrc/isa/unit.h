/* One ISA's translation unit: includes every kernel body for both element types and exports
 * the table fnn_kernels_<isa>. The including file has chosen simd/<isa>.h and defined
 * FNN_ISA_NAME and the tile sizes that kernels.def lists. All bodies are static: a shared
 * inline function compiled with wide instructions could be the copy the linker keeps. */
#include "kernels/kernels.h"

#include "base/real_f32.h"
#include "kernels/bodies_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "kernels/bodies_tmpl.h"
#include "base/real_end.h"

#define FNN_PASTE_(a, b) a##b
#define FNN_PASTE(a, b) FNN_PASTE_(a, b)
#define FNN_STRING_(a) #a
#define FNN_STRING(a) FNN_STRING_(a)

extern const fnn_kernels FNN_PASTE(fnn_kernels_, FNN_ISA_NAME);
const fnn_kernels FNN_PASTE(fnn_kernels_, FNN_ISA_NAME) = {
    .isa = FNN_STRING(FNN_ISA_NAME),
#define KERNEL(name) .name = name##_f32,
#define TILE(name) .name = name##_f32,
    .f32 = {
#include "kernels/kernels.def"
    },
#undef KERNEL
#undef TILE
#define KERNEL(name) .name = name##_f64,
#define TILE(name) .name = name##_f64,
    .f64 = {
#include "kernels/kernels.def"
    },
#undef KERNEL
#undef TILE
};
