/* AVX2 + FMA: 8 float32 or 4 float64 lanes, masks as vectors of sign bits. */
#define FNN_VBYTES 32
#define FNN_VREG "x"
#include <immintrin.h>

#include "simd/simd.h"

/* lanes 0 .. n-1 set: a window into ones followed by zeros */
static const int32_t FNN_UNUSED mask_window_f32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int64_t FNN_UNUSED mask_window_f64[8] = {-1, -1, -1, -1};

typedef __m256i vmask_f32;
FNN_INLINE vmask_f32 mask_f32(ptrdiff_t n) {
    return _mm256_loadu_si256((const __m256i *)(mask_window_f32 + 8 - n));
}
FNN_INLINE vec_f32 load_m_f32(const float *p, vmask_f32 m) { return _mm256_maskload_ps(p, m); }
FNN_INLINE void store_m_f32(float *p, vec_f32 v, vmask_f32 m) { _mm256_maskstore_ps(p, m, v); }
typedef vmask_f32 vspan_f32;
FNN_INLINE vspan_f32 span_f32(ptrdiff_t lo, ptrdiff_t hi) {
    return _mm256_andnot_si256(mask_f32(lo), mask_f32(hi));
}
FNN_INLINE vec_f32 load_span_f32(const float *p, vspan_f32 s) { return load_m_f32(p, s); }
FNN_INLINE vec_f32 keep_f32(vec_f32 v, vspan_f32 s) { return (vec_f32)((__m256i)v & s); }
FNN_INLINE vec_f32 splat_f32(float x) { return _mm256_set1_ps(x); }
FNN_INLINE vec_f32 fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm256_fmadd_ps(a, b, c); }
/* lane l is lane i[l] of v */
FNN_INLINE vec_f32 permute_f32(vec_f32 v, ivec_f32 i) {
    return _mm256_permutevar8x32_ps(v, (__m256i)i);
}
FNN_INLINE vec_f32 maximum_f32(vec_f32 a, vec_f32 b) { return _mm256_max_ps(a, b); }
FNN_INLINE vec_f32 minimum_f32(vec_f32 a, vec_f32 b) { return _mm256_min_ps(a, b); }
FNN_INLINE vec_f32 sqrtv_f32(vec_f32 v) { return _mm256_sqrt_ps(v); }
FNN_INLINE vec_f32 load_quarter_f32(const float *p) {
    return _mm256_castps128_ps256(_mm_loadu_ps(p));
}
FNN_INLINE vec_f32 insert_quarter_f32(vec_f32 v, int i, const float *p) {
    (void)i; /* there are two */
    return _mm256_insertf128_ps(v, _mm_loadu_ps(p), 1);
}
/* the lower and the upper half of a vector */
FNN_INLINE void store_low_f32(float *p, vec_f32 v) { _mm_storeu_ps(p, _mm256_castps256_ps128(v)); }
FNN_INLINE void store_high_f32(float *p, vec_f32 v) {
    _mm_storeu_ps(p, _mm256_extractf128_ps(v, 1));
}
FNN_INLINE float sum_f32(vec_f32 v) { return sum_lanes_f32(v); }

typedef __m256i vmask_f64;
FNN_INLINE vmask_f64 mask_f64(ptrdiff_t n) {
    return _mm256_loadu_si256((const __m256i *)(mask_window_f64 + 4 - n));
}
FNN_INLINE vec_f64 load_m_f64(const double *p, vmask_f64 m) { return _mm256_maskload_pd(p, m); }
FNN_INLINE void store_m_f64(double *p, vec_f64 v, vmask_f64 m) { _mm256_maskstore_pd(p, m, v); }
typedef vmask_f64 vspan_f64;
FNN_INLINE vspan_f64 span_f64(ptrdiff_t lo, ptrdiff_t hi) {
    return _mm256_andnot_si256(mask_f64(lo), mask_f64(hi));
}
FNN_INLINE vec_f64 load_span_f64(const double *p, vspan_f64 s) { return load_m_f64(p, s); }
FNN_INLINE vec_f64 keep_f64(vec_f64 v, vspan_f64 s) { return (vec_f64)((__m256i)v & s); }
FNN_INLINE vec_f64 splat_f64(double x) { return _mm256_set1_pd(x); }
FNN_INLINE vec_f64 fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm256_fmadd_pd(a, b, c); }
/* by halves of a lane */
FNN_INLINE vec_f64 permute_f64(vec_f64 v, ivec_f64 i) {
    const ivec_f64 halves = i * 2 + ((i * 2 + 1) << 32);
    return (vec_f64)_mm256_permutevar8x32_ps((__m256)v, (__m256i)halves);
}
FNN_INLINE vec_f64 maximum_f64(vec_f64 a, vec_f64 b) { return _mm256_max_pd(a, b); }
FNN_INLINE vec_f64 minimum_f64(vec_f64 a, vec_f64 b) { return _mm256_min_pd(a, b); }
FNN_INLINE vec_f64 sqrtv_f64(vec_f64 v) { return _mm256_sqrt_pd(v); }
FNN_INLINE vec_f64 load_quarter_f64(const double *p) {
    return _mm256_castpd128_pd256(_mm_loadu_pd(p));
}
FNN_INLINE vec_f64 insert_quarter_f64(vec_f64 v, int i, const double *p) {
    (void)i; /* there are two */
    return _mm256_insertf128_pd(v, _mm_loadu_pd(p), 1);
}
FNN_INLINE double sum_f64(vec_f64 v) { return sum_lanes_f64(v); }
