/* The source is turned to [cut of channels][row][column][image][channel]. Then pixels side by side
 * are a matrix that lies in place, channels below each pixel, and so are the same pixels of a stack
 * of images. Per panel of NR channels of the result, cut and row of the result, products
 *
 *   T [column][image][NR] += source [column, image][channels] w [tap][channels][NR]
 *
 * one for each tap of a row and, in segments, as many taps below it as make KC terms, over the
 * columns for which it lies inside of the source, so that no zero is multiplied; or, if the plan
 * says `runs` (single images only), one for each row of taps, over all columns: then zeros stand
 * left and right, and below a pixel lie the channels of all columns of the row of taps. T is turned
 * to its planes. Channels are in lanes, so short rows fill them too.
 *
 * Few pixels do not repay bringing the weights in order: channels stay `whole`, all taps of one
 * below each other as they are turned, and a product takes one row of each.
 *
 *   shared   w [group][panel][cut][tap, in the products' order][channel][NR], or
 *            [channel][tap][NR], if kept | sources
 *   worker   source | T | T of one image, sorted back | weights of a cut | taps, or a turned row
 */

/* A stack of images, or a band of one, of a group. */
typedef struct FN(rows_block) {
    ptrdiff_t group, image, images; /* first and number of the stack's */
    ptrdiff_t a0, a1;               /* positions of rows */
    ptrdiff_t first, end;           /* rows of the source */
} FN(rows_block);

static FN(rows_block) FN(rows_block_of)(const fnn_rows_plan *plan, ptrdiff_t number) {
    const fnn_rows_axis *rows = &plan->rows;
    const ptrdiff_t band = number % plan->bands, stack = number / plan->bands / plan->groups;
    const ptrdiff_t positions = rows->hi - rows->lo;
    FN(rows_block) block = {.group = number / plan->bands % plan->groups,
                            .image = stack * plan->side,
                            .a0 = rows->lo + positions * band / plan->bands,
                            .a1 = rows->lo + positions * (band + 1) / plan->bands};
    block.images = fnn_min(plan->side, plan->images - block.image);
    block.first = fnn_rows_top(rows, block.a0);
    block.end = fnn_max(fnn_rows_end(rows, block.a1), block.first);
    return block;
}

/* Where a cut of a block's source begins: cuts have as many pixels, and follow each other. */
FNN_INLINE ptrdiff_t FN(rows_cut)(const fnn_rows_plan *plan, const FN(rows_block) *block,
                                  ptrdiff_t cut) {
    return (block->end - block->first) * plan->pitch * block->images * cut * plan->depth;
}

/* Rows that follow each other, `depth` channels of them, of which no column is left out. */
static void FN(turn_whole)(const FN(rows_job) *job, const real *row, ptrdiff_t depth, real *to,
                           ptrdiff_t pixel) {
    const fnn_rows_plan *plan = job->plan;
    const fnn_rows_axis *cols = &plan->cols;
    const ptrdiff_t plane = plan->tensor_rows * plan->tensor_columns;
    const ptrdiff_t before = cols->pad - cols->lo * cols->in_step;
    const ptrdiff_t left = fnn_max(fnn_min(before, plan->pitch), 0), skipped = fnn_max(-before, 0);
    const ptrdiff_t width = fnn_max(fnn_min(plan->pitch - left, cols->in - skipped), 0);
    memset(to, 0, (size_t)(left * depth) * sizeof(real));
    job->kernels->conv2d_transpose(depth, width, row + skipped, plane, to + left * depth, pixel,
                                   depth);
    memset(to + (left + width) * depth, 0,
           (size_t)((plan->pitch - left - width) * depth) * sizeof(real));
}

/* `count` rows from `row` of the axis on whose columns are picked or sorted: those of one residue
 * are brought together by planes, which are turned while the L1 cache has them. */
static void FN(turn_picked)(const FN(rows_job) *job, const real *src, ptrdiff_t row,
                            ptrdiff_t count, ptrdiff_t depth, real *to, ptrdiff_t pixel,
                            real *scratch) {
    const fnn_rows_plan *plan = job->plan;
    const fnn_rows_axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t left = plan->runs ? cols->pad - cols->lo * cols->in_step : 0;
    const ptrdiff_t step = plan->split ? cols->in_step : 1;
    const ptrdiff_t end = plan->runs ? fnn_min(cols->in, plan->pitch - left) : cols->in;
    if (plan->runs) memset(to, 0, (size_t)(count * plan->pitch * pixel) * sizeof(real));
    for (ptrdiff_t i = 0; i < step; i++) { /* columns of one residue follow each other */
        const ptrdiff_t e = fnn_max(i, -left), some = fnn_ceil_div(fnn_max(end - e, 0), step);
        real *place = to + (i * (plan->pitch / step) + (e - i) + left) * pixel;
        const FN(conv2d_crop) crop = {
            .planes = depth, .h = plan->tensor_rows, .w = plan->tensor_columns,
            .src_plane = plan->tensor_rows * plan->tensor_columns,
            .row = rows->origin + row * rows->skip, .row_step = rows->skip,
            .col = cols->origin + e * cols->skip, .col_step = step * cols->skip, .rows = count,
            .cols = some, .dst_plane = count * some};
        if (some == 0) continue;
        job->kernels->conv2d_pad(&crop, src, scratch);
        if (some == plan->pitch) { /* all of a row, and the next follows */
            job->kernels->conv2d_transpose(depth, count * some, scratch, count * some, place,
                                           pixel, depth);
            continue;
        }
        for (ptrdiff_t j = 0; j < count; j++, place += plan->pitch * pixel)
            job->kernels->conv2d_transpose(depth, some, scratch + j * some, count * some, place,
                                           pixel, depth);
    }
}

/* One image of a block's stack. */
static void FN(turn_image)(const FN(rows_job) *job, const FN(rows_block) *block, ptrdiff_t image,
                           real *source, real *scratch) {
    const fnn_rows_plan *plan = job->plan;
    const fnn_rows_axis *rows = &plan->rows;
    const ptrdiff_t columns = plan->tensor_columns, plane = plan->tensor_rows * columns;
    const ptrdiff_t lines = block->end - block->first;
    for (ptrdiff_t cut = 0; cut < plan->cuts; cut++) {
        const ptrdiff_t depth = FN(rows_depth)(plan, cut), pixel = block->images * depth;
        const ptrdiff_t channel = (((block->image + image) * plan->groups + block->group) *
                                       plan->in + cut * plan->depth);
        const real *src = job->src + channel * plane;
        real *to = source + FN(rows_cut)(plan, block, cut) + image * depth;
        /* rows that follow each other are one long row */
        const int whole = !plan->gathers && !plan->runs && rows->skip == 1;
        const ptrdiff_t some = plan->gathers ? FN(rows_at_once)(plan) : whole ? lines : 1;
        for (ptrdiff_t i = 0; i < lines; i += some) {
            const real *row = src + (rows->origin + (block->first + i) * rows->skip) * columns;
            real *place = to + i * plan->pitch * pixel;
            if (plan->gathers)
                FN(turn_picked)(job, src, block->first + i, fnn_min(some, lines - i), depth, place,
                                pixel, scratch);
            else if (plan->runs)
                FN(turn_whole)(job, row, depth, place, pixel);
            else
                job->kernels->conv2d_transpose(depth, some * columns, row, plane, place, pixel,
                                               depth);
        }
    }
}

/* What a row of products works on. */
typedef struct FN(rows_part) {
    const FN(rows_block) *block;
    const real *source;  /* of a cut */
    ptrdiff_t depth;
    real *weights;        /* of the cut, class by class or channel by channel */
    const real *in_place; /* or NULL: what the first product brings there */
} FN(rows_part);

/* Adds a product to T. Its first rows copy weights that are in place on the way. */
static void FN(rows_product)(const FN(rows_job) *job, FN(rows_part) *part, FN(gemm_operands) *g) {
    if (part->in_place) {
        FN(gemm_operands) first = *g;
        first.m = job->kernels->gemm_mr;
        first.b = part->in_place;
        first.b_ks = job->plan->w_in;
        first.panels = part->weights;
        job->kernels->gemm_block(&first);
        part->in_place = NULL;
        g->m -= first.m;
        g->a += first.m * g->a_rs;
        g->c += first.m * g->c_rs;
    }
    if (g->m > 0) job->kernels->gemm_block(g);
}

/* Position a of class i: a row of the result, all classes of columns, added to its row of T. */
static void FN(rows_multiply)(const FN(rows_job) *job, FN(rows_part) *part, int i,
                              ptrdiff_t a, real *to) {
    const fnn_rows_plan *plan = job->plan;
    const fnn_rows_axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t nr = plan->nr, depth = part->depth, side = part->block->images;
    const ptrdiff_t all = cols->start[cols->classes];
    const ptrdiff_t step = plan->split ? 1 : cols->in_step, place = plan->sorted ? 1 : cols->out_step;
    const ptrdiff_t tap = plan->whole ? nr : depth * nr;
    FN(gemm_operands) g = {.n = nr, .a_rs = step * depth, .a_ks = 1,
                           .b_ks = plan->whole ? plan->taps * nr : nr, .b_ps = nr,
                           .c_rs = place * nr, .accumulate = 1};
    const real *weights = plan->whole ? part->weights
                                      : part->weights + rows->start[i] * all * depth * nr;
    /* rows of taps that meet the source: neighbours, whose rows of it are evenly apart */
    int first_row = rows->start[i], end_row = rows->start[i + 1];
    const int several = end_row - first_row > 1;
    const ptrdiff_t apart = several ? rows->reach[first_row + 1] - rows->reach[first_row] : 0;
    const ptrdiff_t between = several ? rows->tap[first_row + 1] - rows->tap[first_row] : 0;
    while (first_row < end_row && (a < rows->from[first_row] || a > rows->to[first_row]))
        first_row++;
    while (end_row > first_row && (a < rows->from[end_row - 1] || a > rows->to[end_row - 1]))
        end_row--;
    const ptrdiff_t source_row = plan->pitch * side * depth;
    ptrdiff_t sorted = 0;
    for (int j = 0; j < cols->classes; j++) {
        const int taps = cols->start[j + 1] - cols->start[j], at_once = plan->runs ? taps : 1;
        const ptrdiff_t first = cols->first[j], count = fnn_max(cols->last[j] - first + 1, 0);
        const ptrdiff_t base = plan->sorted ? sorted : first * place + cols->shift[j];
        g.k = at_once * depth;
        g.a_jump = apart * source_row - g.k;
        g.b_jump = (plan->whole ? between * all : taps) * tap - g.k * g.b_ks;
        for (int t = 0; t < taps; t += at_once) {
            const int s = cols->start[j] + t;
            const ptrdiff_t q = plan->runs ? first : cols->from[s];
            const ptrdiff_t m = plan->runs ? count : cols->to[s] - q + 1;
            if (m <= 0) continue;
            const ptrdiff_t column =
                plan->runs ? (q - cols->lo) * cols->in_step + cols->reach[s]
                           : fnn_rows_column(plan, q * cols->in_step - cols->pad + cols->reach[s]);
            g.m = m * side;
            g.c = to + (base + (q - first) * place) * side * nr;
            for (int r = first_row; r < end_row; r += plan->merged) {
                const ptrdiff_t line = a * rows->in_step - rows->pad + rows->reach[r] -
                                       part->block->first;
                g.segments = fnn_min(end_row - r, plan->merged);
                g.a = part->source + line * source_row + column * side * depth;
                g.b = weights + (plan->whole ? rows->tap[r] * all + cols->tap[s]
                                             : (r - rows->start[i]) * taps + t) * tap;
                FN(rows_product)(job, part, &g);
            }
        }
        if (!plan->whole) weights += (rows->start[i + 1] - rows->start[i]) * taps * tap;
        sorted += count;
    }
}

/* T to the planes of the result: rows `top` on of every image. */
static void FN(rows_write)(const FN(rows_job) *job, const FN(rows_block) *block, ptrdiff_t panel,
                           ptrdiff_t top, ptrdiff_t lines, const FN(rows_desk) *desk) {
    const fnn_rows_plan *plan = job->plan;
    const fnn_rows_axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t width = plan->nr, plane = rows->out * cols->out;
    const ptrdiff_t first = panel * width, channel = block->group * plan->out + first;
    FN(gemm_operands) g = {.m = lines * cols->out, .n = fnn_min(width, plan->out - first),
                           .c_rs = plane, .bias_column = job->bias ? job->bias + channel : NULL};
    if (plan->sorted) memset(desk->flat, 0, (size_t)(g.m * width) * sizeof(real));
    for (ptrdiff_t n = 0; n < block->images; n++) {
        const ptrdiff_t image = (block->image + n) * plan->groups * plan->out;
        const real *t = desk->result + n * width;
        g.c = job->dst + (image + channel) * plane + top * cols->out;
        if (!plan->sorted) {
            job->kernels->gemm_turn(&g, t, block->images * width);
        } else {
            for (ptrdiff_t i = 0; i < lines; i++)
                for (int j = 0; j < cols->classes; j++)
                    for (ptrdiff_t a = cols->first[j]; a <= cols->last[j];
                         a++, t += block->images * width)
                        memcpy(desk->flat + (i * cols->out + a * cols->out_step + cols->shift[j]) *
                                                width,
                               t, (size_t)width * sizeof(real));
            job->kernels->gemm_turn(&g, desk->flat, width);
        }
        FN(finish)(job->kernels, &job->finishing,
                   (FN(region)){g.n, plane, lines, cols->out, cols->out}, g.c - job->dst);
    }
}

/* A panel of the result's channels, for a block whose source is turned. */
static void FN(rows_panel)(const FN(rows_job) *job, const FN(rows_block) *block, ptrdiff_t panel,
                           const real *source, const FN(rows_desk) *desk) {
    const fnn_rows_plan *plan = job->plan;
    const fnn_rows_axis *rows = &plan->rows;
    /* the rows of the result that these positions make, whatever their class */
    ptrdiff_t least = 0;
    for (int i = 0; i < rows->classes; i++) least = fnn_min(least, rows->shift[i]);
    const ptrdiff_t top = fnn_max(block->a0 * rows->out_step + least, 0);
    const ptrdiff_t end = block->a1 == rows->hi
                              ? rows->out : fnn_min(block->a1 * rows->out_step + least, rows->out);
    if (end <= top) return;
    const ptrdiff_t line = plan->columns * block->images * plan->nr;
    FN(rows_part) part = {.block = block, .weights = desk->cut};
    memset(desk->result, 0, (size_t)((end - top) * line) * sizeof(real));
    for (ptrdiff_t cut = 0; cut < plan->cuts; cut++) {
        part.depth = FN(rows_depth)(plan, cut);
        part.source = source + FN(rows_cut)(plan, block, cut);
        if (plan->kept)
            part.weights = FN(kept_weights)(job, block->group, panel, cut);
        else if (fnn_rows_copies(plan, panel, block->images))
            part.in_place = job->w + FN(weights_at)(plan, block->group, panel, cut);
        else
            FN(order_weights)(job, block->group, panel, cut, desk->cut, desk->scratch);
        for (int i = 0; i < rows->classes; i++) {
            const ptrdiff_t last = fnn_min(rows->last[i], block->a1 - 1);
            for (ptrdiff_t a = fnn_max(rows->first[i], block->a0); a <= last; a++)
                FN(rows_multiply)(job, &part, i, a,
                                  desk->result + (a * rows->out_step + rows->shift[i] - top) * line);
        }
    }
    FN(rows_write)(job, block, panel, top, end - top, desk);
}

/* A block with a source of its own. */
static void FN(rows_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(rows_job) *job = argument;
    const FN(rows_desk) desk = FN(rows_sit)(job, worker);
    const FN(rows_block) block = FN(rows_block_of)(job->plan, task);
    for (ptrdiff_t n = 0; n < block.images; n++)
        FN(turn_image)(job, &block, n, desk.source, desk.scratch);
    for (ptrdiff_t panel = 0; panel < job->plan->panels; panel++)
        FN(rows_panel)(job, &block, panel, desk.source, &desk);
}

/* The same in two steps, where there are few blocks: their panels share the sources. */
static void FN(rows_turn_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(rows_job) *job = argument;
    const ptrdiff_t number = task / job->plan->side, n = task % job->plan->side;
    const FN(rows_block) block = FN(rows_block_of)(job->plan, number);
    real *source = (real *)(void *)(job->sources + (size_t)number * job->sizes.source);
    if (n < block.images)
        FN(turn_image)(job, &block, n, source, FN(rows_sit)(job, worker).scratch);
}

static void FN(rows_panel_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(rows_job) *job = argument;
    const ptrdiff_t number = task / job->plan->panels;
    const FN(rows_block) block = FN(rows_block_of)(job->plan, number);
    const FN(rows_desk) desk = FN(rows_sit)(job, worker);
    FN(rows_panel)(job, &block, task % job->plan->panels,
                  (const real *)(void *)(job->sources + (size_t)number * job->sizes.source), &desk);
}

size_t FN(fnn_conv2d_rows_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     fnn_conv2d_pass pass) {
    const fnn_rows_plan plan = FN(rows_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    const FN(rows_sizes) sizes = FN(rows_sizes_of)(&plan);
    return sizes.shared + (size_t)plan.threads * sizes.worker;
}

void FN(fnn_conv2d_rows_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                  fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const fnn_rows_plan plan = FN(rows_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
    to->kernel = "gemm, rows of pixels read in place from a turned copy";
    ptrdiff_t width = 0; /* a class may have none */
    for (int j = 0; j < plan.cols.classes; j++)
        width = fnn_max(width, plan.cols.last[j] - plan.cols.first[j] + 1);
    fnn_conv2d_note(to, "pixels a row", width * plan.side);
    fnn_conv2d_note(to, "images side by side", plan.side);
    fnn_conv2d_note(to, "depth", plan.depth * (plan.runs ? plan.cols.start[1] : 1));
    fnn_conv2d_note(to, "cuts of channels", plan.cuts);
    fnn_conv2d_note(to, "classes", plan.rows.classes * plan.cols.classes);
    fnn_conv2d_note(to, "panels", plan.panels);
    fnn_conv2d_note(to, "panel channels", plan.nr);
    if (fnn_rows_copies(&plan, 0, plan.side))
        fnn_conv2d_note(to, "weights copied by the first rows", plan.copies);
    fnn_conv2d_note(to, "tile rows", FN(table)(ctx)->gemm_mr);
    fnn_conv2d_note(to, "bands", plan.bands);
    fnn_conv2d_note(to, "band rows", plan.band);
    to->share = (double)plan.out / (double)(plan.panels * plan.nr);
    to->basis = "at most: channels that fill the panels; turning and memory left out";
}

static void FN(run_rows)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, int backward,
                         const real *src, const real *w, const real *bias, real *dst,
                         void *workspace) {
    const fnn_rows_plan plan = FN(rows_plan)(ctx, shape, backward);
    const ptrdiff_t blocks = plan.stacks * plan.groups * plan.bands;
    char *shared = workspace;
    FN(rows_job) job = {.plan = &plan, .kernels = FN(table)(ctx), .sizes = FN(rows_sizes_of)(&plan),
                        .src = src, .w = w, .bias = bias, .dst = dst,
                        .finishing = FN(finishing_of)(shape, dst),
                        .weights = (real *)(void *)shared};
    job.sources = shared + job.sizes.weights;
    job.workers = shared + job.sizes.shared;
    if (plan.kept)
        fnn_parallel(plan.threads, plan.groups * plan.panels * plan.cuts, FN(rows_weight_task),
                     &job);
    if (plan.shared) {
        fnn_parallel(plan.threads, blocks * plan.side, FN(rows_turn_task), &job);
        fnn_parallel(plan.threads, blocks * plan.panels, FN(rows_panel_task), &job);
    } else {
        fnn_parallel(plan.threads, blocks, FN(rows_task), &job);
    }
}

void FN(fnn_conv2d_rows_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                 const real *x, const real *w, const real *bias, real *y,
                                 void *workspace) {
    FN(run_rows)(ctx, shape, 0, x, w, bias, y, workspace);
}

void FN(fnn_conv2d_rows_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       const real *dy, const real *w, real *dx, void *workspace) {
    FN(run_rows)(ctx, shape, 1, dy, w, NULL, dx, workspace);
}
