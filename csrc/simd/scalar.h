/* One lane: plain C for any processor, and the slowest thing that is right. */
#define FNN_VBYTES 4
#include <math.h>

#include "simd/simd.h"

#include "base/real_f32.h"
#include "simd/partial_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "simd/partial_tmpl.h"
#include "base/real_end.h"

FNN_INLINE vec_f32 splat_f32(float x) { return (vec_f32){x}; }
FNN_INLINE vec_f32 fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return a * b + c; }
FNN_INLINE vec_f32 maximum_f32(vec_f32 a, vec_f32 b) { return a[0] > b[0] ? a : b; }
FNN_INLINE vec_f32 minimum_f32(vec_f32 a, vec_f32 b) { return a[0] < b[0] ? a : b; }
FNN_INLINE vec_f32 sqrtv_f32(vec_f32 v) { return (vec_f32){sqrtf(v[0])}; }
FNN_INLINE float sum_f32(vec_f32 v) { return v[0]; }

FNN_INLINE vec_f64 splat_f64(double x) { return (vec_f64){x}; }
FNN_INLINE vec_f64 fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return a * b + c; }
FNN_INLINE vec_f64 maximum_f64(vec_f64 a, vec_f64 b) { return a[0] > b[0] ? a : b; }
FNN_INLINE vec_f64 minimum_f64(vec_f64 a, vec_f64 b) { return a[0] < b[0] ? a : b; }
FNN_INLINE vec_f64 sqrtv_f64(vec_f64 v) { return (vec_f64){sqrt(v[0])}; }
FNN_INLINE double sum_f64(vec_f64 v) { return v[0]; }
