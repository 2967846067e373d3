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
FNN_INLINE FN(cond) FN(at_most)(vec a, vec b) { return MASK_OF_TYPE(cmp)(a, b, _CMP_LE_OQ); }
/* c & a > b */
FNN_INLINE FN(cond) FN(above_where)(FN(cond) c, vec a, vec b) {
    return MASK_OF_TYPE(mask_cmp)(c, a, b, _CMP_GT_OQ);
}
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
/* Which of three, a lane each, as two words of bits say: the second is it; the third is not. */
typedef struct FN(choice) {
    FN(cond) first, second, early;
} FN(choice);
/* A word of 16 lanes: GCC would load it by way of a general register, which takes ports. */
FNN_INLINE FN(cond) FN(load_cond)(const uint16_t *bits) {
    FN(cond) c;
    __asm__("kmovw %1, %0" : "=Yk"(c) : "m"(*bits));
    return c;
}
FNN_INLINE FN(choice) FN(load_choice)(const uint16_t *bits) {
    const FN(cond) second = FN(load_cond)(bits), early = FN(load_cond)(bits + 1);
    return (FN(choice)){_kxor_mask16(second, early), second, early};
}
/* c ? 0 : v */
FNN_INLINE vec FN(dropped)(FN(cond) c, vec v) { return OF_TYPE(mask_mov)(v, c, FN(zero)()); }
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

/* AVX2's masked stores take as long as 11 plain ones on AMD's processors. */

/* Whether m has all lanes, where it pays to know; else 0. */
FNN_INLINE int FN(all_lanes)(vmask m) {
#if FNN_VBYTES == 32 && FNN_REAL_IS_F32
    return _mm256_movemask_ps((__m256)m) == 255;
#elif FNN_VBYTES == 32
    return _mm256_movemask_pd((__m256d)m) == 15;
#else
    (void)m;
    return 0;
#endif
}

/* v to the lanes of m, which are known to be `all` of them or are not. */
FNN_INLINE void FN(store_some)(int all, real *p, vec v, vmask m) {
    if (all)
        FN(store)(p, v);
    else
        FN(store_m)(p, v, m);
}

/* v to the lanes of m, which are the first ones: for the ends of short rows. */
FNN_INLINE void FN(store_first_lanes)(real *p, vec v, vmask m) {
#if FNN_VBYTES == 32 && FNN_REAL_IS_F32
    int lanes = _mm256_movemask_ps((__m256)m);
    __m128 low = _mm256_castps256_ps128(v);
    if (FN(all_lanes)(m)) {
        FN(store)(p, v);
        return;
    }
    if (lanes & 8) {
        _mm_storeu_ps(p, low);
        low = _mm256_extractf128_ps(v, 1);
        lanes >>= 4;
        p += 4;
    }
    if (lanes & 2) {
        _mm_storel_pi((__m64 *)(void *)p, low);
        low = _mm_movehl_ps(low, low);
        lanes >>= 2;
        p += 2;
    }
    if (lanes & 1) _mm_store_ss(p, low);
#else /* (for float64 its code is spared) */
    FN(store_m)(p, v, m);
#endif
}
