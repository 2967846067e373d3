/* Aligned memory: plain blocks, and a bounded free list for the outputs of operations.
 *
 * A training step allocates the same sizes again and again; a fresh page costs about a
 * quarter of a microsecond per KB the first time it is written, a recycled one nothing. */
#ifndef FNN_MEMORY_H
#define FNN_MEMORY_H

#include <stddef.h>

#define FNN_HUGE_PAGE (2 << 20) /* on x86-64 and most aarch64 kernels */

/* `bytes` (> 0) at a multiple of `alignment`, a power of two; from a huge page's alignment on, the
 * system is asked for huge pages. NULL if there is no memory. */
void *fnn_alloc_aligned(size_t bytes, size_t alignment);

/* The same, on a cache line; from 2 MB on, on a huge page. */
void *fnn_alloc(size_t bytes);
void fnn_free(void *block);

/* A block of at least `bytes` from the free list, or a new one; its real size goes to
 * `capacity` and must come back with fnn_recycle. NULL if there is no memory. Thread-safe. */
void *fnn_acquire(size_t bytes, size_t *capacity);
void fnn_recycle(void *block, size_t capacity);

/* Gives the memory of every block that waits in the list back to the system. Thread-safe. */
void fnn_release_all(void);

/* The calling thread's workspace: at least `bytes`, grown when needed, kept for the next call
 * and freed when the thread ends. NULL if there is no memory; `bytes` 0 gives NULL too. */
void *fnn_workspace(size_t bytes);

/* Frees the calling thread's workspace. */
void fnn_workspace_release(void);

/* Bytes that wait in the list. */
size_t fnn_cached_bytes(void);

#endif
