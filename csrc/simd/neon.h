/* Advanced SIMD of aarch64: 4 float32 or 2 float64 lanes, fused multiply-add. */
#define FNN_VBYTES 16
#define FNN_VREG "w"
#include <arm_neon.h>

#include "simd/simd.h"

#include "base/real_f32.h"
#include "simd/partial_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "simd/partial_tmpl.h"
#include "base/real_end.h"

FNN_INLINE vec_f32 splat_f32(float x) { return (vec_f32)vdupq_n_f32(x); }
FNN_INLINE vec_f32 fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) {
    return (vec_f32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
/* FMAX would return NaN for either operand; the vocabulary wants the second one */
FNN_INLINE vec_f32 maximum_f32(vec_f32 a, vec_f32 b) { return select_f32(a > b, a, b); }
FNN_INLINE vec_f32 minimum_f32(vec_f32 a, vec_f32 b) { return select_f32(a < b, a, b); }
FNN_INLINE vec_f32 sqrtv_f32(vec_f32 v) { return (vec_f32)vsqrtq_f32((float32x4_t)v); }
FNN_INLINE float sum_f32(vec_f32 v) { return sum_lanes_f32(v); }

FNN_INLINE vec_f64 splat_f64(double x) { return (vec_f64)vdupq_n_f64(x); }
FNN_INLINE vec_f64 fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) {
    return (vec_f64)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
FNN_INLINE vec_f64 maximum_f64(vec_f64 a, vec_f64 b) { return select_f64(a > b, a, b); }
FNN_INLINE vec_f64 minimum_f64(vec_f64 a, vec_f64 b) { return select_f64(a < b, a, b); }
FNN_INLINE vec_f64 sqrtv_f64(vec_f64 v) { return (vec_f64)vsqrtq_f64((float64x2_t)v); }
FNN_INLINE double sum_f64(vec_f64 v) { return sum_lanes_f64(v); }
