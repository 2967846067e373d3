#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/common.h"
#include "base/cpu.h"
#include "base/fpstate.h"
#include "base/memory.h"
#include "base/pool.h"
#include "blocks.h"

enum { CALLERS = 4, ROUNDS = 400, FORKS = 8, MOST_TASKS = 129, SLOTS = 16, BLOCK_ROUNDS = 4000 };

static atomic_int failures;

static void expect(int holds, const char *what) {
    if (holds) return;
    atomic_fetch_add(&failures, 1);
    printf("base: not so: %s\n", what);
}

static unsigned next_random(unsigned *state) { return *state = *state * 1664525u + 1013904223u; }

/* ---- the pool ---- */

typedef struct work {
    int threads, nested;
    fnn_fpstate state;
    unsigned done[MOST_TASKS];        /* not atomic: each belongs to one task */
    unsigned by_worker[FNN_MAX_THREADS]; /* each belongs to one thread at a time */
    const double *shared;             /* written by the caller before, read by all */
    double result[MOST_TASKS];
} work;

static void count_task(void *argument, ptrdiff_t task, int worker) {
    (void)worker;
    ((unsigned *)argument)[task]++;
}

static void one_task(void *argument, ptrdiff_t task, int worker) {
    work *w = argument;
    expect(worker >= 0 && worker < w->threads, "a task's worker is within the threads asked for");
    expect(fnn_fp_get() == w->state, "a task has its caller's floating-point state");
    w->done[task]++;
    w->by_worker[worker]++;
    w->result[task] = w->shared[task] + 1;
    if (w->nested) {
        unsigned inner[5] = {0};
        fnn_parallel(3, 5, count_task, inner);
        for (int i = 0; i < 5; i++) expect(inner[i] == 1, "a nested task ran once");
    }
}

/* One parallel call whose every effect is checked. */
static void call_once(unsigned *random) {
    const ptrdiff_t tasks = next_random(random) >> 16 & 1 ? next_random(random) % MOST_TASKS : 3;
    double shared[MOST_TASKS];
    for (int i = 0; i < MOST_TASKS; i++) shared[i] = (double)(next_random(random) >> 8);
    work w = {.threads = 1 + (int)(next_random(random) >> 20) % 6,
              .nested = (next_random(random) >> 20) % 4 == 0,
              .shared = shared};
    const fnn_fpstate before = fnn_fp_get();
    if (next_random(random) >> 30) fnn_fp_flush();
    w.state = fnn_fp_get();
    fnn_parallel(w.threads, tasks, one_task, &w);
    fnn_fp_set(before);
    unsigned total = 0;
    for (int i = 0; i < FNN_MAX_THREADS; i++) total += w.by_worker[i];
    expect(total == (unsigned)tasks, "the workers together ran every task");
    for (ptrdiff_t i = 0; i < tasks; i++)
        expect(w.done[i] == 1 && w.result[i] == shared[i] + 1, "a task ran once");
}

static void *caller(void *argument) {
    unsigned random = (unsigned)(uintptr_t)argument;
    for (int i = 0; i < ROUNDS; i++) {
        call_once(&random);
        if (i % 64 == 0) usleep(100); /* long enough for the workers to fall asleep */
    }
    return NULL;
}

/* A child made in the middle of it all has no workers, and builds its own. */
static void fork_once(unsigned random) {
    const pid_t child = fork();
    if (child == 0) {
        atomic_store(&failures, 0);
        alarm(60); /* a child that hangs is a failure too */
        for (int i = 0; i < 20; i++) call_once(&random);
        size_t capacity;
        void *block = fnn_acquire(5000, &capacity);
        if (block) fnn_recycle(block, capacity);
        expect(block != NULL, "the free list works in a child");
        expect(fnn_pool_workers() > 0, "the pool works in a child");
        _exit(atomic_load(&failures) != 0);
    }
    int status = -1;
    expect(child > 0 && waitpid(child, &status, 0) == child, "a child can be made and awaited");
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child's parallel calls are right");
}

/* ---- memory ---- */

typedef struct held {
    unsigned char *data;
    size_t bytes, capacity;
    unsigned char mark;
} held;

static int keeps_mark(const held *h) {
    for (size_t i = 0; i < h->bytes; i += 61)
        if (h->data[i] != h->mark) return 0;
    return h->bytes == 0 || h->data[h->bytes - 1] == h->mark;
}

/* Blocks in use belong to one thread alone, whatever the others take and give back. */
static void *keeper(void *argument) {
    unsigned random = (unsigned)(uintptr_t)argument;
    held slots[SLOTS] = {{0}};
    for (int i = 0; i < BLOCK_ROUNDS; i++) {
        held *h = &slots[next_random(&random) >> 16 & (SLOTS - 1)];
        if (h->data) {
            expect(keeps_mark(h), "nobody else wrote into a block in use");
            fnn_recycle(h->data, h->capacity);
            h->data = NULL;
            continue;
        }
        /* from the C library, from a region of huge pages, now and then on pages of its own */
        h->bytes = (next_random(&random) >> 12 & (i % 64 ? 0x1ffff : 0x3fffff)) + 1;
        h->mark = (unsigned char)next_random(&random);
        h->data = fnn_acquire(h->bytes, &h->capacity);
        expect(h->data && (uintptr_t)h->data % FNN_LINE == 0, "a block starts on a line");
        expect(h->capacity >= h->bytes, "a block is as large as asked for");
        if (h->data) memset(h->data, h->mark, h->bytes);
        if (i % 512 == 0) fnn_release_all();
        unsigned char *room = fnn_workspace(h->bytes);
        expect(room && (uintptr_t)room % FNN_LINE == 0, "a workspace starts on a line");
        if (room) memset(room, h->mark, h->bytes);
        if (i % 1024 == 0) fnn_workspace_release();
    }
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].data) fnn_recycle(slots[i].data, slots[i].capacity);
    return NULL;
}

/* A block in use keeps its region, but not the pages of the blocks that wait beside it. */
static void regions(void) {
    enum { BLOCKS = 40 };
    const size_t bytes = (size_t)1 << 20;
    unsigned char *block[BLOCKS];
    size_t capacity[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = fnn_acquire(bytes, &capacity[i]);
        expect(block[i] != NULL, "there is memory");
        if (block[i]) memset(block[i], i + 1, capacity[i]);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (i % 7 && block[i]) fnn_recycle(block[i], capacity[i]);
    expect(fnn_cached_bytes() >= 34 * bytes, "blocks wait to be used again");
    fnn_release_all();
#if defined(__linux__)
    expect(fnn_cached_bytes() == 0, "blocks that wait hold no memory once they are released");
#endif
    size_t again;
    unsigned char *other = fnn_acquire(bytes, &again);
    expect(other != NULL, "a released block serves again");
    if (other) memset(other, 99, again);
    for (int i = 0; i < BLOCKS; i += 7) {
        const held h = {block[i], capacity[i], capacity[i], (unsigned char)(i + 1)};
        expect(block[i] && keeps_mark(&h), "what is in use keeps its bytes");
        if (block[i]) fnn_recycle(block[i], capacity[i]);
    }
    if (other) fnn_recycle(other, again);
}

/* Large blocks that nobody asked for in a long time make room, others do not. */
static void stale_blocks(void) {
    enum { BLOCKS = 12 };
    void *block[BLOCKS];
    size_t capacity[BLOCKS], large, small;
    fnn_release_all();
    for (int i = 0; i < BLOCKS; i++) block[i] = fnn_acquire((size_t)20 << 20, &capacity[i]);
    for (int i = 0; i < BLOCKS; i++)
        if (block[i]) fnn_recycle(block[i], capacity[i]);
    const size_t full = fnn_cached_bytes();
    expect(full == (size_t)BLOCKS * 20 << 20, "large blocks wait");
    void *other = fnn_acquire((size_t)48 << 20, &large);
    if (other) fnn_recycle(other, large);
    expect(fnn_cached_bytes() == full, "one too many goes back to the system");
    for (int i = 0; i < 5000; i++) {
        void *some = fnn_acquire(5000, &small);
        if (some) fnn_recycle(some, small);
    }
    other = fnn_acquire((size_t)48 << 20, &large);
    if (other) fnn_recycle(other, large);
    const size_t now = fnn_cached_bytes();
    expect(now == full + small - ((size_t)2 * 20 << 20) + large, "as many as must make room");
    expect(fnn_acquire((size_t)48 << 20, &large) == other, "and the new one waits");
    if (other) fnn_recycle(other, large);
    fnn_release_all();
}

static void on_threads(void *(*function)(void *), int forks) {
    pthread_t thread[CALLERS];
    int started = 0;
    for (; started < CALLERS; started++) {
        void *const seed = (void *)(uintptr_t)(started + 1);
        if (pthread_create(&thread[started], NULL, function, seed) != 0) break;
    }
    expect(started == CALLERS, "a thread can be made");
    for (int i = 0; i < forks; i++) fork_once(77u + (unsigned)i);
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
}

int test_base(void) {
    /* a sanitizer's allocator that another thread has locked stays locked in a child */
    const int forks = blocks_have_guards() ? FORKS : 0;
    setvbuf(stdout, NULL, _IONBF, 0); /* or children would print the parent's text again */
    expect(fnn_pool_workers() == 0, "no thread runs before the first call");
    fork_once(7);
    caller((void *)(uintptr_t)99);
    expect(fnn_pool_workers() == 5, "six threads are five workers and the caller");
    fork_once(8);
    on_threads(caller, forks);
    expect(fnn_pool_workers() == 5, "callers at once share one pool");
    on_threads(keeper, forks);
    regions();
    stale_blocks();
    fnn_release_all();
    expect(fnn_cached_bytes() == 0, "a released list is empty");
    size_t capacity;
    expect(fnn_acquire(SIZE_MAX / 2, &capacity) == NULL && fnn_workspace(SIZE_MAX - 8) == NULL,
           "what cannot be had is NULL");
    const int cores = fnn_cpu_cores(), affinity = fnn_cpu_affinity(), quota = fnn_cpu_quota();
    expect(cores >= 1 && cores <= affinity && quota >= 0, "cores are counted");
    printf("base: %d cores of %d processors, quota %d, %d failures\n", cores, affinity, quota,
           atomic_load(&failures));
    return atomic_load(&failures) != 0;
}
