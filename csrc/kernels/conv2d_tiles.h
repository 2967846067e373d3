/* The parts of the conv2d kernels' contracts that do not depend on the element type. */
#ifndef FNN_CONV2D_TILES_H
#define FNN_CONV2D_TILES_H

#include <stddef.h>

/* Register tiles for ISAs with 32 and with 16 vector registers; a tile's number is its place in
 * its list. 24 to 28 accumulators fit 32 registers, 12 fit 16; the small ones serve small sizes.
 *
 *   conv2d_tile   X(output channels, vectors of pixels)
 *   conv2d_rows   X(output channels, rows, vectors of pixels per row)
 *   conv2d_pixels X(output channels, pixels), a pixel being a vector of images
 *   conv2d_pixel_runs X(neighbouring taps, pixels, whether they are a row that reads taps - 1 zeros at
 *                 either end), of one output channel
 *   conv2d_lanes  X(pixels), a pixel being a vector of groups
 *   conv2d_broad  pixels, each a number for a vector of results
 *   conv2d_near   X(rows of taps, rows)
 *   conv2d_rows3  X(rows, vectors of pixels per row), of one output channel
 *   conv2d_dot    X(output channels, rows of weights)
 *   conv2d_outer  X(vectors of output channels, rows of weights)
 *   conv2d_outer_runs X(neighbouring taps, runs of them, stride), of one vector of channels */
#define FNN_CONV2D_TILES_32(X) \
    X(1, 12) X(1, 7) X(1, 4) X(1, 2) X(2, 12) X(2, 7) X(3, 8) X(3, 5) X(4, 6) X(4, 4) X(6, 4) \
    X(8, 3) X(12, 2) X(12, 1)
#define FNN_CONV2D_TILES_16(X) \
    X(1, 10) X(1, 6) X(1, 3) X(2, 6) X(2, 4) X(3, 4) X(3, 2) X(4, 3) X(6, 2) X(6, 1)
#define FNN_CONV2D_ROWS_32(X) \
    X(1, 14, 1) X(1, 7, 2) X(1, 3, 4) X(1, 1, 4) X(2, 7, 1) X(2, 6, 2) X(3, 8, 1) \
    X(3, 4, 2) X(3, 2, 4) X(3, 1, 7) X(4, 7, 1) X(4, 6, 1) X(4, 3, 2) X(6, 4, 1) X(6, 2, 2) \
    X(6, 1, 4) X(8, 3, 1)
#define FNN_CONV2D_ROWS_16(X) \
    X(1, 10, 1) X(1, 5, 2) X(1, 3, 4) X(1, 1, 4) X(2, 5, 1) X(2, 3, 2) X(3, 4, 1) X(3, 2, 2) \
    X(4, 3, 1) X(3, 1, 4)
#define FNN_CONV2D_PIXELS_32(X) \
    X(1, 14) X(2, 12) X(3, 8) X(3, 7) X(4, 6) X(4, 5) X(5, 5) X(6, 4) X(8, 3) X(1, 7) X(4, 2) X(4, 1) \
    X(1, 1)
#define FNN_CONV2D_PIXELS_16(X) \
    X(1, 12) X(2, 6) X(2, 5) X(3, 4) X(1, 7) X(3, 2) X(4, 1) X(1, 1)
#define FNN_CONV2D_PIXEL_RUNS_32(X) \
    X(3, 16, 0) X(3, 14, 0) X(3, 8, 0) X(5, 16, 0) X(5, 14, 0) X(5, 8, 0) X(5, 14, 1)
#define FNN_CONV2D_PIXEL_RUNS_16(X) X(3, 10, 0) X(3, 8, 0) X(3, 7, 0) X(5, 8, 0) X(5, 7, 0)
#define FNN_CONV2D_LINES_32(X) X(1) X(2) X(3) X(4) X(5) X(7) X(8) X(11) X(14)
#define FNN_CONV2D_BROAD 14
#define FNN_CONV2D_BROAD_NARROW 10
#define FNN_CONV2D_LINES_1(X) X(1) /* without vectors nothing is gained */
#define FNN_CONV2D_LINES_16(X) X(1) X(2) X(3) X(4) X(5) X(7) X(8) X(11)
#define FNN_CONV2D_NEAR_32(X) X(3, 8) X(5, 14) X(5, 8) X(7, 14) X(7, 8)
#define FNN_CONV2D_NEAR_16(X) X(3, 8) X(5, 8) X(7, 8)
#define FNN_CONV2D_ROWS3_32(X) X(14, 1) X(7, 1) X(8, 2) X(5, 4)
#define FNN_CONV2D_ROWS3_16(X) X(8, 1) X(4, 2) X(2, 4)
#define FNN_CONV2D_DOTS_32(X) X(1, 9) X(1, 5) X(2, 9) X(3, 9) X(4, 6)
#define FNN_CONV2D_DOTS_16(X) X(1, 9) X(1, 5) X(2, 5) X(2, 6) X(3, 3) X(3, 4)
#define FNN_CONV2D_OUTERS_32(X) X(1, 9) X(2, 9) X(3, 9) X(4, 6)
#define FNN_CONV2D_OUTERS_16(X) X(1, 9) X(2, 6)
#define FNN_CONV2D_OUTER_RUNS_32(X) X(3, 8, 1) X(5, 5, 1) X(7, 3, 1) X(5, 5, 2) X(7, 3, 2)
#define FNN_CONV2D_OUTER_RUNS_16(X) X(3, 3, 1) X(5, 2, 1) X(7, 1, 1)

/* One filter tap: where its input pixel stands relative to the output pixel, and its weight
 * relative to the first tap of the same two channels. */
typedef struct fnn_conv2d_tap {
    ptrdiff_t x, w;
} fnn_conv2d_tap;

/* The sum that a conv2d_tile computes. Strides and offsets count elements. */
typedef struct fnn_conv2d_sum {
    ptrdiff_t channels, taps;
    const fnn_conv2d_tap *tap;
    ptrdiff_t x_channel;    /* between input channels in x */
    ptrdiff_t w_out, w_in;  /* between output channels and input channels in w */
} fnn_conv2d_sum;

/* Memory to be fetched while a kernel computes: `planes` times `runs` runs of `lines` cache lines.
 * The next line is at `at`, of a run with `left` lines and a plane with `rest` runs still to come;
 * `jump` bytes lie between two runs, and `turn` more between two planes. A kernel steps on; what it
 * does not come to is not fetched. */
typedef struct fnn_conv2d_ahead {
    const char *at;
    ptrdiff_t left, lines, jump;
    ptrdiff_t rest, runs, turn;
    ptrdiff_t planes;
} fnn_conv2d_ahead;

/* Whether a tile reads its weights packed: four results and three vectors of pixels, which fill
 * 16 registers. A tap's weights take as many bytes as a tap, so that one index counts both: every
 * other addition would take turns with multiply-adds. */
enum { FNN_CONV2D_PACKED = 4 };
FNN_INLINE int fnn_conv2d_packs(int registers, int outs, int vectors) {
    return registers == 16 && outs == FNN_CONV2D_PACKED && vectors == 3;
}

/* The pixels that a gradient of the weights sums over, and where they stand in x and dy. */
typedef struct fnn_conv2d_pixels {
    ptrdiff_t images, rows, cols;
    ptrdiff_t x_image, x_row;           /* strides in x; columns are neighbours, .. */
    ptrdiff_t x_step;                   /* .. but for conv2d_dot LANES columns stand x_step apart */
    ptrdiff_t dy_channel, dy_image;     /* strides in dy; rows are dense */
    fnn_conv2d_ahead *ahead;            /* two, one after the other; or NULL */
} fnn_conv2d_pixels;

/* The matrix of columns of padded planes, or of images as they lie; see conv2d_columns. */
typedef struct fnn_conv2d_columns {
    ptrdiff_t taps;
    const ptrdiff_t *tap;          /* offsets in a channel's planes */
    ptrdiff_t channel, x_row, cols; /* strides of channels and rows; pixels per row */
    ptrdiff_t rows, image;         /* of an image, and between images side by side */
    const int32_t *place;          /* NULL, or places [tap][pixel] in a channel, -1 outside of it */
    ptrdiff_t step;                /* 0, or: columns so far apart, and as many taps are neighbours */
} fnn_conv2d_columns;

/* Windows of size x size pixels (3 or 5), `stride` apart (1 or 2), over planes as they lie in
 * memory: output row p, column q reads input row p*stride - top + r, column q*stride - left + s
 * for r, s < size; what is outside of the plane counts as 0. The padding may be negative. */
typedef struct fnn_conv2d_window {
    int size, stride;
    ptrdiff_t in_rows, in_cols, out_rows, out_cols;
    ptrdiff_t top, left;
    ptrdiff_t height, width, row_step, col_step; /* conv2d_short: rows and columns of taps, which
                                                    stand that far apart; size and stride unused */
    int strips; /* conv2d_window: by conv2d_roll. Only for a stride of 1, one channel, and from 8 to
                   FNN_CONV2D_STRIP_COLUMNS columns.
                   conv2d_window_weight: by conv2d_roll_weight. Only for windows of 3, a stride of 1 and
                   at most eight columns beside the plane; tables of 32 bytes do those by nothing else */
    ptrdiff_t from, to; /* columns that conv2d_roll takes, whole vectors but for the last one of a row */
} fnn_conv2d_window;

enum {
    FNN_CONV2D_SHORT_TAPS = 49,  /* taps of conv2d_short, at most */
    FNN_CONV2D_STRIP_COLUMNS = 128 /* of planes that go by strips, at most */
};

/* Whether AVX-512's conv2d_window takes planes of one channel whole: a result is one vector. */
FNN_INLINE int fnn_conv2d_is_single(const fnn_conv2d_window *a) {
    return a->size == 5 && a->stride == 2 && (a->top == 0 || a->top == 2) && 5 <= a->in_rows &&
           a->in_rows <= 7 && 5 <= a->in_cols && a->in_cols <= 7 && a->out_rows <= 4 &&
           a->out_cols <= 4 && (a->out_rows + (a->top == 0)) * a->out_cols <= 16;
}

/* The planes that a window kernel reads and writes, and its weights: `planes` results, each a sum
 * over `channels` planes. Strides count elements. */
typedef struct fnn_conv2d_walk {
    ptrdiff_t planes, channels;
    ptrdiff_t src_plane, src_channel, dst_plane;
    ptrdiff_t w_plane, w_channel;
    ptrdiff_t bias_plane;
    int past; /* results may go past the caches: dst is on a line, and its rows are whole lines */
} fnn_conv2d_walk;

/* A number of dy, and where its weights stand for column 0 of a row of dx: lo .. hi get it. */
typedef struct fnn_conv2d_term {
    ptrdiff_t dy, w, lo, hi;
} fnn_conv2d_term;

enum { FNN_CONV2D_FEW_TERMS = 32 }; /* of a plane of dx, at most */

/* Windows of `taps` taps at rows x cols places of a plane, all inside of it. */
typedef struct fnn_conv2d_few {
    ptrdiff_t rows, cols, taps;
    ptrdiff_t tap_cols, tap_row;  /* taps of a run; elements of x between two runs */
    ptrdiff_t plane;              /* elements of x, .. */
    ptrdiff_t row_step, col_step; /* .. and between two places */
    ptrdiff_t images, x_image, y_image; /* forward; elements between two */
    ptrdiff_t out_rows, out_cols; /* of dx; term[start[h]] .. of its row h */
    const ptrdiff_t *start;
    const fnn_conv2d_term *term;
} fnn_conv2d_few;

/* 5x5 taps at 2x2 places two pixels apart, which AVX-512 takes four planes at a time (conv2d_fives). */
FNN_INLINE int fnn_conv2d_is_fives(const fnn_conv2d_few *a) {
    return a->taps == 25 && a->tap_cols == 5 && a->col_step == 2 && a->row_step == 2 * a->tap_row &&
           a->rows == 2 && a->cols == 2;
}

/* Windows of height x width taps over one plane, or every second pixel of two; see conv2d_near. */
typedef struct fnn_conv2d_near {
    ptrdiff_t planes, rows, cols, row_step, plane; /* pixels; elements between rows and planes */
    ptrdiff_t top, left, pitch;                    /* zeros above and before; pixels of a row */
    ptrdiff_t height, width, out_rows, out_cols, out_plane;
    ptrdiff_t tile_rows;
    int tile;
    /* for each column of taps of a tile so many lines of what `ahead` tells are fetched, endlessly,
     * and so many from `to` on for writing; over one plane always three, some of them twice */
    ptrdiff_t fetch, fetch_to;
    fnn_conv2d_ahead ahead;
    const char *to;
} fnn_conv2d_near;

/* Neighbouring taps that stand x_step apart, like the pixels that they are summed for: the first
 * one's source, relative to its line's, its weight, and how many there are. */
typedef struct fnn_conv2d_tap_run {
    ptrdiff_t x, w, taps;
} fnn_conv2d_tap_run;

/* Pixels in a row of the result that sum the same runs of taps, `pixels` of them, by tile number
 * `tile`; x is where the first one's source would stand without any tap, y where it goes. */
typedef struct fnn_conv2d_line {
    ptrdiff_t x, y, run, runs, pixels;
    int tile;
} fnn_conv2d_line;

/* Lines of one plane, and its runs of taps; see conv2d_lanes. Strides and offsets count elements. */
typedef struct fnn_conv2d_lines {
    ptrdiff_t count;
    const fnn_conv2d_line *line;
    const fnn_conv2d_tap_run *run;
    ptrdiff_t x_from, y_from, x_step, y_step, w_step;
    ptrdiff_t channels, x_channel, w_channel;
    int broad;               /* pixels of a tile, where a pixel of x is one number; or 0 */
    fnn_conv2d_ahead *ahead; /* as above: four lines for each run of taps of a tile */
} fnn_conv2d_lines;

#endif
