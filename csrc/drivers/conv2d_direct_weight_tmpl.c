/* The gradient of the weights over padded planes of x.
 *
 * A unit is a block of output by a block of input channels of one group: its gradient stays in
 * the cache while the pixels go by in steps (some images, or a band of one). With few output
 * channels pixels lie in lanes and dy is read in place (dot); with many, channels lie in lanes
 * and dy is transposed (outer), a block that stays in L1 at a time if the sums are few, or channels
 * are one vector and taps come in runs: then planes are not split by phase of column, and all
 * vectors of channels pass over a step's planes, each with few sums beside its block of dy. Small
 * problems cut the steps into chunks, whose partial gradients are added in order. Workspace:
 *
 *   shared   offset of each row (input channel, tap) | gradients of the chunks | their bias sums
 *   worker   planes [image][in][phase][band + halo][pitch] | dy [pixel][channel] | gradient
 */

typedef struct FN(weight_job) {
    const FN(weight_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *dy, *x;
    real *dw;
    ptrdiff_t *row;
    real *partial;
    FN(bias_sums) bias;
    char *workers;
} FN(weight_job);

/* The part of the gradient that a task works on, and its memory. */
typedef struct FN(unit) {
    ptrdiff_t group, out0, out1, in0, in1, chunk;
    real *planes, *dy, *sums;
} FN(unit);

/* First output channel of tile t: the last dot tile moves back to stay inside. */
FNN_INLINE ptrdiff_t FN(tile_start)(const FN(weight_plan) *plan, const FN(unit) *unit,
                                    ptrdiff_t t) {
    const ptrdiff_t start = unit->out0 + t * plan->tile_outs;
    return plan->outer ? start : fnn_min(start, plan->out - plan->tile_outs);
}

/* The unit's channels of images n0 .. n1 to planes; of single channels, all images at once. */
static void FN(copy_step)(const FN(weight_job) *job, const FN(unit) *unit, ptrdiff_t n0,
                          ptrdiff_t n1, ptrdiff_t a0, ptrdiff_t height) {
    const FN(weight_plan) *plan = job->plan;
    const ptrdiff_t plane = plan->planes.rows.in * plan->planes.cols.in;
    const ptrdiff_t image = plan->groups * plan->in * plane;
    const real *x = job->x + n0 * image + (unit->group * plan->in + unit->in0) * plane;
    if (plan->in_block == 1) {
        FN(fnn_conv2d_copy_planes)(job->kernels, &plan->planes, n1 - n0, x, image, a0, height,
                                   unit->planes);
        return;
    }
    for (ptrdiff_t n = 0; n < n1 - n0; n++)
        FN(fnn_conv2d_copy_planes)(job->kernels, &plan->planes, unit->in1 - unit->in0,
                                   x + n * image, plane, a0, height,
                                   unit->planes + n * plan->in_block * plan->planes.channel);
}

/* Adds some pixels to all rows of tile t. x and dy are what the kernel asks for. */
static FNN_NOINLINE void FN(add_tile)(const FN(weight_job) *job, const FN(unit) *unit,
                                      const fnn_conv2d_pixels *pixels, ptrdiff_t t, const real *x,
                                      const real *dy, int add) {
    const FN(weight_plan) *plan = job->plan;
    const ptrdiff_t rows = (unit->in1 - unit->in0) * plan->taps;
    FN(conv2d_dot_fn) *const add_tile = plan->runs     ? job->kernels->conv2d_outer_runs
                                        : plan->outer  ? job->kernels->conv2d_outer
                                        : plan->threes ? job->kernels->conv2d_dot3
                                                       : job->kernels->conv2d_dot;
    for (ptrdiff_t i = 0; i < rows; i += plan->tile_rows)
        add_tile(pixels, plan->tile, job->row + i, x, dy, add,
                 unit->sums + (t * plan->row_space + i) * plan->tile_width);
}

/* The block of dy to be fetched that starts with row p of image n for the tile of channel `start`,
 * or, behind the last row, the one that comes next; false where the step ends. */
static FNN_NOINLINE int FN(fetch_block)(const FN(weight_plan) *plan, const FN(unit) *unit,
                                        const fnn_conv2d_pixels *step, ptrdiff_t start,
                                        ptrdiff_t n, ptrdiff_t p, const real *dy,
                                        fnn_conv2d_ahead *ahead) {
    const ptrdiff_t outs = fnn_min(plan->tile_outs, unit->out1 - start);
    ptrdiff_t rows = fnn_min(plan->block_rows, step->rows - p);
    if (rows == 0) {
        rows = fnn_min(plan->block_rows, step->rows);
        p = 0;
        if (++n >= step->images) {
            n = 0;
            start += outs;
            if (start >= unit->out1) return 0;
        }
    }
    *ahead = FN(look_ahead)(dy + n * step->dy_image + start * step->dy_channel + p * step->cols,
                            rows * step->cols, fnn_min(outs, unit->out1 - start), step->dy_channel,
                            1, 0);
    return 1;
}

/* Sums a transposed block of `outs` channels from `start` on. */
static void FN(add_bias_block)(const FN(weight_job) *job, const FN(unit) *unit, ptrdiff_t start,
                               ptrdiff_t outs, ptrdiff_t pixels, int add) {
    const FN(weight_plan) *plan = job->plan;
    _Alignas(FNN_LINE) real block[MOST_OUTS * FNN_LINE / sizeof(real)];
    real *to = job->bias.parts + unit->chunk * job->bias.channels + unit->group * plan->out + start;
    job->kernels->sum_columns(pixels, outs, unit->dy, plan->tile_width, 0, add ? block : to);
    if (add) job->kernels->add(1, outs, to, outs, 1, block, outs, 1, to);
}

/* Transposes dy of tile t block by block, and adds each while it is in the cache. */
static void FN(add_blocks)(const FN(weight_job) *job, const FN(unit) *unit,
                           const fnn_conv2d_pixels *step, ptrdiff_t t, const real *dy, int add) {
    const FN(weight_plan) *plan = job->plan;
    const ptrdiff_t start = FN(tile_start)(plan, unit, t);
    const ptrdiff_t outs = fnn_min(plan->tile_outs, unit->out1 - start);
    fnn_conv2d_pixels pixels = *step;
    for (ptrdiff_t n = 0; n < step->images; n += pixels.images) {
        pixels.images = fnn_min(plan->block_images, step->images - n);
        for (ptrdiff_t p = 0; p < step->rows; p += pixels.rows, add = 1) {
            pixels.rows = fnn_min(plan->block_rows, step->rows - p);
            const ptrdiff_t count = pixels.rows * step->cols;
            for (ptrdiff_t i = 0; i < pixels.images; i++)
                job->kernels->conv2d_transpose(
                    outs, count,
                    dy + (n + i) * step->dy_image + start * step->dy_channel + p * step->cols,
                    step->dy_channel, unit->dy + i * count * plan->tile_width, plan->tile_width,
                    plan->tile_width);
            if (unit->in0 == 0 && job->bias.db)
                FN(add_bias_block)(job, unit, start, outs, pixels.images * count, add);
            fnn_conv2d_ahead next[2] = {{0}};
            const int goes_on = plan->runs && FN(fetch_block)(plan, unit, step, start,
                                                              n + pixels.images - 1,
                                                              p + pixels.rows, dy, next);
            pixels.ahead = goes_on ? next : step->ahead;
            FN(add_tile)(job, unit, &pixels, t,
                         unit->planes + n * step->x_image + p * step->x_row, unit->dy, add);
        }
    }
}

/* The images n0 .. n1 and positions a0 .. a1 of a step. */
typedef struct FN(weight_step) {
    ptrdiff_t n0, n1, a0, a1;
} FN(weight_step);

static FN(weight_step) FN(find_step)(const FN(weight_plan) *plan, ptrdiff_t step) {
    const fnn_conv2d_planes *planes = &plan->planes;
    const ptrdiff_t parts = plan->steps / planes->bands, part = step / planes->bands;
    const ptrdiff_t band = step % planes->bands;
    return (FN(weight_step)){.n0 = plan->images * part / parts,
                             .n1 = plan->images * (part + 1) / parts,
                             .a0 = fnn_conv2d_band_start(planes, band),
                             .a1 = fnn_conv2d_band_start(planes, band + 1)};
}

/* What a step of `group` will read of x and dy. Steps of several images have all of their rows. */
static void FN(fetch_step)(const FN(weight_job) *job, const FN(unit) *unit, ptrdiff_t group,
                           const FN(weight_step) *step, fnn_conv2d_ahead ahead[2]) {
    const FN(weight_plan) *plan = job->plan;
    const fnn_conv2d_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t x_plane = rows->in * cols->in, dy_plane = rows->out * plan->q;
    const ptrdiff_t x_image = plan->groups * plan->in * x_plane;
    const ptrdiff_t dy_image = plan->groups * plan->out * dy_plane;
    const ptrdiff_t ins = unit->in1 - unit->in0, outs = unit->out1 - unit->out0;
    const ptrdiff_t images = step->n1 - step->n0, height = step->a1 - step->a0;
    const real *x = job->x + step->n0 * x_image + (group * plan->in + unit->in0) * x_plane;
    const real *dy = job->dy + step->n0 * dy_image + (group * plan->out + unit->out0) * dy_plane +
                     step->a0 * plan->q;
    ahead[0] = FN(planes_ahead)(&plan->planes, ins, x, step->a0, height);
    if (images > 1) ahead[0] = FN(look_ahead)(x, ins * x_plane, images, x_image, 1, 0);
    if (plan->planes.bands > 1)
        ahead[1] = FN(look_ahead)(dy, height * plan->q, outs, dy_plane, 1, 0);
    else
        ahead[1] = FN(look_ahead)(dy, outs * dy_plane, images, dy_image, 1, 0);
}

/* Sums a step's dy, image by image: its pixels of a channel lie side by side, in L2. */
static void FN(add_bias_step)(const FN(weight_job) *job, const FN(unit) *unit,
                              const fnn_conv2d_pixels *step, const real *dy, int add) {
    const FN(bias_region) region = {
        .rows = step->images, .row = step->dy_image,
        .first = unit->group * job->plan->out + unit->out0, .channels = unit->out1 - unit->out0,
        .channel = step->dy_channel, .pixels = step->rows * step->cols};
    FN(add_bias)(job->kernels, &job->bias, unit->chunk, region,
                 dy + unit->out0 * step->dy_channel, add);
}

/* Adds a step's pixels to the unit's sums; the first step overwrites them. */
static void FN(add_step)(const FN(weight_job) *job, const FN(unit) *unit,
                         const FN(weight_step) *step, fnn_conv2d_ahead ahead[2], int add) {
    const FN(weight_plan) *plan = job->plan;
    const fnn_conv2d_planes *planes = &plan->planes;
    const ptrdiff_t q = plan->q, dy_plane = planes->rows.out * q;
    const fnn_conv2d_pixels pixels = {
        .images = step->n1 - step->n0, .rows = step->a1 - step->a0, .cols = q,
        .x_image = plan->in_block * planes->channel, .x_row = planes->pitch,
        .x_step = job->kernels->lanes, .dy_channel = dy_plane,
        .dy_image = plan->groups * plan->out * dy_plane, .ahead = ahead};
    const real *dy = job->dy +
                     ((step->n0 * plan->groups + unit->group) * plan->out) * dy_plane +
                     step->a0 * q;
    FN(copy_step)(job, unit, step->n0, step->n1, step->a0, pixels.rows);
    for (ptrdiff_t t = 0; unit->out0 + t * plan->tile_outs < unit->out1; t++) {
        const ptrdiff_t k = FN(tile_start)(plan, unit, t);
        if (plan->outer)
            FN(add_blocks)(job, unit, &pixels, t, dy, add);
        else
            FN(add_tile)(job, unit, &pixels, t, unit->planes, dy + k * dy_plane, add);
    }
    if (unit->in0 == 0 && !plan->outer) FN(add_bias_step)(job, unit, &pixels, dy, add);
}

static void FN(finish_unit)(const FN(weight_job) *job, const FN(unit) *unit, real *dw) {
    const FN(weight_plan) *plan = job->plan;
    const ptrdiff_t rows = (unit->in1 - unit->in0) * plan->taps, dw_row = plan->in * plan->taps;
    real *to = dw + unit->group * plan->out * dw_row + unit->in0 * plan->taps;
    for (ptrdiff_t k = unit->out0; plan->outer && k < unit->out1; k += plan->tile_outs)
        job->kernels->conv2d_transpose(
            rows, fnn_min(plan->tile_outs, unit->out1 - k),
            unit->sums + (k - unit->out0) / plan->tile_outs * plan->row_space * plan->tile_width,
            plan->tile_width, to + k * dw_row, dw_row, rows);
    if (plan->outer) return;
    for (ptrdiff_t k = unit->out0; k < unit->out1; k++) {
        const ptrdiff_t t = (k - unit->out0) / plan->tile_outs;
        const real *sums = unit->sums + t * plan->row_space * plan->tile_width +
                           (k - FN(tile_start)(plan, unit, t)) * job->kernels->lanes;
        job->kernels->conv2d_fold(rows, sums, plan->tile_width, to + k * dw_row);
    }
}

static void FN(weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(weight_job) *job = argument;
    const FN(weight_plan) *plan = job->plan;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    const ptrdiff_t chunk = task % plan->chunks, in_unit = task / plan->chunks % plan->in_units;
    const ptrdiff_t rest = task / (plan->chunks * plan->in_units);
    const ptrdiff_t out_unit = rest % plan->out_units, part = rest / plan->out_units;
    FN(unit) unit = {.chunk = chunk, .planes = (real *)scratch,
                     .dy = (real *)(scratch + plan->plane_bytes),
                     .sums = (real *)(scratch + plan->plane_bytes + plan->dy_bytes)};
    unit.out0 = out_unit * plan->unit_outs;
    unit.out1 = fnn_min(unit.out0 + plan->unit_outs, plan->out);
    unit.in0 = in_unit * plan->in_block;
    unit.in1 = fnn_min(unit.in0 + plan->in_block, plan->in);
    const ptrdiff_t count = plan->groups * plan->out * plan->in * plan->taps;
    real *dw = plan->chunks == 1 ? job->dw : job->partial + chunk * count;
    const ptrdiff_t first = plan->steps * chunk / plan->chunks;
    const ptrdiff_t last = plan->steps * (chunk + 1) / plan->chunks;
    const ptrdiff_t end = plan->groups * (part + 1) / plan->group_tasks;
    for (unit.group = plan->groups * part / plan->group_tasks; unit.group < end; unit.group++) {
        for (ptrdiff_t i = first; i < last; i++) {
            const FN(weight_step) step = FN(find_step)(plan, i);
            const ptrdiff_t group = unit.group + (i + 1 == last);
            const FN(weight_step) next = FN(find_step)(plan, i + 1 < last ? i + 1 : first);
            fnn_conv2d_ahead ahead[2] = {{0}};
            if (group < end) FN(fetch_step)(job, &unit, group, &next, ahead);
            FN(add_step)(job, &unit, &step, ahead, i > first);
        }
        FN(finish_unit)(job, &unit, dw);
    }
}

size_t FN(fnn_conv2d_direct_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape) {
    const FN(weight_plan) plan = FN(make_weight_plan)(ctx, shape);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return plan.row_bytes + plan.partial_bytes + plan.bias_bytes + workers * plan.worker_bytes;
}

fnn_conv2d_tiled FN(fnn_conv2d_direct_weight_tiled)(const fnn_ctx *ctx,
                                                    const fnn_conv2d_shape *shape) {
    const FN(weight_plan) plan = FN(make_weight_plan)(ctx, shape);
    return (fnn_conv2d_tiled){.cost = plan.row_cost, .copies = plan.planes.copies,
                              .tiles = fnn_ceil_div(plan.out, plan.tile_outs) *
                                       fnn_ceil_div(plan.in * plan.taps, plan.tile_rows),
                              .chunks = plan.chunks, .steps = plan.steps, .outer = plan.outer,
                              .threes = plan.threes, .single = plan.tile_outs == 1};
}

void FN(fnn_conv2d_direct_weight_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           fnn_conv2d_plan *to) {
    const FN(weight_plan) plan = FN(make_weight_plan)(ctx, shape);
    const ptrdiff_t lanes = FN(table)(ctx)->lanes;
    to->kernel = plan.runs     ? "conv2d_outer_runs"
                 : plan.outer  ? "conv2d_outer"
                 : plan.threes ? "conv2d_dot3"
                               : "conv2d_dot";
    fnn_conv2d_note(to, "tile channels", plan.tile_outs);
    fnn_conv2d_note(to, "tile rows", plan.tile_rows);
    fnn_conv2d_note(to, "lanes", lanes);
    fnn_conv2d_note(to, "output blocks", plan.out_units);
    fnn_conv2d_note(to, "input blocks", plan.in_units);
    fnn_conv2d_note(to, "bands", plan.planes.bands);
    fnn_conv2d_note(to, "images a step", plan.step_images);
    fnn_conv2d_note(to, "partial gradients", plan.chunks);
    to->share = (double)(plan.out * plan.in * plan.taps * plan.q) /
                ((double)lanes * (double)plan.row_cost);
    to->basis = "cycles counted for the tile; copies and memory left out";
}

void FN(fnn_conv2d_direct_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw, real *db,
                                           void *workspace) {
    const FN(weight_plan) plan = FN(make_weight_plan)(ctx, shape);
    FN(weight_job) job = {.plan = &plan, .kernels = FN(table)(ctx), .dy = dy, .x = x, .dw = dw,
                          .row = workspace};
    job.partial = (real *)((char *)workspace + plan.row_bytes);
    char *sums = (char *)workspace + plan.row_bytes + plan.partial_bytes;
    job.bias = (FN(bias_sums)){db, (real *)(void *)sums, shape->k,
                               plan.outer ? 1 : job.kernels->lanes};
    job.workers = sums + plan.bias_bytes;
    for (ptrdiff_t i = 0; i < plan.row_space; i++) {
        const ptrdiff_t c = i / plan.taps, tap = i % plan.taps;
        const ptrdiff_t at = c * plan.planes.channel +
                             fnn_conv2d_tap_offset(&plan.planes, tap / shape->s, tap % shape->s);
        job.row[i] = c < plan.in_block ? at : 0; /* rows that fill the last tile are dropped */
    }
    const ptrdiff_t tasks = plan.group_tasks * plan.out_units * plan.in_units * plan.chunks;
    const ptrdiff_t work = plan.images * plan.groups * plan.out * plan.in * plan.taps *
                           plan.planes.rows.out * plan.q;
    fnn_parallel(work > GRAIN ? ctx->threads : 1, tasks, FN(weight_task), &job);
    if (plan.chunks > 1)
        FN(add_partial)(job.kernels, plan.chunks, plan.groups * plan.out * plan.in * plan.taps,
                        job.partial, dw);
    FN(finish_bias)(job.kernels, &job.bias, plan.chunks);
}
