/* Which kernel tables this library holds, and which of them this processor can run. */
#include <string.h>

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

static const struct {
    const char *name;
    size_t offset; /* in a table */
} kernels[] = {
#define TILE(name)
#define KERNEL(name) {#name "_f32", offsetof(fnn_kernels, f32.name)},
#include "kernels/kernels.def"
#undef KERNEL
#define KERNEL(name) {#name "_f64", offsetof(fnn_kernels, f64.name)},
#include "kernels/kernels.def"
#undef KERNEL
#undef TILE
};

int fnn_isa_count(void) { return (int)(sizeof compiled / sizeof *compiled); }
const char *fnn_isa_name(int index) { return compiled[index].kernels->isa; }
int fnn_isa_usable(int index) { return fnn_cpu_supports(compiled[index].isa); }
const fnn_kernels *fnn_isa_kernels(int index) { return compiled[index].kernels; }
const fnn_kernels *fnn_isa_halves(int index) {
    if (!fnn_cpu_halves(compiled[index].isa)) return NULL;
    for (int i = 0; i < index; i++)
        if (compiled[i].isa == FNN_ISA_AVX2) return compiled[i].kernels;
    return NULL;
}
int fnn_kernel_count(void) { return (int)(sizeof kernels / sizeof *kernels); }
const char *fnn_kernel_name(int index) { return kernels[index].name; }

/* Stands in for kernels of any type: in the calling conventions of x86-64 and aarch64 the caller
 * clears the stack, so that arguments may be ignored. */
static int stand_in_calls;
static int stand_in(void) {
    stand_in_calls++;
    return 0;
}

const fnn_kernels *fnn_kernels_without(int isa, int kernel) {
    static fnn_kernels copy;
    int (*const function)(void) = stand_in;
    copy = *compiled[isa].kernels;
    char *const entry = (char *)&copy + kernels[kernel].offset;
    int (*held)(void);
    memcpy(&held, entry, sizeof held);
    if (held) memcpy(entry, &function, sizeof function); /* what is not there stays away */
    stand_in_calls = 0;
    return &copy;
}

int fnn_stand_in_calls(void) { return stand_in_calls; }

const char *fnn_compiler(void) {
#if defined(__clang__)
    return "Clang " __clang_version__;
#else
    return "GCC " __VERSION__;
#endif
}
