/* Movements between lanes, for one element type and one ISA. */

#if FNN_REAL_IS_F32
#define LANE_COUNT (FNN_VBYTES / 4)
#else
#define LANE_COUNT (FNN_VBYTES < 8 ? 1 : FNN_VBYTES / 8)
#endif

/* 0, 2, 4 ... 2 * LANES - 2, and the lane numbers with one bit flipped */
#if LANE_COUNT == 16
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define FLIPPED(b)                                                                              \
    0 ^ b, 1 ^ b, 2 ^ b, 3 ^ b, 4 ^ b, 5 ^ b, 6 ^ b, 7 ^ b, 8 ^ b, 9 ^ b, 10 ^ b, 11 ^ b, 12 ^ b, \
        13 ^ b, 14 ^ b, 15 ^ b
#elif LANE_COUNT == 8
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14
#define FLIPPED(b) 0 ^ b, 1 ^ b, 2 ^ b, 3 ^ b, 4 ^ b, 5 ^ b, 6 ^ b, 7 ^ b
#elif LANE_COUNT == 4
#define EVEN_LANES 0, 2, 4, 6
#define FLIPPED(b) 0 ^ b, 1 ^ b, 2 ^ b, 3 ^ b
#elif LANE_COUNT == 2
#define EVEN_LANES 0, 2
#define FLIPPED(b) 0 ^ b, 1 ^ b
#endif

/* GCC before 12 lacks Clang's builtin, and Clang lacks GCC's older one. */
#if defined(__clang__)
#define SHUFFLE2(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define FLIP(v, b) __builtin_shufflevector(v, v, FLIPPED(b))
#else
#define SHUFFLE2(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#define FLIP(v, b) __builtin_shuffle(v, (ivec){FLIPPED(b)})
#endif

/* Lanes 0, 2, 4 ... of a followed by those of b: turns a stride of 2 into a stride of 1. */
FNN_INLINE vec FN(even_lanes)(vec a, vec b) {
#if LANE_COUNT == 1
    (void)b;
    return a;
#else
    return SHUFFLE2(a, b, EVEN_LANES);
#endif
}

/* Every lane: the largest lane of v; a NaN may or may not win. */
FNN_INLINE vec FN(largest)(vec v) {
#if LANE_COUNT > 8
    v = FN(maximum)(v, FLIP(v, 8));
#endif
#if LANE_COUNT > 4
    v = FN(maximum)(v, FLIP(v, 4));
#endif
#if LANE_COUNT > 2
    v = FN(maximum)(v, FLIP(v, 2));
#endif
#if LANE_COUNT > 1
    v = FN(maximum)(v, FLIP(v, 1));
#endif
    return v;
}

/* Every lane: the sum of the lanes of v, by halves. */
FNN_INLINE vec FN(sum_everywhere)(vec v) {
#if LANE_COUNT > 8
    v += FLIP(v, 8);
#endif
#if LANE_COUNT > 4
    v += FLIP(v, 4);
#endif
#if LANE_COUNT > 2
    v += FLIP(v, 2);
#endif
#if LANE_COUNT > 1
    v += FLIP(v, 1);
#endif
    return v;
}

#if FNN_REAL_IS_F32
typedef int32_t FN(lane_int);
#else
typedef int64_t FN(lane_int);
#endif

/* 0, step, 2 step ... */
FNN_INLINE ivec FN(lane_numbers)(ptrdiff_t step) {
    FN(lane_int) number[LANES];
    ivec v;
    FNN_UNROLL
    for (int i = 0; i < LANES; i++) number[i] = (FN(lane_int))(i * step);
    __builtin_memcpy(&v, number, sizeof v);
    return v;
}

/* The lanes below n as a comparison result, for n up to 2^31. */
FNN_INLINE ivec FN(lanes_below)(ptrdiff_t n) { return FN(lane_numbers)(1) < (FN(lane_int))n; }

#undef LANE_COUNT
#undef EVEN_LANES
#undef FLIPPED
#undef SHUFFLE2
#undef FLIP
