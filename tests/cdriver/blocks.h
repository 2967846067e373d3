/* Blocks of memory whose ends are watched: by the sanitizer where there is one that can, else by
 * pages on both sides that nobody may touch, which also catch what a sanitizer's compiler does
 * not instrument: masked loads and stores. */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <stddef.h>

typedef struct block {
    size_t bytes;
    void *data;
    void *base; /* what was really taken, */
    size_t span; /* and how much */
} block;

/* `bytes` for elements of `alignment` bytes, all bits set: NaN as a float, -1 as an integer.
 * Either the block's start is watched to the byte and lies on a cache line, or its end is watched
 * to the element and it has no more than the element's alignment. Exits if there is no memory. */
block block_take(size_t bytes, size_t alignment, int watch_start);
void block_give(block *b);

/* 1 if pages guard the blocks, 0 if that is left to a sanitizer. */
int blocks_have_guards(void);

#endif
