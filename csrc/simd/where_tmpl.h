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
/* a - b in the lanes of s, 0 in the others */
FNN_INLINE ivec FN(difference)(ivec a, ivec b, vspan s) {
    return (ivec)_mm512_maskz_sub_epi32(s, (__m512i)a, (__m512i)b);
}
/* Two vectors as one of 16 bits a lane; what these do not hold becomes the nearest that they do. */
typedef __m512i FN(shorts);
FNN_INLINE FN(shorts) FN(shorts_of)(ivec a, ivec b) {
    return _mm512_packs_epi32((__m512i)a, (__m512i)b);
}
FNN_INLINE FN(shorts) FN(same_shorts)(int v) { return _mm512_set1_epi16((short)v); }
/* the lesser of v and v - less, both without signs */
FNN_INLINE FN(shorts) FN(reduced)(FN(shorts) v, FN(shorts) less) {
    return _mm512_min_epu16(v, _mm512_sub_epi16(v, less));
}
FNN_INLINE FN(shorts) FN(most_of_shorts)(FN(shorts) a, FN(shorts) b) {
    return _mm512_max_epu16(a, b);
}
FNN_INLINE int FN(any_more_than)(FN(shorts) v, FN(shorts) most) {
    return _mm512_cmpgt_epu16_mask(v, most) != 0;
}
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
