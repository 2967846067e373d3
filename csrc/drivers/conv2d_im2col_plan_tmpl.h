/* The plan of drivers/conv2d_im2col_tmpl.c. */

typedef struct FN(columns_plan) {
    const fnn_conv2d_shape *shape;
    fnn_conv2d_planes planes;
    fnn_gemm_shape gemm;
    fnn_ctx inner;              /* what one product runs with */
    int plain, threads;
    int disjoint;               /* windows are, and planes are columns */
    int deinterleaved;          /* they are, and columns are packed from x as it lies */
    int permuted;               /* so they are, a channel being a few vectors */
    int by_taps;                /* the gradient of the weights is a product for each tap, .. */
    ptrdiff_t beside;           /* .. of so many rows of dy, turned, at a time */
    ptrdiff_t in, out, taps;    /* channels per group */
    ptrdiff_t images;           /* a product: forward all or one, of weights a stack */
    ptrdiff_t block, blocks;    /* backward_data: channels a task */
    ptrdiff_t planes_image;     /* elements of one image's planes */
    ptrdiff_t turned_pitch; /* of weights turned for all images, or 0 */
    size_t turned_bytes, tap_bytes, bias_bytes, plane_bytes, column_bytes, worker_bytes, workers;
} FN(columns_plan);

/* Between rows of dy where a stack's images stand side by side. */
FNN_INLINE ptrdiff_t FN(stack_pitch)(const FN(columns_plan) *plan) {
    const ptrdiff_t line = FNN_LINE / sizeof(real), pixels = plan->shape->p * plan->shape->q;
    return fnn_round_up(plan->images * pixels, line) + line;
}

/* Images of one product: those whose planes L2 holds, or whose columns. */
static ptrdiff_t FN(images_of)(const FN(columns_plan) *plan, fnn_conv2d_pass pass,
                               const FN(fnn_table) *t) {
    const fnn_conv2d_shape *s = plan->shape;
    if (pass != FNN_BACKWARD_WEIGHT) return fnn_conv2d_columns_side(s, pass, t->lanes);
    const ptrdiff_t pixels = s->p * s->q, bytes = plan->planes_image * (ptrdiff_t)sizeof(real);
    return fnn_conv2d_columns_stack(
        s, fnn_min(t->gemm_kc / fnn_max(pixels, 1), STACK_BYTES / bytes));
}

/* The same product of so many rows of pixels. */
static fnn_gemm_shape FN(of_band)(const FN(columns_plan) *plan, fnn_gemm_shape g,
                                  fnn_conv2d_pass pass, ptrdiff_t rows) {
    if (plan->disjoint) *(pass == FNN_BACKWARD_WEIGHT ? &g.k : &g.n) = rows * plan->shape->q;
    return g;
}

static fnn_gemm_shape FN(columns_gemm)(const FN(columns_plan) *plan, fnn_conv2d_pass pass) {
    const fnn_conv2d_shape *s = plan->shape;
    const ptrdiff_t pixels = s->p * s->q, rows = plan->in * plan->taps;
    fnn_gemm_shape g = {.batch = 1};
    ptrdiff_t bytes = s->n * s->c * s->h * s->w * (ptrdiff_t)sizeof(real); /* of all of B */
    switch (pass) {
    case FNN_FORWARD:
        g.m = plan->out, g.n = plan->images * pixels, g.k = rows;
        g.a_rs = rows, g.a_cs = 1, g.b_rs = pixels, g.b_cs = 1, g.c_rs = g.n;
        break;
    case FNN_BACKWARD_DATA:
        bytes = s->n * s->k * pixels * (ptrdiff_t)sizeof(real);
        g.m = plan->block * plan->taps, g.n = pixels, g.k = plan->out;
        g.a_rs = 1, g.a_cs = rows, g.b_rs = pixels, g.b_cs = 1, g.c_rs = pixels;
        break;
    default:
        g.m = plan->out, g.n = rows, g.k = plan->images * pixels;
        g.a_rs = plan->images > 1 ? FN(stack_pitch)(plan) : pixels, g.a_cs = 1;
        g.b_rs = 1, g.b_cs = pixels, g.c_rs = rows;
    }
    if (plan->disjoint) {
        const ptrdiff_t row = plan->planes.phase;
        if (pass == FNN_BACKWARD_DATA)
            g.c_rs = row;
        else if (pass == FNN_FORWARD)
            g.b_rs = row;
        else
            g.b_cs = row;
        return FN(of_band)(plan, g, pass, plan->planes.band);
    }
    g.b_far = (bytes > FAR) + (bytes * fnn_min(g.m, 128) > FARTHER) + (bytes > FARTHEST);
    return g;
}

/* Planes of a whole image, and of dx its columns, a block of channels at a time; where planes are
 * columns themselves, bands of rows that L2 keeps, in which rows of columns are evenly apart. */
static void FN(lay_columns)(FN(columns_plan) *plan, fnn_conv2d_pass pass, ptrdiff_t lanes) {
    const fnn_conv2d_shape *s = plan->shape;
    const ptrdiff_t size = sizeof(real), data = pass == FNN_BACKWARD_DATA;
    fnn_conv2d_planes *planes = &plan->planes;
    ptrdiff_t most = s->p;
    if (plan->disjoint) { /* all weights pass for a band */
        const ptrdiff_t row = plan->in * plan->taps * size;
        most = fnn_max(fnn_max(BAND_BYTES, 2 * plan->out * row) / (row * s->q),
                       fnn_ceil_div(BAND_PIXELS, s->q));
    }
    plan->blocks = data && !plan->disjoint ? fnn_conv2d_columns_blocks(s, size) : 1;
    plan->block = fnn_ceil_div(plan->in, plan->blocks);
    fnn_conv2d_lay_planes(planes, most, lanes, size);
    if (plan->disjoint) {
        planes->phase = fnn_round_up(planes->phase, lanes);
        if (planes->phase * size % FNN_PAGE == 0) planes->phase += lanes;
        planes->channel = planes->copies * planes->phase;
    }
    plan->column_bytes =
        data && !plan->disjoint ? FN(bytes)(plan->block * plan->taps * s->p * s->q) : 0;
    plan->planes_image = plan->block * planes->channel + lanes;
}

/* Images and groups, and pieces of them; of the weights groups, whose images are summed. */
FNN_INLINE ptrdiff_t FN(columns_tasks)(const FN(columns_plan) *plan, fnn_conv2d_pass pass) {
    const fnn_conv2d_shape *s = plan->shape;
    if (pass == FNN_BACKWARD_WEIGHT) return s->groups;
    const ptrdiff_t pieces = plan->disjoint ? plan->planes.bands : plan->blocks;
    return s->n / plan->images * s->groups * pieces;
}

/* Forward, windows of 2 or 4 columns side by side that reach to the edges: panels are packed from x,
 * which is read once, and stay in order, where those of planes are rows far apart. Finding each vector's
 * pixels is repaid by the depth. Blocks of it begin with the first of the columns. */
static int FN(deinterleaves)(const fnn_conv2d_shape *s, fnn_conv2d_pass pass, ptrdiff_t lanes,
                             ptrdiff_t kc) {
    const ptrdiff_t k = s->c / s->groups * s->r * s->s;
    if (k < (s->s == 4 ? DEEP_4 : DEEP_2)) return 0;
    if (k > kc && fnn_ceil_div(k, fnn_ceil_div(k, kc)) % s->s != 0) return 0;
    return FNN_REAL_IS_F32 && lanes >= 8 && pass == FNN_FORWARD && s->s == s->stride_w &&
           (s->s == 2 || s->s == 4) && s->dilation_w == 1 && s->pad_left == 0 &&
           s->pad_top == 0 && s->q * s->s <= s->w && s->q * s->s >= lanes &&
           (s->p - 1) * s->stride_h + (s->r - 1) * s->dilation_h < s->h;
}

/* Between rows of the sums by taps. */
FNN_INLINE ptrdiff_t FN(beside_pitch)(const FN(columns_plan) *plan, ptrdiff_t nr) {
    return fnn_round_up(plan->out, nr);
}

static FN(columns_plan) FN(make_columns_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                              fnn_conv2d_pass pass) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    FN(columns_plan) plan = {.shape = s, .inner = *ctx, .plain = fnn_conv2d_is_product(s),
                             .planes = fnn_conv2d_planes_forward(s, kernels->lanes),
                             .in = s->c / s->groups, .out = s->k / s->groups,
                             .taps = s->r * s->s, .images = 1, .blocks = 1};
    const ptrdiff_t pixels = s->p * s->q;
    plan.block = plan.in;
    plan.tap_bytes = fnn_lines((size_t)plan.taps * sizeof(ptrdiff_t));
    if (pass == FNN_BACKWARD_WEIGHT)
        plan.bias_bytes = FN(bias_bytes)(1, s->k, kernels->lanes);
    if (!plan.plain) {
        FN(lay_columns)(&plan, pass, kernels->lanes);
        plan.images = FN(images_of)(&plan, pass, kernels);
        plan.disjoint = fnn_conv2d_is_disjoint(s) && plan.images == 1;
        plan.deinterleaved = plan.disjoint && FN(deinterleaves)(s, pass, kernels->lanes,
                                                                  kernels->gemm_kc);
        plan.by_taps = FNN_REAL_IS_F32 && fnn_conv2d_by_taps(ctx, s, pass);
        if (plan.by_taps) plan.images = 1;
        if (plan.deinterleaved || plan.by_taps) plan.disjoint = 0, plan.planes_image = 0;
        if (plan.disjoint) FN(lay_columns)(&plan, pass, kernels->lanes);
        if (plan.images > 1)
            plan.column_bytes = FN(bytes)(plan.out * (pass == FNN_FORWARD ? plan.images * pixels
                                                                         : FN(stack_pitch)(&plan)));
        plan.permuted = !plan.deinterleaved && fnn_conv2d_permutes(s, pass, kernels->lanes);
        if (plan.permuted) {
            plan.planes_image = 0;
            plan.tap_bytes += fnn_lines((size_t)(plan.taps * pixels) * sizeof(int32_t));
        }
        if (plan.by_taps) {
            const ptrdiff_t pitch = FN(beside_pitch)(&plan, kernels->gemm_nr);
            const ptrdiff_t row = pitch * s->q * (ptrdiff_t)sizeof(real);
            const ptrdiff_t image = row * s->p + plan.in * s->h * s->w * (ptrdiff_t)sizeof(real);
            plan.beside = fnn_min(fnn_max(BESIDE_BYTES / row, 1), s->p);
            plan.images = fnn_max(fnn_min(STACK_BYTES / image, s->n), 1); /* work for several threads */
            plan.column_bytes =
                FN(bytes)((plan.images * plan.beside * s->q + plan.in * plan.taps) * pitch);
        }
        plan.plane_bytes = FN(bytes)(plan.images * plan.planes_image);
    }
    const ptrdiff_t tasks = FN(columns_tasks)(&plan, pass);
    const ptrdiff_t work = s->n * s->k * plan.in * plan.taps * pixels;
    plan.threads = work > GRAIN && tasks >= ctx->threads ? ctx->threads : 1;
    if (plan.threads > 1 || work <= GRAIN) plan.inner.threads = 1;
    plan.workers = (size_t)fnn_max(fnn_min(plan.threads, FNN_MAX_THREADS), 1);
    plan.gemm = FN(columns_gemm)(&plan, pass);
    if (pass == FNN_BACKWARD_DATA && plan.plain && s->groups == 1 && s->n > 1 &&
        s->n * pixels >= TURNING) {
        plan.turned_pitch = fnn_round_up(plan.out, kernels->lanes) + kernels->lanes;
        plan.turned_bytes = FN(bytes)(plan.in * plan.turned_pitch);
        plan.gemm.a_rs = plan.turned_pitch;
        plan.gemm.a_cs = 1;
    }
    size_t product = 0;
    if (plan.by_taps) {
        /* products need no room */
    } else if (plan.plain || plan.disjoint || pass == FNN_BACKWARD_DATA) {
        product = FN(fnn_gemm_workspace)(&plan.inner, &plan.gemm);
        /* a smaller product may be cut into larger parts */
        fnn_gemm_shape last = FN(of_band)(&plan, plan.gemm, pass,
                                          plan.planes.band - (plan.planes.bands > 1));
        last.m -= (plan.blocks * plan.block - plan.in) * plan.taps;
        if (last.m < plan.gemm.m || plan.planes.bands > 1) {
            const size_t bytes = FN(fnn_gemm_workspace)(&plan.inner, &last);
            if (bytes > product) product = bytes;
        }
    } else {
        product = FN(fnn_gemm_virtual_workspace)(&plan.inner, &plan.gemm);
        fnn_gemm_shape last = plan.gemm;
        last.k -= (fnn_ceil_div(s->n, plan.images) * plan.images - s->n) * pixels;
        if (last.k < plan.gemm.k) { /* fewer images */
            const size_t bytes = FN(fnn_gemm_virtual_workspace)(&plan.inner, &last);
            if (bytes > product) product = bytes;
        }
    }
    plan.worker_bytes = plan.plane_bytes + plan.column_bytes + fnn_lines(product);
    return plan;
}

/* A band of the result's rows, and the rows of x that are its own, borders that no window covers
 * among them. */
typedef struct FN(columns_band) {
    ptrdiff_t from, rows, top, high;
} FN(columns_band);

static FN(columns_band) FN(columns_band_of)(const FN(columns_plan) *plan, ptrdiff_t number) {
    const fnn_conv2d_shape *s = plan->shape;
    const ptrdiff_t from = fnn_conv2d_band_start(&plan->planes, number);
    const ptrdiff_t to = fnn_conv2d_band_start(&plan->planes, number + 1);
    const ptrdiff_t top = from ? fnn_min(from * s->stride_h - s->pad_top, s->h) : 0;
    const ptrdiff_t end = to < s->p ? fnn_min(to * s->stride_h - s->pad_top, s->h) : s->h;
    return (FN(columns_band)){from, to - from, fnn_max(top, 0), fnn_max(end - fnn_max(top, 0), 0)};
}
