/* The gradient of the weights over planes of LANES images.
 *
 * A unit is a block of output by a block of input channels of one group: its gradient, a vector
 * per weight, stays in the cache while LANES images, or bands of them, pass in steps. Small
 * problems cut the steps into chunks, whose partial gradients are added in order. Workspace:
 *
 *   shared   offset of each row (input channel, tap) | gradients of the chunks | their bias sums
 *   worker   x [in][row][pitch][LANES] | dy [out][row][width][LANES] | sums [row][out][LANES]
 */

typedef struct FN(batch_weight_plan) {
    fnn_conv2d_batch x, dy;
    ptrdiff_t images, groups, in, out, taps; /* channels per group */
    int number;                              /* of the tile */
    fnn_dot_tile tile;
    ptrdiff_t unit_outs, out_units, in_block, in_units;
    ptrdiff_t row_space; /* rows of a unit, rounded up to tiles */
    ptrdiff_t steps, chunks;
    size_t row_bytes, partial_bytes, bias_bytes, x_bytes, dy_bytes, worker_bytes;
} FN(batch_weight_plan);

typedef struct FN(batch_weight_job) {
    const FN(batch_weight_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *dy, *x;
    real *dw;
    ptrdiff_t *row;
    real *partial;
    FN(bias_sums) bias;
    char *workers;
} FN(batch_weight_job);

static void FN(cut_batch_units)(FN(batch_weight_plan) *plan, ptrdiff_t vector) {
    const ptrdiff_t tile = plan->tile.outs * vector;
    plan->in_units = fnn_ceil_div(plan->in, fnn_max(SUM_BYTES / (plan->taps * tile), 1));
    plan->in_block = fnn_ceil_div(plan->in, plan->in_units);
    plan->in_units = fnn_ceil_div(plan->in, plan->in_block);
    plan->row_space = fnn_round_up(plan->in_block * plan->taps, plan->tile.rows);
    const ptrdiff_t tiles = fnn_max(SUM_BYTES / (plan->row_space * tile), 1);
    plan->unit_outs = plan->tile.outs * fnn_min(tiles, fnn_ceil_div(plan->out, plan->tile.outs));
    plan->out_units = fnn_ceil_div(plan->out, plan->unit_outs);
    plan->unit_outs = fnn_min(plan->unit_outs, plan->out);
}

/* dy lies as its rows are: no halo, no padding. */
static void FN(lay_batch_steps)(FN(batch_weight_plan) *plan, const fnn_conv2d_shape *s,
                                ptrdiff_t lanes) {
    const ptrdiff_t vector = lanes * (ptrdiff_t)sizeof(real);
    plan->x = fnn_conv2d_batch_planes(s, 0);
    const ptrdiff_t x_row = plan->in_block * plan->x.pitch * vector;
    const ptrdiff_t halo = fnn_conv2d_batch_halo(&plan->x.rows) + 1 - s->stride_h;
    const ptrdiff_t row = x_row * s->stride_h + plan->unit_outs * s->q * vector;
    fnn_conv2d_batch_cut(&plan->x, fnn_max((PIXEL_BYTES - halo * x_row) / row, 2), vector);
    plan->dy.rows.in = s->p, plan->dy.cols.in = plan->dy.pitch = s->q;
    plan->dy.channel = fnn_conv2d_batch_spread(plan->x.band * s->q, vector);
    plan->steps = plan->x.bands * fnn_ceil_div(plan->images, lanes);
}

static void FN(cut_batch_chunks)(FN(batch_weight_plan) *plan, ptrdiff_t pixels) {
    const ptrdiff_t units = plan->groups * plan->out_units * plan->in_units;
    const ptrdiff_t count = plan->groups * plan->out * plan->in * plan->taps;
    const ptrdiff_t work = plan->images * plan->unit_outs * plan->in_block * plan->taps * pixels;
    const ptrdiff_t most = PARTIAL_BYTES / (count * (ptrdiff_t)sizeof(real));
    const ptrdiff_t chunks = fnn_min(fnn_min(TASKS / units, most), plan->steps);
    plan->chunks = fnn_max(fnn_min(chunks, work / GRAIN), 1);
}

static FN(batch_weight_plan) FN(make_batch_weight_plan)(const fnn_ctx *ctx,
                                                        const fnn_conv2d_shape *s) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes;
    FN(batch_weight_plan) plan = {.images = s->n, .groups = s->groups, .in = s->c / s->groups,
                                  .out = s->k / s->groups, .taps = s->r * s->s};
    plan.number =
        fnn_choose_dot(kernels->conv2d_registers, plan.out, plan.in * plan.taps, &plan.tile);
    FN(cut_batch_units)(&plan, lanes * (ptrdiff_t)sizeof(real));
    FN(lay_batch_steps)(&plan, s, lanes);
    FN(cut_batch_chunks)(&plan, s->p * s->q);
    plan.row_bytes = fnn_lines((size_t)plan.row_space * sizeof(ptrdiff_t));
    if (plan.chunks > 1)
        plan.partial_bytes = FN(bytes)(plan.chunks * plan.groups * plan.out * plan.in * plan.taps);
    plan.bias_bytes = FN(bias_bytes)(plan.chunks, s->k, lanes);
    plan.x_bytes = FN(bytes)(plan.in_block * plan.x.channel * lanes);
    plan.dy_bytes = FN(bytes)(plan.unit_outs * plan.dy.channel * lanes);
    const ptrdiff_t outs = fnn_round_up(plan.unit_outs, plan.tile.outs);
    plan.worker_bytes = plan.x_bytes + plan.dy_bytes + FN(bytes)(outs * plan.row_space * lanes);
    return plan;
}

/* The part of the gradient that a task works on, and its memory. dy is packed from channel `from`,
 * before out0 if fewer channels are left than a tile has. */
typedef struct FN(batch_unit) {
    ptrdiff_t chunk, group, from, out0, out1, in0, in1;
    real *x, *dy, *sums;
} FN(batch_unit);

/* First output channel of tile t: the last one moves back to stay inside. */
FNN_INLINE ptrdiff_t FN(batch_tile_start)(const FN(batch_weight_plan) *plan,
                                          const FN(batch_unit) *unit, ptrdiff_t t) {
    return fnn_min(unit->out0 + t * plan->tile.outs, unit->out1 - plan->tile.outs);
}

/* What a step will turn. */
static void FN(batch_weight_ahead)(const FN(batch_weight_job) *job, const FN(batch_unit) *unit,
                                   ptrdiff_t step, fnn_conv2d_ahead ahead[2]) {
    const FN(batch_weight_plan) *plan = job->plan;
    const fnn_conv2d_axis *rows = &plan->x.rows;
    const ptrdiff_t lanes = job->kernels->lanes, band = step % plan->x.bands;
    const ptrdiff_t n = step / plan->x.bands * lanes, images = fnn_min(plan->images - n, lanes);
    const ptrdiff_t w = plan->x.cols.in, q = plan->dy.cols.in;
    const ptrdiff_t x_plane = rows->in * w, dy_plane = plan->dy.rows.in * q;
    const ptrdiff_t a0 = fnn_conv2d_batch_start(&plan->x, band);
    const ptrdiff_t height = fnn_conv2d_batch_start(&plan->x, band + 1) - a0;
    const ptrdiff_t from = fnn_conv2d_batch_source(rows, a0);
    const ptrdiff_t first = fnn_max(from, 0);
    const ptrdiff_t end = fnn_min(from + fnn_conv2d_batch_rows(&plan->x, height), rows->in);
    const ptrdiff_t x_at = (n * plan->groups + unit->group) * plan->in + unit->in0;
    const ptrdiff_t dy_at = (n * plan->groups + unit->group) * plan->out + unit->from;
    ahead[0] = FN(look_ahead)(job->x + x_at * x_plane + first * w, fnn_max(end - first, 1) * w,
                              unit->in1 - unit->in0, x_plane, images,
                              plan->groups * plan->in * x_plane);
    ahead[1] = FN(look_ahead)(job->dy + dy_at * dy_plane + a0 * q, height * q,
                              unit->out1 - unit->from, dy_plane, images,
                              plan->groups * plan->out * dy_plane);
}

/* Adds a step's pixels to the unit's sums; the first step overwrites them. */
static void FN(add_batch_step)(const FN(batch_weight_job) *job, const FN(batch_unit) *unit,
                               ptrdiff_t step, fnn_conv2d_ahead *ahead, int add) {
    const FN(batch_weight_plan) *plan = job->plan;
    const fnn_conv2d_batch *x = &plan->x, *dy = &plan->dy;
    const ptrdiff_t lanes = job->kernels->lanes, band = step % x->bands;
    const ptrdiff_t a0 = fnn_conv2d_batch_start(x, band);
    const ptrdiff_t height = fnn_conv2d_batch_start(x, band + 1) - a0;
    const ptrdiff_t n = step / x->bands * lanes, images = fnn_min(plan->images - n, lanes);
    const ptrdiff_t x_plane = x->rows.in * x->cols.in, dy_plane = dy->rows.in * dy->cols.in;
    const ptrdiff_t channel = unit->group * plan->in + unit->in0;
    const ptrdiff_t out = unit->group * plan->out + unit->from;
    const ptrdiff_t x_image = plan->groups * plan->in * x_plane;
    const ptrdiff_t dy_image = plan->groups * plan->out * dy_plane;
    FN(batch_planes)(job->kernels, x, images, x_image, unit->in1 - unit->in0,
                     fnn_conv2d_batch_source(&x->rows, a0), fnn_conv2d_batch_rows(x, height),
                     job->x + n * x_image + channel * x_plane, unit->x);
    FN(batch_planes)(job->kernels, dy, images, dy_image, unit->out1 - unit->from, a0, height,
                     job->dy + n * dy_image + out * dy_plane, unit->dy);
    const fnn_conv2d_pixels pixels = {
        .images = 1, .rows = height, .cols = dy->pitch * lanes,
        .x_row = x->rows.in_step * x->pitch * lanes, .x_step = x->cols.in_step * lanes,
        .dy_channel = dy->channel * lanes, .ahead = ahead};
    if (unit->in0 == 0) {
        const FN(bias_region) turned = {
            .rows = 1, .first = unit->group * plan->out + unit->out0,
            .channels = unit->out1 - unit->out0, .channel = pixels.dy_channel,
            .pixels = height * pixels.cols};
        FN(add_bias)(job->kernels, &job->bias, unit->chunk, turned,
                     unit->dy + (unit->out0 - unit->from) * pixels.dy_channel, add);
    }
    const ptrdiff_t rows = (unit->in1 - unit->in0) * plan->taps;
    for (ptrdiff_t t = 0; unit->out0 + t * plan->tile.outs < unit->out1; t++) {
        const ptrdiff_t k = FN(batch_tile_start)(plan, unit, t) - unit->from;
        real *sums = unit->sums + t * plan->row_space * plan->tile.outs * lanes;
        for (ptrdiff_t i = 0; i < rows; i += plan->tile.rows)
            job->kernels->conv2d_dot(&pixels, plan->number, job->row + i, unit->x,
                                     unit->dy + k * dy->channel * lanes, add,
                                     sums + i * plan->tile.outs * lanes);
    }
}

static void FN(finish_batch_unit)(const FN(batch_weight_job) *job, const FN(batch_unit) *unit,
                                  real *dw) {
    const FN(batch_weight_plan) *plan = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes, width = plan->tile.outs * lanes;
    const ptrdiff_t rows = (unit->in1 - unit->in0) * plan->taps, dw_row = plan->in * plan->taps;
    real *to = dw + unit->group * plan->out * dw_row + unit->in0 * plan->taps;
    for (ptrdiff_t k = unit->out0; k < unit->out1; k++) {
        const ptrdiff_t t = (k - unit->out0) / plan->tile.outs;
        const real *sums = unit->sums + t * plan->row_space * width +
                           (k - FN(batch_tile_start)(plan, unit, t)) * lanes;
        job->kernels->conv2d_fold(rows, sums, width, to + k * dw_row);
    }
}

static FN(batch_unit) FN(find_batch_unit)(const FN(batch_weight_plan) *plan, ptrdiff_t task,
                                          char *scratch) {
    const ptrdiff_t in_unit = task / plan->chunks % plan->in_units;
    const ptrdiff_t rest = task / (plan->chunks * plan->in_units);
    FN(batch_unit) unit = {.chunk = task % plan->chunks, .group = rest / plan->out_units,
                           .x = (real *)scratch,
                           .dy = (real *)(scratch + plan->x_bytes),
                           .sums = (real *)(scratch + plan->x_bytes + plan->dy_bytes)};
    unit.out0 = rest % plan->out_units * plan->unit_outs;
    unit.out1 = fnn_min(unit.out0 + plan->unit_outs, plan->out);
    unit.from = fnn_min(unit.out0, unit.out1 - plan->tile.outs);
    unit.in0 = in_unit * plan->in_block;
    unit.in1 = fnn_min(unit.in0 + plan->in_block, plan->in);
    return unit;
}

static void FN(batch_weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(batch_weight_job) *job = argument;
    const FN(batch_weight_plan) *plan = job->plan;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    const FN(batch_unit) unit = FN(find_batch_unit)(plan, task, scratch);
    const ptrdiff_t tasks = plan->groups * plan->out_units * plan->in_units * plan->chunks;
    const int far = plan->images * plan->groups * plan->in * plan->x.rows.in * plan->x.cols.in *
                        (ptrdiff_t)sizeof(real) > FAR_BYTES;
    const ptrdiff_t count = plan->groups * plan->out * plan->in * plan->taps;
    const ptrdiff_t first = plan->steps * unit.chunk / plan->chunks;
    const ptrdiff_t last = plan->steps * (unit.chunk + 1) / plan->chunks;
    for (ptrdiff_t step = first; step < last; step++) {
        fnn_conv2d_ahead ahead[2] = {{0}};
        if (far && step + 1 < last) {
            FN(batch_weight_ahead)(job, &unit, step + 1, ahead);
        } else if (far && task + 1 < tasks) {
            const FN(batch_unit) next = FN(find_batch_unit)(plan, task + 1, scratch);
            FN(batch_weight_ahead)(job, &next, plan->steps * next.chunk / plan->chunks, ahead);
        }
        FN(add_batch_step)(job, &unit, step, far ? ahead : NULL, step > first);
    }
    FN(finish_batch_unit)(job, &unit,
                          plan->chunks == 1 ? job->dw : job->partial + unit.chunk * count);
}

size_t FN(fnn_conv2d_batch_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape) {
    const FN(batch_weight_plan) plan = FN(make_batch_weight_plan)(ctx, shape);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return plan.row_bytes + plan.partial_bytes + plan.bias_bytes + workers * plan.worker_bytes;
}

fnn_conv2d_tiled FN(fnn_conv2d_batch_weight_tiled)(const fnn_ctx *ctx,
                                                   const fnn_conv2d_shape *shape) {
    return (fnn_conv2d_tiled){.cost = FN(make_batch_weight_plan)(ctx, shape).tile.cost};
}

void FN(fnn_conv2d_batch_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
                                          void *workspace) {
    const FN(batch_weight_plan) plan = FN(make_batch_weight_plan)(ctx, shape);
    FN(batch_weight_job) job = {.plan = &plan, .kernels = FN(table)(ctx), .dy = dy, .x = x,
                                .dw = dw, .row = workspace};
    job.partial = (real *)((char *)workspace + plan.row_bytes);
    char *sums = (char *)workspace + plan.row_bytes + plan.partial_bytes;
    job.bias = (FN(bias_sums)){db, (real *)(void *)sums, shape->k, job.kernels->lanes};
    job.workers = sums + plan.bias_bytes;
    for (ptrdiff_t i = 0; i < plan.row_space; i++) {
        const ptrdiff_t c = i / plan.taps, r = i % plan.taps / shape->s, s = i % shape->s;
        const ptrdiff_t at = c * plan.x.channel + r * shape->dilation_h * plan.x.pitch +
                             s * shape->dilation_w;
        /* rows that fill the last tile are dropped */
        job.row[i] = c < plan.in_block ? at * job.kernels->lanes : 0;
    }
    const ptrdiff_t pixels = shape->p * shape->q;
    const ptrdiff_t work = plan.images * plan.groups * plan.out * plan.in * plan.taps * pixels;
    fnn_parallel(work > GRAIN ? ctx->threads : 1,
                 plan.groups * plan.out_units * plan.in_units * plan.chunks,
                 FN(batch_weight_task), &job);
    if (plan.chunks > 1)
        FN(add_partial)(job.kernels, plan.chunks, plan.groups * plan.out * plan.in * plan.taps,
                        job.partial, dw);
    FN(finish_bias)(job.kernels, &job.bias, plan.chunks);
}
