/* Watches, and may take over, how work is given to threads. */
#ifndef SHARING_H
#define SHARING_H

/* From now on the calling thread runs this operation (NULL: none). */
void sharing_watch(const char *operation, int is_f64);

/* From now on neighbouring tasks run on different threads made for the occasion, instead of on
 * those of the pool that happen to be awake: what they share, the thread sanitizer sees. */
void sharing_spread(void);

/* Prints what was never given to several threads; returns how many that were. Its races no
 * sanitizer can see, and its bits no comparison of thread counts can tell apart. */
int sharing_report(void);

#endif
