/* The vector vocabulary of all kernel bodies, for one ISA per translation unit.
 *
 * A unit includes simd/<isa>.h, which defines FNN_VBYTES (bytes of a vector), then this file,
 * then supplies what the compiler's generic vectors lack. Vectors are GCC/Clang vector types,
 * so + - * / and comparisons are plain operators; -ffp-contract=off keeps them apart, and
 * multiply-add is spelled fma (fused exactly on the ISAs that have it).
 *
 * In a *_tmpl body, `vec` is a vector of `real`, `LANES` its length, and FN(name) resolves
 * the functions below:
 *
 *   load(p) store(p, v)          any element-aligned address
 *   mask(n)                      the first n lanes, 0 <= n <= LANES
 *   load_m(p, m) store_m(p,v,m)  only the lanes of m touch memory; others load as 0
 *   span(lo, hi)                 the lanes lo <= i < hi, a vspan; 0 <= lo, hi <= LANES
 *   load_span(p, s)              lane i from p[i] where i is in s; others load as 0
 *   keep(v, s)                   v in the lanes of s, 0 in the others
 *   splat(x) zero()              all lanes x, or 0
 *   fma(a, b, c)                 a * b + c
 *   maximum(a, b)                a > b ? a : b, b where either is NaN
 *   minimum(a, b)                a < b ? a : b, b where either is NaN
 *   select(c, a, b)              lane-wise c ? a : b for a comparison result c
 *   sqrtv(v) sum(v)              square root; sum of lanes in a fixed order
 *   slide(a, b, k)               lanes k .. of a, then the first k of b; k a literal up to 4; only
 *                                where a vector is a whole cache line (FNN_VBYTES == FNN_LINE)
 *   store_past(p, v)             v to a whole line past the caches, fence_past() after the last; AVX-512, float32
 *   load_quarter(p)              128 bits at p in the low lanes (all of them, if that is a vector)
 *   insert_quarter(v, i, p)      v with its 128-bit lane i > 0 from p; wider vectors only
 *   pin(v)                       v, held in a register (no effect on its value)
 *   after(p, &v)                 p, whose reads are not moved before v is known
 */
#ifndef FNN_SIMD_H
#define FNN_SIMD_H

#include "base/common.h"

typedef float vec_f32 __attribute__((vector_size(FNN_VBYTES)));
typedef double vec_f64 __attribute__((vector_size(FNN_VBYTES < 8 ? 8 : FNN_VBYTES)));
typedef int32_t ivec_f32 __attribute__((vector_size(FNN_VBYTES)));
typedef int64_t ivec_f64 __attribute__((vector_size(FNN_VBYTES < 8 ? 8 : FNN_VBYTES)));
/* the same at any element-aligned address, over objects of any type */
typedef vec_f32 uvec_f32 __attribute__((aligned(4), may_alias));
typedef vec_f64 uvec_f64 __attribute__((aligned(8), may_alias));

enum { LANES_f32 = sizeof(vec_f32) / sizeof(float), LANES_f64 = sizeof(vec_f64) / sizeof(double) };

#define vec FN(vec)
#define ivec FN(ivec)
#define LANES FN(LANES)
#define vmask FN(vmask)
#define vspan FN(vspan)

#include "base/real_f32.h"
#include "simd/generic_tmpl.h"
#include "base/real_end.h"

#include "base/real_f64.h"
#include "simd/generic_tmpl.h"
#include "base/real_end.h"

#endif
