/* Contracts of the cross-entropy kernels (a template: included once per element type).
 *
 * Softmax cross-entropy of rows of logits x [rows][classes] with class indices t [rows], class
 * weights w (1 where weight is NULL) and label smoothing. With q = log softmax(x[i]):
 *     loss[i] = -keep w[t] q[t] - spread sum_c w[c] q[c],   0 where t[i] == ignore_index
 * Indices have been checked. Outputs overlap no input. */

/* keep = 1 - label_smoothing, spread = label_smoothing / classes, weight_sum = sum_c w[c];
 * ignores: whether any label is ignore_index */
typedef struct FN(loss_terms) {
    real keep, spread, weight_sum;
    int64_t ignore_index;
    int ignores;
} FN(loss_terms);

/* loss[i] as above and lse[i] = log sum_c exp(x[i][c]); lse also of ignored rows. Their last bits
 * may depend on the rows before them in the call. */
typedef void FN(cross_entropy_fn)(ptrdiff_t rows, ptrdiff_t classes, const real *x,
                                  const int64_t *target, const real *weight,
                                  const FN(loss_terms) *terms, real *loss, real *lse);

/* dx[i][c] = g (p_c (keep w[t] + spread weight_sum) - spread w[c] - (c == t) keep w[t]) with
 * g = grad[i grad_stride] and p = softmax(x[i]); zeros where t[i] == ignore_index. grad_stride is
 * 0 or 1. */
typedef void FN(cross_entropy_backward_fn)(ptrdiff_t rows, ptrdiff_t classes, const real *grad,
                                           ptrdiff_t grad_stride, const real *x,
                                           const int64_t *target, const real *weight,
                                           const FN(loss_terms) *terms, const real *lse, real *dx);

/* Whether any label is not in [0, classes); of int64_t, so that only the table of double has it. */
typedef int FN(labels_outside_fn)(ptrdiff_t rows, ptrdiff_t classes, const int64_t *target);
