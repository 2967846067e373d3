/* Weights with channels of the result in lanes, for one element type. */

/* to[(c*taps + t)*nr + l] = the tap t between input channel c and result channel l < outs, and 0 for
 * outs <= l < nr; `turned`: tap taps-1-t. w_out and w_in are the strides of w between result and
 * input channels. */
FNN_INLINE void FN(collect_taps)(const FN(fnn_table) *kernels, const real *w, ptrdiff_t w_out,
                                 ptrdiff_t w_in, ptrdiff_t in, ptrdiff_t outs, ptrdiff_t taps,
                                 ptrdiff_t nr, real *to, int turned) {
    enum { AHEAD = 8 }; /* input channels whose weights are fetched early */
    if (w_in == taps && !turned) {
        kernels->conv2d_transpose(outs, in * taps, w, w_out, to, nr, nr);
        return;
    }
    for (ptrdiff_t c = 0; c < in; c++) {
        /* short runs far apart: no prefetcher of the processor follows them */
        const char *next = (const char *)(w + fnn_min(c + AHEAD, in - 1) * w_in);
        for (size_t i = 0; i < (size_t)(outs * taps) * sizeof(real); i += FNN_LINE)
            __builtin_prefetch(next + i);
        kernels->conv2d_transpose(outs, taps, w + c * w_in, w_out,
                                  to + (c * taps + (turned ? taps - 1 : 0)) * nr,
                                  turned ? -nr : nr, nr);
    }
}
