/* Contracts of the probes: they measure the machine, not a network (a template). */

/* Runs `rounds` x FNN_PROBE_CHAINS x FNN_PROBE_STEPS independent multiply-adds of LANES lanes
 * out of registers; the result only keeps the compiler from dropping the work. */
typedef real FN(fma_peak_fn)(ptrdiff_t rounds, real seed);

/* One pass in rising order over `count` elements, a multiple of FNN_PROBE_VECTORS * LANES:
 *   stream_read    returns sum x[i], in any order
 *   stream_write   y[i] = value
 *   stream_copy    each vector of x `times` times, which is 1, 2 or 4, to y, one after the other; x
 *                  and y do not overlap
 * with ordinary loads and stores, as every other kernel has them. */
typedef real FN(stream_read_fn)(ptrdiff_t count, const real *x);
typedef void FN(stream_write_fn)(ptrdiff_t count, real value, real *y);
typedef void FN(stream_copy_fn)(ptrdiff_t count, int times, const real *x, real *y);

#ifndef FNN_PROBE_CHAINS
/* latency 4 on two ports needs 8 chains; 12 leave slack and fit 16 registers */
#define FNN_PROBE_CHAINS 12
#define FNN_PROBE_STEPS 16
#define FNN_PROBE_VECTORS 8
#endif
