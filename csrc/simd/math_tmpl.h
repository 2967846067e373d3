/* exp, log, tanh and sigmoid of a vector, for one element type and one ISA.
 *
 * All polynomials are minimax fits (Remez exchange in 50 digits, coefficients then rounded to
 * the element type); the bound beside each is the relative error of the function with the
 * rounded coefficients in exact arithmetic. Each function but exp_differences is within 2 ulp
 * with its rounding, for any argument, specials as the C library has them; denormal results are right unless the
 * caller has set flush-to-zero. */
#include <math.h>

#if FNN_REAL_IS_F32
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define INT(x) INT32_C(x)
typedef uint32_t FN(uint);
/* e^r = 1 + r + r^2 Q(r), |r| <= ln(2)/2: 2^-27.9 */
#define EXP_DEGREE 4
static const float FN(exp_poly)[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f,
                                     0x1.1239e4p-7f, 0x1.6a2448p-10f};
/* log((1+s)/(1-s)) = 2s + s z P(z), z = s^2 <= 0.0295: 2^-30.2 */
#define LOG_DEGREE 2
static const float FN(log_poly)[] = {0x1.55557ap-1f, 0x1.995ed4p-2f, 0x1.31e0d8p-2f};
/* tanh(a) = a + a z P(z), z = a^2, a <= 0.625: 2^-27.7 */
#define TANH_DEGREE 4
static const float FN(tanh_poly)[] = {-0x1.555532p-2f, 0x1.1106f6p-3f, -0x1.b835a4p-5f,
                                      0x1.51f8cep-6f, -0x1.750ce2p-8f};
/* ln(2) in two parts, the first short enough that its product with an exponent is exact */
#define LN2_HIGH 0x1.63p-1f
#define LN2_LOW -0x1.bd0106p-13f
#define LOG2_E 0x1.715476p+0f
/* exp is 0 below and infinite above; between, its power of two has two normal factors */
#define EXP_LOWEST -104.0f
#define EXP_HIGHEST 89.0f
#define SMALLEST_NORMAL 0x1p-126f
#define SQRT_HALF_BITS INT32_C(0x3f3504f3)
#define ONE_BITS INT32_C(0x3f800000)
#else
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define INT(x) INT64_C(x)
typedef uint64_t FN(uint);
/* as above: 2^-60.2 */
#define EXP_DEGREE 10
static const double FN(exp_poly)[] = {
    0x1.0000000000000p-1,  0x1.555555555555bp-3,  0x1.5555555555503p-5,  0x1.111111110ec5dp-7,
    0x1.6c16c16c3048bp-10, 0x1.a01a01b37e3a6p-13, 0x1.a01a01368ff68p-16, 0x1.71ddf020c641fp-19,
    0x1.27e5b4454b6b6p-22, 0x1.af6be7f39209fp-26, 0x1.1e3d2e85a1235p-29};
/* 2^-59.4 */
#define LOG_DEGREE 6
static const double FN(log_poly)[] = {
    0x1.5555555555592p-1, 0x1.999999997ff06p-2, 0x1.24924941e30ddp-2, 0x1.c71c521283bc6p-3,
    0x1.74663d5d61b7bp-3, 0x1.39a1dbfe46c58p-3, 0x1.2f0448b0b90d0p-3};
/* 2^-56.4 */
#define TANH_DEGREE 10
static const double FN(tanh_poly)[] = {
    -0x1.55555555554ffp-2,  0x1.111111110ac94p-3,  -0x1.ba1ba1b503b03p-5, 0x1.664f477a63b84p-6,
    -0x1.226e161fd0261p-7,  0x1.d6cf26878a1dep-9,  -0x1.7d6893852419ep-10, 0x1.3365ac5d4958bp-11,
    -0x1.df523c7b831e1p-13, 0x1.4389c2007cedfp-14, -0x1.0d98b638c090cp-16};
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define LOG2_E 0x1.71547652b82fep+0
#define EXP_LOWEST -746.0
#define EXP_HIGHEST 710.0
#define SMALLEST_NORMAL 0x1p-1022
#define SQRT_HALF_BITS INT64_C(0x3fe6a09e667f3bcd)
#define ONE_BITS INT64_C(0x3ff0000000000000)
#endif

/* logical shifts need unsigned lanes */
typedef FN(uint) FN(bits) __attribute__((vector_size(sizeof(vec))));
#define bits FN(bits)

/* Adding 1.5 * 2^MANTISSA_BITS rounds to a whole number and leaves it in the low bits. */
#define ROUNDER ((real)(INT(3) << (MANTISSA_BITS - 1)))

/* -0.0: the sign bit of every lane */
FNN_INLINE ivec FN(sign_bit)(void) { return (ivec)FN(splat)((real)-0.0); }

/* c[0] + c[1] x + ... + c[degree] x^degree */
FNN_INLINE vec FN(polynomial)(const real *c, int degree, vec x) {
    vec p = FN(splat)(c[degree]);
    FNN_UNROLL
    for (int i = degree - 1; i >= 0; i--) p = FN(fma)(p, x, FN(splat)(c[i]));
    return p;
}

/* 2^n for whole n in the range of normal exponents */
FNN_INLINE vec FN(power_of_two)(vec n) {
    return (vec)((bits)(n + FN(splat)(ROUNDER + EXPONENT_BIAS)) << MANTISSA_BITS);
}

/* v 2^n, rounded once: 2^n may be twice as far out as normal exponents reach */
FNN_INLINE vec FN(scale_by_power)(vec v, vec n) {
#if defined(__AVX512F__)
#if FNN_REAL_IS_F32
    return _mm512_scalef_ps(v, n);
#else
    return _mm512_scalef_pd(v, n);
#endif
#else
    const vec rounder = FN(splat)(ROUNDER);
    const vec half = FN(fma)(n, FN(splat)((real)0.5), rounder) - rounder;
    return v * FN(power_of_two)(half) * FN(power_of_two)(n - half);
#endif
}

/* x[i] = exp(x[i]) for i < count (a literal, at most EXP_GROUP), each x <= EXP_HIGHEST (the result
 * overflows from there on) or NaN. One vector is a chain of 13 operations and some 50 cycles, of
 * which a processor's queues hold three or four: in lockstep they wait for each other less. */
enum { FN(EXP_GROUP) = 8 };

FNN_INLINE void FN(exp_evenly)(vec *x, int count) {
    const vec rounder = FN(splat)(ROUNDER);
    vec n[FN(EXP_GROUP)], r[FN(EXP_GROUP)], q[FN(EXP_GROUP)];
    FNN_UNROLL
    for (int i = 0; i < count; i++) /* in this order NaN passes */
        x[i] = FN(maximum)(FN(splat)(EXP_LOWEST), x[i]);
    FNN_UNROLL
    for (int i = 0; i < count; i++) n[i] = FN(fma)(x[i], FN(splat)(LOG2_E), rounder) - rounder;
    FNN_UNROLL
    for (int i = 0; i < count; i++) r[i] = FN(fma)(n[i], FN(splat)(-LN2_HIGH), x[i]);
    FNN_UNROLL
    for (int i = 0; i < count; i++) r[i] = FN(fma)(n[i], FN(splat)(-LN2_LOW), r[i]);
    FNN_UNROLL
    for (int i = 0; i < count; i++) q[i] = FN(splat)(FN(exp_poly)[EXP_DEGREE]);
    FNN_UNROLL
    for (int k = EXP_DEGREE - 1; k >= 0; k--) {
        FNN_UNROLL
        for (int i = 0; i < count; i++) q[i] = FN(fma)(q[i], r[i], FN(splat)(FN(exp_poly)[k]));
    }
    FNN_UNROLL
    for (int i = 0; i < count; i++)
        x[i] = FN(scale_by_power)(FN(fma)(r[i] * r[i], q[i], r[i]) + FN(splat)(1), n[i]);
}

#if defined(__AVX512F__) && FNN_REAL_IS_F32
/* Two operations fewer where a permutation looks up 2^(k/16): n goes by sixteenths, so |r| <=
 * ln(2)/32 and e^r = 1 + r + r^2 (c + d r) to 2^-29. But just above a power of two, where rounding
 * weighs most, 2^(1/16) is rounded too. */
FNN_INLINE void FN(exp_each)(vec *x, int count) {
    const vec root = {0x1.000000p+0f, 0x1.0b5586p+0f, 0x1.172b84p+0f, 0x1.2387a6p+0f,
                      0x1.306fe0p+0f, 0x1.3dea64p+0f, 0x1.4bfdaep+0f, 0x1.5ab07ep+0f,
                      0x1.6a09e6p+0f, 0x1.7a1148p+0f, 0x1.8ace54p+0f, 0x1.9c4918p+0f,
                      0x1.ae89fap+0f, 0x1.c199bep+0f, 0x1.d5818ep+0f, 0x1.ea4afap+0f};
    const vec rounder = FN(splat)(0x1.8p+19f); /* to sixteenths: their number is in the low bits */
    const vec c = FN(splat)(0x1.000220p-1f), d = FN(splat)(0x1.55565cp-3f);
    vec n[FN(EXP_GROUP)], r[FN(EXP_GROUP)], q[FN(EXP_GROUP)], t[FN(EXP_GROUP)];
    FNN_UNROLL
    for (int i = 0; i < count; i++)
        x[i] = FN(maximum)(FN(splat)(EXP_LOWEST), x[i]);
    FNN_UNROLL
    for (int i = 0; i < count; i++) n[i] = FN(fma)(x[i], FN(splat)(LOG2_E), rounder);
    FNN_UNROLL
    for (int i = 0; i < count; i++) t[i] = _mm512_permutexvar_ps((__m512i)n[i], root);
    FNN_UNROLL
    for (int i = 0; i < count; i++) n[i] -= rounder;
    FNN_UNROLL
    for (int i = 0; i < count; i++) r[i] = FN(fma)(n[i], FN(splat)(-LN2_HIGH), x[i]);
    FNN_UNROLL
    for (int i = 0; i < count; i++) r[i] = FN(fma)(n[i], FN(splat)(-LN2_LOW), r[i]);
    FNN_UNROLL
    for (int i = 0; i < count; i++) q[i] = FN(fma)(r[i], d, c);
    FNN_UNROLL
    for (int i = 0; i < count; i++) q[i] = FN(fma)(r[i] * r[i], q[i], r[i]);
    FNN_UNROLL
    for (int i = 0; i < count; i++) /* scaled by 2^floor(n) */
        x[i] = _mm512_scalef_ps(FN(fma)(t[i], q[i], t[i]), n[i]);
}
#else
FNN_INLINE void FN(exp_each)(vec *x, int count) { FN(exp_evenly)(x, count); }
#endif

/* The same of differences, for sums of exponentials and shares of such sums: a difference has been
 * rounded, by eps / 2 of its size, so another rounding of that size is allowed. A permutation looks
 * 2^(k/32) up, and of what is left, |f| <= 1/64, 2^f is c (g^2 + bend) to 2^-24.1, g = f + 1 / ln(2):
 * two operations for a polynomial's three, and g costs none. For z = 2^18 1.9.. + x log2(e) is whole
 * in thirty-seconds, which its low bits count; off is the exponent, less 1 / ln(2), times 1 + 2^-22,
 * which is what makes the constant so fine, and with log2(e) times the same, g is x log2(e) - off.
 * c and what scalef floors away are in the table. exp(0) is 1. Nine operations with the difference, on
 * a Zen 4 core 11 of its 2 a cycle: vreduce and scalef would be two each (csrc/notes).
 * Its constants are the caller's, who may keep them in registers: the compiler would load them anew
 * before every loop. FNN_QUICK_EXP: whether that is so, and what overflows is infinite. */
#undef FNN_QUICK_EXP
#if defined(__AVX512F__) && FNN_REAL_IS_F32
#define FNN_QUICK_EXP 1
typedef struct FN(exp_terms) {
    vec least, log2_e, whole, grid, back, bend, power[2];
} FN(exp_terms);
FNN_INLINE FN(exp_terms) FN(exp_constants)(int keep) {
    static const float power[] = {
        0x1.4d2212p+0f, 0x1.546d82p-1f, 0x1.5be1d6p-1f, 0x1.637ff2p-1f, 0x1.6b48c2p-1f,
        0x1.733d36p-1f, 0x1.7b5e42p-1f, 0x1.83acdep-1f, 0x1.8c2a0cp-1f, 0x1.94d6d0p-1f,
        0x1.9db436p-1f, 0x1.a6c34cp-1f, 0x1.b0052ap-1f, 0x1.b97aeep-1f, 0x1.c325b8p-1f,
        0x1.cd06b4p-1f, 0x1.d71f10p-1f, 0x1.e17004p-1f, 0x1.ebfaccp-1f, 0x1.f6c0acp-1f,
        0x1.00e178p+0f, 0x1.068176p+0f, 0x1.0c40fap+0f, 0x1.1220b8p+0f, 0x1.182164p+0f,
        0x1.1e43b6p+0f, 0x1.24886ap+0f, 0x1.2af042p+0f, 0x1.317c02p+0f, 0x1.382c74p+0f,
        0x1.3f0264p+0f, 0x1.45fea8p+0f};
    FN(exp_terms) c = {FN(splat)(EXP_LOWEST),       FN(splat)(0x1.71547cp+0f),
                       FN(splat)(0x1.ea96a4p+18f),  FN(splat)(0x1.000004p+0f),
                       FN(splat)(-0x1.ea9708p+18f), FN(splat)(0x1.0a6868p+1f),
                       {FN(load)(power), FN(load)(power + LANES)}};
    if (keep) {
        c.least = FN(pin)(c.least), c.log2_e = FN(pin)(c.log2_e), c.whole = FN(pin)(c.whole);
        c.grid = FN(pin)(c.grid), c.back = FN(pin)(c.back), c.bend = FN(pin)(c.bend);
        c.power[0] = FN(pin)(c.power[0]), c.power[1] = FN(pin)(c.power[1]);
    }
    return c;
}
FNN_INLINE void FN(exp_differences)(vec *x, int count, const FN(exp_terms) *c) {
    vec z[FN(EXP_GROUP)], off[FN(EXP_GROUP)], g[FN(EXP_GROUP)], t[FN(EXP_GROUP)];
    FNN_UNROLL
    for (int i = 0; i < count; i++) x[i] = FN(maximum)(c->least, x[i]); /* NaN passes */
    FNN_UNROLL
    for (int i = 0; i < count; i++) z[i] = FN(fma)(x[i], c->log2_e, c->whole);
    FNN_UNROLL
    for (int i = 0; i < count; i++) off[i] = FN(fma)(z[i], c->grid, c->back);
    FNN_UNROLL
    for (int i = 0; i < count; i++) g[i] = _mm512_fmsub_ps(x[i], c->log2_e, off[i]);
    FNN_UNROLL
    for (int i = 0; i < count; i++)
        t[i] = _mm512_permutex2var_ps(c->power[0], (__m512i)z[i], c->power[1]);
    FNN_UNROLL
    for (int i = 0; i < count; i++) g[i] = FN(fma)(g[i], g[i], c->bend);
    FNN_UNROLL
    for (int i = 0; i < count; i++) x[i] = _mm512_scalef_ps(g[i] * t[i], off[i]);
}
#else
#define FNN_QUICK_EXP 0
typedef struct FN(exp_terms) {
    char none;
} FN(exp_terms);
FNN_INLINE FN(exp_terms) FN(exp_constants)(int keep) { return (FN(exp_terms)){(char)keep}; }
FNN_INLINE void FN(exp_differences)(vec *x, int count, const FN(exp_terms) *c) {
    (void)c;
    FN(exp_each)(x, count);
}
#endif

FNN_INLINE vec FN(exp_bounded)(vec x) {
    FN(exp_each)(&x, 1);
    return x;
}

/* x, or what is as good to exp_each where x is larger than that takes */
FNN_INLINE vec FN(exp_bound)(vec x) { return FN(minimum)(FN(splat)(EXP_HIGHEST), x); }

FNN_INLINE vec FN(expv)(vec x) { return FN(exp_bounded)(FN(exp_bound)(x)); }

FNN_INLINE vec FN(logv)(vec x) {
    const ivec denormal = x < FN(splat)(SMALLEST_NORMAL);
    const vec lift = FN(splat)((real)(INT(1) << (MANTISSA_BITS + 1)));
    const vec v = FN(select)(denormal, x * lift, x);
    /* v = m 2^k, m in [sqrt(1/2), sqrt(2)): the sum carries into the exponent from sqrt(2) on */
    const bits t = (bits)v + (FN(uint))(ONE_BITS - SQRT_HALF_BITS);
    const vec whole = FN(splat)((real)(INT(1) << MANTISSA_BITS));
    vec k = (vec)((t >> MANTISSA_BITS) | (bits)whole) - (whole + FN(splat)(EXPONENT_BIAS));
    k -= FN(select)(denormal, FN(splat)(MANTISSA_BITS + 1), FN(zero)());
    const bits fraction = t & (FN(uint))((INT(1) << MANTISSA_BITS) - 1);
    const vec f = (vec)(fraction + (FN(uint))SQRT_HALF_BITS) - FN(splat)(1);
    const vec s = f / (f + FN(splat)(2)), z = s * s;
    const vec tail = z * FN(polynomial)(FN(log_poly), LOG_DEGREE, z);
    const vec half = f * f * FN(splat)((real)0.5);
    /* log(1+f) = f - (f^2/2 - s (f^2/2 + tail)): the largest term is exact */
    const vec low = FN(fma)(s, half + tail, k * FN(splat)(LN2_LOW));
    vec y = FN(fma)(k, FN(splat)(LN2_HIGH), f - (half - low));
    y = FN(select)(x == FN(splat)((real)INFINITY), x, y);
    const vec nan = FN(splat)((real)NAN), lowest = FN(splat)((real)-INFINITY);
    return FN(select)(x > FN(zero)(), y, FN(select)(x == FN(zero)(), lowest, nan));
}

/* With e = exp(-2 |x|), 1 - 2 e / (1 + e) loses digits near 0, where the polynomial takes over. */
FNN_INLINE vec FN(tanhv)(vec x) {
    const ivec sign = FN(sign_bit)();
    const vec a = (vec)((ivec)x & ~sign), z = a * a;
    const vec near = FN(fma)(a * z, FN(polynomial)(FN(tanh_poly), TANH_DEGREE, z), a);
    const vec e = FN(exp_bounded)(a * FN(splat)(-2)), one = FN(splat)(1);
    const vec far = one - (e + e) / (one + e);
    const vec y = FN(select)(a < FN(splat)((real)0.625), near, far);
    return (vec)((ivec)y | ((ivec)x & sign));
}

/* With e = exp(-|x|), p / (1 + e) for p = 1 or e: nothing overflows. As p - e p / (1 + e) it is
 * rounded last, and what 1 + e and the quotient lost has e as a factor. e / (1 + e) just below a
 * power of two doubles the error of an e just above one, where exp_evenly's is small. */
FNN_INLINE vec FN(sigmoidv)(vec x) {
    vec e = (vec)((ivec)x | FN(sign_bit)());
    FN(exp_evenly)(&e, 1);
    const vec one = FN(splat)(1), p = FN(select)(x < FN(zero)(), e, one);
    return FN(fma)(-e, p / (one + e), p);
}

#undef MANTISSA_BITS
#undef EXPONENT_BIAS
#undef INT
#undef EXP_DEGREE
#undef LOG_DEGREE
#undef TANH_DEGREE
#undef LN2_HIGH
#undef LN2_LOW
#undef LOG2_E
#undef EXP_LOWEST
#undef EXP_HIGHEST
#undef SMALLEST_NORMAL
#undef SQRT_HALF_BITS
#undef ONE_BITS
#undef ROUNDER
#undef bits
