/* The gradient of the weights over padded planes of x.
 *
 * A unit is a block of output by a block of input channels of one group: its gradient stays in
 * the cache while the pixels go by in steps (some images, or a band of one). With few output
 * channels pixels lie in lanes and dy is read in place (dot); with many, channels lie in lanes
 * and dy is transposed (outer). Small problems cut the steps into chunks, whose partial
 * gradients are added in order. Workspace:
 *
 *   shared   offset of each row (input channel, tap) | gradients of the chunks
 *   worker   planes [image][in][phase][band + halo][pitch] | dy [pixel][channel] | gradient
 */

typedef struct FN(weight_plan) {
    fnn_conv2d_planes planes;
    ptrdiff_t images, groups, in, out, taps; /* channels per group */
    int outer, threes, tile; /* threes: conv2d_dot3 */
    ptrdiff_t tile_outs, tile_rows, tile_width; /* tile_width: elements of a row of its result */
    ptrdiff_t unit_outs, out_units, in_block, in_units;
    ptrdiff_t row_space;                        /* rows of a unit, rounded up to tiles */
    ptrdiff_t step_images, steps, chunks, group_tasks;
    ptrdiff_t row_cost;                         /* half cycles for a row of pixels */
    size_t row_bytes, partial_bytes, plane_bytes, dy_bytes, worker_bytes;
} FN(weight_plan);

typedef struct FN(weight_job) {
    const FN(weight_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *dy, *x;
    real *dw;
    ptrdiff_t *row;
    real *partial;
    char *workers;
} FN(weight_job);

static void FN(choose_weight_form)(FN(weight_plan) *plan, const FN(fnn_table) *kernels) {
    const int wide = kernels->conv2d_registers == 32;
    const weight_tile *dots = wide ? dots_32 : dots_16, *outers = wide ? outers_32 : outers_16;
    const ptrdiff_t lanes = kernels->lanes, q = plan->planes.cols.out;
    const ptrdiff_t rows = plan->in * plan->taps;
    int dot = 0, outer = 0;
    const ptrdiff_t dot_cost = choose_weight_tile(dots, wide ? COUNT(dots_32) : COUNT(dots_16), 0,
                                                  lanes, plan->out, rows, &dot) *
                               fnn_ceil_div(q, lanes);
    const ptrdiff_t outer_cost =
        choose_weight_tile(outers, wide ? COUNT(outers_32) : COUNT(outers_16), 1, lanes, plan->out,
                           rows, &outer) * q +
        plan->out * q; /* the transposition */
    plan->outer = outer_cost < dot_cost;
    plan->row_cost = fnn_min(outer_cost, dot_cost);
    plan->tile = plan->outer ? outer : dot;
    const weight_tile tile = plan->outer ? outers[outer] : dots[dot];
    plan->tile_outs = plan->outer ? tile.outs * lanes : tile.outs;
    plan->tile_width = tile.outs * lanes;
    const fnn_conv2d_axis *y = &plan->planes.rows;
    plan->threes = !plan->outer && tile.outs == 1 && plan->taps == 9 && y->taps == 3 &&
                   y->stride == 1 && y->dilation == 1;
    plan->tile_rows = plan->threes ? 9 : tile.rows;
}

static void FN(cut_units)(FN(weight_plan) *plan) {
    const ptrdiff_t row = plan->tile_width * (ptrdiff_t)sizeof(real);
    const ptrdiff_t most = fnn_max(SUM_BYTES / (plan->taps * row), 1);
    plan->in_units = fnn_ceil_div(plan->in, most);
    plan->in_block = fnn_ceil_div(plan->in, plan->in_units);
    plan->in_units = fnn_ceil_div(plan->in, plan->in_block);
    plan->row_space = fnn_round_up(plan->in_block * plan->taps, plan->tile_rows);
    plan->unit_outs = plan->tile_outs;
    if (!plan->outer) {
        const ptrdiff_t tiles = fnn_max(SUM_BYTES / (plan->row_space * row), 1);
        plan->unit_outs *= fnn_min(tiles, fnn_ceil_div(plan->out, plan->tile_outs));
    }
    plan->out_units = fnn_ceil_div(plan->out, plan->unit_outs);
}

static void FN(cut_steps)(FN(weight_plan) *plan, ptrdiff_t lanes) {
    fnn_conv2d_planes *planes = &plan->planes;
    const ptrdiff_t q = planes->cols.out;
    const ptrdiff_t dy_row = plan->outer ? q * plan->tile_width * (ptrdiff_t)sizeof(real) : 0;
    const ptrdiff_t x_row = fnn_conv2d_row_bytes(planes, plan->in_block, sizeof(real));
    const ptrdiff_t most = fnn_max((PIXEL_BYTES - planes->rows.halo * x_row) / (x_row + dy_row), 2);
    fnn_conv2d_lay_planes(planes, most, lanes, sizeof(real));
    plan->step_images = 1;
    if (planes->bands == 1)
        plan->step_images = fnn_min(fnn_max(most / planes->band, 1), plan->images);
    plan->steps = planes->bands * fnn_ceil_div(plan->images, plan->step_images);
}

static void FN(cut_tasks)(FN(weight_plan) *plan) {
    const ptrdiff_t units = plan->groups * plan->out_units * plan->in_units;
    const ptrdiff_t count = plan->groups * plan->out * plan->in * plan->taps;
    const ptrdiff_t work = plan->images * plan->unit_outs * plan->in_block * plan->taps *
                           plan->planes.rows.out * plan->planes.cols.out;
    const ptrdiff_t per_task = fnn_min(fnn_ceil_div(GRAIN, work), plan->groups);
    plan->group_tasks = fnn_ceil_div(plan->groups, per_task);
    const ptrdiff_t most = PARTIAL_BYTES / (count * (ptrdiff_t)sizeof(real));
    const ptrdiff_t chunks = fnn_min(fnn_min(TASKS / units, most), plan->steps);
    plan->chunks = fnn_max(fnn_min(chunks, work / GRAIN), 1);
}

static FN(weight_plan) FN(make_weight_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes;
    FN(weight_plan) plan = {.planes = fnn_conv2d_planes_forward(s, lanes), .images = s->n,
                            .groups = s->groups, .in = s->c / s->groups, .out = s->k / s->groups,
                            .taps = s->r * s->s};
    FN(choose_weight_form)(&plan, kernels);
    FN(cut_units)(&plan);
    FN(cut_steps)(&plan, lanes);
    FN(cut_tasks)(&plan);
    const ptrdiff_t pixels = plan.step_images * plan.planes.band * plan.planes.cols.out;
    const ptrdiff_t tiles = fnn_ceil_div(plan.unit_outs, plan.tile_outs);
    plan.row_bytes = fnn_lines((size_t)plan.row_space * sizeof(ptrdiff_t));
    if (plan.chunks > 1)
        plan.partial_bytes = FN(bytes)(plan.chunks * plan.groups * plan.out * plan.in * plan.taps);
    plan.plane_bytes = FN(bytes)(plan.step_images * plan.in_block * plan.planes.channel);
    if (plan.outer) plan.dy_bytes = FN(bytes)(pixels * plan.tile_width);
    plan.worker_bytes = plan.plane_bytes + plan.dy_bytes +
                        FN(bytes)(tiles * plan.row_space * plan.tile_width);
    return plan;
}

/* The part of the gradient that a task works on, and its memory. */
typedef struct FN(unit) {
    ptrdiff_t group, out0, out1, in0, in1;
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
        FN(copy_planes)(job->kernels, &plan->planes, n1 - n0, x, image, a0, height, unit->planes);
        return;
    }
    for (ptrdiff_t n = 0; n < n1 - n0; n++)
        FN(copy_planes)(job->kernels, &plan->planes, unit->in1 - unit->in0, x + n * image, plane,
                        a0, height, unit->planes + n * plan->in_block * plan->planes.channel);
}

/* Adds a step's pixels to the unit's sums; the first step overwrites them. */
static void FN(add_step)(const FN(weight_job) *job, const FN(unit) *unit, ptrdiff_t step, int add) {
    const FN(weight_plan) *plan = job->plan;
    const fnn_conv2d_planes *planes = &plan->planes;
    const ptrdiff_t q = planes->cols.out, dy_plane = planes->rows.out * q;
    const ptrdiff_t a0 = fnn_conv2d_band_start(planes, step % planes->bands);
    const ptrdiff_t height = fnn_conv2d_band_start(planes, step % planes->bands + 1) - a0;
    const ptrdiff_t n0 = step / planes->bands * plan->step_images;
    const ptrdiff_t n1 = fnn_min(n0 + plan->step_images, plan->images);
    const fnn_conv2d_pixels pixels = {
        .images = n1 - n0, .rows = height, .cols = q, .x_image = plan->in_block * planes->channel,
        .x_row = planes->pitch, .x_step = job->kernels->lanes, .dy_channel = dy_plane,
        .dy_image = plan->groups * plan->out * dy_plane};
    const real *dy = job->dy + ((n0 * plan->groups + unit->group) * plan->out) * dy_plane + a0 * q;
    FN(copy_step)(job, unit, n0, n1, a0, height);
    if (plan->outer)
        for (ptrdiff_t n = 0; n < pixels.images; n++)
            job->kernels->conv2d_transpose(
                unit->out1 - unit->out0, height * q,
                dy + n * pixels.dy_image + unit->out0 * dy_plane, dy_plane,
                unit->dy + n * height * q * plan->tile_width, plan->tile_width, plan->tile_width);
    const ptrdiff_t rows = (unit->in1 - unit->in0) * plan->taps;
    FN(conv2d_dot_fn) *const add_tile = plan->outer    ? job->kernels->conv2d_outer
                                        : plan->threes ? job->kernels->conv2d_dot3
                                                       : job->kernels->conv2d_dot;
    for (ptrdiff_t t = 0; unit->out0 + t * plan->tile_outs < unit->out1; t++) {
        const real *d = plan->outer ? unit->dy : dy + FN(tile_start)(plan, unit, t) * dy_plane;
        for (ptrdiff_t i = 0; i < rows; i += plan->tile_rows)
            add_tile(&pixels, plan->tile, job->row + i, unit->planes, d, add,
                     unit->sums + (t * plan->row_space + i) * plan->tile_width);
    }
}

static void FN(finish_unit)(const FN(weight_job) *job, const FN(unit) *unit, real *dw) {
    const FN(weight_plan) *plan = job->plan;
    const ptrdiff_t rows = (unit->in1 - unit->in0) * plan->taps, dw_row = plan->in * plan->taps;
    real *to = dw + unit->group * plan->out * dw_row + unit->in0 * plan->taps;
    if (plan->outer) {
        job->kernels->conv2d_transpose(rows, unit->out1 - unit->out0, unit->sums, plan->tile_width,
                                       to + unit->out0 * dw_row, dw_row, rows);
        return;
    }
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
    FN(unit) unit = {.planes = (real *)scratch, .dy = (real *)(scratch + plan->plane_bytes),
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
        for (ptrdiff_t step = first; step < last; step++)
            FN(add_step)(job, &unit, step, step > first);
        FN(finish_unit)(job, &unit, dw);
    }
}

size_t FN(fnn_conv2d_direct_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape) {
    const FN(weight_plan) plan = FN(make_weight_plan)(ctx, shape);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return plan.row_bytes + plan.partial_bytes + workers * plan.worker_bytes;
}

void FN(fnn_conv2d_direct_weight_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           fnn_conv2d_plan *to) {
    const FN(weight_plan) plan = FN(make_weight_plan)(ctx, shape);
    const ptrdiff_t lanes = FN(table)(ctx)->lanes;
    to->kernel = plan.outer ? "conv2d_outer" : plan.threes ? "conv2d_dot3" : "conv2d_dot";
    fnn_conv2d_note(to, "tile channels", plan.tile_outs);
    fnn_conv2d_note(to, "tile rows", plan.tile_rows);
    fnn_conv2d_note(to, "lanes", lanes);
    fnn_conv2d_note(to, "output blocks", plan.out_units);
    fnn_conv2d_note(to, "input blocks", plan.in_units);
    fnn_conv2d_note(to, "bands", plan.planes.bands);
    fnn_conv2d_note(to, "images a step", plan.step_images);
    fnn_conv2d_note(to, "partial gradients", plan.chunks);
    to->share = (double)(plan.out * plan.in * plan.taps * plan.planes.cols.out) /
                ((double)lanes * (double)plan.row_cost);
    to->basis = "cycles counted for the tile; copies and memory left out";
}

void FN(fnn_conv2d_direct_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw,
                                           void *workspace) {
    const FN(weight_plan) plan = FN(make_weight_plan)(ctx, shape);
    FN(weight_job) job = {.plan = &plan, .kernels = FN(table)(ctx), .dy = dy, .x = x, .dw = dw,
                          .row = workspace};
    job.partial = (real *)((char *)workspace + plan.row_bytes);
    job.workers = (char *)workspace + plan.row_bytes + plan.partial_bytes;
    for (ptrdiff_t i = 0; i < plan.row_space; i++) {
        const ptrdiff_t c = i / plan.taps, tap = i % plan.taps;
        const ptrdiff_t at = c * plan.planes.channel +
                             fnn_conv2d_tap_offset(&plan.planes, tap / shape->s, tap % shape->s);
        job.row[i] = c < plan.in_block ? at : 0; /* rows that fill the last tile are dropped */
    }
    const ptrdiff_t tasks = plan.group_tasks * plan.out_units * plan.in_units * plan.chunks;
    const ptrdiff_t work = plan.images * plan.groups * plan.out * plan.in * plan.taps *
                           plan.planes.rows.out * plan.planes.cols.out;
    fnn_parallel(work > GRAIN ? ctx->threads : 1, tasks, FN(weight_task), &job);
    if (plan.chunks > 1)
        FN(add_partial)(plan.chunks, plan.groups * plan.out * plan.in * plan.taps, job.partial, dw);
}
