/* The optimiser kernels; contracts in kernels/optim.h. Every body works on the vectors at i,
 * whole or masked; the options are constant over a call, so their branches cost nothing beside
 * the memory traffic. */

/* The direction of descent before momentum. */
FNN_INLINE vec FN(descent)(vec g, vec p, int maximize, real weight_decay) {
    if (maximize) g = -g;
    if (weight_decay != 0) g = FN(fma)(p, FN(splat)(weight_decay), g);
    return g;
}

static FNN_NOINLINE void FN(sgd)(ptrdiff_t n, const FN(sgd_terms) *terms, const real *g, real *p) {
    const FN(sgd_terms) t = *terms;
    const vec rate = FN(splat)(-t.lr);
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec w = FN(load)(p + i);
        const vec d = FN(descent)(FN(load)(g + i), w, t.maximize, t.weight_decay);
        FN(store)(p + i, FN(fma)(d, rate, w));
    }
    if (i < n) {
        const vmask tail = FN(mask)(n - i);
        const vec w = FN(load_m)(p + i, tail);
        const vec d = FN(descent)(FN(load_m)(g + i, tail), w, t.maximize, t.weight_decay);
        FN(store_m)(p + i, FN(fma)(d, rate, w), tail);
    }
}

/* Updates the buffer b and returns the step's direction. */
FNN_INLINE vec FN(with_momentum)(const FN(sgd_terms) *t, int first, vec d, vec *b) {
    const vec momentum = FN(splat)(t->momentum);
    *b = first ? d : FN(fma)(d, FN(splat)(t->fresh), *b * momentum);
    return t->nesterov ? FN(fma)(*b, momentum, d) : *b;
}

static FNN_NOINLINE void FN(sgd_momentum)(ptrdiff_t n, const FN(sgd_terms) *terms, int first,
                                          const real *g, real *p, real *b) {
    const FN(sgd_terms) t = *terms;
    const vec rate = FN(splat)(-t.lr);
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec w = FN(load)(p + i);
        vec d = FN(descent)(FN(load)(g + i), w, t.maximize, t.weight_decay);
        vec buffer = first ? d : FN(load)(b + i);
        d = FN(with_momentum)(&t, first, d, &buffer);
        FN(store)(b + i, buffer);
        FN(store)(p + i, FN(fma)(d, rate, w));
    }
    if (i < n) {
        const vmask tail = FN(mask)(n - i);
        const vec w = FN(load_m)(p + i, tail);
        vec d = FN(descent)(FN(load_m)(g + i, tail), w, t.maximize, t.weight_decay);
        vec buffer = first ? d : FN(load_m)(b + i, tail);
        d = FN(with_momentum)(&t, first, d, &buffer);
        FN(store_m)(b + i, buffer, tail);
        FN(store_m)(p + i, FN(fma)(d, rate, w), tail);
    }
}

/* One vector of Adam: w, m, v and (amsgrad) most are replaced by their new values. */
FNN_INLINE void FN(adam_vector)(const FN(adam_terms) *t, int amsgrad, vec g, vec *w, vec *m, vec *v,
                                vec *most) {
    vec p = *w * FN(splat)(t->shrink);
    const vec d = FN(descent)(g, p, t->maximize, t->weight_decay);
    /* torch's lerp starts from the nearer end */
    if (t->fresh1 < (real)0.5)
        *m = FN(fma)(FN(splat)(t->fresh1), d - *m, *m);
    else
        *m = FN(fma)(FN(splat)(t->fresh1 - 1), d - *m, d);
    *v = FN(fma)(FN(splat)(t->fresh2) * d, d, *v * FN(splat)(t->beta2));
    if (amsgrad) *most = FN(maximum)(*most, *v);
    const vec root = FN(sqrtv)(amsgrad ? *most : *v);
    const vec size = FN(fma)(root, FN(splat)(t->root), FN(splat)(t->eps));
    *w = p - FN(splat)(t->rate) * *m / size;
}

FNN_INLINE void FN(adam_loop)(ptrdiff_t n, const FN(adam_terms) *terms, int amsgrad, const real *g,
                              real *p, real *m, real *v, real *v_max) {
    const FN(adam_terms) t = *terms;
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec w = FN(load)(p + i), first = FN(load)(m + i), second = FN(load)(v + i);
        vec most = amsgrad ? FN(load)(v_max + i) : second;
        FN(adam_vector)(&t, amsgrad, FN(load)(g + i), &w, &first, &second, &most);
        FN(store)(p + i, w);
        FN(store)(m + i, first);
        FN(store)(v + i, second);
        if (amsgrad) FN(store)(v_max + i, most);
    }
    if (i < n) {
        const vmask tail = FN(mask)(n - i);
        vec w = FN(load_m)(p + i, tail), first = FN(load_m)(m + i, tail);
        vec second = FN(load_m)(v + i, tail);
        vec most = amsgrad ? FN(load_m)(v_max + i, tail) : second;
        FN(adam_vector)(&t, amsgrad, FN(load_m)(g + i, tail), &w, &first, &second, &most);
        FN(store_m)(p + i, w, tail);
        FN(store_m)(m + i, first, tail);
        FN(store_m)(v + i, second, tail);
        if (amsgrad) FN(store_m)(v_max + i, most, tail);
    }
}

static FNN_NOINLINE void FN(adam)(ptrdiff_t n, const FN(adam_terms) *terms, const real *g, real *p,
                                  real *m, real *v, real *v_max) {
    if (v_max)
        FN(adam_loop)(n, terms, 1, g, p, m, v, v_max);
    else
        FN(adam_loop)(n, terms, 0, g, p, m, v, NULL);
}
