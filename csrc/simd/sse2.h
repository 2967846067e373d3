/* SSE2, the baseline of x86-64: 4 float32 or 2 float64 lanes, no fused multiply-add. */
#define FNN_VBYTES 16
#define FNN_VREG "x"
#include <emmintrin.h>

#include "simd/simd.h"

#include "base/real_f32.h"
#include "simd/partial_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "simd/partial_tmpl.h"
#include "base/real_end.h"

FNN_INLINE vec_f32 splat_f32(float x) { return _mm_set1_ps(x); }
FNN_INLINE vec_f32 fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return a * b + c; }
FNN_INLINE vec_f32 maximum_f32(vec_f32 a, vec_f32 b) { return _mm_max_ps(a, b); }
FNN_INLINE vec_f32 minimum_f32(vec_f32 a, vec_f32 b) { return _mm_min_ps(a, b); }
FNN_INLINE vec_f32 sqrtv_f32(vec_f32 v) { return _mm_sqrt_ps(v); }
FNN_INLINE float sum_f32(vec_f32 v) { return sum_lanes_f32(v); }

FNN_INLINE vec_f64 splat_f64(double x) { return _mm_set1_pd(x); }
FNN_INLINE vec_f64 fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return a * b + c; }
FNN_INLINE vec_f64 maximum_f64(vec_f64 a, vec_f64 b) { return _mm_max_pd(a, b); }
FNN_INLINE vec_f64 minimum_f64(vec_f64 a, vec_f64 b) { return _mm_min_pd(a, b); }
FNN_INLINE vec_f64 sqrtv_f64(vec_f64 v) { return _mm_sqrt_pd(v); }
FNN_INLINE double sum_f64(vec_f64 v) { return sum_lanes_f64(v); }
