/* The gradient of the weights over planes of LANES groups, for one element type.
 *
 * The gradient of a block of LANES groups is a vector for each weight; images, or bands of them, pass
 * in steps that are turned and added up. Few blocks: the steps are cut into chunks, whose partial
 * gradients are added in order. Workspace:
 *
 *   shared   offset of each row (input channel, tap) | gradients of the chunks | their bias sums
 *   worker   x [in][row, also those outside][pitch] | dy [out][row][q] | sums [out][row space]
 */

typedef struct FN(lanes_weight_plan) {
    fnn_lanes_planes planes;
    ptrdiff_t images, groups, in, out, blocks, taps; /* channels per group; blocks of groups */
    ptrdiff_t row_space;                             /* rows, rounded up to tiles */
    int number;                                      /* of the tile */
    fnn_dot_tile tile;
    ptrdiff_t bands, steps, chunks;
    ptrdiff_t x_plane, dy_plane; /* elements of a channel's planes of a step */
    size_t row_bytes, partial_bytes, bias_bytes, x_bytes, dy_bytes, worker_bytes;
} FN(lanes_weight_plan);

typedef struct FN(lanes_weight_job) {
    const FN(lanes_weight_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *dy, *x;
    real *dw, *partial;
    ptrdiff_t *row;
    FN(bias_sums) bias;
    char *workers;
} FN(lanes_weight_job);

static FN(lanes_weight_plan) FN(make_lanes_weight_plan)(const fnn_ctx *ctx,
                                                        const fnn_conv2d_shape *s) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes, vector = lanes * (ptrdiff_t)sizeof(real);
    FN(lanes_weight_plan) plan = {.planes = fnn_lanes_lay(s, 0), .images = s->n,
                                  .groups = s->groups, .in = s->c / s->groups,
                                  .out = s->k / s->groups, .taps = s->r * s->s,
                                  .blocks = fnn_ceil_div(s->groups, lanes)};
    const fnn_lanes_axis *rows = &plan.planes.rows;
    const ptrdiff_t terms = plan.in * plan.taps, pitch = plan.planes.pitch;
    plan.number = fnn_choose_dot(kernels->conv2d_registers, 1, terms, &plan.tile);
    plan.row_space = fnn_round_up(terms, plan.tile.rows);
    const ptrdiff_t row = (plan.in * pitch * s->stride_h + plan.out * s->q) * vector;
    plan.bands = fnn_max(fnn_min(fnn_ceil_div(s->p * row, STEP_BYTES), s->p / 4), 1);
    const ptrdiff_t band = fnn_ceil_div(s->p, plan.bands);
    plan.x_plane = (fnn_lanes_until(rows, band) - fnn_lanes_from(rows, 0)) * pitch * lanes;
    plan.dy_plane = band * s->q * lanes;
    plan.steps = plan.images * plan.bands;
    const ptrdiff_t count = s->groups * plan.out * terms;
    const ptrdiff_t work = plan.images * plan.out * terms * lanes * s->p * s->q;
    const ptrdiff_t most = PARTIAL_BYTES / (count * (ptrdiff_t)sizeof(real));
    const ptrdiff_t chunks = fnn_min(fnn_min(TASKS / plan.blocks, most), plan.steps);
    plan.chunks = fnn_max(fnn_min(chunks, work / GRAIN), 1);
    plan.row_bytes = fnn_lines((size_t)plan.row_space * sizeof(ptrdiff_t));
    if (plan.chunks > 1) plan.partial_bytes = FN(bytes)(plan.chunks * count);
    plan.bias_bytes = FN(bias_bytes)(plan.chunks, s->k, lanes);
    plan.x_bytes = FN(bytes)(plan.in * plan.x_plane);
    plan.dy_bytes = FN(bytes)(plan.out * plan.dy_plane);
    plan.worker_bytes = plan.x_bytes + plan.dy_bytes + FN(bytes)(plan.out * plan.row_space * lanes);
    return plan;
}

/* What a task works on. */
typedef struct FN(lanes_unit) {
    ptrdiff_t g, count, chunk; /* first group, and how many there are */
    real *x, *dy, *sums;
} FN(lanes_unit);

/* Adds a step's pixels to the sums; the first step overwrites them. */
static void FN(add_lanes_step)(const FN(lanes_weight_job) *job, const FN(lanes_unit) *unit,
                               ptrdiff_t step, int add) {
    const FN(lanes_weight_plan) *plan = job->plan;
    const fnn_lanes_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t lanes = job->kernels->lanes, band = step % plan->bands;
    const ptrdiff_t image = step / plan->bands, at = image * plan->groups + unit->g;
    const ptrdiff_t p0 = rows->out * band / plan->bands;
    const ptrdiff_t p1 = rows->out * (band + 1) / plan->bands;
    const ptrdiff_t x_plane = rows->in * cols->in, dy_plane = rows->out * cols->out;
    const FN(conv2d_images) x = {
        .images = unit->count, .src_image = plan->in * x_plane, .planes = plan->in,
        .src_plane = x_plane, .h = rows->in, .w = cols->in, .row = fnn_lanes_from(rows, p0),
        .rows = fnn_lanes_until(rows, p1) - fnn_lanes_from(rows, p0), .left = plan->planes.left,
        .pitch = plan->planes.pitch, .dst_plane = plan->x_plane,
        .clean = add && plan->bands == 1};
    const FN(conv2d_images) dy = {
        .images = unit->count, .src_image = plan->out * dy_plane, .planes = plan->out,
        .src_plane = dy_plane, .h = rows->out, .w = cols->out, .row = p0, .rows = p1 - p0,
        .pitch = cols->out, .dst_plane = plan->dy_plane};
    job->kernels->conv2d_pad_images(&x, job->x + at * plan->in * x_plane, unit->x);
    job->kernels->conv2d_pad_images(&dy, job->dy + at * plan->out * dy_plane, unit->dy);
    const FN(bias_region) region = {
        .rows = 1, .first = unit->g * plan->out, .channels = unit->count * plan->out,
        .channel = dy_plane, .pixels = (p1 - p0) * cols->out};
    FN(add_bias)(job->kernels, &job->bias, unit->chunk, region,
                 job->dy + at * plan->out * dy_plane + p0 * cols->out, add);
    const fnn_conv2d_pixels pixels = {
        .images = 1, .rows = p1 - p0, .cols = cols->out * lanes,
        .x_row = rows->stride * plan->planes.pitch * lanes, .x_step = cols->stride * lanes};
    for (ptrdiff_t o = 0; o < plan->out; o++)
        for (ptrdiff_t i = 0; i < plan->row_space; i += plan->tile.rows)
            job->kernels->conv2d_dot(&pixels, plan->number, job->row + i, unit->x,
                                     unit->dy + o * plan->dy_plane, add,
                                     unit->sums + (o * plan->row_space + i) * lanes);
}

static void FN(lanes_weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(lanes_weight_job) *job = argument;
    const FN(lanes_weight_plan) *plan = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes, terms = plan->in * plan->taps;
    const ptrdiff_t chunk = task % plan->chunks, group = plan->out * terms;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    FN(lanes_unit) unit = {.g = task / plan->chunks * lanes, .chunk = chunk, .x = (real *)scratch,
                           .dy = (real *)(scratch + plan->x_bytes),
                           .sums = (real *)(scratch + plan->x_bytes + plan->dy_bytes)};
    unit.count = fnn_min(plan->groups - unit.g, lanes);
    const ptrdiff_t first = plan->steps * chunk / plan->chunks;
    const ptrdiff_t last = plan->steps * (chunk + 1) / plan->chunks;
    for (ptrdiff_t step = first; step < last; step++)
        FN(add_lanes_step)(job, &unit, step, step > first);
    real *to = (plan->chunks == 1 ? job->dw : job->partial + chunk * plan->groups * group) +
               unit.g * group;
    for (ptrdiff_t o = 0; o < plan->out; o++)
        job->kernels->conv2d_transpose(terms, unit.count, unit.sums + o * plan->row_space * lanes,
                                       lanes, to + o * terms, group, terms);
}

size_t FN(fnn_conv2d_lanes_weight_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape) {
    const FN(lanes_weight_plan) plan = FN(make_lanes_weight_plan)(ctx, shape);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return plan.row_bytes + plan.partial_bytes + plan.bias_bytes + workers * plan.worker_bytes;
}

void FN(fnn_conv2d_lanes_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          const real *dy, const real *x, real *dw, real *db,
                                          void *workspace) {
    const FN(lanes_weight_plan) plan = FN(make_lanes_weight_plan)(ctx, shape);
    const fnn_lanes_axis *rows = &plan.planes.rows, *cols = &plan.planes.cols;
    FN(lanes_weight_job) job = {.plan = &plan, .kernels = FN(table)(ctx), .dy = dy, .x = x,
                                .dw = dw, .row = workspace};
    job.partial = (real *)((char *)workspace + plan.row_bytes);
    char *sums = (char *)job.partial + plan.partial_bytes;
    job.bias = (FN(bias_sums)){db, (real *)(void *)sums, shape->k, job.kernels->lanes};
    job.workers = sums + plan.bias_bytes;
    for (ptrdiff_t i = 0; i < plan.row_space; i++) {
        const ptrdiff_t c = i / plan.taps, r = i % plan.taps / shape->s, s = i % shape->s;
        const ptrdiff_t at =
            fnn_lanes_reach(rows, r) * plan.planes.pitch + fnn_lanes_reach(cols, s);
        /* rows that fill the last tile are dropped */
        job.row[i] = c < plan.in ? c * plan.x_plane + at * job.kernels->lanes : 0;
    }
    const ptrdiff_t count = plan.groups * plan.out * plan.in * plan.taps;
    const ptrdiff_t work = plan.images * count * shape->p * shape->q;
    fnn_parallel(work > GRAIN ? ctx->threads : 1, plan.blocks * plan.chunks,
                 FN(lanes_weight_task), &job);
    if (plan.chunks > 1) FN(add_partial)(job.kernels, plan.chunks, count, job.partial, dw);
    FN(finish_bias)(job.kernels, &job.bias, plan.chunks);
}

void FN(fnn_conv2d_lanes_weight_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                          fnn_conv2d_plan *to) {
    const FN(lanes_weight_plan) plan = FN(make_lanes_weight_plan)(ctx, shape);
    const ptrdiff_t lanes = FN(table)(ctx)->lanes, terms = plan.in * plan.taps;
    to->kernel = "conv2d_dot";
    fnn_conv2d_note(to, "groups", plan.groups);
    fnn_conv2d_note(to, "lanes", lanes);
    fnn_conv2d_note(to, "bands", plan.bands);
    fnn_conv2d_note(to, "chunks", plan.chunks);
    to->share = (double)plan.groups / (double)(plan.blocks * lanes) * (double)terms /
                (double)plan.row_space;
    to->basis = "at most: lanes that groups fill and tiles that taps fill; turning left out";
}
