/* Forward and backward-data over planes of LANES groups, or of one (`broad`), for one element type.
 *
 * The weights are turned once; an item is a band of LANES groups of one image, whose planes are
 * turned, summed line by line and turned back, a strip of rows at a time. Tasks are runs of items in
 * the order of memory.
 * Workspace:
 *
 *   shared   weights of each LANES groups | runs of taps by class | first run of each class | lines
 *   worker   source planes | a strip of one result plane | picked rows
 *
 * Where taps and pixels skip columns of the source (forward), the others are not turned: rows are
 * picked first, a few at a time, while they are in the L1 cache.
 */

typedef struct FN(lanes_plan) {
    fnn_lanes_planes planes;
    fnn_conv2d_pick pick;
    int broad;                                 /* pixels of a tile whose lanes are results; or 0 */
    ptrdiff_t images, groups, in, out, blocks; /* channels per group; blocks of LANES groups */
    ptrdiff_t some, pixel;                     /* groups of a block; elements of a source pixel */
    ptrdiff_t lane;                            /* planes between lanes of a result */
    ptrdiff_t taps, w_in, w_out, w_lane;       /* strides of the weights */
    ptrdiff_t w_result;                        /* elements of a result's */
    ptrdiff_t bands, per_row;                  /* lines per row */
    ptrdiff_t strip;                           /* rows of a result that are summed at once */
    ptrdiff_t source;                          /* elements of a source plane */
    ptrdiff_t at_once;                         /* rows that are picked; 0: read in place */
    ptrdiff_t slack;                           /* elements behind those of a plane */
    ptrdiff_t tasks;
    size_t weight_bytes, run_bytes, start_bytes, line_bytes, plane_bytes, strip_bytes, worker_bytes;
} FN(lanes_plan);

typedef struct FN(lanes_job) {
    const FN(lanes_plan) *plan;
    const FN(fnn_table) *kernels;
    const real *src, *w, *bias;
    real *dst, *turned;
    FN(finishing) finishing;
    const fnn_conv2d_tap_run *run;
    const fnn_conv2d_line *line;
    char *workers;
} FN(lanes_job);

static FN(lanes_plan) FN(make_lanes_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                          int backward) {
    const ptrdiff_t lanes = FN(table)(ctx)->lanes, c = s->c / s->groups, k = s->k / s->groups;
    const fnn_conv2d_pick all = {.h = s->h, .w = s->w, .row_step = 1, .col_step = 1, .shape = *s};
    const fnn_conv2d_pick pick = backward ? all : fnn_conv2d_picked(s);
    FN(lanes_plan) plan = {.planes = fnn_lanes_lay(&pick.shape, backward), .pick = pick,
                           .images = s->n, .groups = s->groups, .in = c, .out = k,
                           .taps = s->r * s->s, .blocks = fnn_ceil_div(s->groups, lanes)};
    const fnn_lanes_axis *rows = &plan.planes.rows, *cols = &plan.planes.cols;
    plan.w_in = plan.taps, plan.w_out = c * plan.taps;
    if (backward) plan.in = k, plan.out = c, plan.w_in = c * plan.taps, plan.w_out = plan.taps;
    plan.w_lane = plan.in * plan.out * plan.taps;
    plan.some = plan.pixel = lanes, plan.lane = plan.out, plan.broad = 0;
    if (s->c > s->groups) {
        const spacing spacing = find_spacing(cols);
        plan.broad = fnn_conv2d_broad_tile(ctx, cols->out / spacing.lines, spacing.x_step);
        plan.blocks = s->groups, plan.some = plan.pixel = plan.lane = plan.out = 1;
        plan.w_lane = plan.w_out;
    }
    plan.w_result = (1 + plan.in * plan.taps) * lanes;
    plan.per_row = lines_per_row(cols);
    const ptrdiff_t in_row = plan.in * plan.planes.pitch * plan.pixel, out_row = cols->out * lanes;
    const ptrdiff_t vector = lanes * (ptrdiff_t)sizeof(real);
    const ptrdiff_t bytes = (in_row * rows->in + out_row * rows->out) * (ptrdiff_t)sizeof(real);
    plan.bands = fnn_max(fnn_min(fnn_ceil_div(bytes, BAND_BYTES), rows->out / 4), 1);
    const ptrdiff_t band = fnn_ceil_div(rows->out, plan.bands);
    ptrdiff_t stored = 0; /* rows of the source that a band needs */
    for (ptrdiff_t b = 0; b < plan.bands; b++) {
        const ptrdiff_t y0 = rows->out * b / plan.bands, y1 = rows->out * (b + 1) / plan.bands;
        stored = fnn_max(stored, fnn_min(fnn_lanes_until(rows, y1), rows->in) -
                                     fnn_max(fnn_lanes_from(rows, y0), 0));
    }
    plan.source = stored * plan.planes.pitch * plan.pixel + (plan.broad ? lanes : 0);
    const ptrdiff_t work = plan.in * plan.out * plan.taps * fnn_max(rows->in * cols->in, 1) * lanes;
    const ptrdiff_t items = plan.images * plan.blocks * plan.bands;
    plan.tasks = fnn_ceil_div(items, fnn_max(GRAIN * plan.bands / work, 1));
    plan.weight_bytes = FN(bytes)(plan.blocks * plan.out * plan.w_result);
    plan.run_bytes = fnn_lines((size_t)plan.taps * sizeof(fnn_conv2d_tap_run));
    plan.start_bytes = fnn_lines((size_t)(rows->classes * cols->classes + 1) * sizeof(ptrdiff_t));
    plan.line_bytes = fnn_lines((size_t)(rows->out * plan.per_row) * sizeof(fnn_conv2d_line));
    plan.plane_bytes = FN(bytes)(plan.in * plan.source);
    plan.strip = fnn_min(fnn_max(STRIP_BYTES / fnn_max(cols->out * vector, 1), 1), fnn_max(band, 1));
    plan.strip_bytes = FN(bytes)(plan.strip * cols->out * lanes);
    plan.worker_bytes = plan.plane_bytes + plan.strip_bytes;
    if (pick.row_step * pick.col_step > 1 && !plan.broad) {
        const ptrdiff_t picked = plan.in * cols->in * vector;
        plan.at_once = fnn_max(PICKED_BYTES / fnn_max(picked, 1), 1);
        plan.slack = pick.col_step == 1 ? lanes : 0;
        plan.worker_bytes +=
            FN(bytes)((plan.at_once * cols->in + plan.slack) * plan.in * lanes);
    }
    return plan;
}

/* Planes of results of a group. */
FNN_INLINE ptrdiff_t FN(lanes_planes)(const FN(lanes_plan) *plan, ptrdiff_t lanes) {
    return plan->broad ? lanes : plan->out;
}

/* Bias and weights of one block of groups. */
static void FN(turn_weights)(const FN(lanes_job) *job, ptrdiff_t block) {
    const FN(lanes_plan) *plan = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes, g = block * plan->some;
    const ptrdiff_t count = plan->broad ? lanes : fnn_min(plan->groups - g, lanes);
    const ptrdiff_t planes = FN(lanes_planes)(plan, lanes), group = planes * plan->in * plan->taps;
    const int dense = plan->w_in == plan->taps;
    for (ptrdiff_t o = 0; o < plan->out; o++) {
        real *to = job->turned + (block * plan->out + o) * plan->w_result;
        const real *from = job->w + g * group + o * plan->w_out;
        for (ptrdiff_t l = 0; l < lanes; l++)
            to[l] = job->bias && l < count ? job->bias[g * planes + l * plan->lane + o] : 0;
        to += lanes;
        for (ptrdiff_t i = 0; i < (dense ? 1 : plan->in); i++)
            job->kernels->conv2d_transpose(count, dense ? plan->in * plan->taps : plan->taps,
                                           from + i * plan->w_in, plan->w_lane,
                                           to + i * plan->taps * lanes, lanes, lanes);
    }
}

/* An item: rows y0 .. y1 of the results in so many lanes, for which `rows` rows of the source are
 * stored, from `row` on. src and dst are where its first group starts. */
typedef struct FN(lanes_item) {
    ptrdiff_t block, lanes, y0, y1, row, rows, src, dst;
} FN(lanes_item);

/* Elements of a plane of the source tensor. */
FNN_INLINE ptrdiff_t FN(lanes_plane)(const FN(lanes_plan) *plan) {
    const fnn_lanes_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    return rows->backward ? rows->in * cols->in : plan->pick.h * plan->pick.w;
}

static FN(lanes_item) FN(find_item)(const FN(lanes_plan) *plan, ptrdiff_t lanes, ptrdiff_t item) {
    const fnn_lanes_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t band = item % plan->bands, block = item / plan->bands % plan->blocks;
    const ptrdiff_t group = item / (plan->bands * plan->blocks) * plan->groups + block * plan->some;
    FN(lanes_item) at = {.block = block, .lanes = lanes,
                         .y0 = rows->out * band / plan->bands,
                         .y1 = rows->out * (band + 1) / plan->bands,
                         .src = group * plan->in * FN(lanes_plane)(plan),
                         .dst = group * FN(lanes_planes)(plan, lanes) * rows->out * cols->out};
    if (!plan->broad) at.lanes = fnn_min(plan->groups - block * lanes, lanes);
    at.row = fnn_max(fnn_lanes_from(rows, at.y0), 0);
    at.rows = fnn_max(fnn_min(fnn_lanes_until(rows, at.y1), rows->in) - at.row, 0);
    return at;
}

/* Rows y0 .. y1 of an item's results, turned back. */
static void FN(lanes_results)(const FN(lanes_job) *job, fnn_conv2d_lines *lines,
                              const FN(lanes_item) *at, ptrdiff_t y0, ptrdiff_t y1,
                              const real *source, real *result) {
    const FN(lanes_plan) *plan = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes, width = plan->planes.cols.out;
    const ptrdiff_t plane = plan->planes.rows.out * width, step = plan->lane * plane;
    real *dst = job->dst + at->dst + y0 * width;
    lines->count = y1 - y0;
    lines->y_from = y0 * width * lanes;
    for (ptrdiff_t o = 0; o < plan->out; o++) {
        const real *w = job->turned + (at->block * plan->out + o) * plan->w_result;
        for (ptrdiff_t v = 0; v < plan->per_row; v++) {
            lines->line = job->line + v * plan->planes.rows.out + y0;
            job->kernels->conv2d_lanes(lines, source, w, result);
        }
        if (step == 1) /* a pixel, and already in its place */
            memcpy(dst, result, (size_t)at->lanes * sizeof(real));
        else
            job->kernels->conv2d_transpose((y1 - y0) * width, at->lanes, result, lanes,
                                           dst + o * plane, step, (y1 - y0) * width);
    }
    FN(finish)(job->kernels, &job->finishing,
               (FN(region)){at->lanes * plan->out, plane, y1 - y0, width, width}, dst - job->dst);
}

/* `pack`, whose rows are inside of the source, by picking a few of them at a time. */
static void FN(lanes_pick)(const FN(lanes_job) *job, FN(conv2d_images) pack, const real *src,
                           real *to, real *picked) {
    const FN(lanes_plan) *plan = job->plan;
    const fnn_conv2d_pick *pick = &plan->pick;
    const ptrdiff_t row = pack.row, rows = pack.rows, planes = pack.images * plan->in;
    const ptrdiff_t step = plan->planes.pitch * job->kernels->lanes;
    pack.row = 0;
    for (ptrdiff_t i = 0; i < rows; i += plan->at_once, to += plan->at_once * step) {
        const ptrdiff_t some = fnn_min(plan->at_once, rows - i);
        const ptrdiff_t plane = some * pack.w + plan->slack;
        const FN(conv2d_crop) crop = {
            .planes = planes, .h = pick->h, .w = pick->w, .src_plane = pick->h * pick->w,
            .row = pick->row + (row + i) * pick->row_step, .row_step = pick->row_step,
            .col = pick->col, .col_step = pick->col_step, .rows = some, .cols = pack.w,
            .dst_plane = plane, .slack = plan->slack};
        job->kernels->conv2d_pad(&crop, src, picked);
        pack.rows = pack.h = some;
        pack.src_plane = plane, pack.src_image = plan->in * plane;
        job->kernels->conv2d_pad_images(&pack, picked, to);
    }
}

/* `pack` of one group's planes, whose pixels are numbers: whole rows of zeros and pixels. */
static void FN(lanes_pad)(const FN(lanes_job) *job, const FN(conv2d_images) *pack, const real *src,
                          real *to) {
    const FN(lanes_plan) *plan = job->plan;
    const ptrdiff_t step = plan->pick.row_step, w = pack->w;
    const FN(conv2d_crop) crop = {
        .planes = plan->in, .h = pack->src_plane / w, .w = w, .src_plane = pack->src_plane,
        .row = plan->pick.row + pack->row * step, .row_step = step, .col = -pack->left,
        .col_step = 1, .rows = pack->rows, .cols = pack->pitch, .dst_plane = pack->dst_plane,
        .slack = job->kernels->lanes};
    job->kernels->conv2d_pad(&crop, src, to);
}

/* One item, strip by strip: rows are turned just before the first results that need them. `clean`
 * rows of the source plane have zeros on either side already. */
static void FN(lanes_strips)(const FN(lanes_job) *job, FN(conv2d_images) *pack,
                             fnn_conv2d_lines *lines, const FN(lanes_item) *at, ptrdiff_t *clean,
                             real *source, real *result) {
    const FN(lanes_plan) *plan = job->plan;
    const fnn_lanes_axis *rows = &plan->planes.rows;
    real *picked = (real *)((char *)result + plan->strip_bytes);
    const ptrdiff_t row = plan->planes.pitch * plan->pixel;
    ptrdiff_t stored = 0;
    lines->x_from = at->row * row;
    pack->images = at->lanes;
    for (ptrdiff_t y = at->y0; y < at->y1; y += plan->strip) {
        const ptrdiff_t end = fnn_min(y + plan->strip, at->y1);
        const ptrdiff_t until = fnn_min(fnn_lanes_until(rows, end) - at->row, at->rows);
        if (until > stored) {
            pack->row = at->row + stored, pack->rows = until - stored;
            pack->clean = until <= *clean; /* no row is outside, and columns are for all items */
            *clean = fnn_max(*clean, until);
            real *to = source + stored * row;
            if (plan->broad)
                FN(lanes_pad)(job, pack, job->src + at->src, to);
            else if (plan->at_once)
                FN(lanes_pick)(job, *pack, job->src + at->src, to, picked);
            else
                job->kernels->conv2d_pad_images(pack, job->src + at->src, to);
            stored = until;
        }
        FN(lanes_results)(job, lines, at, y, end, source, result);
    }
}

/* What an item will read of its source, where that is picked: rows with gaps between them. */
static fnn_conv2d_ahead FN(lanes_ahead)(const FN(lanes_job) *job, ptrdiff_t item) {
    const FN(lanes_plan) *plan = job->plan;
    const fnn_conv2d_pick *pick = &plan->pick;
    const FN(lanes_item) at = FN(find_item)(plan, job->kernels->lanes, item);
    const real *from = job->src + at.src + (pick->row + at.row * pick->row_step) * pick->w;
    return FN(look_ahead)(from, pick->w, fnn_max(at.rows, 1), pick->row_step * pick->w,
                          at.lanes * plan->in, pick->h * pick->w);
}

static void FN(lanes_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(lanes_job) *job = argument;
    const FN(lanes_plan) *plan = job->plan;
    const fnn_lanes_axis *rows = &plan->planes.rows, *cols = &plan->planes.cols;
    const ptrdiff_t lanes = job->kernels->lanes, items = plan->images * plan->blocks * plan->bands;
    const ptrdiff_t plane = FN(lanes_plane)(plan), end = items * (task + 1) / plan->tasks;
    char *scratch = job->workers + (size_t)worker * plan->worker_bytes;
    real *source = (real *)scratch, *result = (real *)(scratch + plan->plane_bytes);
    const spacing spacing = find_spacing(cols);
    fnn_conv2d_ahead ahead[2] = {{0}};
    const int far = plan->images * plan->groups * plane * (ptrdiff_t)sizeof(real) > FAR_BYTES;
    fnn_conv2d_lines lines = {
        .ahead = far && plan->at_once ? ahead : NULL, .run = job->run, .channels = plan->in,
        .x_channel = plan->source, .broad = plan->broad,
        .w_channel = plan->taps * lanes, .x_step = spacing.x_step * plan->pixel,
        .y_step = spacing.lines * lanes,
        .w_step = (cols->backward ? -spacing.apart : spacing.apart) * lanes};
    FN(conv2d_images) pack = {.src_image = plan->in * plane, .planes = plan->in,
                              .src_plane = plane, .h = rows->in, .w = cols->in,
                              .left = plan->planes.left, .pitch = plan->planes.pitch,
                              .dst_plane = plan->source};
    ptrdiff_t clean = 0;
    for (ptrdiff_t item = items * task / plan->tasks; item < end; item++) {
        const FN(lanes_item) at = FN(find_item)(plan, lanes, item);
        if (lines.ahead && item + 1 < items) ahead[0] = FN(lanes_ahead)(job, item + 1);
        FN(lanes_strips)(job, &pack, &lines, &at, &clean, source, result);
    }
}

static void FN(lanes_run)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                          const FN(lanes_plan) *plan, const real *src, const real *w,
                          const real *bias, real *dst, char *workspace) {
    FN(lanes_job) job = {.plan = plan, .kernels = FN(table)(ctx), .src = src, .w = w,
                         .bias = bias, .dst = dst, .finishing = FN(finishing_of)(shape, dst),
                         .turned = (real *)workspace};
    fnn_conv2d_tap_run *run = (fnn_conv2d_tap_run *)(workspace + plan->weight_bytes);
    ptrdiff_t *start = (ptrdiff_t *)((char *)run + plan->run_bytes);
    fnn_conv2d_line *line = (fnn_conv2d_line *)((char *)start + plan->start_bytes);
    list_runs(&plan->planes, job.kernels->lanes, plan->pixel, run, start);
    list_lines(&plan->planes, job.kernels->lanes, plan->pixel, job.kernels->conv2d_registers, start,
               line);
    job.run = run, job.line = line, job.workers = (char *)line + plan->line_bytes;
    for (ptrdiff_t block = 0; block < plan->blocks; block++) FN(turn_weights)(&job, block);
    fnn_parallel(ctx->threads, plan->tasks, FN(lanes_task), &job);
}

void FN(fnn_conv2d_lanes_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                  const real *w, const real *bias, real *y, void *workspace) {
    const FN(lanes_plan) plan = FN(make_lanes_plan)(ctx, shape, 0);
    FN(lanes_run)(ctx, shape, &plan, x, w, bias, y, workspace);
}

void FN(fnn_conv2d_lanes_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                        const real *dy, const real *w, real *dx, void *workspace) {
    const FN(lanes_plan) plan = FN(make_lanes_plan)(ctx, shape, 1);
    FN(lanes_run)(ctx, shape, &plan, dy, w, NULL, dx, workspace);
}

size_t FN(fnn_conv2d_lanes_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      fnn_conv2d_pass pass) {
    if (pass == FNN_BACKWARD_WEIGHT) return FN(fnn_conv2d_lanes_weight_workspace)(ctx, shape);
    const FN(lanes_plan) plan = FN(make_lanes_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return plan.weight_bytes + plan.run_bytes + plan.start_bytes + plan.line_bytes +
           workers * plan.worker_bytes;
}

void FN(fnn_conv2d_lanes_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    if (pass == FNN_BACKWARD_WEIGHT) {
        FN(fnn_conv2d_lanes_weight_describe)(ctx, shape, to);
        return;
    }
    const FN(lanes_plan) plan = FN(make_lanes_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    const ptrdiff_t lanes = FN(table)(ctx)->lanes;
    to->kernel = plan.broad == FNN_CONV2D_BROAD_NARROW ? "conv2d_broad_narrow"
                 : plan.broad                          ? "conv2d_broad"
                                                       : "conv2d_lanes";
    fnn_conv2d_note(to, "groups", plan.groups);
    fnn_conv2d_note(to, "lanes", lanes);
    fnn_conv2d_note(to, "bands", plan.bands);
    fnn_conv2d_note(to, "tasks", plan.tasks);
    to->share = plan.broad ? 1 : (double)plan.groups / (double)(plan.blocks * lanes);
    to->basis = "at most: lanes that groups fill; turning left out";
}
