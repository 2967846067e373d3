/* Bits that tell which tap of a window is its largest, for 3x3 windows of stride 2 of planes without
 * or with a border of one element: 0.75 bytes a window instead of a position's four, and the rows that
 * windows share are looked at once.
 *
 * Rows of windows p and vectors k of 16 windows have a record of six words, bit l is window 16 k + l:
 *
 *     words   of                            first of two        second of two
 *     0, 1    the windows' upper row        the second tap is   the third tap is not
 *     2, 3    their middle row              the largest         the largest
 *     4, 5    the three rows' largest       the middle row's    the lower row's
 *                                           is                  is not
 *
 * A lower row is the upper one of the next record; behind the last row of windows are records of
 * which only words 0 and 1 count. NaNs are above everything, and above NaNs before them. What is
 * outside the plane is below everything. */
#ifndef FNN_KERNELS_POOL_BITS_H
#define FNN_KERNELS_POOL_BITS_H

#include "base/common.h"
#include "fastnn.h"

/* Windows in a record, its words, and the most windows a row may have (a gradient has rows that are
 * outside of the plane on the stack). */
enum { FNN_BIT_LANES = 16, FNN_BIT_WORDS = 6, FNN_BIT_ROW = 512 };

/* Records of a row of windows. */
FNN_INLINE ptrdiff_t fnn_bit_records(const fnn_pool_shape *s) {
    return fnn_ceil_div(s->q, FNN_BIT_LANES);
}

/* Words of a plane. */
FNN_INLINE ptrdiff_t fnn_bit_words(const fnn_pool_shape *s) {
    return (s->p + 1) * fnn_bit_records(s) * FNN_BIT_WORDS;
}

/* Which of three two words say is the largest, for one of their bits. */
FNN_INLINE ptrdiff_t fnn_largest_bit(const uint16_t *words, ptrdiff_t bit) {
    return words[1] >> bit & 1 ? words[0] >> bit & 1 : 2;
}

/* Whether `count` windows of stride 2, of 2 or 3 elements, are inside a line of `size` and leave at
 * most one element over. */
FNN_INLINE int fnn_steps_by_two(ptrdiff_t count, ptrdiff_t size, int square) {
    return count > 0 && (size - square) / 2 + 1 == count && size >= square;
}

/* Whether windows are of that kind. */
FNN_INLINE int fnn_steps_by_threes(const fnn_pool_shape *s) {
    return s->r == 3 && s->s == 3 && s->stride_h == 2 && s->stride_w == 2 && s->dilation_h == 1 &&
           s->dilation_w == 1 && s->pad_h == s->pad_w && s->pad_h <= 1 &&
           fnn_steps_by_two(s->p, s->h + 2 * s->pad_h, 3) &&
           fnn_steps_by_two(s->q, s->w + 2 * s->pad_w, 3);
}

/* Whether their bits are told: of narrower planes gradients are quicker one by one. */
FNN_INLINE int fnn_has_bits(const fnn_pool_shape *s) {
    return fnn_steps_by_threes(s) && s->q <= FNN_BIT_ROW && s->w >= 24;
}

#endif
