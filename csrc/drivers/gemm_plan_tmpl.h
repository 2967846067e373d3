/* The plan of drivers/gemm.c, for one element type. Divisions are kept off the path of small
 * products, which cost a few tens of nanoseconds in all. */

/* Does a stride make rows fall on each other in the cache? */
FNN_INLINE int FN(aliases)(ptrdiff_t stride) {
    return stride * (ptrdiff_t)sizeof(real) % FNN_PAGE == 0 && stride != 0;
}

/* Would lines of so many rows take more than so many ways of a set of L1? */
FNN_INLINE int FN(crowds)(ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t ways) {
    const ptrdiff_t bytes = stride * (ptrdiff_t)sizeof(real);
    return rows * fnn_min(bytes & -bytes, FNN_PAGE) > ways * FNN_PAGE;
}

/* Of turning squares of B in registers, once for each tile, in units of one lane's multiply-add; 0
 * where that cannot be or where lines of rows or columns would fall on each other. */
static double FN(squares_cost)(const fnn_ctx *ctx, const fnn_gemm_shape *s) {
    const FN(fnn_table) *t = FN(table)(ctx);
    const ptrdiff_t rows = t->gemm_squares_rows;
    if (rows == 0 || s->m < 8 || s->n < t->lanes || s->a_cs != 1 ||
        FN(crowds)(s->a_rs, rows, FEW_WAYS) || FN(crowds)(s->b_cs, t->lanes, FEW_WAYS))
        return 0;
    const costs *each = costs_of(ctx);
    const ptrdiff_t tiles = fnn_ceil_div(s->m, rows);
    const ptrdiff_t whole = fnn_round_up(fnn_ceil_div(s->m, tiles), 4) * tiles;
    return (double)fnn_round_up(s->n, t->lanes) *
           (((double)whole + each->square * (double)tiles) * (double)s->k +
            each->result * (double)s->m);
}

/* The cheapest way for a B with contiguous columns (W of x W^T), in units of one lane's
 * multiply-add. Where rows of W are whole pages apart, the lines of a tall tile share a set of L1,
 * which loses them before the next k: each is loaded from L2 again. (Measured on Zen 4's eight ways;
 * the choices on Intel's twelve are older measurements.) */
static way FN(cheapest)(const fnn_ctx *ctx, const fnn_gemm_shape *s) {
    const FN(fnn_table) *t = FN(table)(ctx);
    const double m = (double)s->m, n = (double)s->n, k = (double)s->k;
    const double m_whole = (double)fnn_round_up(s->m, t->lanes);
    const double n_whole = (double)fnn_round_up(s->n, t->lanes);
    const double k_whole = (double)fnn_round_up(s->k, t->lanes);
    const costs *each = costs_of(ctx);
    const double packed = n * k * each->packed + m * k * n_whole;
    /* many rows and columns read each other from L2, unless pieces of them meet in L1 */
    const ptrdiff_t fewer = fnn_min(s->m, s->n);
    const int pieces = t->gemm_dot_piece && s->k >= LONG && fewer >= 4 &&
                       !FN(crowds)(s->b_cs, 2 * fewer, ALL_WAYS);
    const int far = fewer > 16 && !pieces;
    const double lane = t->gemm_dot_rows < 4 && !pieces ? 2 : far ? each->far_lane : each->lane;
    const double dot = m * n * (k_whole * lane + each->dot);
    const double squares = FN(squares_cost)(ctx, s);
    const int lost = ctx->halves && FN(crowds)(s->b_cs, t->gemm_mr, ALL_WAYS);
    const double again = lost ? 0.7 * (double)(t->lanes * fnn_ceil_div(s->m, t->gemm_nr)) : 0;
    const double turned = m * k * each->packed + n * k * (m_whole + again) + m * n * each->result;
    const ptrdiff_t room = fnn_round_up(s->m, t->gemm_nr) * s->k * (ptrdiff_t)sizeof(real);
    const int fits = room <= 2 * t->gemm_b_block;
    const double waits = s->b_far ? (m + n) * k * 4 : 0; /* squares fetch ahead */
    if (squares > 0 && squares < packed + waits && squares < each->crossed * dot + waits &&
        squares < turned + waits)
        return SQUARES;
    if (s->a_cs == 1 && fits && turned < packed && turned < dot) return TURNED;
    return dot < packed ? DOT : PACKED;
}

/* Is B read in place, from beyond L2, a run of all rows at a time? A deep panel does not stay in
 * L1, which tall tiles hide. Lines of rows must not fall into few sets of L1, of a deep panel those
 * that are in use. */
FNN_INLINE int FN(streams)(const fnn_gemm_shape *s, const FN(fnn_table) *t) {
    const ptrdiff_t size = sizeof(real);
    const int deep = s->k * t->gemm_nr * size > PANEL;
    if (s->b_packed || s->b_cs != 1 || s->m <= 1 ||
        FN(crowds)(s->b_rs, deep ? fnn_min(s->k, CROWD) : s->k, FEW_WAYS))
        return 0;
    if (deep) return s->b_far && t->gemm_mr > 8 && s->k <= t->gemm_kc;
    return s->b_far || (double)s->batch * (double)s->n * (double)s->k * (double)size >
                           2.0 * (double)t->gemm_b_block;
}

/* Is B a long strip of few columns? Tiles leave lanes idle, and each of their sums is one chain of
 * additions, which many rows hide; thin columns serve more. A transposed A is loaded once for each
 * vector of B and row. */
static FNN_NOINLINE int FN(is_few)(const fnn_gemm_shape *s, const FN(fnn_table) *t) {
    const ptrdiff_t m = s->m, n = s->n, lanes = t->lanes, line = FNN_LINE / sizeof(real);
    if (n < 1 || n > line || (s->b_cs != 1 && n > 1) || s->a_cs < 1 || t->gemm_few_rows == 0)
        return 0;
    const ptrdiff_t period = FN(gemm_few_period)(n);
    if (s->k < period * (m < 2 ? FEW_DEPTH : 3 * FEW_DEPTH) || period > FN(GEMM_FEW_LONGEST) ||
        (m > 1 && 2 * n > line) || (m > 16 && 2 * n > lanes) ||
        (m >= 2 * lanes && (n > 2 || m >= FEW_ROWS) && t->gemm_masked))
        return 0;
    return s->a_cs == 1 || ((2 * n < lanes || m <= 2) && m * n * lanes <= FEW_TURNED &&
                            FN(gemm_few_crossed)(n, lanes) * s->a_cs < lanes);
}

FNN_INLINE way FN(way_of)(const fnn_ctx *ctx, const fnn_gemm_shape *s) {
    const FN(fnn_table) *t = FN(table)(ctx);
    if (s->b_packed) return IN_PLACE;
    if (s->b_rs == s->n && s->k >= FEW_LEAST && FN(is_few)(s, t)) return FEW;
    if (s->b_cs != 1 && s->n > 1) return s->b_rs == 1 ? FN(cheapest)(ctx, s) : PACKED;
    if (s->m <= t->gemm_mr) return IN_PLACE; /* used once */
    if (FN(aliases)(s->b_rs) && s->k > 16 && s->m > 3 * t->gemm_mr) return PACKED;
    if (s->b_far > 1 && s->k >= 256 && s->m >= 64 && (s->b_far > 2 || !FN(streams)(s, t)))
        return PACKED; /* in rows, one after another */
    return s->m > 192 && s->n * s->k * (ptrdiff_t)sizeof(real) > t->gemm_b_block
               ? PACKED
               : IN_PLACE;
}

/* Columns behind the last whole vector; vectors have powers of two of lanes. */
FNN_INLINE ptrdiff_t FN(part)(ptrdiff_t n, const FN(fnn_table) *t) { return n & (t->lanes - 1); }

/* Columns behind the last whole vector that are too few for a vector of their own: 49 columns would
 * take as long as 64. All columns, if they are fewer than a vector: an element of A is then loaded
 * for one multiply-add, and dot products load one vector for two. */
FNN_INLINE ptrdiff_t FN(thin)(const fnn_gemm_shape *s, const FN(fnn_table) *t, ptrdiff_t depth) {
    const ptrdiff_t thin = FN(part)(s->n, t);
    if (!t->gemm_masked || s->m < 2 * t->lanes || depth < 4 * t->lanes) return 0;
    if (s->n < t->lanes) return s->a_cs == 1 && 4 * thin <= 3 * t->lanes ? thin : 0;
    return 4 * thin <= t->lanes && s->n < THIN_MOST * t->lanes && (s->a_cs == 1 || s->a_rs == 1)
               ? thin
               : 0;
}

/* Is it a dot product of two vectors as they lie, no longer than sums go in one piece? */
FNN_INLINE int FN(is_one_dot)(const fnn_gemm_shape *s, const FN(fnn_table) *t) {
    return s->n == 1 && s->m == 1 && s->a_cs == 1 && s->b_rs == 1 && t->gemm_few_rows > 0 &&
           s->k * (ptrdiff_t)sizeof(real) <= t->gemm_b_block;
}

/* The kernels of which one call on the operands as they lie is the whole product, of each matrix of
 * the batch; or NULL. Then there is nothing to plan, which would take as long as the product of 8 x 8
 * matrices. Where operations are done in halves, those for vectors half as long spare a half that has
 * no columns. */
FNN_INLINE const FN(fnn_table) *FN(one_call)(const fnn_ctx *ctx, const fnn_gemm_shape *s) {
    const FN(fnn_table) *t = FN(table)(ctx);
    if (s->b_packed || (s->batch > 1 && (s->b_bs == 0 || s->gate))) return NULL;
    if (FN(is_one_dot)(s, t)) return t;
    if (ctx->halves && (2 * s->n == t->lanes || (2 * s->n == 3 * t->lanes && s->m > t->gemm_mr)))
        t = FN(table_of)(ctx->halves);
    const int whole = s->b_cs == 1 && s->n > 1 && s->n <= 2 * t->gemm_nr && s->k <= t->gemm_kc &&
                      s->m <= 192 && s->m * s->n * s->k < 2 * GRAIN &&
                      (t->gemm_masked || FN(part)(s->n, t) == 0) && FN(thin)(s, t, s->k) == 0;
    return whole && FN(way_of)(ctx, s) == IN_PLACE ? t : NULL;
}

/* The same product with the operands' places exchanged: rows of the result are columns. It sums no
 * rows. */
FNN_INLINE void FN(exchange)(fnn_gemm_shape *s) {
    const fnn_gemm_shape o = *s;
    s->m = o.n, s->n = o.m;
    s->a_rs = o.b_cs, s->a_cs = o.b_rs, s->a_bs = o.b_bs;
    s->b_rs = o.a_cs, s->b_cs = o.a_rs, s->b_bs = o.a_bs;
    if (o.bias) s->bias = o.bias == FNN_BIAS_PER_ROW ? FNN_BIAS_PER_COLUMN : FNN_BIAS_PER_ROW;
    s->sums = NULL;
}

/* Brings a shape into the form the rest works on and says how; *exchanged if a and b change
 * places. `room` holds the form if it is not the caller's own. */
FNN_INLINE const fnn_gemm_shape *FN(normal)(const fnn_ctx *ctx, const fnn_gemm_shape *s,
                                            fnn_gemm_shape *room, way *how, int *exchanged) {
    *exchanged = 0;
    if (FNN_UNLIKELY(s->n == 1 && s->m > 1 && s->c_rs == 1 && !s->b_packed)) {
        /* one column, and its elements are neighbours: one row */
        *room = *s;
        FN(exchange)(room);
        s = room;
        *exchanged = 1;
    } else if (FNN_UNLIKELY(s->batch > 1 && s->b_bs == 0 && s->bias != FNN_BIAS_PER_ROW &&
                            s->a_bs == s->m * s->a_rs && s->c_bs == s->m * s->c_rs)) {
        /* a batch that shares B is one tall matrix */
        *room = *s;
        room->m *= s->batch;
        room->batch = 1;
        s = room;
    }
    *how = FN(way_of)(ctx, s);
    if (*how == TURNED) {
        *room = *s;
        FN(exchange)(room);
        s = room;
        *exchanged = !*exchanged;
    }
    return s;
}

/* A is broadcast from where it lies, unless it is scattered or its lines fall into a few sets of
 * the cache: rows whole pages apart; for a transposed A, whose line serves only one k, quarters of
 * a page if the tile is low. */
FNN_INLINE int FN(packs_a)(const fnn_ctx *ctx, const fnn_gemm_shape *s, way way) {
    const FN(fnn_table) *t = FN(table)(ctx);
    const ptrdiff_t size = sizeof(real);
    if (way == DOT || way == SQUARES) return s->a_cs != 1;
    if (way == TURNED || way == FEW || s->n <= 2 * t->gemm_nr) return 0;
    if (s->a_cs == 1)
        return FN(aliases)(s->a_rs) && s->m > 4 && s->n > costs_of(ctx)->in_place * t->gemm_nr;
    const ptrdiff_t apart = t->gemm_mr < 8 ? FNN_PAGE / 4 : FNN_PAGE;
    if (s->a_rs == 1 && s->a_cs * size % apart != 0) return 0;
    return s->m * s->k * size > 32 << 10;
}

/* `whole` in even parts of at most `most`, multiples of `unit` (which divides `most`). */
FNN_INLINE ptrdiff_t FN(even)(ptrdiff_t whole, ptrdiff_t most, ptrdiff_t unit) {
    return whole <= most ? whole
                         : fnn_round_up(fnn_ceil_div(whole, fnn_ceil_div(whole, most)), unit);
}

/* Does a wide product move less between cores if each makes whole rows? What comes before and after
 * goes by rows, too (images of a batch, rows of a matrix of weights), so by columns half of A and of
 * C have to change cores, by rows all of B. */
FNN_INLINE int FN(rows_suit)(const fnn_ctx *ctx, const fnn_gemm_shape *s) {
    return s->m >= 2 * FN(table)(ctx)->gemm_mr * ctx->threads &&
           2 * (double)s->n * (double)s->k <= (double)s->m * (2 * (double)s->k + (double)s->n);
}

/* Cuts the m x nc piece of C above one block of B, a few parts for each thread: along the longer
 * side, so that a core reads all of the smaller operand and its share of the larger one; rows first
 * if they are packed, which then meet every column there is; columns first if B streams, so that it
 * comes once. No sum depends on it. */
static FNN_NOINLINE void FN(cut)(const fnn_ctx *ctx, const fnn_gemm_shape *s, ptrdiff_t depth,
                                 plan *p) {
    const FN(fnn_table) *t = FN(table)(ctx);
    const double work = (double)s->m * (double)p->nc * (double)depth;
    const ptrdiff_t most = fnn_min(MAX_TASKS, THREAD_TASKS * ctx->threads);
    const ptrdiff_t wanted = work < (double)most * GRAIN ? (ptrdiff_t)work / GRAIN : most;
    const ptrdiff_t mr = t->gemm_mr, pair = 2 * t->gemm_nr;
    const ptrdiff_t across = fnn_max(1, fnn_min(wanted, p->nc / pair));
    p->columns_first = p->streams || (p->nc >= s->m && !FN(packs_a)(ctx, s, p->way) &&
                                      !FN(rows_suit)(ctx, s));
    const ptrdiff_t down = p->columns_first ? wanted / across : wanted;
    const ptrdiff_t m_tasks = fnn_max(1, fnn_min(down, s->m / (2 * mr)));
    const ptrdiff_t n_tasks = fnn_max(1, fnn_min(wanted / m_tasks, across));
    p->m_cut = fnn_ceil_div(s->m, m_tasks);
    if (p->way == TURNED) /* columns of C: threads should not write one line */
        p->m_cut = fnn_round_up(p->m_cut, FNN_LINE / (ptrdiff_t)sizeof(real));
    else if (m_tasks > 1 && p->m_cut > 4 * mr)
        p->m_cut = fnn_round_up(p->m_cut, mr);
    p->n_cut = n_tasks == 1 ? p->nc : fnn_round_up(fnn_ceil_div(p->nc, n_tasks), pair);
}

/* Bytes of a block of packed B: half of L2. A block in place falls into fewer sets of it. Where L3 is as
 * quick as tiles read B (Zen 4), twice L2 if a depth of A is beyond L2 as well: A and C then pass less often. */
FNN_INLINE ptrdiff_t FN(packed_block)(const fnn_ctx *ctx, const FN(fnn_table) *t, ptrdiff_t a_bytes) {
    const int far = fnn_straddles && a_bytes >= ctx->l2;
    return fnn_max(t->gemm_b_block, far ? 2 * ctx->l2 : fnn_min(ctx->l2 / 2, MOST_BLOCK));
}

/* Rows of a far B whose lines share a set of L1, used once: a page of a few of them at a time, which
 * prefetchers of the processor follow, while C's rows wait in L1. */
FNN_INLINE void FN(by_pages)(const fnn_gemm_shape *s, const FN(fnn_table) *t, plan *p) {
    if (s->m > t->gemm_mr || !FN(crowds)(s->b_rs, s->k, FEW_WAYS)) return;
    p->kc = fnn_min(s->k, PAGED_DEPTH);
    p->nc = fnn_min(s->n, FNN_PAGE / (ptrdiff_t)sizeof(real));
}

/* Is each row of a B in place, half a page or more, to be read from end to end, for one row of A, or
 * two where lines of tiles would meet in few sets of L1: rows whole pages apart, or short vectors? */
FNN_INLINE int FN(is_wide)(const fnn_gemm_shape *s, const FN(fnn_table) *t) {
    const ptrdiff_t size = sizeof(real);
    const int meet = t->lanes * size < FNN_LINE || FN(aliases)(s->b_rs);
    return s->m <= (meet ? WIDE_ROWS : 1) && s->k >= 16 && s->n * size >= WIDE && s->b_rs * size % WIDE == 0 &&
           s->n % t->gemm_nr == 0 && !s->b_packed && !s->b_far;
}

/* Is B a few columns that L2 holds to their whole depth? To cut it would read and write C once more
 * for each cut, and spare one panel of two the reading of A's rows from L2. */
FNN_INLINE int FN(is_slim)(const fnn_gemm_shape *s, const FN(fnn_table) *t) {
    return s->a_cs == 1 && s->n >= t->lanes && s->n <= 2 * t->gemm_nr &&
           s->n * s->k * (ptrdiff_t)sizeof(real) <= t->gemm_b_block;
}

static FNN_NOINLINE void FN(make_plan)(const fnn_ctx *ctx, const fnn_gemm_shape *s, way how,
                                       plan *p) {
    const FN(fnn_table) *t = FN(table)(ctx);
    const ptrdiff_t nr = t->gemm_nr, size = sizeof(real);
    const double work = (double)s->m * (double)s->n * (double)s->k;
    p->way = how;
    p->wide = how == IN_PLACE && FN(is_wide)(s, t);
    p->streams = how == IN_PLACE && !p->wide && FN(streams)(s, t);
    p->by_matrix = s->batch > 1 && work < 16 * GRAIN;
    p->nc = s->n;
    p->m_cut = s->m;
    p->a_pitch = p->a_whole = 0;
    p->b_each = 0;
    p->a_bytes = p->b_bytes = 0;
    const ptrdiff_t few = fnn_max(fnn_min(s->m, s->n), 1) * size;
    const ptrdiff_t kept = s->k * size > DOT_ROW ? costs_of(ctx)->kept / few : 0;
    const ptrdiff_t depth = how == DOT   ? fnn_max(DOT_DEPTH, kept)
                            : how == FEW ? fnn_max(DOT_DEPTH, t->gemm_b_block / (s->n * size))
                                         : t->gemm_kc;
    const int whole = how == TURNED || p->wide || (how == IN_PLACE && FN(is_slim)(s, t));
    p->kc = whole ? s->k : FN(even)(s->k, depth, how == DOT ? fnn_max(t->gemm_dot_piece / size, 1) : 1);
    const ptrdiff_t block = how == PACKED ? FN(packed_block)(ctx, t, s->m * p->kc * size)
                                             : t->gemm_b_block;
    if ((how == PACKED || (how == IN_PLACE && !p->streams && s->m > t->gemm_mr)) &&
        p->nc * p->kc * size > block)
        p->nc = FN(even)(s->n, fnn_max(nr, block / (p->kc * size) / nr * nr), nr);
    if (how == IN_PLACE && s->b_far && !s->b_packed) FN(by_pages)(s, t, p);
    if (how == PACKED || how == TURNED) {
        p->b_bytes = fnn_lines((size_t)(fnn_max(1, p->kc) * fnn_round_up(p->nc, nr) * size));
    } else if (how == IN_PLACE && !t->gemm_masked && !s->b_packed && FN(part)(s->n, t)) {
        p->b_bytes = fnn_lines((size_t)(fnn_max(1, p->kc) * nr * size)); /* the last panel */
    }
    p->thin = how == IN_PLACE || how == PACKED ? FN(thin)(s, t, p->kc) : 0;
    p->thin_pitch = fnn_round_up(p->kc, t->lanes) + t->lanes; /* no page apart */
    p->thin_bytes =
        p->thin && s->a_cs == 1 ? fnn_lines((size_t)(p->thin * p->thin_pitch * size)) : 0;
    p->b_bytes += p->thin_bytes;
    p->sums_bytes = s->sums && p->kc < s->k
                        ? fnn_lines((size_t)(fnn_ceil_div(s->k, p->kc) * s->m * size))
                        : 0;
    p->n_cut = p->nc;
    if (ctx->threads > 1 && work >= 4 * GRAIN && !p->by_matrix)
        FN(cut)(ctx, s, how == PACKED ? p->kc : s->k, p);
    if (how == TURNED) {
        p->mc = fnn_min(p->m_cut, 4 * t->gemm_mr);
        p->a_pitch = fnn_round_up(s->n, FNN_LINE / size); /* of the turned result */
        p->a_bytes = (size_t)(p->mc * p->a_pitch * size);
        p->b_each = p->m_cut < s->m;
    }
    if (FN(packs_a)(ctx, s, how)) {
        p->a_by_k = s->a_rs == 1 && how != DOT;
        if (s->a_cs == 1 && p->nc < s->n && !p->by_matrix && s->k > 0) {
            /* several blocks of B read it: packed once for them, from beyond L2 */
            p->a_whole = fnn_round_up(p->kc, FNN_LINE / size) + FNN_LINE / size;
            const ptrdiff_t most = fnn_max(1, A_WHOLE / (p->a_whole * size) / t->gemm_mr);
            p->mc = FN(even)(s->m, most * t->gemm_mr, t->gemm_mr);
            p->a_bytes = (size_t)(fnn_min(p->mc, s->m) * p->a_whole * size);
        } else if (p->a_by_k) { /* one tile at a time, as compact as can be */
            p->mc = p->a_pitch = FN(even)(p->m_cut, t->gemm_mr, 1);
            p->a_bytes = fnn_lines((size_t)(p->kc * p->a_pitch * size)) + FNN_LINE;
        } else { /* rows that start on a line, one line further apart than they are long */
            const ptrdiff_t most = fnn_max(1, A_BLOCK / (p->kc * size) / t->gemm_mr);
            p->mc = FN(even)(p->m_cut, most * t->gemm_mr, 1);
            p->a_pitch = fnn_round_up(p->kc, FNN_LINE / size) + FNN_LINE / size;
            p->a_bytes = (size_t)(p->mc * p->a_pitch * size);
        }
    }
}

FNN_INLINE size_t FN(plan_bytes)(const fnn_ctx *ctx, const plan *p) {
    const size_t workers = (size_t)fnn_max(1, ctx->threads);
    return p->sums_bytes + p->b_bytes * (p->by_matrix || p->b_each ? workers : 1) +
           p->a_bytes * (p->a_whole ? 1 : workers);
}
