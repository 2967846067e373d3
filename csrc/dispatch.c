/* Which kernel tables this library holds, and which of them this processor can run. */
#include "kernels/kernels.h"

extern const fnn_kernels fnn_kernels_scalar;
#if defined(__x86_64__)
extern const fnn_kernels fnn_kernels_sse2, fnn_kernels_avx2, fnn_kernels_avx512;
#elif defined(__aarch64__)
extern const fnn_kernels fnn_kernels_neon;
#endif

static const struct {
    fnn_isa isa;
    const fnn_kernels *kernels;
} compiled[] = {
    {FNN_ISA_SCALAR, &fnn_kernels_scalar},
#if defined(__x86_64__)
    {FNN_ISA_SSE2, &fnn_kernels_sse2},
    {FNN_ISA_AVX2, &fnn_kernels_avx2},
    {FNN_ISA_AVX512, &fnn_kernels_avx512},
#elif defined(__aarch64__)
    {FNN_ISA_NEON, &fnn_kernels_neon},
#endif
};

static const char *const kernel_names[] = {
#define TILE(name)
#define KERNEL(name) #name "_f32",
#include "kernels/kernels.def"
#undef KERNEL
#define KERNEL(name) #name "_f64",
#include "kernels/kernels.def"
#undef KERNEL
#undef TILE
};

int fnn_isa_count(void) { return (int)(sizeof compiled / sizeof *compiled); }
const char *fnn_isa_name(int index) { return compiled[index].kernels->isa; }
int fnn_isa_usable(int index) { return fnn_cpu_supports(compiled[index].isa); }
const fnn_kernels *fnn_isa_kernels(int index) { return compiled[index].kernels; }
int fnn_kernel_count(void) { return (int)(sizeof kernel_names / sizeof *kernel_names); }
const char *fnn_kernel_name(int index) { return kernel_names[index]; }

const char *fnn_compiler(void) {
#if defined(__clang__)
    return "Clang " __clang_version__;
#else
    return "GCC " __VERSION__;
#endif
}
