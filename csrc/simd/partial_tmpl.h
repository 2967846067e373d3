/* Partial loads and stores for ISAs without masked memory access: a mask is a lane count.
 * A vector of one lane has no part: GCC would otherwise warn of copies beyond it. */

typedef int vmask;

FNN_INLINE vmask FN(mask)(ptrdiff_t n) { return (vmask)n; }

FNN_INLINE vec FN(load_m)(const real *p, vmask n) {
    vec v = {0};
    if (n == LANES) return FN(load)(p);
    if (LANES > 1) __builtin_memcpy(&v, p, (size_t)n * sizeof(real));
    return v;
}

FNN_INLINE void FN(store_m)(real *p, vec v, vmask n) {
    if (n == LANES)
        FN(store)(p, v);
    else if (LANES > 1)
        __builtin_memcpy(p, &v, (size_t)n * sizeof(real));
}

typedef struct vspan {
    int lo, hi;
} vspan;

FNN_INLINE vspan FN(span)(ptrdiff_t lo, ptrdiff_t hi) { return (vspan){(int)lo, (int)hi}; }

/* Out of line: it would be the larger part of every body, and runs at the ends of rows only. */
static FNN_NOINLINE FNN_UNUSED vec FN(load_part)(const real *p, vspan s) {
    vec v = {0};
    for (int i = s.lo; i < s.hi; i++) v[i] = p[i];
    return v;
}

FNN_INLINE vec FN(load_span)(const real *p, vspan s) {
    return s.lo == 0 && s.hi == LANES ? FN(load)(p) : FN(load_part)(p, s);
}

FNN_INLINE vec FN(keep)(vec v, vspan s) {
    for (int i = 0; i < LANES; i++) v[i] = i >= s.lo && i < s.hi ? v[i] : 0;
    return v;
}

/* These ISAs' vectors have at most one lane of 128 bits. */
FNN_INLINE vec FN(load_quarter)(const real *p) { return FN(load)(p); }
FNN_INLINE vec FN(insert_quarter)(vec v, int i, const real *p) {
    (void)i, (void)p;
    return v;
}
