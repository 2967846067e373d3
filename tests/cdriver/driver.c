/* Runs every case of a case file on every instruction set this processor has, with one and
 * with three threads, and compares the results: with the expected ones within the tolerance,
 * and between the numbers of threads bit for bit.
 *
 *     driver CASES [--isa NAME] [--shared] [--spread]
 *     driver --base
 *
 * --shared: all work must meet several threads. --spread: on threads of our own (sharing.h).
 * --base: tests of threads, forks and memory instead (base.h).
 *
 * Built plainly, under a sanitizer, or for another processor (run.py). Exit status 0 if all
 * cases passed, 1 if one failed, 2 if the file is unusable or nothing ran. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "base/fpstate.h"
#include "cases.h"
#include "fastnn.h"
#include "sharing.h"

#define TRY(call)                          \
    do {                                   \
        const fnn_status tried = (call);   \
        if (tried != FNN_OK) return tried; \
    } while (0)

#include "base/real_f32.h"
#include "operations_tmpl.h"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "operations_tmpl.h"
#include "base/real_end.h"

static fnn_status run(const fnn_ctx *ctx, const test_case *c, block *out) {
    for (size_t i = 0; i < sizeof operations_f32 / sizeof *operations_f32; i++)
        if (strcmp(operations_f32[i].name, c->operation) == 0)
            return (c->is_f64 ? operations_f64[i].run : operations_f32[i].run)(ctx, c, out);
    fprintf(stderr, "unknown operation %s\n", c->operation);
    exit(2);
}

/* Ways to compute a convolution, behind those of a product; what has one way takes the first.
 * `halves` has AVX-512 choose as where it works in two halves. `slack` multiplies what a plain
 * sum may be off: tests/compare.py says why. */
typedef struct wish {
    fnn_algorithm algorithm;
    fnn_precision precision;
    double slack;
    const char *name;
    int halves;
} wish;
static const wish wishes[] = {{FNN_AUTO, FNN_FAST, 1, "", 0},
                              {FNN_AUTO, FNN_FAST, 1, ", halves", 1},
                              {FNN_DIRECT, FNN_FAST, 1, ", direct", 0},
                              {FNN_DIRECT, FNN_FAST, 1, ", direct, halves", 1},
                              {FNN_IM2COL, FNN_FAST, 1, ", im2col", 0},
                              {FNN_BATCH, FNN_FAST, 1, ", batch", 0},
                              {FNN_WINOGRAD, FNN_FAST, 4, ", winograd", 0},
                              {FNN_WINOGRAD, FNN_STRICT, 1.5, ", strict winograd", 0},
                              {FNN_AUTO, FNN_FAST, 4, ", as chosen", 0}};
enum { PRODUCT_WISHES = 2 };

/* One case on one instruction set. */
typedef struct trial {
    const test_case *c;
    int isa;
    const wish *wish;
    fnn_ctx ctx;
} trial;

static int fail(const trial *t, const char *what) {
    printf("case %lld, %s %s, %s%s, %d threads: %s\n", (long long)t->c->number, t->c->operation,
           t->c->is_f64 ? "float64" : "float32", fnn_isa_name(t->isa),
           t->wish->name, t->ctx.threads, what);
    return 1;
}

/* A touch of the pages around a block says where it came from. */
static const trial *current;

static void on_fault(int signal) {
    if (current) fail(current, signal == SIGFPE ? "divided by zero" : "touched memory beyond a block");
    fflush(stdout);
    _exit(1);
}

static int check(const trial *t, const block *out) {
    const test_case *c = t->c;
    for (int i = 0; i < c->output_count; i++) {
        const block want = c->expected[i];
        const double absolute = c->absolute[i] * t->wish->slack, relative = c->relative[i];
        char what[128];
        ptrdiff_t where;
        if (c->is_int32[i])
            where = memcmp(out[i].data, want.data, want.bytes) == 0 ? -1 : 0;
        else if (c->is_f64)
            where = first_difference_f64(out[i].data, want.data, want.bytes, absolute, relative);
        else
            where = first_difference_f32(out[i].data, want.data, want.bytes, absolute, relative);
        if (where < 0) continue;
        snprintf(what, sizeof what, "output %d differs at %td (allowed %g and %g of the value)", i,
                 where, absolute, relative);
        return fail(t, what);
    }
    return 0;
}

static int same_bits(const test_case *c, const block *a, const block *b) {
    for (int i = 0; i < c->output_count; i++)
        if (memcmp(a[i].data, b[i].data, a[i].bytes) != 0) return 0;
    return 1;
}

/* Runs into fresh outputs; returns whether the context can do the case at all. */
static int attempt(const trial *t, block *out, int *failures) {
    const test_case *c = t->c;
    for (int i = 0; i < c->output_count; i++) {
        const block like = c->expected[i];
        block_give(&out[i]);
        out[i] = block_take(like.bytes, c->is_int32[i] || !c->is_f64 ? 4 : 8, c->watch_start);
    }
    current = t;
    const fnn_status status = run(&t->ctx, c, out);
    current = NULL;
    if (status == FNN_UNSUPPORTED && t->ctx.algorithm != FNN_AUTO) return 0;
    if (status != FNN_OK) *failures += fail(t, "the driver returned an error");
    if (fnn_fp_get() & FNN_FP_FLUSH) *failures += fail(t, "denormals are flushed from now on");
    return status == FNN_OK;
}

static int run_case(const test_case *c, int isa, int64_t *runs) {
    block one[MAX_ARRAYS] = {{0}}, three[MAX_ARRAYS] = {{0}};
    const int is_conv = strcmp(c->operation, "conv2d") == 0;
    const int is_product = strcmp(c->operation, "gemm") == 0;
    const int is_wide = strcmp(fnn_isa_name(isa), "avx512") == 0;
    const wish *first = wishes + (is_conv ? PRODUCT_WISHES : 0);
    const wish *end = is_conv      ? wishes + sizeof wishes / sizeof *wishes
                      : is_product ? wishes + PRODUCT_WISHES
                                   : wishes + 1;
    int failures = 0;
    for (const wish *w = first; w < end; w++) {
        if (w->halves && !is_wide) continue;
        const fnn_kernels *halves = w->halves ? fnn_isa_kernels(isa - 1) : NULL;
        trial t = {c, isa, w, {fnn_isa_kernels(isa), 1, w->algorithm, w->precision, 0, halves, 0}};
        if (!attempt(&t, one, &failures)) continue;
        failures += check(&t, one);
        t.ctx.threads = 3;
        t.ctx.l2 = 4 << 20; /* the largest blocks, instead of the smallest */
        if (!attempt(&t, three, &failures)) continue;
        if (!same_bits(c, one, three)) failures += fail(&t, "other bits than with one thread");
        *runs += 2;
    }
    for (int i = 0; i < c->output_count; i++) {
        block_give(&one[i]);
        block_give(&three[i]);
    }
    return failures;
}

static int run_file(const char *path, const char *only_isa, int shared) {
    int64_t count, runs = 0, failures = 0;
    case_file *file = cases_open(path, &count);
    if (!file) return 2;
    if (blocks_have_guards()) {
        signal(SIGSEGV, on_fault);
        signal(SIGBUS, on_fault);
        signal(SIGFPE, on_fault);
    }
    for (int64_t i = 0; i < count; i++) {
        test_case c;
        cases_next(file, &c);
        sharing_watch(c.operation, c.is_f64);
        for (int isa = 0; isa < fnn_isa_count(); isa++)
            if (fnn_isa_usable(isa) && (!only_isa || strcmp(only_isa, fnn_isa_name(isa)) == 0))
                failures += run_case(&c, isa, &runs);
        sharing_watch(NULL, 0);
        cases_release(&c);
    }
    cases_close(file);
    if (shared) failures += sharing_report();
    for (int isa = 0; isa < fnn_isa_count(); isa++)
        printf("%s%s", fnn_isa_name(isa), fnn_isa_usable(isa) ? ", " : " (not here), ");
    printf("%lld cases, %lld runs, %d workers, %lld failures\n", (long long)count, (long long)runs,
           fnn_pool_workers(), (long long)failures);
    return failures ? 1 : runs ? 0 : 2;
}

int main(int argc, char **argv) {
    const char *path = NULL, *only_isa = NULL;
    int shared = 0;
    if (argc == 2 && strcmp(argv[1], "--base") == 0) return test_base();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--shared") == 0)
            shared = 1;
        else if (strcmp(argv[i], "--spread") == 0)
            sharing_spread();
        else if (strcmp(argv[i], "--isa") == 0 && i + 1 < argc)
            only_isa = argv[++i];
        else
            path = argv[i];
    }
    if (path) return run_file(path, only_isa, shared);
    fprintf(stderr, "usage: %s CASES [--isa NAME] [--shared] [--spread] | --base\n", argv[0]);
    return 2;
}
