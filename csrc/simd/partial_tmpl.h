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
