/* A small pool of threads, built at the first parallel call and asleep between calls.
 *
 * A caller that finds the pool busy, or is itself a worker, does all the work alone; since
 * sums are cut by size and never by thread count, the results are the same bits. */
#ifndef FNN_POOL_H
#define FNN_POOL_H

#include <stddef.h>

/* Does task number `task`; `worker` is in [0, threads) and no other runs with it meanwhile. */
typedef void fnn_task(void *argument, ptrdiff_t task, int worker);

/* Runs tasks 0 .. tasks-1 on up to `threads` threads, the caller among them, and returns
 * when all are done. Workers take over the caller's floating-point control. */
void fnn_parallel(int threads, ptrdiff_t tasks, fnn_task *task, void *argument);

/* Most threads that fnn_parallel ever uses. */
enum { FNN_MAX_THREADS = 64 };

/* Workers alive in this process, for tests. */
int fnn_pool_workers(void);

#endif
