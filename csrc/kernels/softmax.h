/* Contracts of the softmax kernels (a template: included once per element type).
 *
 * Exponentials are of differences to the maximum, so nothing overflows; a row that holds NaN or
 * +inf, or nothing but -inf, becomes NaN throughout, as exp(inf - inf) has it. Sums keep their
 * rounding errors (kernels/reduce.h). y and dx overlap no input. */

/* For i < rows, over j < n (x and y dense):
 * softmax:     y[i][j] = exp(x[i][j]) / sum_k exp(x[i][k])
 * log_softmax: y[i][j] = x[i][j] - log sum_k exp(x[i][k]) */
typedef void FN(softmax_fn)(ptrdiff_t rows, ptrdiff_t n, const real *x, real *y);
typedef FN(softmax_fn) FN(softmax_rows_fn), FN(log_softmax_rows_fn);

/* The gradients, given the forward's y:
 * softmax:     dx[i][j] = y[i][j] (dy[i][j] - sum_k dy[i][k] y[i][k])
 * log_softmax: dx[i][j] = dy[i][j] - exp(y[i][j]) sum_k dy[i][k] */
typedef void FN(softmax_grad_fn)(ptrdiff_t rows, ptrdiff_t n, const real *dy, const real *y,
                                 real *dx);
typedef FN(softmax_grad_fn) FN(softmax_rows_backward_fn), FN(log_softmax_rows_backward_fn);

/* The same four along the rows of a matrix instead: for each of n columns, over i < length,
 * element i at i stride. */
typedef void FN(softmax_columns_fn)(ptrdiff_t length, ptrdiff_t n, ptrdiff_t stride, const real *x,
                                    real *y);
typedef FN(softmax_columns_fn) FN(log_softmax_columns_fn);
typedef void FN(softmax_columns_backward_fn)(ptrdiff_t length, ptrdiff_t n, ptrdiff_t stride,
                                             const real *dy, const real *y, real *dx);
typedef FN(softmax_columns_backward_fn) FN(log_softmax_columns_backward_fn);
