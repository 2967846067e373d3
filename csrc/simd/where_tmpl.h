/* Conditions: what a comparison of two vectors yields, in the form that the ISA wants it in, for
 * one element type and one ISA. `&` and `|` combine them. GCC would carry AVX-512's through
 * vectors of integers. */

#if FNN_VBYTES == 64
#if FNN_REAL_IS_F32
#define OF_TYPE(name) _mm512_##name##_ps
#define OF_INT(name) _mm512_##name##_epi32
#define MASK_OF_TYPE(name) _mm512_##name##_ps_mask
#define MASK_OF_INT(name) _mm512_##name##_epi32_mask
#else
#define OF_TYPE(name) _mm512_##name##_pd
#define OF_INT(name) _mm512_##name##_epi64
#define MASK_OF_TYPE(name) _mm512_##name##_pd_mask
#define MASK_OF_INT(name) _mm512_##name##_epi64_mask
#endif
typedef FN(vmask) FN(cond);

FNN_INLINE FN(cond) FN(above)(vec a, vec b) { return MASK_OF_TYPE(cmp)(a, b, _CMP_GT_OQ); }
FNN_INLINE FN(cond) FN(unlike)(vec a, vec b) { return MASK_OF_TYPE(cmp)(a, b, _CMP_NEQ_UQ); }
FNN_INLINE FN(cond) FN(same)(ivec a, ivec b) {
    return MASK_OF_INT(cmpeq)((__m512i)a, (__m512i)b);
}
/* c ? a : b */
FNN_INLINE vec FN(where)(FN(cond) c, vec a, vec b) { return OF_TYPE(mask_blend)(c, b, a); }
FNN_INLINE ivec FN(iwhere)(FN(cond) c, ivec a, ivec b) {
    return (ivec)OF_INT(mask_blend)(c, (__m512i)b, (__m512i)a);
}
/* c ? v : 0 */
FNN_INLINE vec FN(kept)(FN(cond) c, vec v) { return OF_TYPE(maskz_mov)(c, v); }
/* a + (c ? b : 0) */
FNN_INLINE vec FN(add_where)(FN(cond) c, vec a, vec b) { return OF_TYPE(mask_add)(a, c, a, b); }
/* c ? a + b : other */
FNN_INLINE ivec FN(iadd_where)(FN(cond) c, ivec a, ivec b, ivec other) {
    return (ivec)OF_INT(mask_add)((__m512i)other, c, (__m512i)a, (__m512i)b);
}
/* How many lanes fulfilled conditions: tally(c, t) is t with those of c, total(t) the sum. */
typedef ptrdiff_t FN(tally_of);
FNN_INLINE FN(tally_of) FN(tally)(FN(cond) c, FN(tally_of) t) { return t + __builtin_popcount(c); }
FNN_INLINE ptrdiff_t FN(total)(FN(tally_of) t) { return t; }
/* at[i] < LANES: that lane of a; else lane at[i] - LANES of b. */
FNN_INLINE vec FN(pick)(vec a, vec b, ivec at) {
    return OF_TYPE(permutex2var)(a, (__m512i)at, b);
}
#if FNN_REAL_IS_F32
FNN_INLINE ivec FN(least_unsigned)(ivec a, ivec b) {
    return (ivec)_mm512_min_epu32((__m512i)a, (__m512i)b);
}
/* Two words of bits, a lane each: whether the second of three is chosen over the first, and the third
 * over both. As conditions, of which one is true: two tests of all lanes take ports less time than
 * words that become conditions, and GCC does not take them through general registers. */
typedef struct FN(choice) {
    FN(cond) first, second, third;
} FN(choice);
FNN_INLINE FN(choice) FN(load_choice)(const uint16_t *bits) {
    int32_t both;
    __builtin_memcpy(&both, bits, sizeof both);
    const __m512i words = _mm512_set1_epi32(both);
    const __m512i low = _mm512_setr_epi32(1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7,
                                          1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13,
                                          1 << 14, 1 << 15);
    const __m512i high = _mm512_slli_epi32(low, 16);
    const FN(cond) third = _mm512_test_epi32_mask(words, high);
    const FN(cond) first = _mm512_testn_epi32_mask(words, _mm512_or_si512(low, high));
    return (FN(choice)){first, _kxnor_mask16(first, third), third};
}
/* c ? 0 + v : 0, so that no -0 is left */
FNN_INLINE vec FN(kept_sum)(FN(cond) c, vec v) { return OF_TYPE(maskz_add)(c, v, FN(zero)()); }
/* Lanes 1, 0, 3, 2, ... */
FNN_INLINE vec FN(neighbours)(vec v) { return _mm512_permute_ps(v, 0xb1); }
#endif
/* v with the lanes of m from p. */
FNN_INLINE vec FN(load_over)(vec v, vmask m, const real *p) { return OF_TYPE(mask_loadu)(v, m, p); }
#undef OF_TYPE
#undef OF_INT
#undef MASK_OF_TYPE
#undef MASK_OF_INT
#else
typedef ivec FN(cond);

FNN_INLINE FN(cond) FN(above)(vec a, vec b) { return a > b; }
FNN_INLINE FN(cond) FN(unlike)(vec a, vec b) { return a != b; }
FNN_INLINE FN(cond) FN(same)(ivec a, ivec b) { return a == b; }
FNN_INLINE vec FN(where)(FN(cond) c, vec a, vec b) { return FN(select)(c, a, b); }
FNN_INLINE ivec FN(iwhere)(FN(cond) c, ivec a, ivec b) { return (c & a) | (~c & b); }
FNN_INLINE vec FN(kept)(FN(cond) c, vec v) { return (vec)(c & (ivec)v); }
FNN_INLINE vec FN(add_where)(FN(cond) c, vec a, vec b) { return a + FN(kept)(c, b); }
FNN_INLINE ivec FN(iadd_where)(FN(cond) c, ivec a, ivec b, ivec other) {
    return (c & (a + b)) | (~c & other);
}
typedef ivec FN(tally_of);
FNN_INLINE FN(tally_of) FN(tally)(FN(cond) c, FN(tally_of) t) { return t - c; }
FNN_INLINE ptrdiff_t FN(total)(FN(tally_of) t) {
    ptrdiff_t sum = 0;
    for (int i = 0; i < LANES; i++) sum += t[i];
    return sum;
}
#endif

/* Whether no lane is infinite or a NaN. */
FNN_INLINE int FN(all_finite)(vec v) {
#if FNN_VBYTES == 64
    return FN(unlike)(v - v, FN(zero)()) == 0;
#else
    return FN(sum_everywhere)(v - v)[0] == 0;
#endif
}
