/* Which work was really given to several threads. A task function that never was is code whose
 * races no sanitizer can see, and whose bits no comparison of thread counts can tell apart. */
#ifndef SHARING_H
#define SHARING_H

/* From now on the calling thread runs this operation (NULL: none). */
void sharing_watch(const char *operation, int is_f64);

/* Prints what was never shared out; returns how many that were. */
int sharing_report(void);

#endif
