/* The gradient of the weights: dw = G^T [ sum over tiles of (A dy A^T) . (B^T x B) ] G.
 *
 * Per block of tiles x is transformed to V [some channels][position][tile][channel] and dy to D
 * [slab][position][tile][NR]; then some channels of V meet a slab of D, a product of depth `tiles` a
 * position whose operands lie in one piece each, whose result goes back to taps while it is near. A
 * part of V that L2 holds meets all slabs before the next one does, so D passes from beyond L2 once
 * a part, not V once a slab.
 *
 * Many blocks of few channels are cut into `shares`, runs of blocks that are summed apart: a thread
 * takes a share, and what it has transformed does not leave its caches. Otherwise all threads work
 * on one block. Blocks, and shares, are added in their order.
 *
 *   shared   [share] taps [slab][channel][9][NR], if there are several blocks | [share or
 *            strip] sums for the bias | V | D unless shares
 *   worker   V | D if shares | scratch of a strip | products [position][some channels][NR] | taps of
 *            some channels
 */

typedef struct FN(winograd_weight) {
    tiling t;
    ptrdiff_t groups, in, out, nr, slabs;
    ptrdiff_t pieces;           /* of SOME channels of x: tasks a slab */
    ptrdiff_t part;             /* pieces that L2 holds */
    ptrdiff_t depth;            /* most tiles of a product: longer sums are cut evenly */
    ptrdiff_t shares, total;    /* elements of a share's sum */
    ptrdiff_t bias_parts;       /* a share's, or those of a block's strips */
    ptrdiff_t v_piece, v_position, d_position, u_position;
    int threads;
    size_t v_bytes, d_bytes, total_bytes, bias_bytes, scratch_bytes, u_bytes, tap_bytes;
    size_t shared_bytes, worker_bytes;
} FN(winograd_weight);

typedef struct FN(winograd_weight_job) {
    const FN(winograd_weight) *plan;
    const FN(fnn_table) *kernels;
    const real *x, *dy;
    real *dw, *total;
    FN(bias_sums) bias;
    char *transformed, *workers; /* V and D of a block of all threads */
    ptrdiff_t group;
    span block;                  /* theirs */
} FN(winograd_weight_job);

/* A block, and what a worker needs for it. */
typedef struct FN(winograd_weight_desk) {
    real *v, *d, *scratch, *u, *taps;
    real *total;                 /* of its share; NULL if there is but one block */
    span block;
    ptrdiff_t share;
    int first, last;             /* of the sum; last: it goes to dw */
} FN(winograd_weight_desk);

static FN(winograd_weight) FN(winograd_weight_plan)(const fnn_ctx *ctx,
                                                    const fnn_conv2d_shape *s) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes, nr = kernels->gemm_nr;
    FN(winograd_weight) plan = {.groups = s->groups, .in = s->c / s->groups,
                                .out = s->k / s->groups, .nr = nr};
    plan.slabs = fnn_ceil_div(plan.out, nr);
    plan.pieces = fnn_ceil_div(plan.in, SOME);
    plan.t = FN(winograd_tiling)(s, ctx->precision == FNN_STRICT ? 2 : 4, 0,
                                 plan.pieces * SOME + plan.slabs * nr, LEAST_DEPTH, DEEP_TILES);
    shorten(&plan.t);
    const tiling *t = &plan.t;
    const ptrdiff_t positions = t->side * t->side;
    plan.depth = ctx->precision == FNN_STRICT ? STRICT_DEPTH : t->tiles;
    plan.v_position = spread(t->tiles * SOME, sizeof(real));
    plan.v_piece = positions * plan.v_position;
    plan.part = fnn_max(PART_BYTES / (plan.v_piece * (ptrdiff_t)sizeof(real)), 1);
    plan.d_position = spread(t->tiles * nr, sizeof(real));
    plan.u_position = spread(SOME * nr, sizeof(real));
    const ptrdiff_t work = t->images * t->rows * t->cols * positions * plan.in * s->k;
    plan.threads = work < GRAIN ? 1 : ctx->threads;
    plan.v_bytes = FN(winograd_bytes)(plan.pieces * plan.v_piece);
    plan.d_bytes = FN(winograd_bytes)(plan.slabs * positions * plan.d_position);
    plan.total = plan.slabs * plan.in * 9 * nr;
    plan.shares = MANY_SHARES;
    while (plan.shares > 1 && (t->blocks < SHARE_BLOCKS * plan.shares ||
                               plan.shares * plan.total * (ptrdiff_t)sizeof(real) > SHARE_BYTES))
        plan.shares = plan.shares > FEW_SHARES ? FEW_SHARES : 1;
    if (t->blocks > 1) plan.total_bytes = FN(winograd_bytes)(plan.shares * plan.total);
    plan.scratch_bytes = FN(winograd_bytes)(fnn_winograd_scratch(t->m, t->width) * lanes);
    plan.u_bytes = FN(winograd_bytes)(positions * plan.u_position);
    plan.tap_bytes = FN(winograd_bytes)(SOME * 9 * nr);
    plan.worker_bytes = plan.scratch_bytes + plan.u_bytes + plan.tap_bytes;
    plan.bias_parts = plan.shares > 1 ? plan.shares : t->tiles / t->width;
    plan.bias_bytes = FN(bias_bytes)(plan.bias_parts, s->k, 1);
    plan.shared_bytes = plan.total_bytes + plan.bias_bytes;
    *(plan.shares > 1 ? &plan.worker_bytes : &plan.shared_bytes) += plan.v_bytes + plan.d_bytes;
    return plan;
}

static FN(winograd_weight_desk) FN(winograd_weight_sit)(const FN(winograd_weight_job) *job,
                                                        int worker) {
    const FN(winograd_weight) *plan = job->plan;
    char *own = job->workers + (size_t)worker * plan->worker_bytes;
    char *transformed = job->transformed;
    if (plan->shares > 1) transformed = own, own += plan->v_bytes + plan->d_bytes;
    return (FN(winograd_weight_desk)){
        .v = (real *)(void *)transformed, .d = (real *)(void *)(transformed + plan->v_bytes),
        .scratch = (real *)(void *)own, .u = (real *)(void *)(own + plan->scratch_bytes),
        .taps = (real *)(void *)(own + plan->scratch_bytes + plan->u_bytes),
        .total = plan->t.blocks > 1 ? job->total : NULL, .block = job->block,
        .first = job->block.from == 0,
        .last = job->block.to == plan->t.images * plan->t.rows * plan->t.pieces};
}

/* How many there are in a block. */
FNN_INLINE ptrdiff_t FN(winograd_weight_vectors)(const FN(winograd_weight_job) *job,
                                                 const span *block) {
    const FN(winograd_weight) *plan = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes;
    return (block->to - block->from) *
           (fnn_ceil_div(plan->in, lanes) + fnn_ceil_div(plan->out, lanes));
}

/* One strip's vector of channels: of x, and after all of these of dy. */
static void FN(winograd_weight_transform)(const FN(winograd_weight_job) *job,
                                          const FN(winograd_weight_desk) *desk, ptrdiff_t number) {
    const FN(winograd_weight) *plan = job->plan;
    const tiling *t = &plan->t;
    const ptrdiff_t lanes = job->kernels->lanes;
    const ptrdiff_t of_x = fnn_ceil_div(plan->in, lanes), of_dy = fnn_ceil_div(plan->out, lanes);
    const ptrdiff_t from = desk->block.from, strip = from + number / (of_x + of_dy);
    const ptrdiff_t image = strip / t->pieces / t->rows;
    ptrdiff_t tile;
    fnn_winograd_strip place = strip_of(t, &desk->block, strip, &tile);
    ptrdiff_t which = number % (of_x + of_dy);
    if (which < of_x) {
        const ptrdiff_t first = which * lanes, plane = t->h * t->w;
        place.channels = fnn_min(lanes, plan->in - first);
        place.plane = plane, place.h = t->h, place.w = t->w;
        place.row -= t->top, place.col -= t->left;
        place.tile = SOME, place.position = plan->v_position;
        place.jump *= place.tile;
        place.ahead = t->far_in && first + lanes < plan->in ? lanes * plane : 0;
        job->kernels->winograd_input(
            t->m, &place, job->x + ((image * plan->groups + job->group) * plan->in + first) * plane,
            desk->scratch,
            desk->v + first / SOME * plan->v_piece + tile * SOME + first % SOME);
        return;
    }
    which -= of_x;
    const ptrdiff_t first = which * lanes, plane = t->out_h * t->out_w, nr = plan->nr;
    const ptrdiff_t channel = (image * plan->groups + job->group) * plan->out + first;
    place.channels = fnn_min(lanes, plan->out - first);
    const int shorter = strip / t->pieces % t->rows >= t->rows - t->shorter_rows;
    place.plane = plane, place.w = t->out_w;
    place.h = fnn_min(t->out_h, place.row + t->m - shorter);
    place.tile = nr, place.position = plan->d_position;
    place.jump *= place.tile;
    place.ahead = t->far_out && first + lanes < plan->out ? lanes * plane : 0;
    const ptrdiff_t part = plan->shares > 1 ? desk->share : strip - from;
    real *bias = job->bias.parts + (part * plan->groups + job->group) * plan->out + first;
    job->kernels->winograd_gradient(t->m, &place, job->dy + channel * plane, desk->scratch,
                                    desk->d + first / nr * t->side * t->side * plan->d_position +
                                        tile * nr + first % nr,
                                    job->bias.db ? bias : NULL);
}

/* Some channels of x with a slab of dy. */
static void FN(winograd_weight_product)(const FN(winograd_weight_job) *job,
                                        const FN(winograd_weight_desk) *desk, ptrdiff_t number) {
    const FN(winograd_weight) *plan = job->plan;
    const tiling *t = &plan->t;
    const ptrdiff_t before = number / (plan->part * plan->slabs) * plan->part;
    const ptrdiff_t part = fnn_min(plan->part, plan->pieces - before), nr = plan->nr;
    const ptrdiff_t rest = number - before * plan->slabs;
    const ptrdiff_t slab = rest / part, piece = before + rest % part, first = piece * SOME;
    const ptrdiff_t channels = fnn_min(SOME, plan->in - first);
    const ptrdiff_t positions = t->side * t->side;
    real *taps = desk->total ? desk->total + (slab * plan->in + first) * 9 * nr : desk->taps;
    const ptrdiff_t outs = fnn_min(nr, plan->out - slab * nr);
    /* of vectors without a channel nothing is computed, and their taps are not stored */
    FN(gemm_operands) g = {.m = channels, .n = fnn_round_up(outs, job->kernels->lanes),
                           .a_rs = 1, .a_ks = SOME, .b_ks = nr, .b_ps = nr, .c = desk->u,
                           .c_rs = nr};
    const real *a = desk->v + piece * plan->v_piece;
    const real *b = desk->d + slab * positions * plan->d_position;
    FN(winograd_depth_fn) *const depth =
        channels == SOME && g.n == nr ? job->kernels->winograd_depth : NULL;
    const ptrdiff_t row = plan->in * 9;
    real *dw = job->dw + (job->group * plan->out + slab * nr) * row + first * 9;
    for (int n = 0; n < positions; n++) {
        if (desk->last) /* short runs far apart, which no prefetcher of the processor follows */
            for (ptrdiff_t o = outs * n / positions; o < outs * (n + 1) / positions; o++)
                for (ptrdiff_t at = 0; at < channels * 9; at += FNN_LINE / (ptrdiff_t)sizeof(real))
                    __builtin_prefetch(dw + o * row + at, 1);
        ptrdiff_t start, tiles = needed(t, &desk->block, n / t->side, n % t->side, &start);
        g.a = a + start * SOME, g.b = b + start * nr, g.accumulate = 0;
        do {
            g.k = tiles > plan->depth ? tiles / fnn_ceil_div(tiles, plan->depth) : tiles;
            if (depth)
                depth(g.k, g.a, g.b, g.accumulate, g.c);
            else
                job->kernels->gemm_block(&g);
            g.a += g.k * SOME, g.b += g.k * nr, g.accumulate = 1;
            tiles -= g.k;
        } while (tiles > 0);
        a += plan->v_position, b += plan->d_position, g.c += plan->u_position;
    }
    job->kernels->winograd_taps(t->m, channels, desk->u, plan->u_position, !desk->first, taps);
    if (desk->last)
        job->kernels->conv2d_transpose(channels * 9, outs, taps, nr, dw, row, channels * 9);
}

static void FN(winograd_weight_transform_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(winograd_weight_job) *job = argument;
    const FN(winograd_weight_desk) desk = FN(winograd_weight_sit)(job, worker);
    FN(winograd_weight_transform)(job, &desk, task);
}

static void FN(winograd_weight_product_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(winograd_weight_job) *job = argument;
    const FN(winograd_weight_desk) desk = FN(winograd_weight_sit)(job, worker);
    FN(winograd_weight_product)(job, &desk, task);
}

/* A share, block after block. */
static void FN(winograd_weight_share_task)(void *argument, ptrdiff_t share, int worker) {
    const FN(winograd_weight_job) *job = argument;
    const FN(winograd_weight) *plan = job->plan;
    const ptrdiff_t first = plan->t.blocks * share / plan->shares;
    const ptrdiff_t end = plan->t.blocks * (share + 1) / plan->shares;
    FN(winograd_weight_desk) desk = FN(winograd_weight_sit)(job, worker);
    desk.total += share * plan->total;
    desk.share = share, desk.last = 0;
    for (ptrdiff_t block = first; block < end; block++) {
        desk.block = span_of(&plan->t, block);
        desk.first = block == first;
        const ptrdiff_t vectors = FN(winograd_weight_vectors)(job, &desk.block);
        for (ptrdiff_t i = 0; i < vectors; i++) FN(winograd_weight_transform)(job, &desk, i);
        for (ptrdiff_t i = 0; i < plan->slabs * plan->pieces; i++)
            FN(winograd_weight_product)(job, &desk, i);
    }
}

/* The sum of all shares, of some channels of x and a slab of dy, to dw. */
static void FN(winograd_weight_sum_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(winograd_weight_job) *job = argument;
    const FN(winograd_weight) *plan = job->plan;
    const ptrdiff_t slab = task / plan->pieces, first = task % plan->pieces * SOME, nr = plan->nr;
    const ptrdiff_t channels = fnn_min(SOME, plan->in - first), row = plan->in * 9;
    const ptrdiff_t outs = fnn_min(nr, plan->out - slab * nr), n = channels * 9 * nr;
    real *sum = job->total + (slab * plan->in + first) * 9 * nr;
    (void)worker;
    for (ptrdiff_t share = 1; share < plan->shares; share++)
        job->kernels->add(1, n, sum, n, 1, sum + share * plan->total, n, 1, sum);
    job->kernels->conv2d_transpose(channels * 9, outs, sum, nr,
                                   job->dw + (job->group * plan->out + slab * nr) * row + first * 9,
                                   row, channels * 9);
}

size_t FN(fnn_conv2d_winograd_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         fnn_conv2d_pass pass) {
    if (pass != FNN_BACKWARD_WEIGHT) {
        const FN(winograd) plan = FN(winograd_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
        return FN(winograd_workspace)(&plan);
    }
    const FN(winograd_weight) plan = FN(winograd_weight_plan)(ctx, shape);
    return plan.shared_bytes + (size_t)plan.threads * plan.worker_bytes;
}

void FN(fnn_conv2d_winograd_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                      fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    tiling t;
    ptrdiff_t out;
    if (pass == FNN_BACKWARD_WEIGHT) {
        const FN(winograd_weight) plan = FN(winograd_weight_plan)(ctx, shape);
        t = plan.t, out = plan.out;
        fnn_conv2d_note(to, "input channels at a time", SOME);
    } else {
        const FN(winograd) plan = FN(winograd_plan)(ctx, shape, pass == FNN_BACKWARD_DATA);
        t = plan.t, out = plan.out;
        fnn_conv2d_note(to, plan.piecewise ? "weights in pieces of" : "chunk of a sum", plan.chunk);
    }
    const ptrdiff_t tiles = t.rows * t.cols, panels = fnn_ceil_div(out, kernels->gemm_nr);
    to->kernel = "gemm, a product for each position of the transformed tiles";
    fnn_conv2d_note(to, "tile side", t.m);
    fnn_conv2d_note(to, "positions", t.side * t.side);
    fnn_conv2d_note(to, "tiles", t.images * tiles);
    fnn_conv2d_note(to, "tiles a block", t.tiles);
    fnn_conv2d_note(to, "blocks", t.blocks);
    fnn_conv2d_note(to, "panels", panels);
    fnn_conv2d_note(to, "panel channels", kernels->gemm_nr);
    fnn_conv2d_note(to, "lanes", kernels->lanes);
    /* what the positions in use would give if all tiles were whole */
    const double rows = (double)(t.rows * t.side - t.shorter_rows) * t.m / t.side;
    const double cols = (double)(t.cols * t.side - t.shorter_cols) * t.m / t.side;
    to->share = (double)(t.out_h * t.out_w) / (rows * cols) * (double)out /
                (double)(panels * kernels->gemm_nr);
    to->basis = t.m == 4   ? "at most, of its 36 multiplications where the sum has 144: pixels and "
                             "channels that fill tiles and panels; transforms left out"
                : t.m == 3 ? "at most, of its 25 multiplications where the sum has 81: pixels and "
                             "channels that fill tiles and panels; transforms left out"
                           : "at most, of its 16 multiplications where the sum has 36: pixels and "
                             "channels that fill tiles and panels; transforms left out";
}

void FN(fnn_conv2d_winograd_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                             const real *dy, const real *x, real *dw, real *db,
                                             void *workspace) {
    const FN(winograd_weight) plan = FN(winograd_weight_plan)(ctx, shape);
    const tiling *t = &plan.t;
    char *shared = workspace;
    FN(winograd_weight_job) job = {
        .plan = &plan, .kernels = FN(table)(ctx), .x = x, .dy = dy, .dw = dw,
        .total = (real *)(void *)shared,
        .transformed = shared + plan.total_bytes + plan.bias_bytes,
        .workers = shared + plan.shared_bytes};
    job.bias = (FN(bias_sums)){db, (real *)(void *)(shared + plan.total_bytes), shape->k, 1};
    memset(job.bias.parts, 0, plan.bias_bytes);
    const ptrdiff_t products = plan.slabs * plan.pieces;
    for (job.group = 0; job.group < plan.groups; job.group++) {
        if (plan.shares > 1) {
            fnn_parallel(plan.threads, plan.shares, FN(winograd_weight_share_task), &job);
            fnn_parallel(plan.threads, products, FN(winograd_weight_sum_task), &job);
            continue;
        }
        for (ptrdiff_t block = 0; block < t->blocks; block++) {
            job.block = span_of(t, block);
            fnn_parallel(plan.threads, FN(winograd_weight_vectors)(&job, &job.block),
                         FN(winograd_weight_transform_task), &job);
            fnn_parallel(plan.threads, products, FN(winograd_weight_product_task), &job);
        }
    }
    FN(finish_bias)(job.kernels, &job.bias, plan.bias_parts);
}
