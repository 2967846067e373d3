/* Floating-point control of the calling thread: flush denormals to zero inside a driver,
 * restore the caller's state on leaving. */
#ifndef FNN_FPSTATE_H
#define FNN_FPSTATE_H

#include "base/common.h"

typedef uint64_t fnn_fpstate;

#if defined(__x86_64__)
#include <immintrin.h>
FNN_INLINE fnn_fpstate fnn_fp_get(void) { return _mm_getcsr(); }
FNN_INLINE void fnn_fp_set(fnn_fpstate state) { _mm_setcsr((unsigned)state); }
#define FNN_FP_FLUSH 0x8040u /* FTZ | DAZ */
#elif defined(__aarch64__)
FNN_INLINE fnn_fpstate fnn_fp_get(void) {
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    return state;
}
FNN_INLINE void fnn_fp_set(fnn_fpstate state) { __asm__ volatile("msr fpcr, %0" : : "r"(state)); }
#define FNN_FP_FLUSH (1u << 24) /* FZ */
#else
FNN_INLINE fnn_fpstate fnn_fp_get(void) { return 0; }
FNN_INLINE void fnn_fp_set(fnn_fpstate state) { (void)state; }
#define FNN_FP_FLUSH 0u
#endif

/* Switches flushing on and returns the state to give to fnn_fp_set when leaving. */
FNN_INLINE fnn_fpstate fnn_fp_flush(void) {
    const fnn_fpstate before = fnn_fp_get();
    fnn_fp_set(before | FNN_FP_FLUSH);
    return before;
}

#endif
