/* Pointwise products of several small maps as one, for one element type: y [K][images, pixels] =
 * w [K][C] x [C][images, pixels], or the same with w^T and dy. 49 pixels are 3 vectors and one lane
 * of a fourth; of 16 images they are 49 whole ones, and the weights pass once. Columns in order:
 *
 *   [image][whole vectors of its pixels]  [image][the pixels that are left]  [zeros to a vector]
 *
 * B is packed so from the images. Whole vectors of C are stored straight into the images, vectors
 * of left pixels into sheets that look like images, and from there to their places. A sum of many
 * passes over C is made in one wide sheet, whose rows lie on lines, and then moved.
 *
 * Where L2 keeps weights and an image's columns, each image goes by itself, `apart`: the first rows
 * of its product pack the whole panels of columns on the way, the others fetch the next image, and
 * only the pixels left are one product, by way of a wide sheet.
 *
 * Workspace: weights turned (backward-data), or rows of them whole pages apart moved off those |
 * sheets | places of C's vectors, or of images apart the left pixels, packed | the product's own |
 * panels of each worker */

typedef struct FN(joined_plan) {
    ptrdiff_t images, pixels, whole, rest; /* pixels of an image, in whole vectors, and others */
    ptrdiff_t left;                        /* columns in front of the left pixels */
    int wide;                              /* all of C goes to one wide sheet */
    ptrdiff_t depth;                       /* apart: of a block; else 0 */
    ptrdiff_t turned_pitch;                /* of turned weights */
    fnn_gemm_shape gemm;
    size_t turned_bytes, sheet_bytes, place_bytes, product_bytes, panel_bytes, bytes;
} FN(joined_plan);

/* What the packing callback sees. */
typedef struct FN(joined_source) {
    const FN(joined_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *src;
} FN(joined_source);

typedef struct FN(joined_job) {
    const FN(joined_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *src, *w, *bias, *sheets;
    real *dst, *left; /* of images apart, packed */
    char *panels;
    FN(finishing) finishing;
} FN(joined_job);

enum { FN(JOINED_ROWS) = 16 }; /* rows of an image that are packed side by side */

/* Depth of a block, if each image goes by itself, or 0: where few pixels are left beside whole
 * panels, yet a vector of all images, or none of a map that is not small; where rows enough share
 * what the first ones pack; where L2 keeps weights and panels from image to image; and below 64
 * lines of pixels, for larger maps lose by it. */
static ptrdiff_t FN(apart)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    if (!FNN_REAL_IS_F32) return 0; /* no tile of float64 copies B */
    const FN(fnn_table) *t = FN(table)(ctx);
    const ptrdiff_t pixels = s->p * s->q, rest = pixels % t->gemm_nr, size = sizeof(real);
    const ptrdiff_t k = pass == FNN_FORWARD ? s->c : s->k;
    const ptrdiff_t depth = fnn_ceil_div(k, fnn_max(fnn_ceil_div(k, t->gemm_kc), 1));
    const int left = rest ? rest * size < FNN_LINE && s->n * rest >= t->lanes
                          : pixels >= 16 * t->lanes;
    return t->gemm_copies && left && pixels > rest &&
                   pixels * size < 64 * FNN_LINE && fnn_min(s->c, s->k) >= APART_FEWEST &&
                   s->c * s->k * size <= 2 * APART_BYTES && pixels * depth * size <= APART_BYTES
               ? depth : 0;
}

/* Several images, apart or maps of more than a vector that do not fill theirs: up to eight vectors
 * where the sum is longer than the result is wide; else up to sixteen lines, if the weights are
 * many to pass for every image. Without masked loads a last panel costs more: half the weights are
 * many, and any for up to four lines. */
int FN(fnn_conv2d_joins)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass) {
    const ptrdiff_t pixels = s->p * s->q, lanes = FN(table)(ctx)->lanes;
    const int narrow = pass == FNN_FORWARD ? s->c > s->k : s->k > s->c;
    const ptrdiff_t size = sizeof(real), weights = s->c * s->k * size;
    const int many = FN(table)(ctx)->gemm_masked
                         ? weights >= MANY_WEIGHTS
                         : 2 * weights >= MANY_WEIGHTS || pixels * size < 4 * FNN_LINE;
    return pass != FNN_BACKWARD_WEIGHT && s->groups == 1 && s->n >= 4 && fnn_conv2d_is_product(s) &&
           (FN(apart)(ctx, s, pass) ||
            (pixels > lanes && pixels % lanes != 0 && fnn_min(s->c, s->k) >= 4 * lanes &&
             (narrow ? pixels < 8 * lanes : many && pixels * size < 16 * FNN_LINE)));
}

/* Vectors of left pixels that stand side by side in a row of a sheet. */
FNN_INLINE ptrdiff_t FN(abreast)(const FN(joined_plan) *plan, ptrdiff_t lanes) {
    return plan->pixels / lanes;
}

static FN(joined_plan) FN(make_joined_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                            fnn_conv2d_pass pass) {
    const ptrdiff_t lanes = FN(table)(ctx)->lanes, nr = FN(table)(ctx)->gemm_nr;
    const ptrdiff_t pixels = s->p * s->q, depth = FN(apart)(ctx, s, pass);
    const ptrdiff_t unit = depth ? nr : lanes;
    const int data = pass == FNN_BACKWARD_DATA;
    FN(joined_plan) plan = {.images = s->n, .pixels = pixels, .whole = pixels / unit * unit,
                            .rest = pixels % unit, .depth = depth};
    plan.left = depth ? 0 : s->n * plan.whole;
    fnn_gemm_shape *g = &plan.gemm;
    *g = (fnn_gemm_shape){.batch = 1, .m = data ? s->c : s->k, .k = data ? s->k : s->c, .a_cs = 1,
                          .n = plan.left + fnn_round_up(s->n * plan.rest, lanes), .c_rs = pixels,
                          .b_packed = depth > 0};
    const int moved = data || (depth && g->k * (ptrdiff_t)sizeof(real) % FNN_PAGE == 0);
    plan.turned_pitch = fnn_round_up(g->k, lanes) + lanes;
    g->a_rs = moved ? plan.turned_pitch : g->k;
    plan.wide = depth || g->k > g->m;
    if (plan.wide) g->c_rs = g->n + lanes;
    const ptrdiff_t sheets =
        fnn_ceil_div((g->n - plan.left) / lanes, FN(abreast)(&plan, lanes));
    plan.turned_bytes = moved ? FN(bytes)(g->m * plan.turned_pitch) : 0;
    plan.sheet_bytes = FN(bytes)(g->m * (plan.wide ? g->c_rs : sheets * pixels));
    plan.place_bytes = depth ? FN(bytes)(fnn_round_up(g->n, nr) * g->k)
                             : fnn_lines((size_t)(g->n / lanes) * sizeof(ptrdiff_t));
    plan.panel_bytes = FN(bytes)(plan.whole * depth);
    plan.product_bytes = fnn_lines(depth ? FN(fnn_gemm_workspace)(ctx, g)
                                         : FN(fnn_gemm_virtual_workspace)(ctx, g));
    plan.bytes = plan.turned_bytes + plan.sheet_bytes + plan.place_bytes + plan.product_bytes +
                 plan.panel_bytes * (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return plan;
}

/* Where a left pixel of an image lies in the first row of the sheets. */
FNN_INLINE ptrdiff_t FN(on_sheet)(const FN(joined_plan) *p, ptrdiff_t lanes, ptrdiff_t left) {
    const ptrdiff_t v = left / lanes, abreast = FN(abreast)(p, lanes);
    if (p->wide) return p->left + left;
    return v / abreast * p->gemm.m * p->pixels + v % abreast * lanes + left % lanes;
}

/* Columns j .. j + width of one image, whole vectors within one panel or several. */
static void FN(pack_image)(const FN(joined_source) *from, ptrdiff_t k0, ptrdiff_t kc, ptrdiff_t j,
                           ptrdiff_t j0, ptrdiff_t width, real *panels) {
    const FN(joined_plan) *p = from->plan;
    const ptrdiff_t nr = from->kernels->gemm_nr, px = p->pixels;
    const real *src = from->src + (j / p->whole * p->gemm.k + k0) * px + j % p->whole - j;
    for (ptrdiff_t k = 0; k < kc; k += FN(JOINED_ROWS)) {
        const ptrdiff_t rows = fnn_min(FN(JOINED_ROWS), kc - k);
        for (ptrdiff_t i = j, w; i < j + width; i += w) {
            const ptrdiff_t at = i - j0;
            w = fnn_min(nr - at % nr, j + width - i);
            from->kernels->gemm_pack(rows, w, src + k * px + i, px, 1,
                                     panels + at / nr * nr * kc + k * nr + at % nr, nr, w);
        }
    }
}

/* One vector of left pixels. */
static void FN(pack_left)(const FN(joined_source) *from, ptrdiff_t k0, ptrdiff_t kc, ptrdiff_t j,
                          real *to) {
    const FN(joined_plan) *p = from->plan;
    const ptrdiff_t lanes = from->kernels->lanes, nr = from->kernels->gemm_nr, px = p->pixels;
    for (ptrdiff_t l = 0; l < lanes; l++) {
        const ptrdiff_t left = j - p->left + l, n = left / p->rest;
        const real *pixel =
            from->src + (n * p->gemm.k + k0) * px + p->whole + left % p->rest;
        if (n < p->images)
            for (ptrdiff_t k = 0; k < kc; k++) to[k * nr + l] = pixel[k * px];
        else
            for (ptrdiff_t k = 0; k < kc; k++) to[k * nr + l] = 0;
    }
}

static void FN(pack_joined)(const void *source, ptrdiff_t k0, ptrdiff_t kc, ptrdiff_t j0,
                            ptrdiff_t nc, real *panels) {
    const FN(joined_source) *from = source;
    const FN(joined_plan) *p = from->plan;
    const ptrdiff_t nr = from->kernels->gemm_nr, lanes = from->kernels->lanes;
    ptrdiff_t j = j0, width;
    for (; j < fnn_min(j0 + nc, p->left); j += width) {
        width = fnn_min(p->whole - j % p->whole, j0 + nc - j);
        FN(pack_image)(from, k0, kc, j, j0, width, panels);
    }
    for (; j < j0 + nc; j += lanes)
        FN(pack_left)(from, k0, kc, j, panels + (j - j0) / nr * nr * kc + (j - j0) % nr);
    for (j = nc; j % nr != 0; j += lanes)
        for (ptrdiff_t k = 0; k < kc; k++)
            memset(panels + j / nr * nr * kc + j % nr + k * nr, 0, (size_t)lanes * sizeof(real));
}

/* Where the vectors of C's columns go, from dst on: to the images and to the sheets. */
static void FN(place)(const FN(joined_job) *job, ptrdiff_t *at) {
    const FN(joined_plan) *p = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes, image = p->gemm.m * p->pixels;
    const ptrdiff_t sheets =
        ((intptr_t)job->sheets - (intptr_t)job->dst) / (ptrdiff_t)sizeof(real);
    for (ptrdiff_t j = 0; j < p->gemm.n; j += lanes)
        *at++ = j < p->left ? j / p->whole * image + j % p->whole
                            : sheets + FN(on_sheet)(p, lanes, j - p->left);
}

/* Left pixels of one image from the sheets to the ends of rows of dst: lines that the product wrote
 * long ago, far apart, which no prefetcher of the processor follows. */
static void FN(move_left)(const FN(joined_job) *job, ptrdiff_t left, real *dst) {
    const FN(joined_plan) *p = job->plan;
    const real *from = job->sheets;
    ptrdiff_t at[FNN_LINE / sizeof(real)];
    for (ptrdiff_t j = 0; j < p->rest; j++)
        at[j] = FN(on_sheet)(p, job->kernels->lanes, left + j);
    for (ptrdiff_t i = 0; i < p->gemm.m; i++, from += p->gemm.c_rs, dst += p->pixels) {
        __builtin_prefetch(dst + LEFT_AHEAD * p->pixels, 1);
        __builtin_prefetch(from + at[0] + LEFT_AHEAD * p->gemm.c_rs);
        for (ptrdiff_t j = 0; j < p->rest; j++) dst[j] = from[at[j]];
    }
}

/* Left pixels of one image, or all, from the sheets to their places. */
static void FN(left_task)(void *argument, ptrdiff_t image, int worker) {
    const FN(joined_job) *job = argument;
    const FN(joined_plan) *p = job->plan;
    const ptrdiff_t m = p->gemm.m;
    real *dst = job->dst + image * m * p->pixels;
    (void)worker;
    if (p->wide && !p->depth)
        job->kernels->gemm_pack(m, p->whole, job->sheets + image * p->whole, p->gemm.c_rs, 1, dst,
                                p->pixels, p->whole);
    dst += p->whole;
    if (p->rest > 0) FN(move_left)(job, image * p->rest, dst);
    FN(finish)(job->kernels, &job->finishing,
               (FN(region)){m, p->pixels, 1, p->pixels, p->pixels}, image * m * p->pixels);
}

/* Whole panels of one image, whose left pixels are packed beside those of the others. */
static void FN(apart_task)(void *argument, ptrdiff_t image, int worker) {
    const FN(joined_job) *job = argument;
    const FN(joined_plan) *p = job->plan;
    const ptrdiff_t nr = job->kernels->gemm_nr, px = p->pixels, depth = p->gemm.k;
    const real *src = job->src + image * depth * px + p->whole;
    real *const panels = (real *)(job->panels + (size_t)worker * p->panel_bytes);
    FN(gemm_operands) first = {.m = job->kernels->gemm_mr, .n = p->whole, .a = job->w,
                               .a_rs = p->gemm.a_rs, .a_ks = 1, .b = src - p->whole, .b_ks = px,
                               .b_ps = nr, .c = job->dst + image * p->gemm.m * px, .c_rs = px,
                               .panels = panels};
    for (ptrdiff_t k = 0; k < depth; k += first.k) {
        first.k = fnn_min(p->depth, depth - k);
        for (ptrdiff_t i = 0; i < p->rest; i++) {
            const ptrdiff_t j = image * p->rest + i;
            real *to = job->left + (j / nr * depth + k) * nr + j % nr;
            for (ptrdiff_t r = 0; r < first.k; r++) to[r * nr] = src[(k + r) * px + i];
        }
        if (k + first.k == depth) first.bias_row = job->bias, first.relu = p->gemm.relu;
        job->kernels->gemm_block(&first);
        FN(gemm_operands) others = first;
        others.m = p->gemm.m - first.m;
        others.a += first.m * first.a_rs;
        others.c += first.m * px;
        if (others.bias_row) others.bias_row += first.m;
        others.b = panels;
        others.b_ks = nr;
        others.b_ps = first.k * nr;
        others.panels = NULL;
        others.streams = 1;
        first.a += first.k;
        first.b += first.k * px;
        first.accumulate = 1;
        others.next = ((intptr_t)first.b - (intptr_t)panels) / (ptrdiff_t)sizeof(real);
        job->kernels->gemm_block(&others);
    }
}

static void FN(run_joined)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                           const real *src, const real *w, const real *bias, real *dst,
                           char *workspace) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    FN(joined_plan) plan = FN(make_joined_plan)(ctx, s, pass);
    const FN(joined_source) source = {.plan = &plan, .kernels = kernels, .src = src};
    real *sheets = (real *)(workspace + plan.turned_bytes);
    ptrdiff_t *places = (ptrdiff_t *)(workspace + plan.turned_bytes + plan.sheet_bytes);
    FN(joined_job) job = {.plan = &plan, .kernels = kernels, .src = src, .bias = bias, .dst = dst,
                          .sheets = sheets, .left = (real *)places,
                          .finishing = FN(finishing_of)(s, dst)};
    if (!plan.wide) FN(place)(&job, places);
    plan.gemm.bias = bias ? FNN_BIAS_PER_ROW : FNN_NO_BIAS;
    plan.gemm.relu = s->relu;
    job.finishing.relu = 0;
    if (plan.turned_bytes) {
        const ptrdiff_t m = plan.gemm.m, k = plan.gemm.k;
        if (pass == FNN_BACKWARD_DATA)
            FN(turn_weights)(ctx, m, k, w, plan.turned_pitch, (real *)workspace);
        else
            kernels->gemm_pack(m, k, w, k, 1, (real *)workspace, plan.turned_pitch, k);
        w = (const real *)workspace;
    }
    void *product = (char *)places + plan.place_bytes;
    if (FNN_REAL_IS_F32 && plan.depth) {
        job.w = w;
        job.panels = (char *)product + plan.product_bytes;
        memset(places, 0, plan.place_bytes);
        fnn_parallel(ctx->threads, plan.images, FN(apart_task), &job);
        FN(fnn_gemm)(ctx, &plan.gemm, w, job.left, bias, sheets, product);
    } else {
        FN(fnn_gemm_virtual)(ctx, &plan.gemm, w, FN(pack_joined), &source, bias,
                             plan.wide ? sheets : dst, plan.wide ? NULL : places, product);
    }
    fnn_parallel(ctx->threads, plan.images, FN(left_task), &job);
}

size_t FN(fnn_conv2d_joined_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass) {
    return FN(make_joined_plan)(ctx, shape, pass).bytes;
}

void FN(fnn_conv2d_joined_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const FN(joined_plan) plan = FN(make_joined_plan)(ctx, shape, pass);
    to->kernel = plan.depth ? "gemm, image by image, then the pixels left"
                            : "gemm, pixels of all images side by side";
    fnn_conv2d_note(to, "rows", plan.gemm.m);
    fnn_conv2d_note(to, "columns", plan.depth ? plan.whole : plan.gemm.n);
    fnn_conv2d_note(to, "depth", plan.gemm.k);
}

void FN(fnn_conv2d_joined_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   const real *x, const real *w, const real *bias, real *y,
                                   void *workspace) {
    FN(run_joined)(ctx, shape, FNN_FORWARD, x, w, bias, y, workspace);
}

void FN(fnn_conv2d_joined_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx,
                                         void *workspace) {
    FN(run_joined)(ctx, shape, FNN_BACKWARD_DATA, dy, w, NULL, dx, workspace);
}
