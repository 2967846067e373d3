#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/pool.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/common.h"
#include "base/fpstate.h"

/* How long a worker looks for new work before it sleeps, and a caller before it blocks: a wake-up
 * costs 3-10 us, on a virtual machine 50, and between the calls of a training step Python takes up
 * to 50, between the shared ones of a small net up to 100; so a step stays awake and an idle pool burns
 * nothing. */
static const long spin_nanoseconds = 200000;

typedef struct job {
    fnn_task *task;
    void *argument;
    fnn_fpstate fpstate;
    int helpers; /* workers 1 .. helpers take part */
} job;

/* The tasks that a thread takes first: neighbours, and of every call the same share of them, so that
 * a part of a tensor stays in the caches of one core from call to call. */
typedef struct share {
    atomic_ptrdiff_t next; /* the first that nobody has taken */
    ptrdiff_t end;
    char apart[FNN_LINE - sizeof(atomic_ptrdiff_t) - sizeof(ptrdiff_t)];
} share;

enum { CLOSED = INT_MIN / 2 };

static struct {
    pthread_mutex_t owner;        /* held by the caller whose job runs */
    pthread_mutex_t mutex;        /* guards sleeping on the two conditions */
    pthread_cond_t work, done;
    job job;                      /* written before `generation` announces it */
    atomic_uint generation;       /* counts jobs */
    atomic_int inside;            /* workers that may read `job`; CLOSED lower: no more may */
    int sleepers;                 /* workers waiting for `work`, under mutex */
    int workers;                  /* threads created, under owner */
} pool = {.owner = PTHREAD_MUTEX_INITIALIZER,
          .mutex = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER,
          .inside = CLOSED};

static _Alignas(FNN_LINE) share shares[FNN_MAX_THREADS]; /* [worker], as `job` */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local int inside_pool; /* this thread is a worker */

/* The child of a fork has no workers and may have inherited locked mutexes. */
static void reset_after_fork(void) {
    pthread_mutex_init(&pool.owner, NULL);
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_cond_init(&pool.work, NULL);
    pthread_cond_init(&pool.done, NULL);
    atomic_store(&pool.inside, CLOSED);
    pool.sleepers = 0;
    pool.workers = 0;
}

static void install_fork_handler(void) { pthread_atfork(NULL, NULL, reset_after_fork); }

static long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

FNN_INLINE void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A worker's own share, then what the others have left of theirs. */
static void run_tasks(const job *current, int worker) {
    const int threads = current->helpers + 1;
    for (int i = 0; i < threads; i++) {
        share *from = &shares[(worker + i) % threads];
        for (;;) {
            const ptrdiff_t task = atomic_fetch_add_explicit(&from->next, 1, memory_order_relaxed);
            if (task >= from->end) break;
            current->task(current->argument, task, worker);
        }
    }
}

/* Between two looks: where threads are more than cores, the one that is waited for needs this. */
static void look_again(long *looks) {
    for (int i = 0; i < 4; i++) relax();
    if ((*looks)++ > 64) sched_yield();
}

/* Spins, then sleeps, until a job later than `seen` is announced. */
static unsigned wait_for_job(unsigned seen) {
    const long until = nanoseconds() + spin_nanoseconds;
    long looks = 0;
    do {
        const unsigned now = atomic_load_explicit(&pool.generation, memory_order_acquire);
        if (now != seen) return now;
        look_again(&looks);
    } while (nanoseconds() < until);
    pthread_mutex_lock(&pool.mutex);
    pool.sleepers++;
    unsigned now;
    while ((now = atomic_load_explicit(&pool.generation, memory_order_acquire)) == seen)
        pthread_cond_wait(&pool.work, &pool.mutex);
    pool.sleepers--;
    pthread_mutex_unlock(&pool.mutex);
    return now;
}

/* A worker comes in unless the caller has found all the work done: nobody waits for a worker that
 * sleeps. */
static int enter(void) {
    int inside = atomic_load_explicit(&pool.inside, memory_order_relaxed);
    while (inside >= 0)
        if (atomic_compare_exchange_weak_explicit(&pool.inside, &inside, inside + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return 1;
    return 0;
}

static void leave(void) {
    if (atomic_fetch_sub_explicit(&pool.inside, 1, memory_order_acq_rel) != CLOSED + 1) return;
    pthread_mutex_lock(&pool.mutex);
    pthread_cond_signal(&pool.done);
    pthread_mutex_unlock(&pool.mutex);
}

typedef struct birth {
    int index;
    unsigned seen;
} birth;

static birth births[FNN_MAX_THREADS];

static void *worker_main(void *argument) {
    const birth *born = argument;
    const int index = born->index;
    unsigned seen = born->seen;
    inside_pool = 1;
    for (;;) {
        seen = wait_for_job(seen);
        if (!enter()) continue;
        const job current = pool.job;
        if (index <= current.helpers) {
            fnn_fp_set(current.fpstate);
            run_tasks(&current, index);
        }
        leave();
    }
    return NULL;
}

/* Creates workers until there are `wanted`; returns how many there are. Under `owner`. */
static int grow(int wanted) {
    if (pool.workers >= wanted) return pool.workers;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals belong to the host's threads */
    while (pool.workers < wanted) {
        pthread_t thread;
        birth *born = &births[pool.workers];
        born->index = pool.workers + 1;
        born->seen = atomic_load(&pool.generation);
        if (pthread_create(&thread, NULL, worker_main, born) != 0) break;
        pthread_detach(thread);
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool.workers;
}

/* Closes the job and waits for the workers inside. */
static void wait_until_done(void) {
    if (atomic_fetch_add_explicit(&pool.inside, CLOSED, memory_order_acq_rel) == 0) return;
    const long until = nanoseconds() + spin_nanoseconds;
    long looks = 0;
    do {
        if (atomic_load_explicit(&pool.inside, memory_order_acquire) == CLOSED) return;
        look_again(&looks);
    } while (nanoseconds() < until);
    pthread_mutex_lock(&pool.mutex);
    while (atomic_load_explicit(&pool.inside, memory_order_acquire) != CLOSED)
        pthread_cond_wait(&pool.done, &pool.mutex);
    pthread_mutex_unlock(&pool.mutex);
}

void fnn_parallel(int threads, ptrdiff_t tasks, fnn_task *task, void *argument) {
    if (threads > FNN_MAX_THREADS) threads = FNN_MAX_THREADS;
    if (threads > tasks) threads = (int)tasks;
    /* before the pool is anybody's: a child of a fork in between would find it busy for ever */
    if (threads > 1) pthread_once(&once, install_fork_handler);
    if (threads <= 1 || inside_pool || pthread_mutex_trylock(&pool.owner) != 0) {
        for (ptrdiff_t i = 0; i < tasks; i++) task(argument, i, 0);
        return;
    }
    const int workers = grow(threads - 1), helpers = fnn_min(workers, threads - 1);
    pool.job = (job){task, argument, fnn_fp_get(), helpers};
    for (int i = 0; i <= helpers; i++) {
        atomic_store_explicit(&shares[i].next, tasks * i / (helpers + 1), memory_order_relaxed);
        shares[i].end = tasks * (i + 1) / (helpers + 1);
    }
    atomic_store_explicit(&pool.inside, 0, memory_order_release);
    pthread_mutex_lock(&pool.mutex);
    atomic_fetch_add_explicit(&pool.generation, 1, memory_order_release);
    if (pool.sleepers) pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.mutex);
    const job current = pool.job;
    run_tasks(&current, 0);
    wait_until_done();
    pthread_mutex_unlock(&pool.owner);
}

int fnn_pool_workers(void) {
    pthread_mutex_lock(&pool.owner);
    const int workers = pool.workers;
    pthread_mutex_unlock(&pool.owner);
    return workers;
}
