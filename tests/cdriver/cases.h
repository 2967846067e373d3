/* Reads the case file that dump.py writes. All numbers are little-endian and 8 bytes wide.
 *
 *   file    "FNNCASES" count, then the cases
 *   case    operation in 16 bytes, dtype (0 float32, 1 float64), ints, reals, inputs, outputs
 *   ints    count, values          reals   count, values (float64)
 *   array   bytes (-1 if absent), bytes of an element, data padded to 8
 *   inputs  count, arrays
 *   outputs count, then each: kind (0 real, 1 int32), the errors allowed: absolute and relative
 *           (float64), array
 */
#ifndef CASES_H
#define CASES_H

#include <stddef.h>
#include <stdint.h>

#include "blocks.h"

enum { MAX_ARRAYS = 64, MAX_INTS = 64, MAX_REALS = 16 };

typedef struct test_case {
    int64_t number; /* in the file, from 0 */
    char operation[17];
    int is_f64;
    int watch_start; /* which end of the blocks is watched more closely */
    ptrdiff_t ints[MAX_INTS];
    double reals[MAX_REALS];
    int input_count, output_count;
    block input[MAX_ARRAYS], expected[MAX_ARRAYS];
    int is_int32[MAX_ARRAYS];
    double absolute[MAX_ARRAYS], relative[MAX_ARRAYS];
} test_case;

typedef struct case_file case_file;

/* NULL, with a message on stderr, if it cannot be opened or is no case file. */
case_file *cases_open(const char *path, int64_t *count);
/* Reads the next case into fresh blocks; exits with a message on a broken file. */
void cases_next(case_file *file, test_case *c);
void cases_release(test_case *c);
void cases_close(case_file *file);

#endif
