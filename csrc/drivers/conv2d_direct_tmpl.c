/* Forward and backward-data by register tiles over padded planes.
 *
 * Per image, group and band of rows, the source is copied once into planes whose rows carry
 * their zeros, split by phase (drivers/conv2d.h). A tile is either a run of positions across
 * rows, of which the pitch - width positions between rows are dropped when the tile is taken to
 * its places, or some whole rows with a masked end, stored in place. Workspace:
 *
 *   shared   taps of each class | first tap of each class | weights, regrouped
 *   worker   planes [group][in][phase][band + halo][pitch] | one tile of results
 */

typedef struct FN(job) {
    const FN(plan) *plan;
    const FN(fnn_table) *kernels;
    const real *src, *w, *bias;
    real *dst;
    FN(finishing) finishing;
    fnn_conv2d_tap *tap;
    ptrdiff_t *start;
    real *weights;
    char *workers;
} FN(job);

/* Taps sorted by class; forward has one class, and its taps find their phase's copy. Tiles that
 * take three rows of taps at once want each column of them in the order of the planes. */
static void FN(list_taps)(const FN(job) *job) {
    const FN(plan) *plan = job->plan;
    const fnn_conv2d_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t step_r = rows->backward ? rows->phases : 1;
    const ptrdiff_t step_s = rows->backward ? cols->phases : 1;
    const int threes = plan->tile.kind == ROWS3;
    ptrdiff_t count = 0, class = 0;
    for (ptrdiff_t i = 0; i < step_r; i++) {
        for (ptrdiff_t j = 0; j < step_s; j++) {
            const ptrdiff_t height = fnn_ceil_div(rows->taps - i, step_r);
            const ptrdiff_t width = fnn_ceil_div(cols->taps - j, step_s);
            job->start[class++] = count;
            for (ptrdiff_t t = 0; t < height * width; t++, count++) {
                ptrdiff_t r = i + t / width * step_r, s = j + t % width * step_s;
                if (threes) s = t / 3, r = rows->backward ? 2 - t % 3 : t % 3;
                job->tap[count].x = fnn_conv2d_tap_offset(&plan->planes, r, s);
                job->tap[count].w = r * cols->taps + s;
            }
        }
    }
    job->start[class] = count;
}

/* First output channel of a block: the last block moves back to stay inside. */
FNN_INLINE ptrdiff_t FN(block_start)(const FN(plan) *plan, ptrdiff_t block) {
    return fnn_min(block * plan->tile.size.outs, plan->out - plan->tile.size.outs);
}

/* A block's weights for tiles that want a tap's results side by side, taps in their order. */
static void FN(pack_weights)(const FN(job) *job, const real *from, real *to) {
    const FN(plan) *plan = job->plan;
    const ptrdiff_t all = plan->taps;
    const int backward = plan->planes.rows.backward;
    const ptrdiff_t w_out = backward ? all : plan->in * all;
    const ptrdiff_t w_in = backward ? plan->out * all : all;
    for (ptrdiff_t c = 0; c < plan->in; c++, from += w_in) {
        for (ptrdiff_t t = 0; t < all; t++, to += FNN_CONV2D_PACKED) {
            const real *tap = from + job->tap[t].w;
            FNN_UNROLL
            for (int o = 0; o < FNN_CONV2D_PACKED; o++) to[o] = tap[o * w_out];
        }
    }
}

/* Backward walks the weights across their rows, a line or two at a time: copy a block's
 * weights of one dY channel, which are contiguous, next to those of the following channel. */
static void FN(regroup_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(job) *job = argument;
    const FN(plan) *plan = job->plan;
    (void)worker;
    const ptrdiff_t group = task / plan->blocks, block = task % plan->blocks;
    const ptrdiff_t row = plan->out * plan->taps, out = FN(block_start)(plan, block) * plan->taps;
    const real *from = job->w + group * plan->in * row;
    real *to = job->weights + task * plan->in * plan->w_in;
    from += plan->planes.rows.backward ? out : out * plan->in;
    if (plan->packed) {
        FN(pack_weights)(job, from, to);
        return;
    }
    for (ptrdiff_t k = 0; k < plan->in; k++)
        memcpy(to + k * plan->w_in, from + k * row, (size_t)plan->w_in * sizeof(real));
}

/* What one class computes in one band. */
typedef struct FN(part) {
    fnn_conv2d_sum sum;
    FN(conv2d_grid) grid;
    ptrdiff_t height, width;
    ptrdiff_t top, tap_row; /* first position of the rows, first row of taps */
    ptrdiff_t early, late;  /* rows that need all rows of taps */
    ptrdiff_t x, run;       /* first position in the planes; positions */
    ptrdiff_t dst;          /* its place in the result plane */
} FN(part);

/* Source row that row r of taps reads for position 0. */
FNN_INLINE ptrdiff_t FN(row_reach)(const fnn_conv2d_axis *rows, ptrdiff_t r) {
    return rows->backward ? -(r * rows->dilation / rows->stride)
                          : r * rows->dilation - rows->in_origin;
}

/* Which rows of a part need all rows of taps; tiles that take three of these at once, sorted by
 * columns, always do. */
static void FN(find_inside)(const FN(plan) *plan, FN(part) *part) {
    const fnn_conv2d_axis *rows = &plan->planes.rows;
    const ptrdiff_t step = rows->backward ? rows->phases : 1, i = part->tap_row;
    const ptrdiff_t a = FN(row_reach)(rows, i);
    const ptrdiff_t b = FN(row_reach)(rows, i + (rows->taps - 1 - i) / step * step);
    part->early = PTRDIFF_MIN, part->late = PTRDIFF_MAX;
    if (plan->tile.kind == ROWS3) return;
    part->early = fnn_ceil_div(fnn_max(-fnn_min(a, b), 0), rows->in_step) - part->top;
    part->late = fnn_max(rows->in - 1 - fnn_max(a, b), -1);
    part->late = (part->late < 0 ? -1 : part->late / rows->in_step) - part->top;
}

static int FN(make_part)(const FN(job) *job, ptrdiff_t class, ptrdiff_t a0, ptrdiff_t a1,
                         FN(part) *part) {
    const FN(plan) *plan = job->plan;
    const fnn_conv2d_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t i = class / cols->phases, j = class % cols->phases;
    const ptrdiff_t top = fnn_max(fnn_conv2d_first(rows, i), a0);
    const ptrdiff_t left = fnn_conv2d_first(cols, j);
    part->top = top, part->tap_row = i;
    part->height = fnn_min(fnn_conv2d_last(rows, i), a1 - 1) - top + 1;
    part->width = fnn_conv2d_last(cols, j) - left + 1;
    if (part->height <= 0 || part->width <= 0) return 0;
    const ptrdiff_t row = top * rows->out_step - rows->out_origin +
                          (rows->backward ? fnn_conv2d_residue(rows, i) : 0);
    const ptrdiff_t col = left * cols->out_step - cols->out_origin +
                          (cols->backward ? fnn_conv2d_residue(cols, j) : 0);
    part->sum = (fnn_conv2d_sum){.channels = plan->in,
                                 .taps = job->start[class + 1] - job->start[class],
                                 .tap = job->tap + job->start[class],
                                 .x_channel = plan->planes.channel, .w_out = plan->w_out,
                                 .w_in = plan->w_in};
    part->grid = (FN(conv2d_grid)){.pitch = plan->planes.pitch, .cols = part->width,
                                   .dst_plane = rows->out * cols->out,
                                   .row_step = rows->out_step * cols->out,
                                   .col_step = cols->out_step};
    part->run = (part->height - 1) * plan->planes.pitch + part->width;
    part->x = (top - a0) * plan->planes.pitch + left - cols->lo;
    part->dst = row * cols->out + col;
    if (cols->out_step == 1 && plan->planes.pitch == part->width &&
        part->grid.row_step == part->width)
        part->grid.pitch = part->grid.cols = part->run; /* one long row */
    FN(find_inside)(plan, part);
    return 1;
}

/* The part's sum for rows first .. last of it: rows of taps that would add zeros are left out. */
static FNN_NOINLINE void FN(cut_sum)(const FN(job) *job, const FN(part) *part, ptrdiff_t first,
                                     ptrdiff_t last, fnn_conv2d_sum *sum) {
    const fnn_conv2d_axis *rows = &job->plan->planes.rows;
    const ptrdiff_t step = rows->backward ? rows->phases : 1;
    const ptrdiff_t height = fnn_ceil_div(rows->taps - part->tap_row, step);
    const ptrdiff_t width = part->sum.taps / height;
    ptrdiff_t from = height, until = 0;
    for (ptrdiff_t t = 0; t < height; t++) {
        const ptrdiff_t reach = FN(row_reach)(rows, part->tap_row + t * step);
        if ((part->top + last) * rows->in_step + reach < 0 ||
            (part->top + first) * rows->in_step + reach >= rows->in)
            continue;
        from = fnn_min(from, t);
        until = t + 1;
    }
    *sum = part->sum;
    sum->tap += fnn_min(from, until) * width;
    sum->taps = fnn_max(until - from, 0) * width;
}
FNN_INLINE const fnn_conv2d_sum *FN(inner_sum)(const FN(job) *job, const FN(part) *part,
                                               ptrdiff_t first, ptrdiff_t last,
                                               fnn_conv2d_sum *room) {
    if (last >= part->early && first <= part->late) return &part->sum;
    FN(cut_sum)(job, part, first, last, room);
    return room;
}

/* The pointers of one group's part. */
typedef struct FN(view) {
    const real *planes, *w, *bias;
    real *tile, *dst;
} FN(view);

/* Packed weights start with those of the sum's first tap. */
FNN_INLINE const real *FN(block_weights)(const FN(job) *job, const fnn_conv2d_sum *sum,
                                         const FN(view) *view, ptrdiff_t block) {
    const FN(plan) *plan = job->plan;
    const real *w = view->w + (plan->regroup ? block * plan->in * plan->w_in
                                             : FN(block_start)(plan, block) * plan->w_out);
    return plan->packed ? w + (sum->tap - job->tap) * plan->tile.size.outs : w;
}

/* `block` of output channels at one run of positions. */
static void FN(compute_run)(const FN(job) *job, const FN(part) *part, const FN(view) *view,
                            ptrdiff_t block, ptrdiff_t j) {
    const FN(plan) *plan = job->plan;
    const ptrdiff_t width = plan->tile.size.vectors * job->kernels->lanes;
    const ptrdiff_t out = FN(block_start)(plan, block), done = block * plan->tile.size.outs - out;
    const ptrdiff_t pitch = plan->planes.pitch;
    fnn_conv2d_sum room;
    const fnn_conv2d_sum *sum =
        FN(inner_sum)(job, part, j / pitch, (j + width - 1) / pitch, &room);
    const real *w = FN(block_weights)(job, sum, view, block);
    job->kernels->conv2d_tile(sum, plan->tile.number, view->planes + j, w,
                              view->bias ? view->bias + out : NULL, view->tile);
    job->kernels->conv2d_scatter(&part->grid, j, fnn_min(width, part->run - j),
                                 plan->tile.size.outs - done, view->tile + done * width, width,
                                 view->dst + (out + done) * part->grid.dst_plane);
}

/* `block` of output channels at one block of whole rows; the last columns and rows move back to
 * stay inside, and write again what was there. */
static void FN(compute_rows)(const FN(job) *job, const FN(part) *part, const FN(view) *view,
                             ptrdiff_t block, ptrdiff_t row) {
    const FN(plan) *plan = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes, most = plan->tile.size.vectors * lanes;
    const ptrdiff_t out = FN(block_start)(plan, block);
    const real *bias = view->bias ? view->bias + out : NULL;
    const ptrdiff_t top = fnn_min(row, part->height - plan->tile.size.rows);
    const real *x = view->planes + top * plan->planes.pitch;
    real *y = view->dst + out * part->grid.dst_plane + top * part->grid.row_step;
    const FN(conv2d_place) place = {
        .x_row = plan->planes.pitch, .y_channel = part->grid.dst_plane,
        .y_row = part->grid.row_step, .last = fnn_min(part->width - most + lanes, lanes)};
    fnn_conv2d_sum room;
    const fnn_conv2d_sum *sum =
        FN(inner_sum)(job, part, top, top + plan->tile.size.rows - 1, &room);
    const real *w = FN(block_weights)(job, sum, view, block);
    for (ptrdiff_t j = 0; j < part->width; j += most) {
        const ptrdiff_t left = fnn_max(fnn_min(j, part->width - most), 0);
        (plan->tile.kind == ROWS3 ? job->kernels->conv2d_rows3 : job->kernels->conv2d_rows)(
            sum, &place, plan->tile.number, x + left, w, bias, y + left);
    }
}

/* Either the weights or the pixels pass by in the outer loop, whichever would not stay in the
 * cache. Few channels are read again for little, while planes of many results, all written at a
 * time, would lie on more pages and in more half-written lines than a core follows. */
static void FN(compute_part)(const FN(job) *job, const FN(part) *part, const FN(view) *view,
                             ptrdiff_t block0, ptrdiff_t block1) {
    const FN(plan) *plan = job->plan;
    const ptrdiff_t weight_bytes = plan->in * plan->out * plan->taps * (ptrdiff_t)sizeof(real);
    const int run = plan->tile.kind == RUN;
    const ptrdiff_t end = run ? part->run : part->height;
    const ptrdiff_t step =
        run ? plan->tile.size.vectors * job->kernels->lanes : plan->tile.size.rows;
    void (*const compute)(const FN(job) *, const FN(part) *, const FN(view) *, ptrdiff_t,
                          ptrdiff_t) = run ? FN(compute_run) : FN(compute_rows);
    if (weight_bytes > WEIGHT_BYTES || (plan->in <= FEW && plan->out >= MANY)) {
        for (ptrdiff_t block = block0; block < block1; block++)
            for (ptrdiff_t j = 0; j < end; j += step) compute(job, part, view, block, j);
    } else {
        for (ptrdiff_t j = 0; j < end; j += step)
            for (ptrdiff_t block = block0; block < block1; block++)
                compute(job, part, view, block, j);
    }
}

/* The rows of a band that are summed now, of some blocks of `count` groups from group `at` of all
 * images' on. */
static void FN(finish_band)(const FN(job) *job, ptrdiff_t at, ptrdiff_t count, ptrdiff_t a0,
                            ptrdiff_t a1, ptrdiff_t block0, ptrdiff_t block1) {
    const FN(plan) *plan = job->plan;
    const fnn_conv2d_axis *rows = &plan->planes.rows;
    const ptrdiff_t width = plan->planes.cols.out, plane = rows->out * width;
    const ptrdiff_t top = fnn_max(a0 * rows->out_step - rows->out_origin, 0);
    const ptrdiff_t end = fnn_min(a1 * rows->out_step - rows->out_origin, rows->out);
    const ptrdiff_t first = block0 * plan->tile.size.outs;
    const ptrdiff_t last = fnn_min(block1 * plan->tile.size.outs, plan->out);
    if (end <= top) return;
    for (ptrdiff_t i = 0; i < count; i++)
        FN(finish)(job->kernels, &job->finishing,
                   (FN(region)){last - first, plane, end - top, width, width},
                   ((at + i) * plan->out + first) * plane + top * width);
}

/* `count` groups of one image and band. */
static void FN(compute_band)(const FN(job) *job, ptrdiff_t image, ptrdiff_t group, ptrdiff_t count,
                             ptrdiff_t band, ptrdiff_t block0, ptrdiff_t block1, char *scratch) {
    const FN(plan) *plan = job->plan;
    real *planes = (real *)scratch, *tile = (real *)(scratch + plan->plane_bytes);
    const ptrdiff_t a0 = fnn_conv2d_band_start(&plan->planes, band);
    const ptrdiff_t a1 = fnn_conv2d_band_start(&plan->planes, band + 1);
    const ptrdiff_t src_plane = plan->planes.rows.in * plan->planes.cols.in;
    const ptrdiff_t dst_plane = plan->planes.rows.out * plan->planes.cols.out;
    const ptrdiff_t at = image * plan->groups + group;
    FN(fnn_conv2d_copy_planes)(job->kernels, &plan->planes, count * plan->in,
                               job->src + at * plan->in * src_plane, src_plane, a0, a1 - a0,
                               planes);
    for (ptrdiff_t class = 0; class < plan->classes; class++) {
        FN(part) part;
        if (!FN(make_part)(job, class, a0, a1, &part)) continue;
        for (ptrdiff_t i = 0; i < count; i++) {
            const ptrdiff_t g = group + i;
            const FN(view) view = {
                .planes = planes + i * plan->in * plan->planes.channel + part.x,
                .w = plan->regroup ? job->weights + g * plan->blocks * plan->in * plan->w_in
                                   : job->w + g * plan->in * plan->out * plan->taps,
                .bias = job->bias ? job->bias + g * plan->out : NULL,
                .tile = tile, .dst = job->dst + (at + i) * plan->out * dst_plane + part.dst};
            FN(compute_part)(job, &part, &view, block0, block1);
        }
    }
    FN(finish_band)(job, at, count, a0, a1, block0, block1);
}

static void FN(band_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(job) *job = argument;
    const FN(plan) *plan = job->plan;
    const ptrdiff_t bands = plan->planes.bands;
    const ptrdiff_t part = task % plan->block_tasks, band = task / plan->block_tasks % bands;
    const ptrdiff_t chunk = task / (plan->block_tasks * bands) % plan->group_tasks;
    const ptrdiff_t image = task / (plan->block_tasks * bands * plan->group_tasks);
    const ptrdiff_t end = plan->groups * (chunk + 1) / plan->group_tasks;
    for (ptrdiff_t g = plan->groups * chunk / plan->group_tasks; g < end; g += plan->group_batch)
        FN(compute_band)(job, image, g, fnn_min(plan->group_batch, end - g), band,
                         plan->blocks * part / plan->block_tasks,
                         plan->blocks * (part + 1) / plan->block_tasks,
                         job->workers + (size_t)worker * plan->worker_bytes);
}

/* Pixels that no window covers belong to no class. */
static void FN(clear_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(job) *job = argument;
    const FN(plan) *plan = job->plan;
    (void)worker;
    const ptrdiff_t plane = plan->planes.rows.out * plan->planes.cols.out;
    const ptrdiff_t image = plan->groups * plan->out * plane;
    memset(job->dst + task * image, 0, (size_t)image * sizeof(real));
}

static void FN(run)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const FN(plan) *plan,
                    const real *src, const real *w, const real *bias, real *dst, char *workspace) {
    FN(job) job = {.plan = plan, .kernels = FN(table)(ctx), .src = src, .w = w, .bias = bias,
                   .dst = dst, .finishing = FN(finishing_of)(shape, dst)};
    job.tap = (fnn_conv2d_tap *)workspace;
    job.start = (ptrdiff_t *)(workspace + plan->tap_bytes);
    job.weights = (real *)(workspace + plan->tap_bytes + plan->start_bytes);
    job.workers = (char *)job.weights + plan->weight_bytes;
    const fnn_conv2d_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t tasks =
        plan->images * plan->group_tasks * plan->planes.bands * plan->block_tasks;
    const ptrdiff_t work = plan->images * plan->groups * plan->in * plan->out * plan->taps *
                           rows->out * cols->out;
    const int threads = work > GRAIN ? ctx->threads : 1;
    FN(list_taps)(&job);
    if (plan->regroup) fnn_parallel(threads, plan->groups * plan->blocks, FN(regroup_task), &job);
    if (rows->backward && (rows->phases < rows->stride || cols->phases < cols->stride))
        fnn_parallel(threads, plan->images, FN(clear_task), &job);
    fnn_parallel(threads, tasks, FN(band_task), &job);
}

size_t FN(fnn_conv2d_direct_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass) {
    if (pass == FNN_BACKWARD_WEIGHT) return FN(fnn_conv2d_direct_weight_workspace)(ctx, shape);
    const FN(plan) plan = FN(make_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return plan.tap_bytes + plan.start_bytes + plan.weight_bytes + workers * plan.worker_bytes;
}

fnn_conv2d_tiled FN(fnn_conv2d_direct_tiled)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                             fnn_conv2d_pass pass) {
    if (pass == FNN_BACKWARD_WEIGHT) return FN(fnn_conv2d_direct_weight_tiled)(ctx, shape);
    const FN(plan) plan = FN(make_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    const fnn_conv2d_axis *rows = &plan.planes.rows;
    return (fnn_conv2d_tiled){.cost = plan.tile.cost, .height = plan.planes.band,
                              .lines = rows->hi - rows->lo, .classes = plan.classes,
                              .copies = plan.planes.copies, .run = plan.tile.kind == RUN};
}

void FN(fnn_conv2d_direct_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    if (pass == FNN_BACKWARD_WEIGHT) {
        FN(fnn_conv2d_direct_weight_describe)(ctx, shape, to);
        return;
    }
    const FN(plan) plan = FN(make_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    const tile_need need = FN(needed)(&plan, FN(table)(ctx));
    to->kernel = tile_kernels[plan.tile.kind];
    fnn_conv2d_note(to, "tile channels", plan.tile.size.outs);
    if (plan.tile.kind != RUN) fnn_conv2d_note(to, "tile rows", plan.tile.size.rows);
    fnn_conv2d_note(to, "tile vectors", plan.tile.size.vectors);
    fnn_conv2d_note(to, "lanes", need.lanes);
    fnn_conv2d_note(to, "channel blocks", plan.blocks);
    fnn_conv2d_note(to, "bands", plan.planes.bands);
    fnn_conv2d_note(to, "band rows", plan.planes.band);
    fnn_conv2d_note(to, "phases", fnn_max(plan.classes, plan.planes.copies));
    to->share = tile_share(&plan.tile, &need);
    to->basis = "cycles counted for the tile; copies and memory left out";
}

void FN(fnn_conv2d_direct_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                   const real *w, const real *bias, real *y, void *workspace) {
    const FN(plan) plan = FN(make_plan)(ctx, shape, 0);
    FN(run)(ctx, shape, &plan, x, w, bias, y, workspace);
}

void FN(fnn_conv2d_direct_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx, void *workspace) {
    const FN(plan) plan = FN(make_plan)(ctx, shape, 1);
    FN(run)(ctx, shape, &plan, dy, w, NULL, dx, workspace);
}
