/* The plan of conv2d_direct_tmpl.c: planes, bands, tile and tasks, from the shape alone. */

typedef struct FN(plan) {
    fnn_conv2d_planes planes;
    ptrdiff_t images, groups, in, out; /* channels per group */
    ptrdiff_t taps, classes;
    ptrdiff_t w_out, w_in;
    tile_choice tile;
    ptrdiff_t blocks;                  /* of tile.size.outs output channels; the last may overlap */
    int packed;                        /* weights are copied to [block][in][tap][outs], .. */
    int regroup;                       /* .. or [block][in][outs][taps], or read in place */
    ptrdiff_t group_tasks, block_tasks; /* how groups and blocks are cut into tasks */
    ptrdiff_t group_batch;              /* groups whose planes are copied together */
    size_t tap_bytes, start_bytes, weight_bytes, plane_bytes, worker_bytes;
} FN(plan);

static void FN(plan_tasks)(FN(plan) *plan, int threads) {
    const ptrdiff_t work = fnn_max(plan->in * plan->out * plan->taps, 1) * plan->planes.band *
                           plan->planes.pitch;
    const ptrdiff_t groups = fnn_max(plan->groups, 1);
    const ptrdiff_t per_task = fnn_min(fnn_ceil_div(GRAIN, work), groups);
    plan->group_tasks = fnn_ceil_div(groups, per_task);
    /* cutting the output channels costs a copy of the planes each and changes no sum */
    const ptrdiff_t tasks = fnn_max(plan->images * plan->group_tasks * plan->planes.bands, 1);
    /* a run leaves out what the block before it has stored, rows do not */
    const int shared = plan->tile.kind != RUN && plan->out % plan->tile.size.outs;
    plan->block_tasks = 1;
    if (threads > 1 && tasks < 2 * threads && work > 2 * GRAIN && !shared)
        plan->block_tasks = fnn_min(fnn_ceil_div(2 * threads, tasks), plan->blocks);
    const ptrdiff_t bytes = fnn_max(plan->in * plan->planes.channel * (ptrdiff_t)sizeof(real), 1);
    plan->group_batch = fnn_min(fnn_max(GROUP_BYTES / bytes, 1), per_task);
}

static tile_need FN(needed)(const FN(plan) *plan, const FN(fnn_table) *kernels) {
    const fnn_conv2d_planes *planes = &plan->planes;
    const ptrdiff_t positions = planes->rows.hi - planes->rows.lo;
    return (tile_need){
        .outs = plan->out, .terms = plan->in * fnn_ceil_div(plan->taps, plan->classes),
        .height = planes->band, .least_height = positions / planes->bands,
        .width = planes->cols.hi - planes->cols.lo, .pitch = planes->pitch,
        .lanes = kernels->lanes, .vector_bytes = kernels->lanes * (int)sizeof(real),
        .whole_rows = planes->rows.out_step == 1 && planes->cols.out_step == 1,
        .threes = planes->rows.taps == 3 && planes->rows.stride == 1 && planes->rows.dilation == 1};
}

static void FN(plan_tile)(FN(plan) *plan, const FN(fnn_table) *kernels) {
    const tile_need need = FN(needed)(plan, kernels);
    plan->tile = choose_tile(kernels->conv2d_registers, &need);
    plan->blocks = fnn_ceil_div(plan->out, plan->tile.size.outs);
    const tile_size size = plan->tile.size;
    plan->packed = plan->tile.kind != ROWS3 &&
                   fnn_conv2d_packs(kernels->conv2d_registers, size.outs, size.rows * size.vectors);
}

static FN(plan) FN(make_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, int backward) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes;
    FN(plan) plan = {.images = s->n, .groups = s->groups, .taps = s->r * s->s};
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups;
    if (backward) {
        plan.planes = fnn_conv2d_planes_backward(s, lanes);
        plan.in = k, plan.out = c, plan.w_out = plan.taps, plan.w_in = c * plan.taps;
        plan.classes = plan.planes.rows.phases * plan.planes.cols.phases;
    } else {
        plan.planes = fnn_conv2d_planes_forward(s, lanes);
        plan.in = c, plan.out = k, plan.w_out = c * plan.taps, plan.w_in = plan.taps;
        plan.classes = 1;
    }
    const fnn_conv2d_planes *planes = &plan.planes;
    const ptrdiff_t row_bytes = fnn_conv2d_row_bytes(planes, plan.in, sizeof(real));
    const ptrdiff_t most = fnn_max(BAND_BYTES / row_bytes - planes->rows.halo, 4);
    fnn_conv2d_lay_planes(&plan.planes, most, lanes, sizeof(real));
    FN(plan_tile)(&plan, kernels);
    /* bands of whole tiles, so that the last one alone repeats rows; two at least fit into each */
    if (plan.tile.kind != RUN && planes->band / 2 > plan.tile.size.rows) {
        plan.planes.unit = plan.tile.size.rows;
        fnn_conv2d_lay_planes(&plan.planes, most, lanes, sizeof(real));
    }
    plan.regroup = plan.packed || (backward && plan.blocks > 1);
    if (plan.regroup) plan.w_out = plan.taps, plan.w_in = plan.tile.size.outs * plan.taps;
    FN(plan_tasks)(&plan, ctx->threads);
    const ptrdiff_t tile = (ptrdiff_t)plan.tile.size.rows * plan.tile.size.vectors * lanes;
    plan.tap_bytes = fnn_lines((size_t)plan.taps * sizeof(fnn_conv2d_tap));
    plan.start_bytes = fnn_lines((size_t)(plan.classes + 1) * sizeof(ptrdiff_t));
    if (plan.regroup)
        plan.weight_bytes = FN(bytes)(plan.groups * plan.blocks * plan.in * plan.w_in);
    plan.plane_bytes = FN(bytes)(plan.group_batch * plan.in * planes->channel + tile);
    plan.worker_bytes = plan.plane_bytes + FN(bytes)(tile * plan.tile.size.outs);
    return plan;
}
