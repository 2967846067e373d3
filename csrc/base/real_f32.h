/* Opens a float32 instance of a *_tmpl file: `real` is the element, FN(name) the typed name. */
#define real float
#define FN(name) name##_f32
#define FNN_REAL_IS_F32 1
/* Kernels of algorithms that float64 takes only if asked. */
#define FNN_CHOSEN_F32 FNN_ONCE
