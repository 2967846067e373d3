/* Contracts of the reduction kernels (a template: included once per element type).
 *
 * Sums are made of short blocks of plain additions whose results are added with their rounding
 * errors kept (two-sum), so the error does not grow with the length:
 * |error| <= 36 eps sum |x|. The order is fixed by the sizes alone. Infinities and NaN travel as
 * in a plain sum. Nothing is flushed. y overlaps no x. */

/* y[i] = sum over j < n of x[i stride + j], for i < rows */
typedef void FN(sum_rows_fn)(ptrdiff_t rows, ptrdiff_t n, const real *x, ptrdiff_t stride, real *y);

/* Most bytes of a row that is summed in one piece out of memory. */
#define SUM_FAR_BYTES 16384

/* y[j] = sum over i < rows of x[i stride + j], for j < n. `far`: x comes from memory, and n is at most
 * SUM_FAR_BYTES. */
typedef void FN(sum_columns_fn)(ptrdiff_t rows, ptrdiff_t n, const real *x, ptrdiff_t stride, int far,
                                real *y);
