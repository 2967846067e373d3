/* Opens a float64 instance of a *_tmpl file: `real` is the element, FN(name) the typed name. */
#define real double
#define FN(name) name##_f64
#define FNN_REAL_IS_F32 0
/* Kernels of algorithms that float64 takes only if asked: compiled for size there. */
#define FNN_CHOSEN_F32 FNN_SMALL
