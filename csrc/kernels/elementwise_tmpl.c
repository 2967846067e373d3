/* The elementwise kernels; contracts in kernels/elementwise.h. */

/* One operator over rows. The operands' column strides, 1 or 0, are literals at every use, so
 * that a repeated operand is loaded once a row. */
#define BINARY_ROWS(op, A_STRIDE, B_STRIDE)                                                      \
    for (ptrdiff_t i = 0; i < rows; i++, a += a_rs, b += b_rs, out += n) {                       \
        vec va = FN(splat)(a[0]), vb = FN(splat)(b[0]);                                          \
        ptrdiff_t j = 0;                                                                         \
        for (; j + LANES <= n; j += LANES) {                                                     \
            if (A_STRIDE) va = FN(load)(a + j);                                                  \
            if (B_STRIDE) vb = FN(load)(b + j);                                                  \
            FN(store)(out + j, va op vb);                                                        \
        }                                                                                        \
        if (j < n) {                                                                             \
            if (A_STRIDE) va = FN(load_m)(a + j, tail);                                          \
            if (B_STRIDE) vb = FN(load_m)(b + j, tail);                                          \
            FN(store_first_lanes)(out + j, va op vb, tail);                                      \
        }                                                                                        \
    }

#define BINARY(name, op)                                                                         \
    static FNN_NOINLINE void FN(name)(ptrdiff_t rows, ptrdiff_t n, const real *a,                \
                                      ptrdiff_t a_rs, ptrdiff_t a_cs, const real *b,             \
                                      ptrdiff_t b_rs, ptrdiff_t b_cs, real *out) {               \
        if (n == 0) return;                                                                      \
        const vmask tail = FN(mask)(n & (LANES - 1));                                            \
        if (a_cs == 1 && b_cs == 1) {                                                            \
            BINARY_ROWS(op, 1, 1)                                                                \
        } else if (a_cs == 0 && b_cs == 1) {                                                     \
            BINARY_ROWS(op, 0, 1)                                                                \
        } else if (a_cs == 1 && b_cs == 0) {                                                     \
            BINARY_ROWS(op, 1, 0)                                                                \
        } else {                                                                                 \
            for (ptrdiff_t i = 0; i < rows; i++, a += a_rs, b += b_rs, out += n)                 \
                for (ptrdiff_t j = 0; j < n; j++) out[j] = a[j * a_cs] op b[j * b_cs];           \
        }                                                                                        \
    }

BINARY(add, +)
BINARY(sub, -)
BINARY(mul, *)
BINARY(div, /)

#undef BINARY
#undef BINARY_ROWS

FNN_INLINE vec FN(reluv)(vec x) { return FN(maximum)(FN(zero)(), x); }

#define UNARY(name, f)                                                                           \
    static FNN_NOINLINE void FN(name)(ptrdiff_t n, const real *x, real *y) {                     \
        ptrdiff_t i = 0;                                                                         \
        for (; i + LANES <= n; i += LANES) FN(store)(y + i, FN(f)(FN(load)(x + i)));             \
        if (i < n) {                                                                             \
            const vmask tail = FN(mask)(n - i);                                                  \
            FN(store_m)(y + i, FN(f)(FN(load_m)(x + i, tail)), tail);                            \
        }                                                                                        \
    }

UNARY(exp_rest, expv)
UNARY(log, logv)
UNARY(tanh, tanhv)
UNARY(sigmoid, sigmoidv)
UNARY(relu_rest, reluv)

#undef UNARY

/* One vector after the other the chains of operations wait for each other: 1.2x the time. */
static void FN(exp)(ptrdiff_t n, const real *x, real *y) {
    enum { GROUP = 4 };
    ptrdiff_t i = 0;
    for (; i + GROUP * LANES <= n; i += GROUP * LANES) {
        vec e[GROUP];
        FNN_UNROLL
        for (int v = 0; v < GROUP; v++) e[v] = FN(exp_bound)(FN(load)(x + i + v * LANES));
        FN(exp_each)(e, GROUP);
        FNN_UNROLL
        for (int v = 0; v < GROUP; v++) FN(store)(y + i + v * LANES, e[v]);
    }
    FN(exp_rest)(n - i, x + i, y + i);
}

/* Vectors of plain streams that are loaded before any of them is stored (in L1 1.5x), how far
 * ahead lines that will be written are asked for (in L2 1.06x), and whether vectors are wide enough
 * for that to be worth its code. */
enum {
    FN(STREAM_GROUP) = 4,
    FN(STREAM_AHEAD) = 1024 / sizeof(real),
    FN(STREAMS) = FNN_VBYTES >= 32
};

FNN_INLINE void FN(store_stream)(real *y, const vec *v, ptrdiff_t ahead) {
    for (int at = 0; at < FN(STREAM_GROUP) * FNN_VBYTES; at += FNN_LINE)
        __builtin_prefetch((const char *)(y + ahead) + at, 1);
    FNN_UNROLL
    for (int i = 0; i < FN(STREAM_GROUP); i++) FN(store)(y + i * LANES, v[i]);
}

static void FN(relu)(ptrdiff_t n, const real *x, real *y) {
    const ptrdiff_t ahead = FN(STREAM_AHEAD) * fnn_asks_for_lines;
    ptrdiff_t i = 0;
    for (; FN(STREAMS) && i + FN(STREAM_GROUP) * LANES <= n; i += FN(STREAM_GROUP) * LANES) {
        vec v[FN(STREAM_GROUP)];
        FNN_UNROLL
        for (int k = 0; k < FN(STREAM_GROUP); k++) v[k] = FN(reluv)(FN(load)(x + i + k * LANES));
        FN(store_stream)(y + i, v, ahead);
    }
    FN(relu_rest)(n - i, x + i, y + i);
}

FNN_INLINE vec FN(tanhv_backward)(vec dy, vec y) { return dy * (FN(splat)(1) - y * y); }
FNN_INLINE vec FN(sigmoidv_backward)(vec dy, vec y) { return dy * (FN(splat)(1) - y) * y; }
/* By bits, which tell a tiny number from 0 where the processor is told to take it for that. */
FNN_INLINE vec FN(reluv_backward)(vec dy, vec y) {
    return (vec)((ivec)dy & (((ivec)y > 0) | (y != y)));
}

#define UNARY_BACKWARD(name, f)                                                                  \
    static FNN_NOINLINE void FN(name)(ptrdiff_t n, const real *dy, const real *y, real *dx) {    \
        ptrdiff_t i = 0;                                                                         \
        for (; i + LANES <= n; i += LANES)                                                       \
            FN(store)(dx + i, FN(f)(FN(load)(dy + i), FN(load)(y + i)));                         \
        if (i < n) {                                                                             \
            const vmask tail = FN(mask)(n - i);                                                  \
            const vec g = FN(load_m)(dy + i, tail), v = FN(load_m)(y + i, tail);                 \
            FN(store_m)(dx + i, FN(f)(g, v), tail);                                              \
        }                                                                                        \
    }

UNARY_BACKWARD(tanh_backward, tanhv_backward)
UNARY_BACKWARD(sigmoid_backward, sigmoidv_backward)
UNARY_BACKWARD(relu_backward_rest, reluv_backward)

#undef UNARY_BACKWARD

static void FN(relu_backward)(ptrdiff_t n, const real *dy, const real *y, real *dx) {
    const ptrdiff_t ahead = FN(STREAM_AHEAD) * fnn_asks_for_lines;
    ptrdiff_t i = 0;
    for (; FN(STREAMS) && i + FN(STREAM_GROUP) * LANES <= n; i += FN(STREAM_GROUP) * LANES) {
        vec v[FN(STREAM_GROUP)];
        FNN_UNROLL
        for (int k = 0; k < FN(STREAM_GROUP); k++)
            v[k] = FN(reluv_backward)(FN(load)(dy + i + k * LANES), FN(load)(y + i + k * LANES));
        FN(store_stream)(dx + i, v, ahead);
    }
    FN(relu_backward_rest)(n - i, dy + i, y + i, dx + i);
}
