/* Forward and backward-data, which is the same convolution of dy with the taps turned around.
 *
 * Per block of tiles: V = transformed tiles [position][chunk][tile][channel], so that an operand of
 * a product lies in one piece; then per slab of NR output channels the products M
 * [position][tile][NR], one small matrix product a position, and their transformation back. The
 * weights U [slab][position][channel][NR] are transformed first; if one block holds all tiles, or
 * they are too large for the caches, they are made piece by piece where they are needed.
 *
 *   shared   U | V if all threads work on one block
 *   worker   V else | M | scratch of a strip | taps of a slab | a piece of U
 */

typedef struct FN(winograd_job) {
    const FN(winograd) *plan;
    const FN(fnn_table) *kernels;
    const real *x, *w, *bias, *gate;
    real *y;
    int relu;
    char *workers;
    real *u, *v;
    ptrdiff_t group;            /* while all threads work on one block */
    span block;
} FN(winograd_job);

/* A worker's part of the workspace. */
typedef struct FN(winograd_desk) {
    real *v, *m, *scratch, *taps, *piece;
} FN(winograd_desk);

static FN(winograd_desk) FN(winograd_sit)(const FN(winograd_job) *job, int worker) {
    const FN(winograd) *plan = job->plan;
    char *at = job->workers + (size_t)worker * plan->worker_bytes;
    FN(winograd_desk) desk;
    desk.v = job->v;
    if (!plan->together) desk.v = (real *)(void *)at, at += plan->v_bytes;
    desk.m = (real *)(void *)at, at += plan->m_bytes;
    desk.scratch = (real *)(void *)at, at += plan->scratch_bytes;
    desk.taps = (real *)(void *)at, at += plan->tap_bytes;
    desk.piece = (real *)(void *)at;
    return desk;
}

static void FN(winograd_weight_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(winograd_job) *job = argument;
    const FN(winograd) *plan = job->plan;
    const FN(winograd_desk) desk = FN(winograd_sit)(job, worker);
    const ptrdiff_t side = plan->t.side;
    const ptrdiff_t group = task / plan->slabs, first = task % plan->slabs * plan->nr;
    real *u = job->u + task * side * side * plan->u_position;
    FN(collect_taps)(job->kernels,
                     job->w + group * plan->in * plan->out * 9 + first * plan->w_out, plan->w_out,
                     plan->w_in, plan->in, fnn_min(plan->nr, plan->out - first), 9, plan->nr,
                     desk.taps, 9 * plan->nr, plan->nr, plan->turned);
    for (int i = 0; i < side; i++, u += side * plan->u_position)
        job->kernels->winograd_weights(plan->t.m, i, plan->in, desk.taps, u,
                                       plan->u_position);
}

/* One vector of channels, number `which`, of a strip of the block. */
static void FN(winograd_transform)(const FN(winograd_job) *job, ptrdiff_t group, const span *block,
                                   ptrdiff_t strip, ptrdiff_t which,
                                   const FN(winograd_desk) *desk) {
    const FN(winograd) *plan = job->plan;
    const tiling *t = &plan->t;
    const ptrdiff_t lanes = job->kernels->lanes, first = which * lanes;
    const ptrdiff_t image = strip / t->pieces / t->rows, plane = t->h * t->w;
    ptrdiff_t number;
    fnn_winograd_strip place = strip_of(t, block, strip, &number);
    place.channels = fnn_min(lanes, plan->in - first);
    place.plane = plane, place.h = t->h, place.w = t->w;
    place.row -= t->top, place.col -= t->left;
    place.tile = plan->v_tile, place.position = plan->v_position;
    place.jump *= place.tile;
    place.ahead = t->far_in && first + lanes < plan->in ? lanes * plane : 0;
    job->kernels->winograd_input(
        t->m, &place, job->x + ((image * plan->groups + group) * plan->in + first) * plane,
        desk->scratch,
        desk->v + first / plan->chunk * plan->v_chunk + number * plan->v_tile +
            first % plan->chunk);
}

/* What all positions of a block and slab share. */
static FN(gemm_operands) FN(winograd_operands)(const FN(winograd_job) *job, ptrdiff_t outs) {
    const FN(winograd) *plan = job->plan;
    return (FN(gemm_operands)){.n = fnn_round_up(outs, job->kernels->lanes), .a_rs = plan->v_tile,
                               .a_ks = 1, .b_ks = plan->nr, .b_ps = plan->nr, .c_rs = plan->nr};
}

/* The product of position (i, j) with the chunk of V at v and of U at u: `channels` of them. */
static void FN(winograd_position)(const FN(winograd_job) *job, const span *block, int i, int j,
                                  ptrdiff_t channels, const real *v, const real *u, int add,
                                  FN(gemm_operands) *g, real *m) {
    const FN(winograd) *plan = job->plan;
    const ptrdiff_t number = i * plan->t.side + j;
    ptrdiff_t first;
    g->m = needed(&plan->t, block, i, j, &first);
    g->a = v + number * plan->v_position + first * plan->v_tile;
    g->b = u;
    g->c = m + number * plan->m_position + first * plan->nr;
    g->accumulate = add;
    const int whole = job->kernels->winograd_product && g->n == plan->nr && plan->v_tile == 32 &&
                      2 * g->m > job->kernels->gemm_mr;
    do {
        g->k = fnn_min(plan->chain, channels);
        if (whole)
            job->kernels->winograd_product(g->m, g->k, g->a, g->b, g->accumulate, g->c);
        else if (g->m > 0)
            job->kernels->gemm_block(g);
        g->a += g->k, g->b += g->k * plan->nr, g->accumulate = 1;
        channels -= g->k;
    } while (channels > 0);
}

/* All positions of M for a slab whose U is kept. */
static void FN(winograd_multiply)(const FN(winograd_job) *job, const span *block, ptrdiff_t outs,
                                  const real *u, const FN(winograd_desk) *desk) {
    const FN(winograd) *plan = job->plan;
    const int side = plan->t.side;
    FN(gemm_operands) g = FN(winograd_operands)(job, outs);
    for (int n = 0; n < side * side; n++, u += plan->u_position) {
        const real *v = desk->v;
        for (ptrdiff_t c = 0; c == 0 || c < plan->in; c += plan->chunk, v += plan->v_chunk) {
            const ptrdiff_t channels = fnn_min(plan->chunk, plan->in - c);
            FN(winograd_position)(job, block, n / side, n % side, channels, v, u + c * plan->nr,
                                  c > 0, &g, desk->m);
        }
    }
}

/* Fetches share n of `of` of the weights that the slab's chunk at w needs: short runs far apart,
 * which no prefetcher of the processor follows. */
static void FN(winograd_fetch)(const FN(winograd) *plan, const real *w, ptrdiff_t channels,
                               ptrdiff_t outs, ptrdiff_t n, ptrdiff_t of) {
    const int turned = plan->turned; /* then an input channel's weights are neighbours */
    const ptrdiff_t runs = turned ? channels : outs, run = (turned ? outs : channels) * 9;
    const ptrdiff_t step = turned ? plan->w_in : plan->w_out;
    for (ptrdiff_t r = runs * n / of; r < runs * (n + 1) / of; r++)
        for (ptrdiff_t at = 0; at < run; at += FNN_LINE / (ptrdiff_t)sizeof(real))
            __builtin_prefetch(w + r * step + at, 0, 2);
}

/* All positions of M for a slab whose U is not kept: the taps of a chunk of channels are collected
 * and become all rows of U while they are near; nothing larger is written or read again. */
static void FN(winograd_multiply_pieces)(const FN(winograd_job) *job, ptrdiff_t group,
                                         const span *block, ptrdiff_t slab,
                                         const FN(winograd_desk) *desk) {
    const FN(winograd) *plan = job->plan;
    const ptrdiff_t side = plan->t.side, nr = plan->nr, first = slab * nr;
    const ptrdiff_t outs = fnn_min(nr, plan->out - first);
    const ptrdiff_t v_row = side * plan->v_position, m_row = side * plan->m_position;
    const real *const start = job->w + group * plan->in * plan->out * 9 + first * plan->w_out;
    const real *w = start, *v = desk->v;
    /* winograd_four fetches the next chunk itself, a line and a half a step: so divided, 32 float32
     * output channels and 16 input channels are met once */
    const ptrdiff_t share = FNN_LINE * 3 / 2 / (ptrdiff_t)sizeof(real);
    const ptrdiff_t ahead_step = plan->turned ? 2 * share : share;
    const ptrdiff_t ahead_row = plan->turned ? plan->w_in : plan->w_out;
    const ptrdiff_t ahead_half = plan->turned ? share : plan->chunk * plan->w_out;
    FN(gemm_operands) g = FN(winograd_operands)(job, outs);
    for (ptrdiff_t c = 0; c == 0 || c < plan->in; c += plan->chunk, v += plan->v_chunk) {
        const ptrdiff_t channels = fnn_min(plan->chunk, plan->in - c);
        FN(collect_taps)(job->kernels, w, plan->w_out, plan->w_in, channels, outs, 9, nr, desk->taps,
                         9 * nr, nr, plan->turned);
        w += channels * plan->w_in;
        const ptrdiff_t next = fnn_min(plan->chunk, plan->in - c - channels);
        const real *ahead = next ? w : slab + 1 < plan->slabs ? start + nr * plan->w_out : start;
        for (int i = 0; i < side; i++) {
            if (plan->four) {
                job->kernels->winograd_four(i, channels, desk->taps, v + i * v_row, plan->v_tile,
                                            plan->v_position, c > 0, desk->m + i * m_row,
                                            plan->m_position, ahead + i * ahead_step, ahead_row,
                                            ahead_half);
                continue;
            }
            FN(winograd_fetch)(plan, w, next, outs, i, side);
            job->kernels->winograd_weights(plan->t.m, i, channels, desk->taps, desk->piece,
                                           plan->u_position);
            for (int j = 0; j < side; j++)
                FN(winograd_position)(job, block, i, j, channels, v,
                                      desk->piece + j * plan->u_position, c > 0, &g, desk->m);
        }
    }
}

/* The same for sixteen tiles: windows become U straight from where they lie. */
static void FN(winograd_multiply_sixteen)(const FN(winograd_job) *job, ptrdiff_t group,
                                          ptrdiff_t slab, const FN(winograd_desk) *desk) {
    const FN(winograd) *plan = job->plan;
    const real *const start =
        job->w + (group * plan->in * plan->out * 9 + slab * plan->nr * plan->w_out);
    const ptrdiff_t row = plan->turned ? plan->w_in : plan->w_out;
    const real *w = start, *v = desk->v;
    for (ptrdiff_t c = 0; c < plan->in; c += plan->chunk, v += plan->v_chunk) {
        const real *next = w + plan->chunk * plan->w_in;
        const real *ahead = c + plan->chunk < plan->in ? next
                            : slab + 1 < plan->slabs   ? start + plan->nr * plan->w_out
                                                       : start;
        job->kernels->winograd_sixteen(w, plan->w_out, plan->w_in, plan->turned, desk->piece, v,
                                       plan->v_position, c > 0, desk->m, plan->m_position, ahead,
                                       row);
        w = next;
    }
}

/* A slab of output channels of one block. */
static void FN(winograd_slab)(const FN(winograd_job) *job, ptrdiff_t group, const span *block,
                              ptrdiff_t slab, const FN(winograd_desk) *desk) {
    const FN(winograd) *plan = job->plan;
    const tiling *t = &plan->t;
    const ptrdiff_t lanes = job->kernels->lanes, plane = t->out_h * t->out_w;
    const real *u = job->u + (group * plan->slabs + slab) * t->side * t->side * plan->u_position;
    const ptrdiff_t outs = fnn_min(plan->nr, plan->out - slab * plan->nr);
    if (plan->sixteen)
        FN(winograd_multiply_sixteen)(job, group, slab, desk);
    else if (plan->piecewise)
        FN(winograd_multiply_pieces)(job, group, block, slab, desk);
    else
        FN(winograd_multiply)(job, block, outs, u, desk);
    for (ptrdiff_t strip = block->from; strip < block->to; strip++) {
        const ptrdiff_t image = strip / t->pieces / t->rows, row = strip / t->pieces % t->rows;
        ptrdiff_t number;
        fnn_winograd_strip place = strip_of(t, block, strip, &number);
        const int shorter = row >= t->rows - t->shorter_rows;
        place.plane = plane, place.h = fnn_min(t->out_h, place.row + t->m - shorter);
        place.w = t->out_w;
        place.tile = plan->nr, place.position = plan->m_position, place.ahead = t->far_out;
        place.jump *= place.tile;
        const real *m = desk->m + number * plan->nr;
        for (ptrdiff_t l = 0; l < outs; l += lanes) {
            const ptrdiff_t out = slab * plan->nr + l, channel = group * plan->out + out;
            const ptrdiff_t at = (image * plan->groups * plan->out + channel) * plane;
            place.channels = fnn_min(lanes, outs - l);
            job->kernels->winograd_output(t->m, &place, m + l,
                                          job->bias ? job->bias + channel : NULL, job->relu,
                                          job->gate ? job->gate + at : NULL, desk->scratch,
                                          job->y + at);
        }
    }
}

static void FN(winograd_block_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(winograd_job) *job = argument;
    const FN(winograd) *plan = job->plan;
    const tiling *t = &plan->t;
    const FN(winograd_desk) desk = FN(winograd_sit)(job, worker);
    const ptrdiff_t group = task / t->blocks;
    const span block = span_of(t, task % t->blocks);
    for (ptrdiff_t strip = block.from; strip < block.to; strip++)
        for (ptrdiff_t c = 0; c * job->kernels->lanes < plan->in; c++)
            FN(winograd_transform)(job, group, &block, strip, c, &desk);
    for (ptrdiff_t slab = 0; slab < plan->slabs; slab++)
        FN(winograd_slab)(job, group, &block, slab, &desk);
}

static void FN(winograd_transform_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(winograd_job) *job = argument;
    const FN(winograd_desk) desk = FN(winograd_sit)(job, worker);
    const ptrdiff_t vectors = fnn_ceil_div(job->plan->in, job->kernels->lanes);
    FN(winograd_transform)(job, job->group, &job->block, job->block.from + task / vectors,
                           task % vectors, &desk);
}

static void FN(winograd_slab_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(winograd_job) *job = argument;
    const FN(winograd_desk) desk = FN(winograd_sit)(job, worker);
    FN(winograd_slab)(job, job->group, &job->block, task, &desk);
}

static void FN(winograd_run)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                             const FN(winograd) *plan, const real *x, const real *w,
                             const real *bias, real *y, void *workspace) {
    const tiling *t = &plan->t;
    char *shared = workspace;
    FN(winograd_job) job = {.plan = plan, .kernels = FN(table)(ctx), .x = x, .w = w, .bias = bias,
                            .y = y, .relu = shape->relu, .gate = shape->gate,
                            .u = (real *)(void *)shared,
                            .v = (real *)(void *)(shared + plan->u_bytes),
                            .workers = shared + plan->u_bytes +
                                       (plan->together ? plan->v_bytes : 0)};
    if (!plan->piecewise)
        fnn_parallel(plan->threads, plan->groups * plan->slabs, FN(winograd_weight_task), &job);
    if (!plan->together) {
        fnn_parallel(plan->threads, plan->groups * t->blocks, FN(winograd_block_task), &job);
        return;
    }
    const ptrdiff_t vectors = fnn_ceil_div(plan->in, job.kernels->lanes);
    for (job.group = 0; job.group < plan->groups; job.group++) {
        for (ptrdiff_t block = 0; block < t->blocks; block++) {
            job.block = span_of(t, block);
            const ptrdiff_t strips = job.block.to - job.block.from;
            fnn_parallel(plan->threads, strips * vectors, FN(winograd_transform_task), &job);
            fnn_parallel(plan->threads, plan->slabs, FN(winograd_slab_task), &job);
        }
    }
}

void FN(fnn_conv2d_winograd_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     const real *x, const real *w, const real *bias, real *y,
                                     void *workspace) {
    const FN(winograd) plan = FN(winograd_plan)(ctx, shape, 0);
    FN(winograd_run)(ctx, shape, &plan, x, w, bias, y, workspace);
}

void FN(fnn_conv2d_winograd_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *w, real *dx,
                                           void *workspace) {
    const FN(winograd) plan = FN(winograd_plan)(ctx, shape, 1);
    FN(winograd_run)(ctx, shape, &plan, dy, w, NULL, dx, workspace);
}
