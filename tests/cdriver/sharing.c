#include "sharing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fpstate.h"
#include "base/pool.h"

enum { MOST = 256, MOST_THREADS = 8 };

static struct met {
    fnn_task *task; /* NULL: the operation itself */
    char operation[17];
    int is_f64, shared;
} met[MOST];
static int count, spread;
static _Thread_local const char *operation;
static _Thread_local int is_f64;

/* The linker leads every call of fnn_parallel to __wrap_, and __real_ to the pool. */
void __real_fnn_parallel(int threads, ptrdiff_t tasks, fnn_task *task, void *argument);
void __wrap_fnn_parallel(int threads, ptrdiff_t tasks, fnn_task *task, void *argument);

static struct met *find(fnn_task *task) {
    int i = 0;
    for (; i < count; i++) {
        const int same = strcmp(met[i].operation, operation) == 0 && met[i].is_f64 == is_f64;
        if (task ? met[i].task == task : !met[i].task && same) return &met[i];
    }
    if (count == MOST) {
        fprintf(stderr, "more than %d tasks and operations\n", MOST);
        exit(2);
    }
    count++;
    met[i] = (struct met){.task = task, .is_f64 = is_f64};
    memcpy(met[i].operation, operation, strlen(operation));
    return &met[i];
}

/* Every `step`-th task, from the worker's own number on. */
typedef struct stride {
    pthread_t thread;
    int worker, step;
    ptrdiff_t tasks;
    fnn_task *task;
    void *argument;
    fnn_fpstate state;
} stride;

static void *run_stride(void *argument) {
    const stride *s = argument;
    fnn_fp_set(s->state);
    for (ptrdiff_t i = s->worker; i < s->tasks; i += s->step) s->task(s->argument, i, s->worker);
    return NULL;
}

static void run_spread(int threads, ptrdiff_t tasks, fnn_task *task, void *argument) {
    stride own = {.step = threads < MOST_THREADS ? threads : MOST_THREADS, .tasks = tasks,
                  .task = task, .argument = argument, .state = fnn_fp_get()};
    stride others[MOST_THREADS];
    for (int i = 1; i < own.step; i++) {
        others[i] = own;
        others[i].worker = i;
        if (pthread_create(&others[i].thread, NULL, run_stride, &others[i]) != 0) exit(2);
    }
    run_stride(&own);
    for (int i = 1; i < own.step; i++) pthread_join(others[i].thread, NULL);
}

void __wrap_fnn_parallel(int threads, ptrdiff_t tasks, fnn_task *task, void *argument) {
    const int shared = threads > 1 && tasks > 1;
    if (operation) {
        find(task)->shared |= shared;
        find(NULL)->shared |= shared;
        if (spread && shared) {
            run_spread(threads, tasks, task, argument);
            return;
        }
    }
    __real_fnn_parallel(threads, tasks, task, argument);
}

void sharing_watch(const char *name, int f64) {
    operation = name;
    is_f64 = f64;
    if (operation) find(NULL);
}

void sharing_spread(void) { spread = 1; }

int sharing_report(void) {
    int missing = 0;
    for (int i = 0; i < count; i++) {
        if (met[i].shared) continue;
        missing++;
        printf("%s %s: %s never ran on several threads\n", met[i].operation,
               met[i].is_f64 ? "float64" : "float32",
               met[i].task ? "one of its tasks" : "the operation");
    }
    if (missing) printf("give it a larger case in large() of dump.py\n");
    return missing;
}
