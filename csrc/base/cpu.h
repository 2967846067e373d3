/* What this processor and its operating system allow, and how many threads suit it. */
#ifndef FNN_CPU_H
#define FNN_CPU_H

typedef enum fnn_isa {
    FNN_ISA_SCALAR,
    FNN_ISA_SSE2,
    FNN_ISA_AVX2,   /* AVX2 + FMA */
    FNN_ISA_AVX512, /* AVX-512 F + BW + DQ + VL, and AVX2 + FMA */
    FNN_ISA_NEON,
    FNN_ISA_COUNT
} fnn_isa;

/* 1 if the processor has the feature set and the operating system keeps its registers. */
int fnn_cpu_supports(fnn_isa isa);

/* Processors in the calling process's affinity mask (at least 1). */
int fnn_cpu_affinity(void);

/* Physical cores among them: hyper-threads of one core count once (at least 1). */
int fnn_cpu_cores(void);

/* Whole processors that the cgroup quota (v1 or v2) grants, rounded down but at least 1;
 * 0 if there is no quota. */
int fnn_cpu_quota(void);

/* Bytes of the L2 cache of a core, as the processor or the system tells; 0 if neither does. */
long fnn_cpu_l2(void);

/* 1 if the processor does operations on vectors of this feature set in two halves, one after the
 * other: AVX-512 on AMD's Zen 4. */
int fnn_cpu_halves(fnn_isa isa);

/* 1 if lines that a stream is about to write are worth asking for. Not on AMD's family 19h: on Zen 4
 * streams of stores go ahead by themselves, and from L3 on are 0.65 to 0.85 times as fast if lines are
 * asked for. Set when the library is loaded. */
extern int fnn_asks_for_lines;

/* 1 if loads that straddle two lines hide behind multiply-adds, and lines that are written half by half
 * cost no more than whole ones while the last cache holds them: on AMD's family 19h, of vectors of 32 bytes
 * as well. Set when the library is loaded. */
extern int fnn_straddles;

#endif
