/* Forward and backward-data over planes of LANES images.
 *
 * A task packs a band of one group of LANES images, computes its result row by row with taps
 * outside of the source left out, and turns the result back. Workspace:
 *
 *   shared   taps of each class | first tap of each class
 *   worker   planes [in][row][pitch][LANES] | result [out][row][width][LANES]
 */

typedef struct FN(batch_plan) {
    fnn_conv2d_batch planes;
    ptrdiff_t images, blocks, groups, in, out; /* blocks of LANES images; channels per group */
    ptrdiff_t taps, classes;
    ptrdiff_t w_out, w_in;
    pixel_choice tile;
    ptrdiff_t result; /* pixels of a channel in the largest band's result */
    size_t tap_bytes, start_bytes, plane_bytes, worker_bytes;
} FN(batch_plan);

typedef struct FN(batch_job) {
    const FN(batch_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *src, *w, *bias;
    real *dst;
    FN(finishing) finishing;
    fnn_conv2d_tap *tap;
    ptrdiff_t *start;
    char *workers;
} FN(batch_job);

/* Result rows that positions before `a` reach, of those that exist. */
FNN_INLINE ptrdiff_t FN(batch_result_row)(const fnn_conv2d_axis *rows, ptrdiff_t a) {
    return fnn_max(fnn_min(a * rows->out_step - rows->out_origin, rows->out), 0);
}

/* Columns of a class's row, and the fewest and most of any. */
FNN_INLINE ptrdiff_t FN(batch_width)(const fnn_conv2d_axis *cols, ptrdiff_t j) {
    return fnn_max(fnn_conv2d_last(cols, j) - fnn_conv2d_first(cols, j) + 1, 0);
}

static FN(batch_plan) FN(make_batch_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                          int backward) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes, vector = lanes * (ptrdiff_t)sizeof(real);
    FN(batch_plan) plan = {.planes = fnn_conv2d_batch_planes(s, backward), .images = s->n,
                           .blocks = fnn_ceil_div(s->n, lanes), .groups = s->groups,
                           .taps = s->r * s->s, .classes = 1};
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups;
    const fnn_conv2d_axis *rows = &plan.planes.rows, *cols = &plan.planes.cols;
    if (backward) {
        plan.in = k, plan.out = c, plan.w_out = plan.taps, plan.w_in = c * plan.taps;
        plan.classes = rows->phases * cols->phases;
    } else {
        plan.in = c, plan.out = k, plan.w_out = c * plan.taps, plan.w_in = plan.taps;
    }
    ptrdiff_t least = cols->out;
    for (ptrdiff_t j = 0; j < (backward ? cols->phases : 1); j++)
        if (FN(batch_width)(cols, j)) least = fnn_min(least, FN(batch_width)(cols, j));
    const pixel_need need = {.outs = plan.out, .width = least,
                             .terms = plan.in * fnn_ceil_div(plan.taps, plan.classes),
                             .run = s->dilation_w == s->stride_w ? s->s : 1,
                             .framed = plan.classes == 1 && s->stride_w == 1 &&
                                       fnn_conv2d_batch_source(cols, cols->lo) == 1 - s->s &&
                                       cols->in + s->s - 1 == cols->out};
    plan.tile = choose_pixels(kernels->conv2d_registers, &need);
    const ptrdiff_t in_row = plan.in * plan.planes.pitch * vector;
    const ptrdiff_t out_row = plan.out * cols->out * vector * rows->out_step;
    const ptrdiff_t halo = fnn_conv2d_batch_halo(rows) + 1 - rows->in_step;
    const ptrdiff_t row = fnn_max(in_row * rows->in_step + out_row, 1);
    fnn_conv2d_batch_cut(&plan.planes, fnn_max((BATCH_BYTES - halo * in_row) / row, 2), vector);
    plan.result = plan.planes.band * rows->out_step * cols->out;
    plan.tap_bytes = fnn_lines((size_t)plan.taps * sizeof(fnn_conv2d_tap));
    plan.start_bytes = fnn_lines((size_t)(plan.classes + 1) * sizeof(ptrdiff_t));
    plan.plane_bytes = FN(bytes)(plan.in * plan.planes.channel * lanes);
    plan.worker_bytes = plan.plane_bytes + FN(bytes)(plan.out * plan.result * lanes);
    return plan;
}

/* Taps sorted by class, by row and by where they read; forward has one class. */
static void FN(list_batch_taps)(const FN(batch_job) *job) {
    const FN(batch_plan) *plan = job->plan;
    const fnn_conv2d_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t step_r = rows->backward ? rows->phases : 1;
    const ptrdiff_t step_s = rows->backward ? cols->phases : 1;
    ptrdiff_t count = 0, class = 0;
    for (ptrdiff_t i = 0; i < step_r; i++) {
        for (ptrdiff_t j = 0; j < step_s; j++) {
            job->start[class++] = count;
            for (ptrdiff_t r = i; r < rows->taps; r += step_r) {
                const ptrdiff_t width = fnn_ceil_div(cols->taps - j, step_s);
                for (ptrdiff_t t = 0; t < width; t++, count++) {
                    const ptrdiff_t s = j + (cols->backward ? width - 1 - t : t) * step_s;
                    const ptrdiff_t at = fnn_conv2d_batch_reach(rows, r) * plan->planes.pitch +
                                         fnn_conv2d_batch_reach(cols, s);
                    job->tap[count] = (fnn_conv2d_tap){at * job->kernels->lanes,
                                                       r * cols->taps + s};
                }
            }
        }
    }
    job->start[class] = count;
}

/* What a task works on. */
typedef struct FN(batch_part) {
    ptrdiff_t group, a0, y0; /* first position and result row of the band */
    const real *planes;
    real *result;
} FN(batch_part);

/* The taps of class (i, j) whose rows, for position a, are inside of the source. */
static fnn_conv2d_sum FN(batch_sum)(const FN(batch_job) *job, ptrdiff_t i, ptrdiff_t j,
                                    ptrdiff_t a) {
    const FN(batch_plan) *plan = job->plan;
    const fnn_conv2d_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t step_r = rows->backward ? rows->phases : 1;
    const ptrdiff_t step_s = rows->backward ? cols->phases : 1;
    const ptrdiff_t width = fnn_ceil_div(cols->taps - j, step_s);
    const ptrdiff_t source = fnn_conv2d_batch_source(rows, a);
    const fnn_conv2d_tap *tap = job->tap + job->start[i * step_s + j];
    ptrdiff_t before = 0, inside = 0;
    for (ptrdiff_t r = i; r < rows->taps; r += step_r) {
        const ptrdiff_t row = source + fnn_conv2d_batch_reach(rows, r);
        if (row >= 0 && row < rows->in)
            inside++;
        else if (inside == 0)
            before++;
    }
    return (fnn_conv2d_sum){.channels = plan->in, .taps = inside * width,
                            .tap = tap + before * width,
                            .x_channel = plan->planes.channel * job->kernels->lanes,
                            .w_out = plan->w_out, .w_in = plan->w_in};
}

/* Position a of class (i, j): one row of the result, every output channel. */
static void FN(batch_row)(const FN(batch_job) *job, const FN(batch_part) *part, ptrdiff_t i,
                          ptrdiff_t j, ptrdiff_t a) {
    const FN(batch_plan) *plan = job->plan;
    const fnn_conv2d_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t lanes = job->kernels->lanes, left = fnn_conv2d_first(cols, j);
    const ptrdiff_t width = FN(batch_width)(cols, j), pixels = plan->tile.size.pixels;
    const ptrdiff_t residue_h = rows->backward ? fnn_conv2d_residue(rows, i) : 0;
    const ptrdiff_t residue_w = cols->backward ? fnn_conv2d_residue(cols, j) : 0;
    const fnn_conv2d_sum sum = FN(batch_sum)(job, i, j, a);
    const FN(conv2d_place) place = {.x_row = cols->in_step * lanes,
                                    .y_channel = plan->result * lanes,
                                    .y_row = cols->out_step * lanes, .last = lanes};
    const ptrdiff_t from = (a - part->a0) * rows->in_step * plan->planes.pitch +
                           fnn_conv2d_batch_source(cols, left) - plan->planes.base;
    const ptrdiff_t row = a * rows->out_step + residue_h - rows->out_origin - part->y0;
    const ptrdiff_t to =
        row * cols->out + left * cols->out_step + residue_w - cols->out_origin;
    const real *bias = job->bias ? job->bias + part->group * plan->out : NULL;
    const real *w = job->w + part->group * plan->in * plan->out * plan->taps;
    FN(conv2d_rows_fn) *const compute = plan->tile.size.taps > 1 ? job->kernels->conv2d_pixel_runs
                                                                 : job->kernels->conv2d_pixels;
    /* the pixels of a tile stay in the L1 cache while the weights, far fewer, pass by */
    for (ptrdiff_t q = 0; q < width; q += pixels) {
        const ptrdiff_t at = fnn_min(q, width - pixels); /* the last repeats what is there */
        const real *x = part->planes + (from + at * cols->in_step) * lanes;
        real *y = part->result + (to + at * cols->out_step) * lanes;
        for (ptrdiff_t block = 0; block < plan->out; block += plan->tile.size.outs) {
            const ptrdiff_t o = fnn_min(block, plan->out - plan->tile.size.outs);
            compute(&sum, &place, plan->tile.number, x, w + o * plan->w_out,
                    bias ? bias + o : NULL, y + o * place.y_channel);
        }
    }
}

static void FN(batch_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(batch_job) *job = argument;
    const FN(batch_plan) *plan = job->plan;
    const fnn_conv2d_batch *planes = &plan->planes;
    const fnn_conv2d_axis *rows = &planes->rows, *cols = &planes->cols;
    const ptrdiff_t lanes = job->kernels->lanes, band = task % planes->bands;
    const ptrdiff_t group = task / planes->bands % plan->groups;
    const ptrdiff_t n = task / (planes->bands * plan->groups) * lanes;
    const ptrdiff_t images = fnn_min(plan->images - n, lanes);
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    real *to = (real *)scratch, *result = (real *)(scratch + plan->plane_bytes);
    const ptrdiff_t a0 = fnn_conv2d_batch_start(planes, band);
    const ptrdiff_t a1 = fnn_conv2d_batch_start(planes, band + 1);
    const ptrdiff_t y0 = FN(batch_result_row)(rows, a0), y1 = FN(batch_result_row)(rows, a1);
    /* rows outside of the source are neither filled nor read */
    const ptrdiff_t first = fnn_conv2d_batch_source(rows, a0);
    const ptrdiff_t end = first + fnn_conv2d_batch_rows(planes, a1 - a0);
    const ptrdiff_t top = fnn_max(first, 0), height = fnn_min(end, rows->in) - top;
    const ptrdiff_t src_plane = rows->in * cols->in, dst_plane = rows->out * cols->out;
    const real *src = job->src + (n * plan->groups + group) * plan->in * src_plane;
    if (height > 0)
        FN(batch_planes)(job->kernels, planes, images, plan->groups * plan->in * src_plane,
                         plan->in, top, height, src, to + (top - first) * planes->pitch * lanes);
    if (rows->backward && (rows->phases < rows->stride || cols->phases < cols->stride))
        memset(result, 0, (size_t)(plan->out * plan->result * lanes) * sizeof(real));
    const FN(batch_part) part = {.group = group, .a0 = a0, .y0 = y0, .planes = to,
                                 .result = result};
    for (ptrdiff_t i = 0; i < (rows->backward ? rows->phases : 1); i++)
        for (ptrdiff_t a = fnn_max(fnn_conv2d_first(rows, i), a0);
             a < fnn_min(fnn_conv2d_last(rows, i) + 1, a1); a++)
            for (ptrdiff_t j = 0; j < (cols->backward ? cols->phases : 1); j++)
                FN(batch_row)(job, &part, i, j, a);
    real *dst = job->dst + (n * plan->groups + group) * plan->out * dst_plane + y0 * cols->out;
    const ptrdiff_t count = (y1 - y0) * cols->out;
    for (ptrdiff_t o = 0; o < plan->out; o++)
        job->kernels->conv2d_transpose(count, images, result + o * plan->result * lanes, lanes,
                                       dst + o * dst_plane, plan->groups * plan->out * dst_plane,
                                       count);
    for (ptrdiff_t i = 0; i < images; i++)
        FN(finish)(job->kernels, &job->finishing,
                   (FN(region)){plan->out, dst_plane, y1 - y0, cols->out, cols->out},
                   dst - job->dst + i * plan->groups * plan->out * dst_plane);
}

static void FN(run_batch)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                          const FN(batch_plan) *plan, const real *src, const real *w,
                          const real *bias, real *dst, char *workspace) {
    FN(batch_job) job = {.plan = plan, .kernels = FN(table)(ctx), .src = src, .w = w,
                         .bias = bias, .dst = dst, .finishing = FN(finishing_of)(shape, dst)};
    job.tap = (fnn_conv2d_tap *)workspace;
    job.start = (ptrdiff_t *)(workspace + plan->tap_bytes);
    job.workers = workspace + plan->tap_bytes + plan->start_bytes;
    const ptrdiff_t work = plan->images * plan->groups * plan->in * plan->out * plan->taps *
                           plan->planes.rows.out * plan->planes.cols.out;
    FN(list_batch_taps)(&job);
    fnn_parallel(work > GRAIN ? ctx->threads : 1,
                 plan->blocks * plan->groups * plan->planes.bands, FN(batch_task), &job);
}

size_t FN(fnn_conv2d_batch_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      fnn_conv2d_pass pass) {
    if (pass == FNN_BACKWARD_WEIGHT) return FN(fnn_conv2d_batch_weight_workspace)(ctx, shape);
    const FN(batch_plan) plan = FN(make_batch_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return plan.tap_bytes + plan.start_bytes + workers * plan.worker_bytes;
}

fnn_conv2d_tiled FN(fnn_conv2d_batch_tiled)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                            fnn_conv2d_pass pass) {
    if (pass == FNN_BACKWARD_WEIGHT) return FN(fnn_conv2d_batch_weight_tiled)(ctx, shape);
    const FN(batch_plan) plan = FN(make_batch_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    const fnn_conv2d_axis *rows = &plan.planes.rows, *cols = &plan.planes.cols;
    const ptrdiff_t reach = fnn_min(fnn_conv2d_batch_halo(rows) + 1, rows->in);
    return (fnn_conv2d_tiled){.cost = plan.tile.cost, .classes = plan.classes,
                              .lines = rows->hi - rows->lo, .columns = cols->hi - cols->lo,
                              .reuse = plan.tile.size.outs * plan.tile.size.taps,
                              .bytes = FN(bytes)(reach * plan.planes.pitch * plan.in *
                                                 FN(table)(ctx)->lanes)};
}

void FN(fnn_conv2d_batch_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace) {
    const FN(batch_plan) plan = FN(make_batch_plan)(ctx, shape, 0);
    FN(run_batch)(ctx, shape, &plan, x, w, bias, y, workspace);
}

void FN(fnn_conv2d_batch_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx, void *workspace) {
    const FN(batch_plan) plan = FN(make_batch_plan)(ctx, shape, 1);
    FN(run_batch)(ctx, shape, &plan, dy, w, NULL, dx, workspace);
}

void FN(fnn_conv2d_batch_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const ptrdiff_t lanes = FN(table)(ctx)->lanes, blocks = fnn_ceil_div(shape->n, lanes);
    to->kernel = "conv2d_dot";
    if (pass != FNN_BACKWARD_WEIGHT) {
        const FN(batch_plan) plan = FN(make_batch_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
        to->kernel = plan.tile.size.taps > 1 ? "conv2d_pixel_runs" : "conv2d_pixels";
        fnn_conv2d_note(to, "tile channels", plan.tile.size.outs);
        fnn_conv2d_note(to, "tile pixels", plan.tile.size.pixels);
        fnn_conv2d_note(to, "bands", plan.planes.bands);
    }
    fnn_conv2d_note(to, "blocks of images", blocks);
    fnn_conv2d_note(to, "lanes", lanes);
    to->share = (double)shape->n / (double)(blocks * lanes);
    to->basis = "at most: lanes that the images fill; turning and memory left out";
}
