/* Opens a float32 instance of a *_tmpl file: `real` is the element, FN(name) the typed name. */
#define real float
#define FN(name) name##_f32
#define FNN_REAL_IS_F32 1
