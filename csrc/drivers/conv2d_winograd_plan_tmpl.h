/* The plan of conv2d_winograd_tmpl.c, and how tiles are cut into blocks, from the shape alone. */

typedef struct FN(winograd) {
    tiling t;
    ptrdiff_t groups, in, out;  /* channels per group */
    ptrdiff_t w_out, w_in;      /* between the weights of output and of input channels */
    int turned;                 /* the taps */
    ptrdiff_t nr, slabs;
    ptrdiff_t v_tile, v_chunk, v_position, m_position, u_position; /* strides */
    ptrdiff_t chunk;            /* channels that lie together */
    ptrdiff_t chain;            /* the most that a product adds up in a row */
    int piecewise;              /* U */
    int few;                    /* tiles */
    int four, sixteen;          /* tiles: U in registers; all of a chunk's U at once */
    int together;               /* all threads work on one block */
    int threads;
    size_t u_bytes, v_bytes, m_bytes, scratch_bytes, tap_bytes, piece_bytes, worker_bytes;
} FN(winograd);

FNN_INLINE size_t FN(winograd_bytes)(ptrdiff_t count) {
    return fnn_lines((size_t)count * sizeof(real));
}

/* A pass whose tiles have `elements` elements a position, in blocks of at least `least`, or of
 * `deep` where U is made for each. */
static tiling FN(winograd_tiling)(const fnn_conv2d_shape *s, int m, int backward,
                                  ptrdiff_t elements, ptrdiff_t least, ptrdiff_t deep) {
    tiling t = {.m = m, .images = s->n};
    if (backward) {
        t.h = s->p, t.w = s->q, t.out_h = s->h, t.out_w = s->w;
        t.top = 2 - s->pad_top, t.left = 2 - s->pad_left;
    } else {
        t.h = s->h, t.w = s->w, t.out_h = s->p, t.out_w = s->q;
        t.top = s->pad_top, t.left = s->pad_left;
    }
    const ptrdiff_t most = FAR_BYTES / (ptrdiff_t)sizeof(real) / fnn_max(s->n, 1);
    t.far_in = (backward ? s->k : s->c) * t.h * t.w > most;
    t.far_out = (backward ? s->c : s->k) * t.out_h * t.out_w > most;
    const ptrdiff_t bytes = (t.m + 2) * (t.m + 2) * (ptrdiff_t)sizeof(real);
    cut(&t, bytes * elements, least, deep,
        bytes * (s->c / s->groups) * (s->k / s->groups) > WEIGHT_BYTES);
    return t;
}

/* Tiles of all images. */
static ptrdiff_t FN(winograd_tiles)(const fnn_conv2d_shape *s, int m, int backward) {
    return s->n * fnn_ceil_div(backward ? s->h : s->p, m) * fnn_ceil_div(backward ? s->w : s->q, m);
}

static FN(winograd) FN(winograd_plan)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                                      int backward) {
    const FN(fnn_table) *kernels = FN(table)(ctx);
    const ptrdiff_t lanes = kernels->lanes, c = s->c / s->groups, k = s->k / s->groups;
    FN(winograd) plan = {.groups = s->groups, .nr = kernels->gemm_nr, .turned = backward,
                         .in = backward ? k : c, .out = backward ? c : k,
                         .w_out = backward ? 9 : c * 9, .w_in = backward ? c * 9 : 9};
    const int strict = ctx->precision == FNN_STRICT, wide = kernels->conv2d_registers == 32;
    plan.sixteen = strict && FN(winograd_tiles)(s, 2, backward) == 16 && kernels->winograd_sixteen &&
                   plan.in % FEW_CHUNK == 0 && plan.out % lanes == 0;
    if (plan.sixteen) plan.nr = lanes;
    const ptrdiff_t side = backward ? fnn_min(s->p, s->q) : fnn_min(s->h, s->w);
    const int sure = FNN_REAL_IS_F32 && plan.in >= SURE_CHANNELS && side >= SURE_SIDE &&
                     !plan.sixteen &&
                     products_of(s, 3, backward) < products_of(s, 2, backward);
    const int m = !strict ? 4 : sure ? 3 : 2;
    const ptrdiff_t tiles = FN(winograd_tiles)(s, m, backward);
    plan.few = tiles <= (wide ? FEW_TILES : FEW_TILES / 4);
    plan.four = tiles == 4 && m == 4 && wide;
    plan.chunk = fnn_max(fnn_min(plan.in, plan.few ? FEW_CHUNK : CHUNK), 1);
    plan.chain = m == 3 && plan.in < LONG_SUM ? SURE_CHAIN : CHUNK;
    plan.v_tile = fnn_round_up(plan.chunk, lanes);
    const ptrdiff_t chunks = fnn_max(fnn_ceil_div(plan.in, plan.chunk), 1);
    plan.t = FN(winograd_tiling)(s, m, backward, chunks * plan.v_tile, LEAST_TILES,
                                 ctx->halves ? DEEP_PRODUCTS / ((m + 2) * (m + 2)) : DEEP_TILES);
    shorten(&plan.t);
    const tiling *t = &plan.t;
    const ptrdiff_t positions = t->side * t->side;
    const ptrdiff_t weights = positions * plan.in * plan.out * (ptrdiff_t)sizeof(real);
    plan.piecewise = t->blocks == 1 || weights > WEIGHT_BYTES;
    plan.slabs = fnn_ceil_div(plan.out, plan.nr);
    plan.v_chunk = t->tiles * plan.v_tile;
    plan.v_position = spread(chunks * plan.v_chunk, sizeof(real));
    plan.m_position = spread(t->tiles * plan.nr, sizeof(real));
    plan.u_position = spread((plan.piecewise ? plan.chunk : plan.in) * plan.nr, sizeof(real));
    const ptrdiff_t work = t->images * t->rows * t->cols * positions * plan.in * s->k;
    plan.threads = work < GRAIN ? 1 : ctx->threads;
    plan.together = plan.threads > 1 && plan.groups * t->blocks < 2 * plan.threads;
    if (!plan.piecewise)
        plan.u_bytes = FN(winograd_bytes)(plan.groups * plan.slabs * positions * plan.u_position);
    plan.v_bytes = FN(winograd_bytes)(positions * plan.v_position);
    plan.m_bytes = FN(winograd_bytes)(positions * plan.m_position);
    plan.scratch_bytes = FN(winograd_bytes)(fnn_winograd_scratch(t->m, t->width) * lanes);
    plan.tap_bytes = FN(winograd_bytes)((plan.piecewise ? plan.chunk : plan.in) * 9 * plan.nr);
    if (plan.piecewise)
        plan.piece_bytes =
            FN(winograd_bytes)((plan.sixteen ? positions : t->side) * plan.u_position);
    plan.worker_bytes = (plan.together ? 0 : plan.v_bytes) + plan.m_bytes + plan.scratch_bytes +
                        plan.tap_bytes + plan.piece_bytes;
    return plan;
}

static size_t FN(winograd_workspace)(const FN(winograd) *plan) {
    return plan->u_bytes + (plan->together ? plan->v_bytes : 0) +
           (size_t)plan->threads * plan->worker_bytes;
}
