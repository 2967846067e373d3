/* Contracts of the optimiser kernels (a template: included once per element type).
 *
 * One step over n elements, in place, in the order of operations of torch.optim (the
 * references are its _single_tensor_sgd and _single_tensor_adam); a product that is added is
 * fused where the ISA can. g is only read; the arrays do not overlap. */

typedef struct FN(sgd_terms) {
    real lr, momentum, fresh, weight_decay; /* fresh = 1 - dampening */
    int nesterov, maximize;
} FN(sgd_terms);

/* d = +-g + weight_decay p;  p -= lr d */
typedef void FN(sgd_fn)(ptrdiff_t n, const FN(sgd_terms) *terms, const real *g, real *p);

/* d = +-g + weight_decay p;  b = first ? d : momentum b + fresh d (b is not read if first);
 * p -= lr (nesterov ? d + momentum b : b) */
typedef void FN(sgd_momentum_fn)(ptrdiff_t n, const FN(sgd_terms) *terms, int first, const real *g,
                                 real *p, real *b);

typedef struct FN(adam_terms) {
    real fresh1;       /* 1 - beta1, below 1/2 or not */
    real beta2, fresh2; /* fresh2 = 1 - beta2 */
    real weight_decay; /* added to the gradient; 0 if decoupled */
    real shrink;       /* 1 - lr weight_decay if decoupled, else 1 */
    real rate;         /* lr / (1 - beta1^step) */
    real root;         /* 1 / sqrt(1 - beta2^step) */
    real eps;
    int maximize;
} FN(adam_terms);

/* p *= shrink;  d = +-g + weight_decay p;  m += fresh1 (d - m);  v = beta2 v + fresh2 d d;
 * p -= rate m / (sqrt(s) root + eps)  with s = v, or s = v_max = max(v_max, v) unless NULL */
typedef void FN(adam_fn)(ptrdiff_t n, const FN(adam_terms) *terms, const real *g, real *p, real *m,
                         real *v, real *v_max);
