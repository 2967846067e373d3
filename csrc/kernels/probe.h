/* Contracts of the probes: they measure the machine, not a network (a template). */

/* Runs `rounds` x FNN_PROBE_CHAINS x FNN_PROBE_STEPS independent multiply-adds of LANES lanes
 * out of registers; the result only keeps the compiler from dropping the work. */
typedef real FN(fma_peak_fn)(ptrdiff_t rounds, real seed);

#ifndef FNN_PROBE_CHAINS
/* latency 4 on two ports needs 8 chains; 12 leave slack and fit 16 registers */
#define FNN_PROBE_CHAINS 12
#define FNN_PROBE_STEPS 16
#endif
