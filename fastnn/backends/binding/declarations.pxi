# What csrc/fastnn.h declares. Each driver exists for float32 and float64.

cdef extern from "fastnn.h" nogil:
    ctypedef struct fnn_kernels:
        pass
    ctypedef enum fnn_status:
        FNN_OK
        FNN_UNSUPPORTED
        FNN_BAD_INDEX
    ctypedef enum fnn_algorithm:
        FNN_AUTO
        FNN_DIRECT
        FNN_IM2COL
        FNN_BATCH
        FNN_WINOGRAD
    ctypedef enum fnn_precision:
        FNN_FAST
        FNN_STRICT
    ctypedef struct fnn_ctx:
        const fnn_kernels *kernels
        int threads
        fnn_algorithm algorithm
        fnn_precision precision
        ptrdiff_t l2
        const fnn_kernels *halves
        const void *chosen

    int fnn_isa_count()
    const char *fnn_isa_name(int index)
    int fnn_isa_usable(int index)
    const fnn_kernels *fnn_isa_kernels(int index)
    const fnn_kernels *fnn_isa_halves(int index)
    int fnn_kernel_count()
    const char *fnn_kernel_name(int index)
    const fnn_kernels *fnn_kernels_without(int isa, int kernel)
    int fnn_stand_in_calls()
    const char *fnn_compiler()

    ctypedef enum fnn_stream:
        FNN_STREAM_READ
        FNN_STREAM_WRITE
        FNN_STREAM_COPY
        FNN_STREAM_DOUBLE
        FNN_STREAM_QUADRUPLE
    double fnn_fma_work_f32(const fnn_ctx *, ptrdiff_t rounds)
    double fnn_fma_work_f64(const fnn_ctx *, ptrdiff_t rounds)
    double fnn_stream_work_f32(const fnn_ctx *, fnn_stream, ptrdiff_t count, float *,
                               ptrdiff_t rounds)
    double fnn_stream_work_f64(const fnn_ctx *, fnn_stream, ptrdiff_t count, double *,
                               ptrdiff_t rounds)

    int fnn_cpu_affinity()
    int fnn_cpu_cores()
    int fnn_cpu_quota()
    long fnn_cpu_l2()
    int FNN_MAX_THREADS
    int fnn_pool_workers()

    void *fnn_alloc(size_t bytes)
    void fnn_free(void *block)
    void *fnn_acquire(size_t bytes, size_t *capacity)
    void fnn_recycle(void *block, size_t capacity)
    void fnn_release_all()
    size_t fnn_cached_bytes()
    void *fnn_workspace(size_t bytes)
    void fnn_workspace_release()

    ctypedef enum fnn_bias:
        FNN_NO_BIAS
        FNN_BIAS_PER_COLUMN
        FNN_BIAS_PER_ROW
    ctypedef struct fnn_gemm_shape:
        ptrdiff_t m, n, k, batch
        ptrdiff_t a_rs, a_cs, a_bs, b_rs, b_cs, b_bs, c_rs, c_bs
        int accumulate
        fnn_bias bias
        int relu, b_packed, b_far
        const void *gate
        void *sums
    size_t fnn_gemm_workspace_f32(const fnn_ctx *, const fnn_gemm_shape *)
    size_t fnn_gemm_workspace_f64(const fnn_ctx *, const fnn_gemm_shape *)
    fnn_status fnn_gemm_f32(const fnn_ctx *, const fnn_gemm_shape *, const float *a,
                            const float *b, const float *bias, float *c, void *workspace)
    fnn_status fnn_gemm_f64(const fnn_ctx *, const fnn_gemm_shape *, const double *a,
                            const double *b, const double *bias, double *c, void *workspace)

    size_t fnn_gemm_packed_size_f32(const fnn_ctx *, ptrdiff_t n, ptrdiff_t k)
    size_t fnn_gemm_packed_size_f64(const fnn_ctx *, ptrdiff_t n, ptrdiff_t k)
    fnn_status fnn_gemm_pack_b_f32(const fnn_ctx *, ptrdiff_t n, ptrdiff_t k, const float *b,
                                   ptrdiff_t b_rs, ptrdiff_t b_cs, float *packed)
    fnn_status fnn_gemm_pack_b_f64(const fnn_ctx *, ptrdiff_t n, ptrdiff_t k, const double *b,
                                   ptrdiff_t b_rs, ptrdiff_t b_cs, double *packed)

    ctypedef struct fnn_conv2d_shape:
        ptrdiff_t n, c, h, w, k, r, s, p, q
        ptrdiff_t stride_h, stride_w
        ptrdiff_t pad_top, pad_bottom, pad_left, pad_right
        ptrdiff_t dilation_h, dilation_w, groups
        int relu
        const void *gate
    ctypedef enum fnn_conv2d_pass:
        FNN_FORWARD
        FNN_BACKWARD_DATA
        FNN_BACKWARD_WEIGHT
    fnn_algorithm fnn_conv2d_choose(fnn_ctx *, const fnn_conv2d_shape *, fnn_conv2d_pass,
                                    int is_f64)
    ctypedef struct fnn_plan_note:
        const char *name
        ptrdiff_t value
    ctypedef struct fnn_conv2d_plan:
        fnn_algorithm algorithm
        const char *reason
        size_t workspace
        const char *kernel
        int notes
        fnn_plan_note note[12]
        double share
        const char *basis
    void fnn_conv2d_describe_f32(const fnn_ctx *, const fnn_conv2d_shape *, fnn_conv2d_pass,
                                 fnn_conv2d_plan *)
    void fnn_conv2d_describe_f64(const fnn_ctx *, const fnn_conv2d_shape *, fnn_conv2d_pass,
                                 fnn_conv2d_plan *)
    size_t fnn_conv2d_workspace_f32(const fnn_ctx *, const fnn_conv2d_shape *, fnn_conv2d_pass)
    size_t fnn_conv2d_workspace_f64(const fnn_ctx *, const fnn_conv2d_shape *, fnn_conv2d_pass)
    fnn_status fnn_conv2d_forward_f32(const fnn_ctx *, const fnn_conv2d_shape *, const float *x,
                                      const float *w, const float *bias, float *y, void *)
    fnn_status fnn_conv2d_forward_f64(const fnn_ctx *, const fnn_conv2d_shape *, const double *x,
                                      const double *w, const double *bias, double *y, void *)
    fnn_status fnn_conv2d_backward_data_f32(const fnn_ctx *, const fnn_conv2d_shape *,
                                            const float *dy, const float *w, float *dx, void *)
    fnn_status fnn_conv2d_backward_data_f64(const fnn_ctx *, const fnn_conv2d_shape *,
                                            const double *dy, const double *w, double *dx, void *)
    fnn_status fnn_conv2d_backward_weight_f32(const fnn_ctx *, const fnn_conv2d_shape *,
                                              const float *dy, const float *x, float *dw, float *db,
                                              void *)
    fnn_status fnn_conv2d_backward_weight_f64(const fnn_ctx *, const fnn_conv2d_shape *,
                                              const double *dy, const double *x, double *dw,
                                              double *db, void *)
    fnn_status fnn_conv2d_backward_bias_f32(const fnn_ctx *, const fnn_conv2d_shape *,
                                            const float *dy, float *db)
    fnn_status fnn_conv2d_backward_bias_f64(const fnn_ctx *, const fnn_conv2d_shape *,
                                            const double *dy, double *db)

    ctypedef struct fnn_pool_shape:
        ptrdiff_t planes, h, w, p, q, r, s
        ptrdiff_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w
        int count_include_pad
        ptrdiff_t divisor_override
    ptrdiff_t fnn_pool_bits(const fnn_pool_shape *)
    ptrdiff_t fnn_max_pool_words_f32(const fnn_ctx *, const fnn_pool_shape *)
    fnn_status fnn_max_pool_f32(const fnn_ctx *, const fnn_pool_shape *, const float *x, float *y,
                                int32_t *index, uint16_t *bits)
    fnn_status fnn_max_pool_f64(const fnn_ctx *, const fnn_pool_shape *, const double *x, double *y,
                                int32_t *index, uint16_t *bits)
    fnn_status fnn_max_pool_backward_f32(const fnn_ctx *, const fnn_pool_shape *, const float *dy,
                                         const int32_t *index, const uint16_t *bits,
                                         const float *gate, float *dx)
    fnn_status fnn_max_pool_backward_f64(const fnn_ctx *, const fnn_pool_shape *, const double *dy,
                                         const int32_t *index, const uint16_t *bits,
                                         const double *gate, double *dx)
    fnn_status fnn_avg_pool_f32(const fnn_ctx *, const fnn_pool_shape *, const float *x, float *y)
    fnn_status fnn_avg_pool_f64(const fnn_ctx *, const fnn_pool_shape *, const double *x, double *y)
    fnn_status fnn_avg_pool_backward_f32(const fnn_ctx *, const fnn_pool_shape *, const float *dy,
                                         float *dx)
    fnn_status fnn_avg_pool_backward_f64(const fnn_ctx *, const fnn_pool_shape *, const double *dy,
                                         double *dx)

    int FNN_MAX_DIMS
    ctypedef enum fnn_binary_op:
        FNN_ADD
        FNN_SUB
        FNN_MUL
        FNN_DIV
    ctypedef enum fnn_unary_op:
        FNN_EXP
        FNN_LOG
        FNN_TANH
        FNN_SIGMOID
        FNN_RELU
    ctypedef struct fnn_broadcast_shape:
        int ndim
        ptrdiff_t size[32]
        ptrdiff_t a_stride[32]
        ptrdiff_t b_stride[32]
    ctypedef struct fnn_axis_shape:
        ptrdiff_t outer, length, inner
    fnn_status fnn_binary_f32(const fnn_ctx *, fnn_binary_op, const fnn_broadcast_shape *,
                              const float *a, const float *b, float *out)
    fnn_status fnn_binary_f64(const fnn_ctx *, fnn_binary_op, const fnn_broadcast_shape *,
                              const double *a, const double *b, double *out)
    fnn_status fnn_unary_f32(const fnn_ctx *, fnn_unary_op, ptrdiff_t count, const float *, float *)
    fnn_status fnn_unary_f64(const fnn_ctx *, fnn_unary_op, ptrdiff_t count, const double *,
                             double *)
    fnn_status fnn_unary_backward_f32(const fnn_ctx *, fnn_unary_op, ptrdiff_t count,
                                      const float *dy, const float *y, float *dx)
    fnn_status fnn_unary_backward_f64(const fnn_ctx *, fnn_unary_op, ptrdiff_t count,
                                      const double *dy, const double *y, double *dx)
    size_t fnn_sum_workspace_f32(const fnn_ctx *, const fnn_axis_shape *)
    size_t fnn_sum_workspace_f64(const fnn_ctx *, const fnn_axis_shape *)
    fnn_status fnn_sum_f32(const fnn_ctx *, const fnn_axis_shape *, double scale, const float *x,
                           float *y, void *workspace)
    fnn_status fnn_sum_f64(const fnn_ctx *, const fnn_axis_shape *, double scale, const double *x,
                           double *y, void *workspace)

    fnn_status fnn_softmax_f32(const fnn_ctx *, const fnn_axis_shape *, int logarithm,
                               const float *x, float *y)
    fnn_status fnn_softmax_f64(const fnn_ctx *, const fnn_axis_shape *, int logarithm,
                               const double *x, double *y)
    fnn_status fnn_softmax_backward_f32(const fnn_ctx *, const fnn_axis_shape *, int logarithm,
                                        const float *dy, const float *y, float *dx)
    fnn_status fnn_softmax_backward_f64(const fnn_ctx *, const fnn_axis_shape *, int logarithm,
                                        const double *dy, const double *y, double *dx)

    ctypedef enum fnn_reduction:
        FNN_NONE
        FNN_MEAN
        FNN_SUM
    ctypedef struct fnn_cross_entropy_shape:
        ptrdiff_t rows, classes
        int64_t ignore_index
        double label_smoothing
        fnn_reduction reduction
        int64_t bad_index
    fnn_status fnn_cross_entropy_f32(const fnn_ctx *, fnn_cross_entropy_shape *,
                                     const float *logits, const int64_t *target,
                                     const float *weight, float *loss, float *lse, double *divisor)
    fnn_status fnn_cross_entropy_f64(const fnn_ctx *, fnn_cross_entropy_shape *,
                                     const double *logits, const int64_t *target,
                                     const double *weight, double *loss, double *lse,
                                     double *divisor)
    fnn_status fnn_cross_entropy_backward_f32(const fnn_ctx *, const fnn_cross_entropy_shape *,
                                              const float *grad, const float *logits,
                                              const int64_t *target, const float *weight,
                                              const float *lse, double divisor, float *dlogits)
    fnn_status fnn_cross_entropy_backward_f64(const fnn_ctx *, const fnn_cross_entropy_shape *,
                                              const double *grad, const double *logits,
                                              const int64_t *target, const double *weight,
                                              const double *lse, double divisor, double *dlogits)

    ctypedef struct fnn_sgd:
        double lr, momentum, dampening, weight_decay
        int nesterov, maximize, first
    ctypedef struct fnn_adam:
        double lr, beta1, beta2, eps, weight_decay
        int decoupled, maximize, amsgrad
        int64_t step
    fnn_status fnn_sgd_step_f32(const fnn_ctx *, const fnn_sgd *, ptrdiff_t count,
                                const ptrdiff_t *size, float **param, const float **grad,
                                float **momentum)
    fnn_status fnn_sgd_step_f64(const fnn_ctx *, const fnn_sgd *, ptrdiff_t count,
                                const ptrdiff_t *size, double **param, const double **grad,
                                double **momentum)
    fnn_status fnn_adam_step_f32(const fnn_ctx *, const fnn_adam *, ptrdiff_t count,
                                 const ptrdiff_t *size, float **param, const float **grad,
                                 float **m, float **v, float **v_max)
    fnn_status fnn_adam_step_f64(const fnn_ctx *, const fnn_adam *, ptrdiff_t count,
                                 const ptrdiff_t *size, double **param, const double **grad,
                                 double **m, double **v, double **v_max)
