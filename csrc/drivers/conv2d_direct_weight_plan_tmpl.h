/* The plan of conv2d_direct_weight_tmpl.c: form, tile, units, steps and chunks, from the shape alone. */

typedef struct FN(weight_plan) {
    fnn_conv2d_planes planes;
    ptrdiff_t images, groups, in, out, taps; /* channels per group */
    ptrdiff_t q;                   /* columns of the result */
    int outer, runs, threes, tile; /* runs: conv2d_outer_runs; threes: conv2d_dot3 */
    ptrdiff_t tile_outs, tile_rows, tile_width; /* tile_width: elements of a row of its result */
    ptrdiff_t unit_outs, out_units, in_block, in_units;
    ptrdiff_t row_space;                        /* rows of a unit, rounded up to tiles */
    ptrdiff_t step_images, steps, chunks, group_tasks;
    ptrdiff_t block_images, block_rows;         /* whose dy is transposed at a time */
    ptrdiff_t row_cost;                         /* half cycles for a row of pixels */
    size_t row_bytes, partial_bytes, bias_bytes, plane_bytes, dy_bytes, worker_bytes;
} FN(weight_plan);

/* Whether conv2d_outer_runs costs less than `most`: it is chosen then, and its planes laid. `rows`
 * are those of all channels. */
static FNN_NOINLINE int FN(takes_runs)(FN(weight_plan) *plan, const FN(fnn_table) *kernels,
                                       ptrdiff_t rows, ptrdiff_t most) {
    fnn_conv2d_planes *planes = &plan->planes;
    const fnn_conv2d_axis *cols = &planes->cols;
    const int wide = kernels->conv2d_registers == 32;
    const runs_tile *tiles = wide ? runs_32 : runs_16;
    const ptrdiff_t lanes = kernels->lanes;
    if (!kernels->conv2d_outer_runs || cols->dilation > 1) return 0;
    for (int i = 0; i < (wide ? COUNT(runs_32) : COUNT(runs_16)); i++) {
        const ptrdiff_t tile = (ptrdiff_t)tiles[i].taps * tiles[i].runs;
        const ptrdiff_t pixel = fnn_ceil_div(plan->out, lanes) * fnn_ceil_div(rows, tile) *
                                    (fnn_max(tile, 8) + 1) +
                                plan->out; /* the transposition */
        if (tiles[i].taps != cols->taps || tiles[i].stride != cols->stride) continue;
        if (pixel * plan->q >= most) continue;
        plan->outer = plan->runs = 1;
        plan->row_cost = pixel * plan->q;
        plan->tile = i;
        plan->tile_outs = plan->tile_width = lanes;
        plan->tile_rows = tile;
    }
    if (!plan->runs) return 0;
    const ptrdiff_t positions = (plan->q - 1) * cols->stride + 1;
    planes->cols = fnn_conv2d_axis_forward(cols->in, positions, cols->taps, 1, 1, cols->in_origin);
    planes->copies = planes->rows.phases;
    planes->pitch = fnn_conv2d_pitch(&planes->cols, lanes);
    return 1;
}

static void FN(choose_weight_form)(FN(weight_plan) *plan, const FN(fnn_table) *kernels) {
    const int wide = kernels->conv2d_registers == 32;
    const weight_tile *dots = wide ? dots_32 : dots_16, *outers = wide ? outers_32 : outers_16;
    const ptrdiff_t lanes = kernels->lanes, q = plan->q;
    const ptrdiff_t rows = plan->in * plan->taps, bytes = lanes * (ptrdiff_t)sizeof(real);
    int dot = 0, outer = 0;
    const ptrdiff_t dot_cost = choose_weight_tile(dots, wide ? COUNT(dots_32) : COUNT(dots_16), 0,
                                                  lanes, bytes, plan->out, rows, &dot) *
                               fnn_ceil_div(q, lanes);
    const ptrdiff_t outer_cost =
        choose_weight_tile(outers, wide ? COUNT(outers_32) : COUNT(outers_16), 1, lanes, bytes,
                           plan->out, rows, &outer) * q +
        plan->out * q; /* the transposition */
    if (FN(takes_runs)(plan, kernels, rows, fnn_min(outer_cost, dot_cost))) return;
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
    if (!plan->outer || plan->runs) {
        const ptrdiff_t tiles = fnn_max(SUM_BYTES / (plan->row_space * row), 1);
        plan->unit_outs *= fnn_min(tiles, fnn_ceil_div(plan->out, plan->tile_outs));
    }
    plan->out_units = fnn_ceil_div(plan->out, plan->unit_outs);
}

/* Multiply-adds of a unit. */
static ptrdiff_t FN(unit_work)(const FN(weight_plan) *plan) {
    return plan->images * plan->unit_outs * plan->in_block * plan->taps * plan->planes.rows.out *
           plan->q;
}

/* Sums apart that would be best, whatever the steps. */
static ptrdiff_t FN(best_chunks)(const FN(weight_plan) *plan) {
    const ptrdiff_t units = plan->groups * plan->out_units * plan->in_units;
    const ptrdiff_t count = plan->groups * plan->out * plan->in * plan->taps;
    const ptrdiff_t most = PARTIAL_BYTES / (count * (ptrdiff_t)sizeof(real));
    return fnn_max(fnn_min(fnn_min(TASKS / units, most), FN(unit_work)(plan) / GRAIN), 1);
}

static void FN(cut_steps)(FN(weight_plan) *plan, ptrdiff_t lanes) {
    fnn_conv2d_planes *planes = &plan->planes;
    const ptrdiff_t q = plan->q;
    const ptrdiff_t dy_row = plan->outer ? q * plan->tile_width * (ptrdiff_t)sizeof(real) : 0;
    const ptrdiff_t x_row = fnn_conv2d_row_bytes(planes, plan->in_block, sizeof(real));
    const ptrdiff_t most = fnn_max((PIXEL_BYTES - planes->rows.halo * x_row) / (x_row + dy_row), 2);
    fnn_conv2d_lay_planes(planes, most, lanes, sizeof(real));
    plan->step_images = 1;
    if (planes->bands == 1) { /* steps as even as can be, and one for each chunk */
        const ptrdiff_t some = fnn_max(most / planes->band, 1);
        const ptrdiff_t parts = fnn_max(fnn_ceil_div(plan->images, some),
                                        fnn_min(FN(best_chunks)(plan), plan->images));
        plan->step_images = fnn_ceil_div(plan->images, fnn_max(parts, 1));
    }
    plan->steps = planes->bands * fnn_ceil_div(plan->images, plan->step_images);
    plan->block_rows = planes->band;
    plan->block_images = plan->step_images;
    /* many sums pass from L2 with every block, and then whole steps are quicker */
    const ptrdiff_t sums = plan->row_space * plan->tile_width * (ptrdiff_t)sizeof(real);
    if (!plan->outer || (!plan->runs && sums > NEAR_BYTES)) return;
    const ptrdiff_t some = fnn_max(BLOCK_BYTES / dy_row, 1);
    plan->block_rows = fnn_min(some, planes->band);
    plan->block_images = fnn_min(fnn_max(some / planes->band, 1), plan->step_images);
}

static void FN(cut_tasks)(FN(weight_plan) *plan) {
    const ptrdiff_t per_task = fnn_min(fnn_ceil_div(GRAIN, FN(unit_work)(plan)), plan->groups);
    plan->group_tasks = fnn_ceil_div(plan->groups, per_task);
    plan->chunks = fnn_min(FN(best_chunks)(plan), plan->steps);
}

static FNN_NOINLINE FN(weight_plan) FN(make_weight_plan)(const fnn_ctx *ctx,
                                                         const fnn_conv2d_shape *s) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes;
    FN(weight_plan) plan = {.planes = fnn_conv2d_planes_forward(s, lanes), .images = s->n,
                            .groups = s->groups, .in = s->c / s->groups, .out = s->k / s->groups,
                            .taps = s->r * s->s, .q = s->q};
    FN(choose_weight_form)(&plan, kernels);
    FN(cut_units)(&plan);
    FN(cut_steps)(&plan, lanes);
    FN(cut_tasks)(&plan);
    const ptrdiff_t pixels = plan.block_images * plan.block_rows * plan.q;
    const ptrdiff_t tiles = fnn_ceil_div(plan.unit_outs, plan.tile_outs);
    plan.row_bytes = fnn_lines((size_t)plan.row_space * sizeof(ptrdiff_t));
    if (plan.chunks > 1)
        plan.partial_bytes = FN(bytes)(plan.chunks * plan.groups * plan.out * plan.in * plan.taps);
    plan.bias_bytes = FN(bias_bytes)(plan.chunks, s->k, plan.outer ? 1 : lanes);
    plan.plane_bytes = FN(bytes)(plan.step_images * plan.in_block * plan.planes.channel);
    if (plan.outer) plan.dy_bytes = FN(bytes)(pixels * plan.tile_width);
    plan.worker_bytes = plan.plane_bytes + plan.dy_bytes +
                        FN(bytes)(tiles * plan.row_space * plan.tile_width);
    return plan;
}
