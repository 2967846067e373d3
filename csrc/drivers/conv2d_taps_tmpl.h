/* Weights with channels of the result in lanes, for one element type. */

/* to[c*channel + t*tap + l] = the tap t between input channel c and result channel l < outs, and 0
 * for outs <= l < nr; `turned`: tap taps-1-t. w_out and w_in are the strides of w between result
 * and input channels. */
FNN_INLINE void FN(collect_taps)(const FN(fnn_table) *kernels, const real *w, ptrdiff_t w_out,
                                 ptrdiff_t w_in, ptrdiff_t in, ptrdiff_t outs, ptrdiff_t taps,
                                 ptrdiff_t nr, real *to, ptrdiff_t channel, ptrdiff_t tap,
                                 int turned) {
    enum { AHEAD = 8 }; /* input channels whose weights are fetched early */
    if (taps == 1 && w_out == 1) {
        kernels->gemm_pack(in, outs, w, w_in, 1, to, channel, nr);
        return;
    }
    if (w_in == taps && (taps == 1 || channel == taps * tap) && !turned) {
        kernels->conv2d_transpose(outs, in * taps, w, w_out, to, taps == 1 ? channel : tap, nr);
        return;
    }
    /* short runs far apart, which no prefetcher of the processor follows */
    const ptrdiff_t runs = w_out == taps ? 1 : outs, run = outs / runs * taps;
    const ptrdiff_t first = turned ? (taps - 1) * tap : 0;
    for (ptrdiff_t c = 0; c < in; c++) {
        const real *next = w + fnn_min(c + AHEAD, in - 1) * w_in;
        for (ptrdiff_t o = 0; o < runs; o++)
            for (size_t i = 0; i < (size_t)run * sizeof(real); i += FNN_LINE)
                __builtin_prefetch((const char *)(next + o * w_out) + i);
        kernels->conv2d_transpose(outs, taps, w + c * w_in, w_out, to + first + c * channel,
                                  turned ? -tap : tap, nr);
    }
}
