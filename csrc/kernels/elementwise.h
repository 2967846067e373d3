/* Contracts of the elementwise kernels (a template: included once per element type).
 *
 * All are exact as IEEE has it: no flushing, NaN and infinities travel. An output may be the
 * same array as an input it is in step with (out[i] depends on element i alone); any other
 * overlap is forbidden. Pointers need only the element's alignment. */

/* out[i][j] = a[i a_rs + j a_cs] op b[i b_rs + j b_cs] for i < rows, j < n; out is dense.
 * Strides count elements and may be 0 or negative; a_cs and b_cs of 0 or 1 (but not both 0)
 * are fast. */
typedef void FN(binary_fn)(ptrdiff_t rows, ptrdiff_t n, const real *a, ptrdiff_t a_rs,
                           ptrdiff_t a_cs, const real *b, ptrdiff_t b_rs, ptrdiff_t b_cs,
                           real *out);
typedef FN(binary_fn) FN(add_fn), FN(sub_fn), FN(mul_fn), FN(div_fn);

/* y[i] = f(x[i]) for i < n; accuracy of exp, log, tanh, sigmoid in simd/math_tmpl.h.
 * relu(x) = x < 0 ? 0 : x, so NaN stays. */
typedef void FN(unary_fn)(ptrdiff_t n, const real *x, real *y);
typedef FN(unary_fn) FN(exp_fn), FN(log_fn), FN(tanh_fn), FN(sigmoid_fn), FN(relu_fn);

/* dx[i] = dy[i] f'(x[i]) for i < n, given y[i] = f(x[i]):
 * tanh: dy (1 - y^2); sigmoid: dy (1 - y) y; relu: y <= 0 ? 0 : dy, so dy passes where y is NaN. */
typedef void FN(unary_backward_fn)(ptrdiff_t n, const real *dy, const real *y, real *dx);
typedef FN(unary_backward_fn) FN(tanh_backward_fn), FN(sigmoid_backward_fn), FN(relu_backward_fn);
