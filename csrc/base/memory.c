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

void *fnn_alloc_aligned(size_t bytes, size_t alignment) {
    void *block = NULL;
    if (bytes > SIZE_MAX - alignment || posix_memalign(&block, alignment, bytes) != 0) return NULL;
#if defined(__linux__)
    /* only whole huge pages of this very block, so that nothing else is affected */
    const size_t whole = bytes & ~(size_t)(FNN_HUGE_PAGE - 1);
    if (alignment >= FNN_HUGE_PAGE && whole) madvise(block, whole, MADV_HUGEPAGE);
#endif
    return block;
}

void *fnn_alloc(size_t bytes) {
    return fnn_alloc_aligned(bytes, bytes >= FNN_HUGE_PAGE ? FNN_HUGE_PAGE : FNN_LINE);
}

void fnn_free(void *block) { free(block); }

/* The workspace of a thread: its capacity in the first line, the caller's bytes after it. */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void give_back(void *block) {
    if (block) fnn_recycle(block, *(size_t *)block);
}
static void create_key(void) { pthread_key_create(&key, give_back); }

void *fnn_workspace(size_t bytes) {
    if (bytes == 0) return NULL;
    if (bytes > SIZE_MAX - FNN_LINE) return NULL;
    pthread_once(&once, create_key);
    void *block = pthread_getspecific(key);
    if (!block || *(size_t *)block < bytes + FNN_LINE) {
        size_t capacity;
        give_back(block);
        block = fnn_acquire(bytes + FNN_LINE, &capacity);
        pthread_setspecific(key, block);
        if (!block) return NULL;
        *(size_t *)block = capacity;
    }
    return (char *)block + FNN_LINE;
}

void fnn_workspace_release(void) {
    pthread_once(&once, create_key);
    give_back(pthread_getspecific(key));
    pthread_setspecific(key, NULL);
}
