#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/memory.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "base/common.h"

enum {
    HUGE = 2 << 20,         /* a huge page on x86-64 and most aarch64 kernels */
    CLASSES_PER_OCTAVE = 4, /* rounding a size up to its class wastes at most a fifth */
    CLASSES = 48 * CLASSES_PER_OCTAVE,
    SMALLEST = 12 /* log2 of the first class */
};
/* Blocks above this limit go back to the system instead of waiting. */
static const size_t cache_limit = (size_t)256 << 20;

typedef struct waiting {
    struct waiting *next;
} waiting;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static waiting *lists[CLASSES];
static size_t cached;

/* A fork while another thread holds the lock would leave it held for ever in the child. */
static void hold(void) { pthread_mutex_lock(&lock); }
static void let_go(void) { pthread_mutex_unlock(&lock); }
static void install_fork_handlers(void) { pthread_atfork(hold, let_go, let_go); }

/* The workspace of a thread: its size in the first line, the caller's bytes after it. */
static pthread_key_t workspace_key;
static pthread_once_t workspace_once = PTHREAD_ONCE_INIT;
static void create_workspace_key(void) { pthread_key_create(&workspace_key, fnn_free); }

void *fnn_workspace(size_t bytes) {
    if (bytes == 0) return NULL;
    pthread_once(&workspace_once, create_workspace_key);
    char *block = pthread_getspecific(workspace_key);
    if (block && *(size_t *)(void *)block >= bytes) return block + FNN_LINE;
    fnn_free(block);
    pthread_setspecific(workspace_key, NULL);
    if (bytes > SIZE_MAX - FNN_LINE) return NULL;
    block = fnn_alloc(bytes + FNN_LINE);
    if (!block) return NULL;
    *(size_t *)(void *)block = bytes;
    pthread_setspecific(workspace_key, block);
    return block + FNN_LINE;
}

void fnn_workspace_release(void) {
    pthread_once(&workspace_once, create_workspace_key);
    fnn_free(pthread_getspecific(workspace_key));
    pthread_setspecific(workspace_key, NULL);
}

void *fnn_alloc(size_t bytes) {
    void *block = NULL;
    const size_t alignment = bytes >= 2 * (size_t)HUGE ? HUGE : FNN_LINE;
    if (bytes > SIZE_MAX - alignment || posix_memalign(&block, alignment, bytes) != 0) return NULL;
#if defined(__linux__)
    /* only whole huge pages of this very block, so that nothing else is affected */
    if (alignment == HUGE) madvise(block, bytes & ~(size_t)(HUGE - 1), MADV_HUGEPAGE);
#endif
    return block;
}

void fnn_free(void *block) { free(block); }

/* The class whose blocks hold `bytes`, and their size. */
static int size_class(size_t bytes, size_t *size) {
    int octave = SMALLEST;
    while (octave < 62 && ((size_t)2 << octave) <= bytes) octave++;
    const size_t base = (size_t)1 << octave, step = base / CLASSES_PER_OCTAVE;
    size_t quarter = bytes <= base ? 0 : (bytes - base + step - 1) / step;
    *size = base + quarter * step;
    return (octave - SMALLEST) * CLASSES_PER_OCTAVE + (int)quarter;
}

void *fnn_acquire(size_t bytes, size_t *capacity) {
    if (bytes > (size_t)PTRDIFF_MAX / 2) return NULL;
    const int which = size_class(bytes, capacity);
    pthread_once(&once, install_fork_handlers);
    if (which < CLASSES) {
        pthread_mutex_lock(&lock);
        waiting *found = lists[which];
        if (found) {
            lists[which] = found->next;
            cached -= *capacity;
        }
        pthread_mutex_unlock(&lock);
        if (found) return found;
    }
    return fnn_alloc(*capacity);
}

void fnn_recycle(void *block, size_t capacity) {
    size_t size;
    const int which = size_class(capacity, &size);
    if (which < CLASSES) {
        pthread_mutex_lock(&lock);
        const int keep = cached + capacity <= cache_limit;
        if (keep) {
            ((waiting *)block)->next = lists[which];
            lists[which] = block;
            cached += capacity;
        }
        pthread_mutex_unlock(&lock);
        if (keep) return;
    }
    fnn_free(block);
}

void fnn_release_all(void) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < CLASSES; i++)
        while (lists[i]) {
            waiting *block = lists[i];
            lists[i] = block->next;
            fnn_free(block);
        }
    cached = 0;
    pthread_mutex_unlock(&lock);
}

size_t fnn_cached_bytes(void) {
    pthread_mutex_lock(&lock);
    const size_t bytes = cached;
    pthread_mutex_unlock(&lock);
    return bytes;
}
