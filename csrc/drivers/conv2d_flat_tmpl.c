/* F(4, 4) along rows: LANES rows of the result side by side.
 *
 *   x [image][c][row][w]  ->  [c][column][LANES]  ->  V [position][c][tile][high]
 *   M [position][k][tile] = U V      one product a position, channels and chunks of taps summed at once
 *   M  ->  [k][q][LANES]  ->  y [image][k][row][q]
 *
 * If windows have one row, no two rows of the result share a row of the source, and rows are counted through
 * all images, so that a block may start in one and end in the next. Else V holds all `high` rows that a block
 * of one image reads, and a row of taps reads the vector that begins so many rows further on. Input is
 * picked, turned and transformed a few channels at a time, `outs` output channels pass at a time. Workspace:
 *
 *   shared   U [group][position][k / packed][c][row][chunk][k % packed] | where a chunk's tiles start
 *   worker   V | M | result | picked rows | turned rows
 */

typedef struct FN(flat_job) {
    const fnn_flat_plan *plan;
    const fnn_conv2d_shape *shape;
    const FN(fnn_table) *kernels;
    FN(conv2d_rows_fn) *multiply; /* the kernel of the tile */
    ptrdiff_t v_channel, v_position, picked; /* elements; picked: of a channel's rows */
    ptrdiff_t fetched; /* rows, for each tile of a product */
    ptrdiff_t w_out, w_in; /* strides of the weights; between taps w_tap, from w_from on */
    ptrdiff_t w_from, w_tap;
    const real *x, *w, *bias;
    real *y, *u;
    FN(finishing) finishing;
    fnn_conv2d_tap *tap;
    char *workers;
    size_t u_bytes, tap_bytes, v_bytes, m_bytes, result_bytes, picked_bytes, worker_bytes;
} FN(flat_job);

static fnn_flat_plan FN(lay_flat)(const fnn_ctx *ctx, const fnn_conv2d_shape *s) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    return fnn_flat_lay(s, kernels->lanes, kernels->conv2d_registers, ctx->threads);
}

static FNN_NOINLINE FN(flat_job) FN(prepare_flat)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                                  const fnn_flat_plan *plan) {
    FN(flat_job) job = {.plan = plan, .shape = s, .kernels = FN(table)(ctx)};
    const ptrdiff_t lanes = job.kernels->lanes;
    job.multiply = plan->tile.packed > 1 ? job.kernels->conv2d_rows : job.kernels->conv2d_pixels;
    job.v_channel = plan->stack * plan->slots * plan->high;
    job.v_position = (plan->in * job.v_channel / lanes | 1) * lanes; /* in different sets of L1 */
    job.picked = lanes * (plan->pick.shape.w + 1);         /* with the zeros behind a plane */
    job.u_bytes = FN(bytes)(FNN_FLAT_POSITIONS * s->k * plan->terms);
    job.tap_bytes = fnn_lines((size_t)plan->terms * sizeof(fnn_conv2d_tap));
    job.v_bytes = FN(bytes)(FNN_FLAT_POSITIONS * job.v_position);
    job.m_bytes = FN(bytes)(FNN_FLAT_POSITIONS * plan->outs * plan->run * lanes);
    job.result_bytes = FN(bytes)((FNN_FLAT_M * plan->outs * plan->run + lanes) * lanes);
    const ptrdiff_t lines = lanes * s->q + lanes; /* the results of a channel take the same place */
    job.picked_bytes = FN(bytes)(fnn_max(FNN_FLAT_CHANNELS * job.picked, lines));
    job.worker_bytes = job.v_bytes + job.m_bytes + job.result_bytes + job.picked_bytes +
                       FN(bytes)(FNN_FLAT_CHANNELS * plan->pitch * lanes);
    return job;
}

/* U of four taps at all positions, `apart` elements. */
FNN_INLINE void FN(flat_weights)(const real g[FNN_FLAT_M], real *u, ptrdiff_t apart) {
#define PAIR(i, a, b, c)                                                            \
    do {                                                                            \
        const double norm = 1 / (2 * (a) * ((a) * (a) - (b) * (b)) * ((a) * (a) - (c) * (c))); \
        const real even = (real)norm * g[0] + (real)(norm * (a) * (a)) * g[2];      \
        const real odd = (real)(norm * (a)) * g[1] + (real)(norm * (a) * (a) * (a)) * g[3]; \
        u[2 * (i) * apart] = even + odd;                                            \
        u[(2 * (i) + 1) * apart] = odd - even;                                      \
    } while (0)
    PAIR(0, FNN_FLAT_A, FNN_FLAT_B, FNN_FLAT_C);
    PAIR(1, FNN_FLAT_B, FNN_FLAT_A, FNN_FLAT_C);
    PAIR(2, FNN_FLAT_C, FNN_FLAT_A, FNN_FLAT_B);
#undef PAIR
    u[6 * apart] = g[3];
}

static FNN_NOINLINE void FN(flat_all_weights)(const FN(flat_job) *job) {
    const fnn_flat_plan *plan = job->plan;
    const ptrdiff_t taps = job->shape->s, high = job->shape->r;
    const ptrdiff_t packed = plan->tile.packed, apart = plan->out * plan->terms;
    for (ptrdiff_t k = 0; k < job->shape->groups * plan->out; k++) {
        const ptrdiff_t group = k / plan->out, o = k % plan->out;
        const real *weights = job->w + group * plan->out * plan->in * high * taps + job->w_from;
        real *u = job->u + group * FNN_FLAT_POSITIONS * apart + o % packed;
        u += (o - o % packed) * plan->terms;
        for (ptrdiff_t i = 0; i < plan->in * high; i++) {
            const real *w = weights + o * job->w_out + i / high * job->w_in;
            w += i % high * taps * job->w_tap;
            for (ptrdiff_t phase = 0; phase < fnn_min(plan->stride, taps); phase++)
                for (ptrdiff_t s = phase; s < taps; s += FNN_FLAT_M * plan->stride, u += packed) {
                    real g[FNN_FLAT_M];
                    for (ptrdiff_t t = 0; t < FNN_FLAT_M; t++)
                        g[t] = s + t * plan->stride < taps
                                   ? w[(s + t * plan->stride) * job->w_tap] : 0;
                    FN(flat_weights)(g, u, apart);
                }
        }
    }
}

/* Where the tiles of each channel, row of taps and chunk start in V: one long list, as rows have but two or
 * three chunks, which would end the kernel's inner loop each time. */
static void FN(flat_terms)(const FN(flat_job) *job) {
    const fnn_flat_plan *plan = job->plan;
    const ptrdiff_t high = job->shape->r;
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < plan->in * high; i++) {
        ptrdiff_t x = i / high * job->v_channel + i % high;
        for (ptrdiff_t phase = 0; phase < fnn_min(plan->stride, job->shape->s); phase++) {
            const ptrdiff_t chunks = fnn_flat_chunks(plan, phase);
            for (ptrdiff_t j = 0; j < chunks; j++, count++)
                job->tap[count] = (fnn_conv2d_tap){x + j * plan->high, count};
            x += (plan->tiles + chunks - 1) * plan->high;
        }
    }
}

/* Rows of the source that are fetched while a block's products run: those of the next, row by row of
 * each channel. */
typedef struct FN(flat_ahead) {
    const real *from[FNN_FLAT_STACK * FNN_FLAT_LANES], *row; /* first row of each image's part, of the next channel */
    ptrdiff_t count[FNN_FLAT_STACK * FNN_FLAT_LANES], parts;
    ptrdiff_t step, width, plane; /* elements: from row to row, of one, of a channel */
    ptrdiff_t part, left, channels;
} FN(flat_ahead);

static void FN(flat_look)(const FN(flat_job) *job, ptrdiff_t task, FN(flat_ahead) *to) {
    const fnn_flat_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    const ptrdiff_t stack = job->kernels->lanes * plan->stack, group = task % s->groups;
    const ptrdiff_t row = task / s->groups * stack, rows = fnn_min(plan->rows - row, stack);
    to->step = s->stride_h * s->w, to->width = s->w;
    to->plane = s->h * s->w, to->channels = plan->in;
    for (ptrdiff_t i = 0, some; i < rows; i += some) {
        const ptrdiff_t image = (row + i) / s->p, first = (row + i) % s->p;
        some = fnn_min(rows - i, s->p - first);
        to->from[to->parts] = job->x + (image * s->groups + group) * plan->in * to->plane +
                              first * to->step;
        to->count[to->parts++] = some;
    }
    to->row = to->from[0], to->left = to->count[0];
}

static void FN(flat_fetch)(FN(flat_ahead) *a, ptrdiff_t rows) {
    for (; rows > 0 && a->channels > 0; rows--) {
        const char *line = (const char *)((uintptr_t)a->row & -(uintptr_t)FNN_LINE);
        const char *const end = (const char *)(a->row + a->width);
        for (; line < end; line += FNN_LINE) __builtin_prefetch(line, 0, 2);
        a->row += a->step;
        if (--a->left > 0) continue;
        a->from[a->part] += a->plane;
        if (++a->part == a->parts) a->part = 0, a->channels--;
        a->row = a->from[a->part], a->left = a->count[a->part];
    }
}

/* Channels c .. c + count of LANES rows from `row` on, of which `rows` exist, to picked and on to turned:
 * of the source those that their first taps read, or `further` ones. */
static void FN(flat_turn)(const FN(flat_job) *job, ptrdiff_t group, ptrdiff_t row, ptrdiff_t rows,
                          ptrdiff_t further, ptrdiff_t c, ptrdiff_t count, real *picked,
                          real *turned) {
    const fnn_flat_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    const fnn_conv2d_pick *pick = &plan->pick;
    const ptrdiff_t lanes = job->kernels->lanes, plane = s->h * s->w, w = pick->shape.w;
    for (ptrdiff_t i = 0, some; i < rows; i += some) {
        const ptrdiff_t image = (row + i) / plan->image_rows;
        const ptrdiff_t first = (row + i) % plan->image_rows;
        some = fnn_min(rows - i, plan->image_rows - first);
        const FN(conv2d_crop) crop = {
            .planes = count, .h = s->h, .w = s->w, .src_plane = plane,
            .row = first * s->stride_h + further - s->pad_top, .row_step = s->stride_h, .col = pick->col,
            .col_step = pick->col_step, .rows = some, .cols = w, .dst_plane = job->picked,
            .slack = pick->col_step == 1 ? lanes : 0};
        const ptrdiff_t channel = (image * s->groups + group) * plan->in + c;
        job->kernels->conv2d_pad(&crop, job->x + channel * plane, picked + i * w);
    }
    const FN(conv2d_images) pack = {.images = rows, .src_image = w, .planes = count,
                                    .src_plane = job->picked, .h = 1, .w = w, .rows = 1,
                                    .left = pick->shape.pad_left, .pitch = plan->pitch,
                                    .dst_plane = plan->pitch * lanes};
    job->kernels->conv2d_pad_images(&pack, picked, turned);
}

/* V of a block of rows and a group. */
static void FN(flat_input)(const FN(flat_job) *job, ptrdiff_t group, ptrdiff_t row, ptrdiff_t rows,
                           real *v, real *picked, real *turned) {
    const fnn_flat_plan *plan = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes;
    for (ptrdiff_t c = 0; c < plan->in; c += FNN_FLAT_CHANNELS) {
        const ptrdiff_t count = fnn_min(plan->in - c, FNN_FLAT_CHANNELS);
        for (ptrdiff_t further = 0; further < plan->high; further += lanes) {
            FN(flat_turn)(job, group, row, rows, further, c, count, picked, turned);
            real *to = v + c * job->v_channel + further;
            for (ptrdiff_t phase = 0; phase < fnn_min(plan->stride, job->shape->s); phase++) {
                const ptrdiff_t slots = plan->tiles + fnn_flat_chunks(plan, phase) - 1;
                job->kernels->winograd_flat_input(
                    count, plan->pitch * lanes, slots, turned + phase * lanes,
                    plan->stride * lanes, to, job->v_channel, plan->high, job->v_position);
                to += slots * plan->high;
            }
        }
    }
}

/* `outs` output channels of all positions; u is the first one's. */
static void FN(flat_products)(const FN(flat_job) *job, ptrdiff_t outs, const real *u, const real *v,
                              real *m, FN(flat_ahead) *ahead) {
    const fnn_flat_plan *plan = job->plan;
    const ptrdiff_t lanes = job->kernels->lanes, pixels = plan->tile.pixels;
    const ptrdiff_t terms = plan->terms, size = fnn_min(plan->tile.outs, outs);
    const fnn_conv2d_sum sum = {.channels = 1, .taps = terms, .tap = job->tap, .w_out = terms};
    const FN(conv2d_place) place = {.x_row = plan->high, .y_channel = plan->run * lanes,
                                    .y_row = lanes, .last = lanes};
    for (ptrdiff_t p = 0; p < FNN_FLAT_POSITIONS; p++) {
        for (ptrdiff_t t = 0; t < plan->run; t += pixels) {
            const ptrdiff_t at = fnn_min(t, plan->run - pixels);
            for (ptrdiff_t block = 0; block < outs; block += size) {
                const ptrdiff_t o = fnn_min(block, outs - size);
                FN(flat_fetch)(ahead, job->fetched);
                job->multiply(&sum, &place, plan->tile.number, v + at * plan->high, u + o * terms,
                              NULL, m + o * place.y_channel + at * lanes);
            }
        }
        v += job->v_position, u += plan->out * terms;
        m += plan->outs * place.y_channel;
    }
}

/* Output channels o .. o + outs of a block of rows to their places, by way of `lines`: rows of one
 * channel, dense as in y. */
static void FN(flat_results)(const FN(flat_job) *job, ptrdiff_t group, ptrdiff_t row, ptrdiff_t rows,
                             ptrdiff_t o, ptrdiff_t outs, const real *result, real *lines) {
    const fnn_flat_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    const ptrdiff_t lanes = job->kernels->lanes, plane = s->p * s->q;
    if (s->r > 1) rows = fnn_min(rows, s->p - row % plan->image_rows);
    /* a row shorter than a vector is stored as one: the next row overwrites what is beside it */
    const ptrdiff_t width = fnn_max(s->q, lanes);
    for (ptrdiff_t k = 0; k < outs; k++) {
        job->kernels->conv2d_transpose(width, lanes, result + k * FNN_FLAT_M * plan->run * lanes,
                                       lanes, lines, s->q, width);
        for (ptrdiff_t i = 0, some; i < rows; i += some) {
            const ptrdiff_t image = (row + i) / plan->image_rows;
            const ptrdiff_t first = (row + i) % plan->image_rows;
            some = fnn_min(rows - i, s->p - first);
            real *dst = job->y + ((image * s->groups + group) * plan->out + o + k) * plane +
                        first * s->q;
            memcpy(dst, lines + i * s->q, (size_t)(some * s->q) * sizeof(real));
            FN(finish)(job->kernels, &job->finishing, (FN(region)){1, plane, some, s->q, s->q},
                       dst - job->y);
        }
    }
}

static void FN(flat_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(flat_job) *job = argument;
    const fnn_flat_plan *plan = job->plan;
    const ptrdiff_t group = task % job->shape->groups, lanes = job->kernels->lanes;
    const ptrdiff_t top = task / job->shape->groups * lanes * plan->stack;
    const ptrdiff_t outs = plan->outs, terms = plan->terms;
    char *scratch = job->workers + (size_t)worker * job->worker_bytes;
    real *v = (real *)scratch, *m = (real *)(scratch += job->v_bytes);
    real *result = (real *)(scratch += job->m_bytes);
    real *picked = (real *)(scratch += job->result_bytes);
    real *turned = (real *)(scratch + job->picked_bytes);
    const ptrdiff_t end = fnn_min(top + plan->stack * lanes, plan->rows);
    for (ptrdiff_t row = top, slot = 0; row < end; row += lanes, slot += plan->slots)
        FN(flat_input)(job, group, row, fnn_min(end - row, lanes), v + slot * plan->high, picked,
                       turned);
    const real *u = job->u + group * FNN_FLAT_POSITIONS * plan->out * terms;
    FN(flat_ahead) ahead = {.channels = 0};
    if (job->fetched && task + 1 < plan->blocks * job->shape->groups)
        FN(flat_look)(job, task + 1, &ahead);
    for (ptrdiff_t block = 0; block < plan->out; block += outs) {
        const ptrdiff_t o = fnn_min(block, plan->out - outs); /* the last repeats what is there */
        FN(flat_products)(job, outs, u + o * terms, v, m, &ahead);
        job->kernels->winograd_flat_output(
            outs, plan->run, m, outs * plan->run * lanes,
            job->bias ? job->bias + group * plan->out + o : NULL, result);
        for (ptrdiff_t row = top, slot = 0; row < end; row += lanes, slot += plan->slots)
            FN(flat_results)(job, group, row, fnn_min(end - row, lanes), o, outs,
                             result + slot * FNN_FLAT_M * lanes, picked);
    }
}
size_t FN(fnn_conv2d_flat_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                     fnn_conv2d_pass pass) {
    const fnn_conv2d_shape seen = fnn_conv2d_as_forward(shape, pass);
    const fnn_flat_plan plan = FN(lay_flat)(ctx, &seen);
    const FN(flat_job) job = FN(prepare_flat)(ctx, &seen, &plan);
    const size_t workers = (size_t)fnn_max(fnn_min(ctx->threads, FNN_MAX_THREADS), 1);
    return job.u_bytes + job.tap_bytes + workers * job.worker_bytes;
}

/* The job has its strides of weights, its arrays and its finishing. */
static FNN_NOINLINE void FN(flat_run)(const fnn_ctx *ctx, FN(flat_job) *job,
                                      char *workspace) {
    const fnn_flat_plan *plan = job->plan;
    const fnn_conv2d_shape *s = job->shape;
    job->u = (real *)workspace;
    job->tap = (fnn_conv2d_tap *)(workspace + job->u_bytes);
    job->workers = workspace + job->u_bytes + job->tap_bytes;
    FN(flat_terms)(job);
    const ptrdiff_t calls = FNN_FLAT_POSITIONS * fnn_ceil_div(plan->run, plan->tile.pixels) *
                            fnn_ceil_div(plan->out, plan->tile.outs);
    if (s->r == 1 && s->n * s->c * s->h * s->w * (ptrdiff_t)sizeof(real) > FAR_BYTES)
        job->fetched = fnn_ceil_div(plan->in * plan->stack * job->kernels->lanes, calls);
    FN(flat_all_weights)(job);
    const ptrdiff_t work = plan->rows * s->q * s->k * plan->in * s->r * s->s;
    fnn_parallel(work > GRAIN ? ctx->threads : 1, plan->blocks * s->groups, FN(flat_task), job);
}

void FN(fnn_conv2d_flat_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape, const real *x,
                                 const real *w, const real *bias, real *y, void *workspace) {
    const fnn_flat_plan plan = FN(lay_flat)(ctx, shape);
    FN(flat_job) job = FN(prepare_flat)(ctx, shape, &plan);
    job.x = x, job.w = w, job.bias = bias, job.y = y;
    job.finishing = FN(finishing_of)(shape, y);
    job.w_in = shape->r * shape->s, job.w_out = plan.in * job.w_in, job.w_tap = 1;
    FN(flat_run)(ctx, &job, workspace);
}

void FN(fnn_conv2d_flat_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       const real *dy, const real *w, real *dx, void *workspace) {
    const fnn_conv2d_shape seen = fnn_conv2d_as_forward(shape, FNN_BACKWARD_DATA);
    const fnn_flat_plan plan = FN(lay_flat)(ctx, &seen);
    FN(flat_job) job = FN(prepare_flat)(ctx, &seen, &plan);
    job.x = dy, job.w = w, job.y = dx;
    job.finishing = FN(finishing_of)(shape, dx);
    job.w_out = shape->r * shape->s, job.w_in = plan.out * job.w_out;
    job.w_from = job.w_out - 1, job.w_tap = -1;
    FN(flat_run)(ctx, &job, workspace);
}

void FN(fnn_conv2d_flat_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                  fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const fnn_conv2d_shape seen = fnn_conv2d_as_forward(shape, pass);
    const fnn_flat_plan plan = FN(lay_flat)(ctx, &seen);
    const FN(flat_job) job = FN(prepare_flat)(ctx, &seen, &plan);
    to->kernel = plan.tile.packed > 1 ? "conv2d_rows" : "conv2d_pixels";
    fnn_conv2d_note(to, "tile channels", plan.tile.outs);
    fnn_conv2d_note(to, "tile pixels", plan.tile.pixels);
    fnn_conv2d_note(to, "tiles of a row", plan.tiles);
    fnn_conv2d_note(to, "blocks of rows", plan.blocks);
    fnn_conv2d_note(to, "blocks side by side", plan.stack);
    to->share = (double)(seen.n * seen.p * seen.q) /
                (double)(plan.blocks * job.kernels->lanes * plan.run * FNN_FLAT_M);
    to->basis = "at most: lanes and tiles that the rows fill; turning and transforms left out";
}
