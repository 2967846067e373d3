/* The free list: blocks by size class, those of middling size cut out of regions of huge pages.
 *
 *   region, 8 MB, aligned to its size
 *   | header | block | gap | block | gap |   block   | ... | not cut yet |
 *
 * The C library would spread such blocks over small pages: more of them than the TLB has entries,
 * and where they lie they share sets of L2 by chance. A block goes back to its list, and a region to
 * the system when the list is emptied or full and none of its blocks is in use. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdint.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "base/common.h"
#include "base/memory.h"

enum {
    CLASSES_PER_OCTAVE = 4, /* rounding a size up to its class wastes at most a fifth */
    CLASSES = 48 * CLASSES_PER_OCTAVE,
    SMALLEST = 12, /* log2 of the first class */
    /* from 64 KB on blocks lie in regions, from 2 MB on they have huge pages of their own */
    SHARED = (16 - SMALLEST) * CLASSES_PER_OCTAVE,
    ALONE = (21 - SMALLEST) * CLASSES_PER_OCTAVE,
    REGION = 8 << 20,
    PAGE = 64 << 10, /* at least a page of the system */
    STALE = 4096,    /* blocks that came back since: more than a training step needs */
    /* between two blocks of a region: were they alike in the low 12 bits of their addresses, by
     * which processors first tell loads from stores, loads would wait for other blocks' stores */
    STAGGER = 25 * FNN_LINE
};
/* Blocks above this limit go back to the system instead of waiting, unless stale ones make room. */
static const size_t cache_limit = (size_t)256 << 20;

typedef struct waiting {
    struct waiting *next;
    size_t held;   /* bytes of memory: the capacity, or 0 once its pages went back to the system */
    uint64_t when; /* of `returned` */
} waiting;

typedef struct region {
    struct region *next;
    size_t cut;  /* bytes from the start that are header or blocks */
    size_t used; /* blocks that are not in a list */
} region;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static waiting *lists[CLASSES];
static region *regions; /* blocks are cut from the first */
static size_t cached;
static uint64_t returned; /* blocks so far */

/* A fork while another thread holds the lock would leave it held for ever in the child. */
static void hold(void) { pthread_mutex_lock(&lock); }
static void let_go(void) { pthread_mutex_unlock(&lock); }
static void install_fork_handlers(void) { pthread_atfork(hold, let_go, let_go); }

/* The class whose blocks hold `bytes`, and their size. */
static int size_class(size_t bytes, size_t *size) {
    int octave = SMALLEST;
    while (octave < 62 && ((size_t)2 << octave) <= bytes) octave++;
    const size_t base = (size_t)1 << octave, step = base / CLASSES_PER_OCTAVE;
    size_t quarter = bytes <= base ? 0 : (bytes - base + step - 1) / step;
    *size = base + quarter * step;
    return (octave - SMALLEST) * CLASSES_PER_OCTAVE + (int)quarter;
}

static int in_region(int which) { return which >= SHARED && which < ALONE; }
static region *region_of(void *block) {
    return (region *)((uintptr_t)block & ~(uintptr_t)(REGION - 1));
}

/* A block that nobody had before. The lock is held, here and in what follows. */
static waiting *cut(size_t capacity) {
    if (!regions || regions->cut + capacity > REGION) {
        region *fresh = fnn_alloc_aligned(REGION, REGION);
        if (!fresh) return NULL;
        *fresh = (region){.next = regions, .cut = FNN_LINE};
        regions = fresh;
    }
    char *block = (char *)regions + regions->cut;
    regions->cut += capacity + STAGGER;
    return (waiting *)(void *)block;
}

/* Gives a region back to the system, none of whose blocks is in use. */
static void drop(region **at) {
    region *home = *at;
    for (int which = SHARED; which < ALONE; which++)
        for (waiting **link = &lists[which]; *link;)
            if (region_of(*link) == home) {
                cached -= (*link)->held;
                *link = (*link)->next;
            } else {
                link = &(*link)->next;
            }
    *at = home->next;
    fnn_free(home);
}

/* Gives the pages of a waiting block back, but for the first, which holds its place in the list. */
static void empty(waiting *block) {
#if defined(__linux__)
    const uintptr_t first = ((uintptr_t)block + sizeof *block + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    const uintptr_t end = ((uintptr_t)block + block->held) & ~(uintptr_t)(PAGE - 1);
    if (block->held && first < end) madvise((void *)first, end - first, MADV_DONTNEED);
    cached -= block->held;
    block->held = 0;
#else
    (void)block;
#endif
}

/* Takes large blocks that wait for nobody any more out of their lists until one of that capacity
 * fits. Not those of the last step: what needs more than the limit would put out its own blocks. */
static waiting *make_room(size_t capacity) {
    waiting *gone = NULL;
    while (capacity <= cache_limit && cached + capacity > cache_limit) {
        waiting **oldest = NULL;
        for (int which = ALONE; which < CLASSES; which++)
            for (waiting **link = &lists[which]; *link; link = &(*link)->next)
                if (!oldest || (*link)->when < (*oldest)->when) oldest = link;
        if (!oldest || returned - (*oldest)->when < STALE) break;
        waiting *const block = *oldest;
        *oldest = block->next;
        cached -= block->held;
        block->next = gone;
        gone = block;
    }
    return gone;
}

void *fnn_acquire(size_t bytes, size_t *capacity) {
    if (bytes > (size_t)PTRDIFF_MAX / 2) return NULL;
    const int which = size_class(bytes, capacity);
    if (which >= CLASSES) return fnn_alloc(*capacity);
    pthread_once(&once, install_fork_handlers);
    pthread_mutex_lock(&lock);
    waiting *found = lists[which];
    if (found) {
        lists[which] = found->next;
        cached -= found->held;
    } else if (in_region(which)) {
        found = cut(*capacity);
    }
    if (found && in_region(which)) region_of(found)->used++;
    pthread_mutex_unlock(&lock);
    return found || in_region(which) ? found : fnn_alloc(*capacity);
}

void fnn_recycle(void *block, size_t capacity) {
    size_t size;
    const int which = size_class(capacity, &size);
    if (which >= CLASSES) {
        fnn_free(block);
        return;
    }
    pthread_mutex_lock(&lock);
    waiting *gone = which >= ALONE ? make_room(capacity) : NULL;
    const int full = cached + capacity > cache_limit, keep = in_region(which) || !full;
    returned++;
    if (keep) {
        *(waiting *)block = (waiting){.next = lists[which], .held = capacity, .when = returned};
        lists[which] = block;
        cached += capacity;
    }
    if (in_region(which) && --region_of(block)->used == 0 && full) {
        region **at = &regions;
        while (*at != region_of(block)) at = &(*at)->next;
        drop(at);
    }
    pthread_mutex_unlock(&lock);
    if (!keep) fnn_free(block);
    while (gone) {
        waiting *const next = gone->next;
        fnn_free(gone);
        gone = next;
    }
}

void fnn_release_all(void) {
    pthread_mutex_lock(&lock);
    for (region **at = &regions; *at;)
        if ((*at)->used) at = &(*at)->next;
        else drop(at);
    for (int which = 0; which < CLASSES; which++)
        for (waiting *block = lists[which], *next; block; block = next) {
            next = block->next;
            if (in_region(which)) {
                empty(block);
            } else {
                lists[which] = next;
                cached -= block->held;
                fnn_free(block);
            }
        }
    pthread_mutex_unlock(&lock);
}

size_t fnn_cached_bytes(void) {
    pthread_mutex_lock(&lock);
    const size_t bytes = cached;
    pthread_mutex_unlock(&lock);
    return bytes;
}
