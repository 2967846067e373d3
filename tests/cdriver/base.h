/* Tests of csrc/base that need no kernel. */
#ifndef BASE_H
#define BASE_H

/* The pool under callers at once, nested, and after forks; the free list and workspaces of
 * several threads; what the processor says. Returns 0, or 1 with the failures on stdout. */
int test_base(void);

#endif
