/* Opens a float64 instance of a *_tmpl file: `real` is the element, FN(name) the typed name. */
#define real double
#define FN(name) name##_f64
#define FNN_REAL_IS_F32 0
