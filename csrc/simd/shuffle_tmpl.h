/* Movements between lanes, for one element type and one ISA. */

#if FNN_REAL_IS_F32
#define LANE_COUNT (FNN_VBYTES / 4)
#else
#define LANE_COUNT (FNN_VBYTES < 8 ? 1 : FNN_VBYTES / 8)
#endif

/* Lane numbers of two vectors: 0, 2, 4 ... 2 * LANES - 2; 0, LANES, 1, LANES + 1 ...; and those of
 * one vector with one bit flipped. */
#if LANE_COUNT == 16
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD_LANES 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define ALTERNATE 0, 17, 2, 19, 4, 21, 6, 23, 8, 25, 10, 27, 12, 29, 14, 31
#define PART_PAIRS 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15
#define PRECEDE 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
#define FLIPPED(b)                                                                              \
    0 ^ b, 1 ^ b, 2 ^ b, 3 ^ b, 4 ^ b, 5 ^ b, 6 ^ b, 7 ^ b, 8 ^ b, 9 ^ b, 10 ^ b, 11 ^ b, 12 ^ b, \
        13 ^ b, 14 ^ b, 15 ^ b
#elif LANE_COUNT == 8
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14
#define ODD_LANES 1, 3, 5, 7, 9, 11, 13, 15
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define ALTERNATE 0, 9, 2, 11, 4, 13, 6, 15
#define PART_PAIRS 0, 2, 4, 6, 1, 3, 5, 7
#define PRECEDE 7, 8, 9, 10, 11, 12, 13, 14
#define FLIPPED(b) 0 ^ b, 1 ^ b, 2 ^ b, 3 ^ b, 4 ^ b, 5 ^ b, 6 ^ b, 7 ^ b
#elif LANE_COUNT == 4
#define EVEN_LANES 0, 2, 4, 6
#define ODD_LANES 1, 3, 5, 7
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#define PRECEDE 3, 4, 5, 6
#define FLIPPED(b) 0 ^ b, 1 ^ b, 2 ^ b, 3 ^ b
#elif LANE_COUNT == 2
#define EVEN_LANES 0, 2
#define ODD_LANES 1, 3
#define ZIP_LOW 0, 2
#define ZIP_HIGH 1, 3
#define PRECEDE 1, 2
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

/* Lanes 1, 3, 5 ... of a followed by those of b. */
FNN_INLINE vec FN(odd_lanes)(vec a, vec b) {
#if LANE_COUNT == 1
    (void)a;
    return b;
#else
    return SHUFFLE2(a, b, ODD_LANES);
#endif
}

/* The lanes of a and b in turn: even_lanes and odd_lanes of *low and *high are a and b. */
FNN_INLINE void FN(interleave)(vec a, vec b, vec *low, vec *high) {
#if LANE_COUNT == 1
    *low = a;
    *high = b;
#else
    *low = SHUFFLE2(a, b, ZIP_LOW);
    *high = SHUFFLE2(a, b, ZIP_HIGH);
#endif
}

#if FNN_VBYTES >= 32 && FNN_REAL_IS_F32
/* Even lanes of a, odd ones of b. */
FNN_INLINE vec FN(alternate)(vec a, vec b) { return SHUFFLE2(a, b, ALTERNATE); }

/* Even lanes, then odd ones. */
FNN_INLINE vec FN(part_pairs)(vec v) { return SHUFFLE2(v, v, PART_PAIRS); }
#endif

/* The last lane of a and all of b but its last. */
FNN_INLINE vec FN(precede)(vec a, vec b) {
#if LANE_COUNT == 1
    (void)b;
    return a;
#else
    return SHUFFLE2(a, b, PRECEDE);
#endif
}

/* One step of a fold, of `count` (a literal) vectors in lockstep. */
#define FOLD_STEP(b)                                                        \
    FNN_UNROLL                                                              \
    for (int i = 0; i < count; i++) {                                       \
        const vec other = FLIP(v[i], b);                                    \
        v[i] = maximal ? FN(maximum)(v[i], other) : v[i] + other;           \
    }

/* Every lane of v[i]: its largest lane (a NaN may or may not win), or the sum of its lanes by
 * halves; `maximal` is a literal. */
FNN_INLINE void FN(fold_each)(vec *v, int count, int maximal) {
#if LANE_COUNT > 8
    FOLD_STEP(8)
#endif
#if LANE_COUNT > 4
    FOLD_STEP(4)
#endif
#if LANE_COUNT > 2
    FOLD_STEP(2)
#endif
#if LANE_COUNT > 1
    FOLD_STEP(1)
#else
    (void)v, (void)count, (void)maximal;
#endif
}
#undef FOLD_STEP

FNN_INLINE vec FN(largest)(vec v) {
    FN(fold_each)(&v, 1, 1);
    return v;
}

FNN_INLINE vec FN(sum_everywhere)(vec v) {
    FN(fold_each)(&v, 1, 0);
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
#undef ODD_LANES
#undef ZIP_LOW
#undef ZIP_HIGH
#undef ALTERNATE
#undef PART_PAIRS
#undef PRECEDE
#undef FLIPPED
#undef SHUFFLE2
#undef FLIP
