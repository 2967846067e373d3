#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct case_file {
    FILE *stream;
    int64_t read;
};

static void need(case_file *file, void *target, size_t bytes) {
    if (bytes && fread(target, 1, bytes, file->stream) != bytes) {
        fprintf(stderr, "the case file ends early\n");
        exit(2);
    }
}

static int64_t number(case_file *file) {
    int64_t value;
    need(file, &value, sizeof value);
    return value;
}

static int count_up_to(case_file *file, int limit) {
    const int64_t count = number(file);
    if (count < 0 || count > limit) {
        fprintf(stderr, "a count of %lld is not within 0 .. %d\n", (long long)count, limit);
        exit(2);
    }
    return (int)count;
}

static block array(case_file *file, int watch_start) {
    const int64_t bytes = number(file), item = number(file);
    char padding[8];
    if (bytes < 0) return (block){0};
    block b = block_take((size_t)bytes, (size_t)item, watch_start);
    need(file, b.data, b.bytes);
    need(file, padding, (8 - b.bytes % 8) % 8);
    return b;
}

case_file *cases_open(const char *path, int64_t *count) {
    case_file *file = calloc(1, sizeof *file);
    char magic[8];
    if (!file || !(file->stream = fopen(path, "rb"))) {
        perror(path);
        free(file);
        return NULL;
    }
    need(file, magic, 8);
    if (memcmp(magic, "FNNCASES", 8) != 0) {
        fprintf(stderr, "%s is not a case file\n", path);
        cases_close(file);
        return NULL;
    }
    *count = number(file);
    return file;
}

void cases_next(case_file *file, test_case *c) {
    memset(c, 0, sizeof *c);
    c->number = file->read++;
    c->watch_start = c->number % 4 == 0;
    need(file, c->operation, 16);
    c->is_f64 = (int)number(file);
    const int ints = count_up_to(file, MAX_INTS);
    for (int i = 0; i < ints; i++) c->ints[i] = (ptrdiff_t)number(file);
    const int reals = count_up_to(file, MAX_REALS);
    need(file, c->reals, (size_t)reals * sizeof(double));
    c->input_count = count_up_to(file, MAX_ARRAYS);
    for (int i = 0; i < c->input_count; i++) c->input[i] = array(file, c->watch_start);
    c->output_count = count_up_to(file, MAX_ARRAYS);
    for (int i = 0; i < c->output_count; i++) {
        c->is_int32[i] = (int)number(file);
        need(file, &c->absolute[i], sizeof(double));
        need(file, &c->relative[i], sizeof(double));
        c->expected[i] = array(file, c->watch_start);
    }
}

void cases_release(test_case *c) {
    for (int i = 0; i < c->input_count; i++) block_give(&c->input[i]);
    for (int i = 0; i < c->output_count; i++) block_give(&c->expected[i]);
}

void cases_close(case_file *file) {
    if (file->stream) fclose(file->stream);
    free(file);
}
