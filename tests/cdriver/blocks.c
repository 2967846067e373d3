#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FROM_MALLOC 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FROM_MALLOC 1
#endif

static void check(int taken, size_t bytes) {
    if (taken) return;
    fprintf(stderr, "no memory for %zu bytes\n", bytes);
    exit(2);
}

#if defined(FROM_MALLOC)

int blocks_have_guards(void) { return 0; }

block block_take(size_t bytes, size_t alignment, int watch_start) {
    const size_t line = 64, shift = watch_start || alignment >= line ? 0 : alignment;
    block b = {.bytes = bytes, .span = bytes + shift};
    check(posix_memalign(&b.base, line, b.span ? b.span : 1) == 0, bytes);
    b.data = (char *)b.base + shift;
    memset(b.data, 0xff, bytes);
    return b;
}

void block_give(block *b) {
    free(b->base);
    *b = (block){0};
}

#else

int blocks_have_guards(void) { return 1; }

block block_take(size_t bytes, size_t alignment, int watch_start) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
    block b = {.bytes = bytes, .span = body + 2 * page};
    b.base = mmap(NULL, b.span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(b.base != MAP_FAILED, bytes);
    char *start = (char *)b.base + page;
    check(body == 0 || mprotect(start, body, PROT_READ | PROT_WRITE) == 0, bytes);
    b.data = start + (watch_start ? 0 : (body - bytes) / alignment * alignment);
    memset(b.data, 0xff, bytes);
    return b;
}

void block_give(block *b) {
    if (b->base) munmap(b->base, b->span);
    *b = (block){0};
}

#endif
