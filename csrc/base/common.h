/* Attributes and small helpers that every unit may use. Knows no operation and no ISA. */
#ifndef FNN_COMMON_H
#define FNN_COMMON_H

#include <stddef.h>
#include <stdint.h>

#define FNN_INLINE static inline __attribute__((always_inline))
#define FNN_NOINLINE __attribute__((noinline))
/* Compiled for size: what runs at the sides of planes only, or waits for memory. */
#define FNN_SMALL __attribute__((noinline, cold))
/* Not anew for each caller's constants, as GCC would. */
#if defined(__clang__)
#define FNN_ONCE __attribute__((noinline))
#else
#define FNN_ONCE __attribute__((noinline, noclone))
#endif
#define FNN_UNUSED __attribute__((unused))
#define FNN_LIKELY(x) __builtin_expect(!!(x), 1)
#define FNN_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Full unrolling of a loop with literal bounds: GCC and Clang spell it differently. Without vectors
 * (FNN_ROLLED) it would only make the code large. */
#if defined(FNN_ROLLED)
#define FNN_UNROLL
#elif defined(__clang__)
#define FNN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FNN_UNROLL _Pragma("GCC unroll 64")
#endif

/* A loop that stays one: a compiler that sees how few rounds it can have would write each out. */
#if defined(__clang__)
#define FNN_LOOP _Pragma("clang loop unroll(disable)")
#else
#define FNN_LOOP _Pragma("GCC unroll 1")
#endif

/* One cache line; every block the library hands out starts on one. */
#define FNN_LINE 64

/* Bytes of a page; lines so far apart fall into one set of L1. */
#define FNN_PAGE 4096

FNN_INLINE ptrdiff_t fnn_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
FNN_INLINE ptrdiff_t fnn_max(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
FNN_INLINE ptrdiff_t fnn_ceil_div(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }
FNN_INLINE ptrdiff_t fnn_round_up(ptrdiff_t a, ptrdiff_t b) { return fnn_ceil_div(a, b) * b; }

/* x, of which the compiler knows nothing: it would make a copy of a loop for each outcome of a test
 * that does not change inside. */
FNN_INLINE ptrdiff_t fnn_opaque(ptrdiff_t x) {
    __asm__("" : "+r"(x));
    return x;
}

/* Bytes rounded up to whole lines, so that consecutive workspace parts stay aligned. */
FNN_INLINE size_t fnn_lines(size_t bytes) { return (bytes + FNN_LINE - 1) & ~(size_t)(FNN_LINE - 1); }

#endif
