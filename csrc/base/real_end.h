/* Closes an instance opened by real_f32.h or real_f64.h. */
#undef real
#undef FN
#undef FNN_REAL_IS_F32
#undef FNN_CHOSEN_F32
