/* Square transposition in registers and the sums of many vectors, for one element type.
 *
 *   transpose(x)   x[i] lane j becomes x[j] lane i, for LANES vectors
 *   load_transposed(p, step, cols, x)   x[j] lane i is p[i*step + j] for j < cols, whole 128 bits
 *   load_rows_transposed(row, at, x)   the same of row[i][at + j], j < LANES
 *   load_nines(p, x)   x[j] lane i is p[i*9 + j] for j < 9; float32 of 8 and 16 lanes only (NINES)
 *   sum_each(x, n) lane i < n is the sum of the lanes of x[i], in a fixed order; overwrites x. n is
 *                  a literal, and the vectors from n on are zero */

/* out[l] = element I_l of a followed by b; the indices are literals. */
#if !defined(FNN_SHUFFLE)
#if defined(__clang__)
#define FNN_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FNN_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif
#endif

#define LANES_ (FNN_VBYTES / (FNN_REAL_IS_F32 ? 4 : 8))

/* Elements that alternate within each 128 bits, as the unpack instructions have them; on ISAs
 * of one such lane that is the whole transposition. */
#if FNN_REAL_IS_F32 && LANES_ == 16
#define UNPACK_LO 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define UNPACK_HI 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define PAIRS_LO 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define PAIRS_HI 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define HALVES_LO 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HALVES_HI 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define QUARTERS_LO 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define QUARTERS_HI 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#elif FNN_REAL_IS_F32 && LANES_ == 8
#define UNPACK_LO 0, 8, 1, 9, 4, 12, 5, 13
#define UNPACK_HI 2, 10, 3, 11, 6, 14, 7, 15
#define PAIRS_LO 0, 1, 8, 9, 4, 5, 12, 13
#define PAIRS_HI 2, 3, 10, 11, 6, 7, 14, 15
#define HALVES_LO 0, 1, 2, 3, 8, 9, 10, 11
#define HALVES_HI 4, 5, 6, 7, 12, 13, 14, 15
#elif FNN_REAL_IS_F32 && LANES_ == 4
#define UNPACK_LO 0, 4, 1, 5
#define UNPACK_HI 2, 6, 3, 7
#define PAIRS_LO 0, 1, 4, 5
#define PAIRS_HI 2, 3, 6, 7
#elif LANES_ == 8
#define UNPACK_LO 0, 8, 2, 10, 4, 12, 6, 14
#define UNPACK_HI 1, 9, 3, 11, 5, 13, 7, 15
#define HALVES_LO 0, 1, 2, 3, 8, 9, 10, 11
#define HALVES_HI 4, 5, 6, 7, 12, 13, 14, 15
#define QUARTERS_LO 0, 1, 4, 5, 8, 9, 12, 13
#define QUARTERS_HI 2, 3, 6, 7, 10, 11, 14, 15
#elif LANES_ == 4
#define UNPACK_LO 0, 4, 2, 6
#define UNPACK_HI 1, 5, 3, 7
#define HALVES_LO 0, 1, 4, 5
#define HALVES_HI 2, 3, 6, 7
#elif LANES_ == 2
#define UNPACK_LO 0, 2
#define UNPACK_HI 1, 3
#endif

#if LANES_ > 1
enum { FN(INNER) = 16 / sizeof(real) }; /* lanes within 128 bits */

/* Within each 128 bits, t[c] is column c of the rows x[0] .. x[INNER - 1]. */
FNN_INLINE void FN(transpose_inner)(const vec x[FN(INNER)], vec t[FN(INNER)]) {
#if FNN_REAL_IS_F32
    const vec a = FNN_SHUFFLE(x[0], x[1], UNPACK_LO);
    const vec b = FNN_SHUFFLE(x[0], x[1], UNPACK_HI);
    const vec c = FNN_SHUFFLE(x[2], x[3], UNPACK_LO);
    const vec d = FNN_SHUFFLE(x[2], x[3], UNPACK_HI);
    t[0] = FNN_SHUFFLE(a, c, PAIRS_LO);
    t[1] = FNN_SHUFFLE(a, c, PAIRS_HI);
    t[2] = FNN_SHUFFLE(b, d, PAIRS_LO);
    t[3] = FNN_SHUFFLE(b, d, PAIRS_HI);
#else
    t[0] = FNN_SHUFFLE(x[0], x[1], UNPACK_LO);
    t[1] = FNN_SHUFFLE(x[0], x[1], UNPACK_HI);
#endif
}
#endif

FNN_INLINE void FN(transpose)(vec x[LANES]) {
#if LANES_ > 1
    enum { INNER = FN(INNER) };
    vec t[LANES];
    FNN_UNROLL
    for (int r = 0; r < LANES; r += INNER) FN(transpose_inner)(x + r, t + r);
    /* then the 128-bit lanes of t[c], t[INNER + c], ... */
    FNN_UNROLL
    for (int c = 0; c < INNER; c++) {
#if defined(QUARTERS_LO)
        const vec a = FNN_SHUFFLE(t[c], t[INNER + c], HALVES_LO);
        const vec b = FNN_SHUFFLE(t[c], t[INNER + c], HALVES_HI);
        const vec d = FNN_SHUFFLE(t[2 * INNER + c], t[3 * INNER + c], HALVES_LO);
        const vec e = FNN_SHUFFLE(t[2 * INNER + c], t[3 * INNER + c], HALVES_HI);
        x[c] = FNN_SHUFFLE(a, d, QUARTERS_LO);
        x[INNER + c] = FNN_SHUFFLE(a, d, QUARTERS_HI);
        x[2 * INNER + c] = FNN_SHUFFLE(b, e, QUARTERS_LO);
        x[3 * INNER + c] = FNN_SHUFFLE(b, e, QUARTERS_HI);
#elif defined(HALVES_LO)
        x[c] = FNN_SHUFFLE(t[c], t[INNER + c], HALVES_LO);
        x[INNER + c] = FNN_SHUFFLE(t[c], t[INNER + c], HALVES_HI);
#else
        x[c] = t[c];
#endif
    }
#else
    (void)x;
#endif
}

/* 128 bits at a time go straight to the lane where they belong, row by row: rows whole pages
 * apart share a set of the L1 cache, and a line is not there for long. */
FNN_INLINE void FN(load_lanes)(const real *const *row, const real *p, ptrdiff_t step, int cols,
                               vec x[LANES]) {
#if LANES_ > 1
    enum { INNER = FN(INNER) };
    vec rows[LANES];
    FNN_UNROLL
    for (int i = 0; i < LANES; i++) {
        FNN_UNROLL
        for (int c = 0; c < cols; c += INNER) {
            const real *from = row ? row[i] + step + c : p + i * step + c;
            vec *const to = &rows[c + i % INNER];
            *to = i < INNER ? FN(load_quarter)(from) : FN(insert_quarter)(*to, i / INNER, from);
        }
    }
    FNN_UNROLL
    for (int c = 0; c < cols; c += INNER) FN(transpose_inner)(rows + c, x + c);
#else
    (void)cols;
    x[0] = FN(load)(row ? row[0] + step : p);
#endif
}
FNN_INLINE void FN(load_transposed)(const real *p, ptrdiff_t step, int cols, vec x[LANES]) {
    FN(load_lanes)(NULL, p, step, cols, x);
}
FNN_INLINE void FN(load_rows_transposed)(const real *const row[LANES], ptrdiff_t at,
                                         vec x[LANES]) {
    FN(load_lanes)(row, NULL, at, LANES, x);
}

/* Nine and LANES have no common divisor, so of column t every row lies in a lane of its own,
 * element l of part (t - l) / LANES modulo 9 of the nine vectors that are loaded: lanes move along
 * the ring of parts by the binary digits of their distance, all columns at once, and then to
 * their rows. 1 / LANES is NINTH modulo 9. */
#if FNN_REAL_IS_F32 && (LANES_ == 16 || LANES_ == 8)
#define NINTH (LANES_ == 16 ? 4 : 8)
#define STEP(l, bit) ((l) + (NINTH * (l) % 9 >> (bit)&1) * LANES_)
#define ROW(l, t) (((l)*9 + (t)) % LANES_)
#if LANES_ == 16
#define EACH(F, n)                                                                                 \
    F(0, n), F(1, n), F(2, n), F(3, n), F(4, n), F(5, n), F(6, n), F(7, n), F(8, n), F(9, n),      \
        F(10, n), F(11, n), F(12, n), F(13, n), F(14, n), F(15, n)
#else
#define EACH(F, n) F(0, n), F(1, n), F(2, n), F(3, n), F(4, n), F(5, n), F(6, n), F(7, n)
#endif
#define NINES_STEP(from, to, bit)                                                                  \
    FNN_UNROLL                                                                                     \
    for (int i = 0; i < 9; i++)                                                                    \
        to[i] = FNN_SHUFFLE(from[i], from[(i + 9 - (1 << bit)) % 9], EACH(STEP, bit));
#define NINES_ROW(t) x[t] = FNN_SHUFFLE(a[NINTH * t % 9], a[NINTH * t % 9], EACH(ROW, t));
FNN_INLINE void FN(load_nines)(const real *p, vec x[9]) {
    vec a[9], b[9];
    FNN_UNROLL
    for (int i = 0; i < 9; i++) a[i] = FN(load)(p + i * LANES);
    NINES_STEP(a, b, 0)
    NINES_STEP(b, a, 1)
    NINES_STEP(a, b, 2)
    NINES_STEP(b, a, 3)
    NINES_ROW(0) NINES_ROW(1) NINES_ROW(2) NINES_ROW(3) NINES_ROW(4)
    NINES_ROW(5) NINES_ROW(6) NINES_ROW(7) NINES_ROW(8)
}
#undef NINTH
#undef STEP
#undef ROW
#undef EACH
#undef NINES_STEP
#undef NINES_ROW
#endif

/* The same tree as transpose, but each pair of halves is added at once. */
FNN_INLINE vec FN(sum_each)(vec x[LANES], int n) {
#if LANES_ > 1
    enum { INNER = FN(INNER) };
    FNN_UNROLL
    for (int r = 0; r < n; r += 2)
        x[r] = FNN_SHUFFLE(x[r], x[r + 1], UNPACK_LO) + FNN_SHUFFLE(x[r], x[r + 1], UNPACK_HI);
#if FNN_REAL_IS_F32
    FNN_UNROLL
    for (int r = 0; r < n; r += 4)
        x[r] = FNN_SHUFFLE(x[r], x[r + 2], PAIRS_LO) + FNN_SHUFFLE(x[r], x[r + 2], PAIRS_HI);
#endif
#if defined(HALVES_LO)
    FNN_UNROLL
    for (int r = 0; r < n; r += 2 * INNER)
        x[r] = FNN_SHUFFLE(x[r], x[r + INNER], HALVES_LO) +
               FNN_SHUFFLE(x[r], x[r + INNER], HALVES_HI);
#endif
#if defined(QUARTERS_LO)
    x[0] = FNN_SHUFFLE(x[0], x[2 * INNER], QUARTERS_LO) +
           FNN_SHUFFLE(x[0], x[2 * INNER], QUARTERS_HI);
#endif
#else
    (void)n;
#endif
    return x[0];
}

#undef LANES_
#undef UNPACK_LO
#undef UNPACK_HI
#undef PAIRS_LO
#undef PAIRS_HI
#undef HALVES_LO
#undef HALVES_HI
#undef QUARTERS_LO
#undef QUARTERS_HI
