/* Convolution of LANES groups at a time, one in each lane: forward and backward-data. */
#include <string.h>

#include "base/common.h"
#include "base/fpstate.h"
#include "kernels/kernels.h"

#include "drivers/conv2d_lanes.h"

enum {
    BAND_BYTES = 256 * 1024, /* source and result of a band that stay in the L2 cache */
    STRIP_BYTES = 4 * 1024,  /* rows of a result that stay in the L1 cache until turned back */
    PICKED_BYTES = 4 * 1024, /* picked rows that are turned at once */
    FAR_BYTES = 1024 * 1024, /* picked source beyond which the next item's is fetched ahead */
    GRAIN = 200000           /* multiply-adds worth a task */
};

/* Register tiles of each kind of ISA, in the order of kernels/conv2d_tiles.h: pixels. */
#define X(P) P,
static const int lines_1[] = {FNN_CONV2D_LINES_1(X)};
static const int lines_16[] = {FNN_CONV2D_LINES_16(X)};
static const int lines_32[] = {FNN_CONV2D_LINES_32(X)};
#undef X
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

/* The tile with the fewest half cycles for so many pixels: two multiply-adds a cycle, and what a
 * step takes besides. */
static int choose_line(ptrdiff_t lanes, int registers, ptrdiff_t pixels) {
    const int *sizes = lanes == 1 ? lines_1 : registers == 32 ? lines_32 : lines_16;
    const int count = lanes == 1        ? COUNT(lines_1)
                      : registers == 32 ? COUNT(lines_32)
                                        : COUNT(lines_16);
    int best = 0;
    ptrdiff_t least = PTRDIFF_MAX;
    for (int i = 0; i < count && sizes[i] <= pixels; i++) {
        const ptrdiff_t cost = fnn_ceil_div(pixels, sizes[i]) * (sizes[i] + 2);
        if (cost <= least) {
            least = cost;
            best = i;
        }
    }
    return best;
}
#undef COUNT

/* The tile that is filled by more of the pixels. Where multiply-adds take one turn, rows that fill the
 * narrow one better have not been measured. */
int fnn_conv2d_broad_tile(const fnn_ctx *ctx, ptrdiff_t pixels, ptrdiff_t x_step) {
    const ptrdiff_t wide = FNN_CONV2D_BROAD, narrow = FNN_CONV2D_BROAD_NARROW;
    return ctx->halves && x_step == 1 && fnn_round_up(pixels, narrow) < fnn_round_up(pixels, wide)
               ? FNN_CONV2D_BROAD_NARROW
               : FNN_CONV2D_BROAD;
}

/* How the taps of a row stand to its pixels. Every `apart`-th tap reads pixels `lines` apart of
 * a class, so results are summed `lines` apart and taps come in runs. */
typedef struct spacing {
    ptrdiff_t apart, lines, x_step;
} spacing;

static spacing find_spacing(const fnn_lanes_axis *cols) {
    const ptrdiff_t common = fnn_conv2d_gcd(cols->stride, cols->dilation);
    const ptrdiff_t lines = cols->dilation / common;
    return (spacing){.apart = cols->stride / common, .lines = lines * cols->classes,
                     .x_step = cols->backward ? lines : lines * cols->stride};
}

/* Runs of taps by class of row and of column, in the order of the window's rows; a
 * pixel of the source is `pixel` elements, one of the result `lanes`; start[] is the
 * first run of each class. */
static void list_runs(const fnn_lanes_planes *planes, ptrdiff_t lanes, ptrdiff_t pixel,
                      fnn_conv2d_tap_run *run, ptrdiff_t *start) {
    const fnn_lanes_axis *rows = &planes->rows, *cols = &planes->cols;
    const ptrdiff_t apart = find_spacing(cols).apart;
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < rows->classes; i++) {
        for (ptrdiff_t j = 0; j < cols->classes; j++) {
            *start++ = count;
            for (ptrdiff_t r = 0; r < rows->taps; r++) {
                if (fnn_lanes_tap_class(rows, r) != i) continue;
                for (ptrdiff_t s = 0; s < fnn_min(apart, cols->taps); s++) {
                    if (fnn_lanes_tap_class(cols, s) != j) continue;
                    const ptrdiff_t taps = fnn_ceil_div(cols->taps - s, apart);
                    const ptrdiff_t first = cols->backward ? s + (taps - 1) * apart : s;
                    const ptrdiff_t at =
                        fnn_lanes_reach(rows, r) * planes->pitch + fnn_lanes_reach(cols, first);
                    run[count++] = (fnn_conv2d_tap_run){
                        at * pixel, (r * cols->taps + first) * lanes, taps};
                }
            }
        }
    }
    *start = count;
}

/* How many taps of result row o's class there are, and of those before and inside of the source. */
typedef struct row_taps {
    ptrdiff_t all, before, inside;
} row_taps;

static row_taps count_rows(const fnn_lanes_axis *rows, ptrdiff_t o) {
    const ptrdiff_t class = fnn_lanes_class(rows, o), source = fnn_lanes_source(rows, o);
    row_taps count = {0};
    for (ptrdiff_t r = 0; r < rows->taps; r++) {
        if (fnn_lanes_tap_class(rows, r) != class) continue;
        const ptrdiff_t row = source + fnn_lanes_reach(rows, r);
        count.all++;
        if (row >= 0 && row < rows->in)
            count.inside++;
        else if (count.inside == 0)
            count.before++;
    }
    return count;
}

/* Lines of a row of the result: they have different classes, or taps that lie apart. */
static ptrdiff_t lines_per_row(const fnn_lanes_axis *cols) {
    return fnn_min(find_spacing(cols).lines, cols->out);
}

/* line[v*rows + o] is line v of row o. */
static void list_lines(const fnn_lanes_planes *planes, ptrdiff_t lanes, ptrdiff_t pixel,
                       int registers, const ptrdiff_t *start, fnn_conv2d_line *line) {
    const fnn_lanes_axis *rows = &planes->rows, *cols = &planes->cols;
    const ptrdiff_t lines = find_spacing(cols).lines, per_row = fnn_min(lines, cols->out);
    for (ptrdiff_t v = 0; v < per_row; v++) {
        const ptrdiff_t at = fnn_lanes_class(cols, v), pixels = fnn_ceil_div(cols->out - v, lines);
        const ptrdiff_t left = planes->left + fnn_lanes_source(cols, v);
        const int tile = choose_line(lanes, registers, pixels);
        for (ptrdiff_t o = 0; o < rows->out; o++, line++) {
            const row_taps count = count_rows(rows, o);
            const ptrdiff_t *const class = start + fnn_lanes_class(rows, o) * cols->classes + at;
            const ptrdiff_t width = (class[1] - class[0]) / fnn_max(count.all, 1);
            *line = (fnn_conv2d_line){
                .x = (fnn_lanes_source(rows, o) * planes->pitch + left) * pixel,
                .y = (o * cols->out + v) * lanes, .run = class[0] + count.before * width,
                .runs = count.inside * width, .pixels = pixels, .tile = tile};
        }
    }
}

#include "base/real_f32.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_lanes_tmpl.c"
#include "base/real_end.h"
#include "base/real_f64.h"
#include "drivers/common_tmpl.h"
#include "drivers/conv2d_finish_tmpl.h"
#include "drivers/conv2d_planes_tmpl.h"
#include "drivers/conv2d_lanes_tmpl.c"
#include "base/real_end.h"
