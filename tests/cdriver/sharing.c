#include "sharing.h"

#include <stdio.h>
#include <string.h>

#include "base/pool.h"

enum { MOST = 256 };

static struct met {
    fnn_task *task; /* NULL: the operation itself */
    char operation[17];
    int is_f64, shared;
} met[MOST];
static int count;
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
    if (count == MOST) return NULL;
    count++;
    met[i] = (struct met){.task = task, .is_f64 = is_f64};
    memcpy(met[i].operation, operation, strlen(operation));
    return &met[i];
}

void __wrap_fnn_parallel(int threads, ptrdiff_t tasks, fnn_task *task, void *argument) {
    if (operation) {
        struct met *work = find(task), *whole = find(NULL);
        const int shared = threads > 1 && tasks > 1;
        if (work) work->shared |= shared;
        if (whole) whole->shared |= shared;
    }
    __real_fnn_parallel(threads, tasks, task, argument);
}

void sharing_watch(const char *name, int f64) {
    operation = name;
    is_f64 = f64;
    if (operation) find(NULL);
}

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
