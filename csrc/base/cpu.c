#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/cpu.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

int fnn_asks_for_lines = 1;
int fnn_straddles = 0;

#if defined(__x86_64__)
#include <cpuid.h>

static unsigned long long xcr0(void) {
    unsigned eax, edx;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return ((unsigned long long)edx << 32) | eax;
}

int fnn_cpu_supports(fnn_isa isa) {
    unsigned a, b, c, d, b7 = 0, c7, d7, a7;
    if (isa == FNN_ISA_SCALAR || isa == FNN_ISA_SSE2) return 1; /* part of x86-64 */
    if (isa != FNN_ISA_AVX2 && isa != FNN_ISA_AVX512) return 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
    if ((c & (fma | osxsave | avx)) != (fma | osxsave | avx)) return 0;
    if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7)) return 0;
    const unsigned avx2 = 1u << 5;
    const unsigned long long ymm = 0x6, zmm = 0xe6; /* XMM+YMM; and opmask, ZMM 0-15, 16-31 */
    const unsigned long long enabled = xcr0();
    if (!(b7 & avx2) || (enabled & ymm) != ymm) return 0;
    if (isa == FNN_ISA_AVX2) return 1;
    const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    return (b7 & (f | dq | bw | vl)) == (f | dq | bw | vl) && (enabled & zmm) == zmm;
}

/* Leaf 4 describes Intel's caches one by one, 0x8000001d AMD's in the same form. */
long fnn_cpu_l2(void) {
    static const unsigned leaves[] = {4, 0x8000001d};
    for (int i = 0; i < 2; i++) {
        unsigned a, b, c, d;
        for (unsigned at = 0; at < 16; at++) {
            if (!__get_cpuid_count(leaves[i], at, &a, &b, &c, &d) || (a & 31) == 0) break;
            const long ways = (b >> 22) + 1, parts = (b >> 12 & 1023) + 1, line = (b & 4095) + 1;
            if ((a >> 5 & 7) == 2) return ways * parts * line * ((long)c + 1);
        }
    }
    return 0;
}

/* Of AMD's family 19h only Zen 4 has AVX-512. */
int fnn_cpu_halves(fnn_isa isa) {
    unsigned a, b, c, d;
    if (isa != FNN_ISA_AVX512 || !__get_cpuid(0, &a, &b, &c, &d) || b != signature_AMD_ebx) return 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (a >> 8 & 15) + (a >> 20 & 255) == 0x19;
}

__attribute__((constructor)) static void look_at_lines(void) {
    fnn_straddles = fnn_cpu_halves(FNN_ISA_AVX512);
    fnn_asks_for_lines = !fnn_straddles;
}

#elif defined(__aarch64__)

int fnn_cpu_supports(fnn_isa isa) { return isa == FNN_ISA_SCALAR || isa == FNN_ISA_NEON; }

#else

int fnn_cpu_supports(fnn_isa isa) { return isa == FNN_ISA_SCALAR; }

#endif

#if defined(__linux__)

static long read_long(const char *path) {
    long value = -1;
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    if (fscanf(file, "%ld", &value) != 1) value = -1;
    fclose(file);
    return value;
}

int fnn_cpu_affinity(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        const int count = CPU_COUNT(&set);
        if (count > 0) return count;
    }
    const long online = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than the mask holds */
    return online > 0 ? (int)online : 1;
}

int fnn_cpu_cores(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return fnn_cpu_affinity();
    int cores = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set)) continue;
        char path[128], list[256] = "";
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        FILE *file = fopen(path, "r");
        if (!file || !fgets(list, sizeof list, file)) list[0] = 0;
        if (file) fclose(file);
        int first = cpu;
        if (list[0]) sscanf(list, "%d", &first);
        /* a core is counted at its lowest processor inside the mask */
        int counted_before = 0;
        for (int other = first; other < cpu && !counted_before; other++) {
            if (!CPU_ISSET(other, &set)) continue;
            char other_path[128], other_list[256] = "";
            snprintf(other_path, sizeof other_path,
                     "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", other);
            FILE *f = fopen(other_path, "r");
            if (f) {
                if (!fgets(other_list, sizeof other_list, f)) other_list[0] = 0;
                fclose(f);
            }
            counted_before = list[0] && strcmp(list, other_list) == 0;
        }
        cores += !counted_before;
    }
    return cores > 0 ? cores : 1;
}

/* The quota of the tightest group on the way from `path` up to the root, in processors;
 * 0 if none. Version 2 keeps "max 100000" or "150000 100000" in cpu.max. */
static double quota_v2(char *path) {
    double tightest = 0;
    for (;;) {
        char file_name[4400], quota[32];
        double period;
        snprintf(file_name, sizeof file_name, "/sys/fs/cgroup%s/cpu.max", path);
        FILE *file = fopen(file_name, "r");
        if (file) {
            double micros;
            if (fscanf(file, "%31s %lf", quota, &period) == 2 && sscanf(quota, "%lf", &micros) == 1 &&
                period > 0 && (tightest == 0 || micros / period < tightest))
                tightest = micros / period;
            fclose(file);
        }
        char *slash = strrchr(path, '/');
        if (!slash) return tightest;
        *slash = 0;
    }
}

int fnn_cpu_quota(void) {
    double processors = 0;
    char line[4352], v2_path[4352] = "";
    FILE *file = fopen("/proc/self/cgroup", "r");
    if (file) {
        while (fgets(line, sizeof line, file))
            if (strncmp(line, "0::", 3) == 0) {
                line[strcspn(line, "\n")] = 0;
                snprintf(v2_path, sizeof v2_path, "%s", line + 3);
            }
        fclose(file);
    }
    processors = quota_v2(v2_path);
    if (processors == 0) {
        const long quota = read_long("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
        const long period = read_long("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
        if (quota > 0 && period > 0) processors = (double)quota / (double)period;
    }
    if (processors <= 0) return 0;
    return processors < 1 ? 1 : (int)processors;
}

#else

int fnn_cpu_affinity(void) {
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

int fnn_cpu_cores(void) {
#if defined(__APPLE__)
    int cores = 0;
    size_t size = sizeof cores;
    if (sysctlbyname("hw.physicalcpu", &cores, &size, NULL, 0) == 0 && cores > 0) return cores;
#endif
    return fnn_cpu_affinity();
}

int fnn_cpu_quota(void) { return 0; }

#endif

#if !defined(__x86_64__)
int fnn_cpu_halves(fnn_isa isa) {
    (void)isa;
    return 0;
}

long fnn_cpu_l2(void) {
    long kilobytes = 0;
#if defined(__linux__)
    FILE *file = fopen("/sys/devices/system/cpu/cpu0/cache/index2/size", "r");
    if (!file) return 0;
    if (fscanf(file, "%ldK", &kilobytes) != 1) kilobytes = 0;
    fclose(file);
#endif
    return kilobytes << 10;
}
#endif
