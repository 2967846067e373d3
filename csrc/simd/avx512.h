/* AVX-512 F + BW + DQ + VL: 16 float32 or 8 float64 lanes, masks in registers. */
#define FNN_VBYTES 64
#define FNN_VREG "v"
#include <immintrin.h>

#include "simd/simd.h"

/* the instruction wants a literal, also where nothing is inlined into a constant */
#define FNN_SLIDE(a, b, k, bits)                                                              \
    (k == 1   ? _mm512_alignr_epi##bits((__m512i)b, (__m512i)a, 1)                            \
     : k == 2 ? _mm512_alignr_epi##bits((__m512i)b, (__m512i)a, 2)                            \
     : k == 3 ? _mm512_alignr_epi##bits((__m512i)b, (__m512i)a, 3)                            \
     : k == 4 ? _mm512_alignr_epi##bits((__m512i)b, (__m512i)a, 4)                            \
              : (__m512i)a)

typedef __mmask16 vmask_f32;
FNN_INLINE vmask_f32 mask_f32(ptrdiff_t n) { return (vmask_f32)((1u << n) - 1); }
FNN_INLINE vec_f32 load_m_f32(const float *p, vmask_f32 m) { return _mm512_maskz_loadu_ps(m, p); }
/* p[0], p[1], .. in the lanes of the mask, one after the other */
FNN_INLINE vec_f32 load_spread_f32(const float *p, vmask_f32 m) {
    return _mm512_maskz_expandloadu_ps(m, p);
}
FNN_INLINE void store_m_f32(float *p, vec_f32 v, vmask_f32 m) { _mm512_mask_storeu_ps(p, m, v); }
typedef vmask_f32 vspan_f32;
FNN_INLINE vspan_f32 span_f32(ptrdiff_t lo, ptrdiff_t hi) {
    return (vspan_f32)(mask_f32(hi) & ~mask_f32(lo));
}
FNN_INLINE vec_f32 load_span_f32(const float *p, vspan_f32 s) { return load_m_f32(p, s); }
FNN_INLINE vec_f32 keep_f32(vec_f32 v, vspan_f32 s) { return _mm512_maskz_mov_ps(s, v); }
FNN_INLINE vec_f32 splat_f32(float x) { return _mm512_set1_ps(x); }
FNN_INLINE vec_f32 fma_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm512_fmadd_ps(a, b, c); }
FNN_INLINE vec_f32 slide_f32(vec_f32 a, vec_f32 b, int k) {
    return (vec_f32)FNN_SLIDE(a, b, k, 32);
}
/* lane l is lane i[l] of v */
FNN_INLINE vec_f32 permute_f32(vec_f32 v, ivec_f32 i) {
    return _mm512_permutexvar_ps((__m512i)i, v);
}
/* as much of 2 LANES lanes, a and behind it b, and 0 where i[l] is beyond them */
FNN_INLINE vec_f32 permute_two_f32(vec_f32 a, vec_f32 b, ivec_f32 i) {
    const __mmask16 there = _mm512_cmplt_epu32_mask((__m512i)i, _mm512_set1_epi32(32));
    return _mm512_maskz_permutex2var_ps(there, a, (__m512i)i, b);
}
FNN_INLINE vec_f32 slide_last_f32(vec_f32 a, vec_f32 b) {
    return (vec_f32)_mm512_alignr_epi32((__m512i)b, (__m512i)a, 15);
}
FNN_INLINE vec_f32 maximum_f32(vec_f32 a, vec_f32 b) { return _mm512_max_ps(a, b); }
FNN_INLINE vec_f32 minimum_f32(vec_f32 a, vec_f32 b) { return _mm512_min_ps(a, b); }
FNN_INLINE vec_f32 sqrtv_f32(vec_f32 v) { return _mm512_sqrt_ps(v); }
FNN_INLINE vec_f32 load_quarter_f32(const float *p) {
    return _mm512_castps128_ps512(_mm_loadu_ps(p));
}
FNN_INLINE vec_f32 insert_quarter_f32(vec_f32 v, int i, const float *p) {
    return _mm512_mask_broadcast_f32x4(v, (vmask_f32)(0xf << 4 * i), _mm_loadu_ps(p));
}
/* in each quarter lanes i and j of a, k and l of b: literals, also where nothing is inlined */
#define quarters_f32(a, b, i, j, k, l) \
    _mm512_shuffle_ps(a, b, (i) | (j) << 2 | (k) << 4 | (l) << 6)
FNN_INLINE float sum_f32(vec_f32 v) { return _mm512_reduce_add_ps(v); }

/* v to a whole line, past the caches; the fence comes before anyone is told of it */
FNN_INLINE void store_past_f32(float *p, vec_f32 v) { _mm512_stream_ps(p, v); }
FNN_INLINE void fence_past_f32(void) { _mm_sfence(); }

/* 256 bits from p and from q */
FNN_INLINE vec_f32 load_halves_f32(const float *p, const float *q) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(p)), _mm256_loadu_ps(q), 1);
}

/* the lower and the upper half of a vector */
FNN_INLINE void store_low_f32(float *p, vec_f32 v) {
    _mm256_storeu_ps(p, _mm512_castps512_ps256(v));
}
FNN_INLINE void store_high_f32(float *p, vec_f32 v) {
    _mm256_storeu_ps(p, _mm512_extractf32x8_ps(v, 1));
}

/* Half vectors, for what has no more than eight lanes. */
typedef float eight_f32 __attribute__((vector_size(32)));
FNN_INLINE __mmask8 eight_mask_f32(ptrdiff_t n) { return (__mmask8)((1u << n) - 1); }
FNN_INLINE __mmask8 eight_span_f32(ptrdiff_t lo, ptrdiff_t hi) {
    return (__mmask8)(eight_mask_f32(hi) & ~eight_mask_f32(lo));
}
FNN_INLINE eight_f32 eight_load_f32(const float *p) { return _mm256_loadu_ps(p); }
FNN_INLINE void eight_store_f32(float *p, eight_f32 v) { _mm256_storeu_ps(p, v); }
FNN_INLINE eight_f32 eight_load_span_f32(const float *p, __mmask8 s) {
    return _mm256_maskz_loadu_ps(s, p);
}
FNN_INLINE void eight_store_m_f32(float *p, eight_f32 v, __mmask8 m) {
    _mm256_mask_storeu_ps(p, m, v);
}
/* p[i stride + at[i]] for i < 8 */
FNN_INLINE eight_f32 eight_gather_f32(const float *p, ptrdiff_t stride, const int64_t *at) {
    const __m512i row = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i first = _mm512_mullo_epi64(row, _mm512_set1_epi64(stride));
    return _mm512_i64gather_ps(_mm512_add_epi64(first, _mm512_loadu_si512(at)), p, 4);
}
FNN_INLINE eight_f32 eight_splat_f32(float x) { return _mm256_set1_ps(x); }
FNN_INLINE eight_f32 eight_zero_f32(void) { return _mm256_setzero_ps(); }
FNN_INLINE eight_f32 eight_fma_f32(eight_f32 a, eight_f32 b, eight_f32 c) {
    return _mm256_fmadd_ps(a, b, c);
}
FNN_INLINE eight_f32 eight_pin_f32(eight_f32 v) {
    __asm__("" : "+v"(v));
    return v;
}

typedef __mmask8 vmask_f64;
FNN_INLINE vmask_f64 mask_f64(ptrdiff_t n) { return (vmask_f64)((1u << n) - 1); }
FNN_INLINE vec_f64 load_m_f64(const double *p, vmask_f64 m) { return _mm512_maskz_loadu_pd(m, p); }
FNN_INLINE void store_m_f64(double *p, vec_f64 v, vmask_f64 m) { _mm512_mask_storeu_pd(p, m, v); }
typedef vmask_f64 vspan_f64;
FNN_INLINE vspan_f64 span_f64(ptrdiff_t lo, ptrdiff_t hi) {
    return (vspan_f64)(mask_f64(hi) & ~mask_f64(lo));
}
FNN_INLINE vec_f64 load_span_f64(const double *p, vspan_f64 s) { return load_m_f64(p, s); }
FNN_INLINE vec_f64 keep_f64(vec_f64 v, vspan_f64 s) { return _mm512_maskz_mov_pd(s, v); }
FNN_INLINE vec_f64 splat_f64(double x) { return _mm512_set1_pd(x); }
FNN_INLINE vec_f64 fma_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm512_fmadd_pd(a, b, c); }
FNN_INLINE vec_f64 slide_f64(vec_f64 a, vec_f64 b, int k) {
    return (vec_f64)FNN_SLIDE(a, b, k, 64);
}
FNN_INLINE vec_f64 permute_f64(vec_f64 v, ivec_f64 i) {
    return _mm512_permutexvar_pd((__m512i)i, v);
}
FNN_INLINE vec_f64 maximum_f64(vec_f64 a, vec_f64 b) { return _mm512_max_pd(a, b); }
FNN_INLINE vec_f64 minimum_f64(vec_f64 a, vec_f64 b) { return _mm512_min_pd(a, b); }
FNN_INLINE vec_f64 sqrtv_f64(vec_f64 v) { return _mm512_sqrt_pd(v); }
FNN_INLINE vec_f64 load_quarter_f64(const double *p) {
    return _mm512_castpd128_pd512(_mm_loadu_pd(p));
}
FNN_INLINE vec_f64 insert_quarter_f64(vec_f64 v, int i, const double *p) {
    return _mm512_mask_broadcast_f64x2(v, (vmask_f64)(0x3 << 2 * i), _mm_loadu_pd(p));
}
FNN_INLINE double sum_f64(vec_f64 v) { return _mm512_reduce_add_pd(v); }
