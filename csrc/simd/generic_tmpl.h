/* The part of the vector vocabulary that every ISA gets from the compiler. */

FNN_INLINE vec FN(load)(const real *p) { return *(const FN(uvec) *)p; }
FNN_INLINE void FN(store)(real *p, vec v) { *(FN(uvec) *)p = v; }
FNN_INLINE vec FN(zero)(void) { return (vec){0}; }
/* Keeps a loaded vector in a register: GCC folds a load into every operation that uses it. */
FNN_INLINE vec FN(pin)(vec v) {
#if defined(FNN_VREG)
    __asm__("" : "+" FNN_VREG(v));
#endif
    return v;
}
/* p, whose reads wait for *v: Clang would bring loads forward until registers run out. */
FNN_INLINE const real *FN(after)(const real *p, vec *v) {
#if defined(FNN_VREG)
    __asm__("" : "+r"(p), "+" FNN_VREG(*v));
#else
    (void)v;
#endif
    return p;
}
/* The same of an index. */
FNN_INLINE ptrdiff_t FN(index_after)(ptrdiff_t i, vec *v) {
#if defined(FNN_VREG)
    __asm__("" : "+r"(i), "+" FNN_VREG(*v));
#else
    (void)v;
#endif
    return i;
}

FNN_INLINE vec FN(select)(ivec c, vec a, vec b) { return (vec)((c & (ivec)a) | (~c & (ivec)b)); }

/* Adds the upper half to the lower until one lane is left: the same tree on every ISA of
 * one width. */
FNN_INLINE real FN(sum_lanes)(vec v) {
    real lane[LANES];
    __builtin_memcpy(lane, &v, sizeof v);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}
