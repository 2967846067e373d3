/* The driver of drivers/gemm.c, for one element type. */

typedef struct FN(job) {
    const fnn_ctx *ctx;
    const FN(fnn_table) *table;
    const fnn_gemm_shape *shape;
    const real *a, *b, *bias;
    FN(fnn_pack_fn) *pack; /* B is virtual: packs pieces of `source` */
    const void *source;
    real *c;
    const ptrdiff_t *c_at; /* of a virtual B's product: see drivers/gemm.h */
    real *sums; /* of A's rows, [block of depth][m]; or NULL */
    char *workspace;
    plan plan;
} FN(job);

/* One block of B and the piece of C above it. */
typedef struct FN(piece) {
    const FN(job) *job;
    FN(gemm_operands) g; /* all of the piece, A still as it lies */
    const real *b;       /* what to pack */
    real *panels;        /* and where to */
    ptrdiff_t k0, j0;
    ptrdiff_t pack_width; /* columns that one task packs */
    ptrdiff_t thin;       /* last columns of this piece that go by themselves */
    real *thin_b;         /* each of them in one line, if A's rows are */
    char *packed_a;       /* of worker 0, or of all */
    char *has_b;          /* of each worker, if each packs its own */
    real *sums;           /* of A's rows; NULL behind the first columns */
} FN(piece);

static void FN(pack_panels)(const FN(fnn_table) *t, const real *b, ptrdiff_t b_rs, ptrdiff_t b_cs,
                            ptrdiff_t kc, ptrdiff_t nc, real *panels) {
    const ptrdiff_t nr = t->gemm_nr, most = b_cs == 1 ? PACK_ROWS : fnn_max(1, kc);
    for (ptrdiff_t k = 0; k < kc; k += most)
        for (ptrdiff_t j = 0; j < nc; j += nr)
            t->gemm_pack(fnn_min(most, kc - k), fnn_min(nr, nc - j), b + k * b_rs + j * b_cs, b_rs,
                         b_cs, panels + j * kc + k * nr, nr, nr);
}

/* Sums of A's rows, in an order that does not depend on where a task begins. */
static void FN(row_sums)(const FN(fnn_table) *t, const FN(gemm_operands) *g, real *sums) {
    const ptrdiff_t most = SUMMED * t->lanes;
    if (g->a_ks == 1)
        t->sum_rows(g->m, g->k, g->a, g->a_rs, sums);
    else
        for (ptrdiff_t i = 0; i < g->m; i += most)
            t->sum_columns(g->k, fnn_min(most, g->m - i), g->a + i, g->a_ks, 0, sums + i);
}

FNN_INLINE FN(gemm_block_fn) *FN(kernel)(const FN(job) *job) {
    switch (job->plan.way) {
    case DOT: return job->table->gemm_dot;
    case FEW: return job->table->gemm_few;
    case SQUARES: return job->table->gemm_squares;
    default: return job->table->gemm_block;
    }
}

FNN_INLINE int FN(columns_contiguous)(const plan *p) { return p->way == DOT || p->way == SQUARES; }

/* Few columns behind the last vector, with a part of the rows: dot products, or for a transposed A
 * rows of C^T, which are turned. */
static void FN(thin_columns)(const FN(piece) *piece, const FN(gemm_operands) *g) {
    const FN(fnn_table) *t = piece->job->table;
    const ptrdiff_t nr = t->gemm_nr, thin = piece->thin, whole = g->n - thin;
    FN(gemm_operands) part = *g;
    part.c += whole;
    part.n = thin;
    if (part.bias_column) part.bias_column += whole;
    if (g->a_ks == 1) {
        part.b = piece->thin_b;
        part.b_ps = piece->job->plan.thin_pitch;
        t->gemm_dot(&part);
        return;
    }
    real turned[THIN * THIN_PITCH];
    const FN(gemm_operands) sums = {.m = thin, .n = g->m, .k = g->k, .a_rs = 1, .a_ks = g->b_ks,
                                    .a = g->b + whole / nr * g->b_ps + whole % nr,
                                    .b = g->a, .b_ks = g->a_ks, .b_ps = nr,
                                    .c = turned, .c_rs = THIN_PITCH};
    t->gemm_block(&sums);
    part.m = thin;
    part.n = g->m;
    part.bias_row = part.bias_column;
    part.bias_column = g->bias_row;
    t->gemm_turn(&part, turned, THIN_PITCH);
}

/* The gradient of a ReLU whose result is the shape's gate: over a region of C, while it is in L1. */
static void FN(gate)(const FN(fnn_table) *t, const fnn_gemm_shape *s, const real *whole, real *c,
                     ptrdiff_t rows, ptrdiff_t columns) {
    const real *gate = (const real *)s->gate + (c - whole);
    if (columns == s->c_rs) {
        columns *= rows;
        rows = 1;
    }
    for (ptrdiff_t i = 0; i < rows; i++, c += s->c_rs, gate += s->c_rs)
        t->relu_backward(columns, c, gate, c);
}

/* The kernel on operands that are ready; `end`: they have the piece's last columns. */
static void FN(ready)(const FN(piece) *piece, const FN(gemm_operands) *g, int end) {
    if (!piece->thin || !end) {
        FN(kernel)(piece->job)(g);
        return;
    }
    /* a B that streams passes once, with all rows */
    const ptrdiff_t rows = g->streams ? g->m : THIN_ROWS;
    for (ptrdiff_t i = 0; i < g->m; i += THIN_ROWS) {
        FN(gemm_operands) part = *g;
        part.a += i * g->a_rs;
        part.c += i * g->c_rs;
        if (part.bias_row) part.bias_row += i;
        if (i % rows == 0) {
            part.m = fnn_min(rows, g->m - i);
            part.n -= piece->thin;
            FN(kernel)(piece->job)(&part);
            part.n += piece->thin;
        }
        part.m = fnn_min(THIN_ROWS, g->m - i);
        FN(thin_columns)(piece, &part);
    }
}

/* Packs the rows of A, which fit into the room, and runs the kernel on them. */
static void FN(packed_rows)(const FN(piece) *piece, FN(gemm_operands) *g, real *room, int end) {
    const FN(job) *job = piece->job;
    const ptrdiff_t line = FNN_LINE / sizeof(real), pitch = job->plan.a_pitch;
    if (job->plan.a_by_k) {
        job->table->gemm_pack(g->k, g->m, g->a, g->a_ks, 1, room, pitch, fnn_round_up(g->m, line));
        g->a_ks = pitch;
    } else {
        job->table->gemm_pack(g->m, g->k, g->a, g->a_rs, g->a_ks, room, pitch,
                              fnn_round_up(g->k, line));
        g->a_rs = pitch;
        g->a_ks = 1;
    }
    g->a = room;
    FN(ready)(piece, g, end);
}

/* Rows of C^T, summed over all of k in the room, then turned into columns of C. */
static void FN(turned_rows)(const FN(job) *job, FN(gemm_operands) *g, real *room) {
    const ptrdiff_t pitch = job->plan.a_pitch, kc = FN(even)(g->k, job->table->gemm_kc, 1);
    FN(gemm_operands) part = *g;
    part.c = room;
    part.c_rs = pitch;
    part.bias_column = part.bias_row = NULL;
    part.relu = 0;
    ptrdiff_t k = 0;
    do {
        part.k = fnn_min(kc, g->k - k);
        part.a = g->a + k * g->a_ks;
        part.b = g->b + k * g->b_ks;
        part.accumulate = k > 0;
        job->table->gemm_block(&part);
        k += kc;
    } while (k < g->k);
    job->table->gemm_turn(g, room, pitch);
}

static void FN(rows)(const FN(piece) *piece, const FN(gemm_operands) *g, real *room, int end) {
    const FN(job) *job = piece->job;
    for (ptrdiff_t i = 0; i < g->m; i += job->plan.mc) {
        FN(gemm_operands) part = *g;
        part.m = fnn_min(job->plan.mc, g->m - i);
        part.a += i * g->a_rs;
        part.c += job->plan.way == TURNED ? i : i * g->c_rs;
        if (part.bias_row) part.bias_row += i;
        if (job->plan.way == TURNED)
            FN(turned_rows)(job, &part, room);
        else
            FN(packed_rows)(piece, &part, room, end);
    }
}

/* The product as g has it, rows of A packed on the way if the plan says so. */
static void FN(multiply)(const FN(piece) *piece, const FN(gemm_operands) *g, real *room, int end) {
    const FN(job) *job = piece->job;
    const fnn_gemm_shape *s = job->shape;
    const int turned = job->plan.way == TURNED;
    if (job->plan.a_pitch)
        FN(rows)(piece, g, room, end);
    else
        FN(ready)(piece, g, end);
    if (s->gate && piece->k0 + g->k == s->k)
        FN(gate)(job->table, s, job->c, g->c, turned ? g->n : g->m, turned ? g->m : g->n);
}

static void FN(pack_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(piece) *piece = argument;
    const FN(job) *job = piece->job;
    const ptrdiff_t width = piece->pack_width, j = task * width;
    const ptrdiff_t nc = fnn_min(width, piece->g.n - j), kc = piece->g.k;
    real *panels = piece->panels + j * kc;
    (void)worker;
    if (job->pack)
        job->pack(job->source, piece->k0, kc, piece->j0 + j, nc, panels);
    else
        FN(pack_panels)(job->table, piece->b + j * job->shape->b_cs, job->shape->b_rs,
                        job->shape->b_cs, kc, nc, panels);
}

static void FN(cell_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(piece) *piece = argument;
    const plan *p = &piece->job->plan;
    const ptrdiff_t across = fnn_ceil_div(piece->g.n, p->n_cut);
    const ptrdiff_t down = fnn_ceil_div(piece->g.m, p->m_cut);
    const ptrdiff_t i = (p->columns_first ? task % down : task / across) * p->m_cut;
    const ptrdiff_t j = (p->columns_first ? task / down : task % across) * p->n_cut;
    FN(gemm_operands) g = piece->g;
    if (p->b_each) {
        real *own = piece->panels + (size_t)worker * (p->b_bytes / sizeof(real));
        if (!piece->has_b[worker])
            FN(pack_panels)(piece->job->table, piece->b, piece->job->shape->b_rs,
                            piece->job->shape->b_cs, g.k, g.n, own);
        piece->has_b[worker] = 1;
        g.b = own;
    }
    g.m = fnn_min(p->m_cut, g.m - i);
    g.n = fnn_min(p->n_cut, g.n - j);
    g.a += i * g.a_rs;
    g.b += FN(columns_contiguous)(p) ? j * g.b_ps : j / piece->job->table->gemm_nr * g.b_ps;
    g.c += p->way == TURNED ? j * g.c_rs + i : i * g.c_rs + (g.c_at ? 0 : j);
    if (g.c_at) g.c_at += j / piece->job->table->lanes;
    if (g.bias_column) g.bias_column += j;
    if (g.bias_row) g.bias_row += i;
    if (piece->sums && j == 0) FN(row_sums)(piece->job->table, &g, piece->sums + i);
    FN(multiply)(piece, &g, (real *)(piece->packed_a + (size_t)worker * p->a_bytes),
                 j + g.n == piece->g.n);
}

/* Runs the kernels over a piece whose B is ready, in tasks. */
static void FN(run_piece)(FN(piece) *piece, int threads) {
    const plan *p = &piece->job->plan;
    if (piece->g.m <= p->m_cut && piece->g.n <= p->n_cut) {
        if (piece->sums) FN(row_sums)(piece->job->table, &piece->g, piece->sums);
        FN(multiply)(piece, &piece->g, (real *)piece->packed_a, 1);
    } else
        fnn_parallel(threads,
                     fnn_ceil_div(piece->g.m, p->m_cut) * fnn_ceil_div(piece->g.n, p->n_cut),
                     FN(cell_task), piece);
}

/* Finds or makes the panels of the piece's B. */
static void FN(prepare_b)(FN(piece) *piece, int threads) {
    const FN(job) *job = piece->job;
    const ptrdiff_t nr = job->table->gemm_nr;
    FN(gemm_operands) *g = &piece->g;
    g->b_ks = nr;
    if (job->plan.way == PACKED || job->plan.way == TURNED) {
        g->b = piece->panels;
        g->b_ps = g->k * nr;
        if (job->plan.b_each) return;
        if (g->k * g->n < PACK_GRAIN) threads = 1;
        piece->pack_width = threads == 1 ? fnn_max(1, g->n) : PANELS * nr;
        fnn_parallel(threads, fnn_ceil_div(g->n, piece->pack_width), FN(pack_task), piece);
    } else if (job->shape->b_packed) {
        g->b = job->b + piece->j0 * job->shape->k + piece->k0 * nr;
        g->b_ps = job->shape->k * nr;
    } else {
        g->b = piece->b;
        g->b_ks = job->shape->b_rs;
        g->b_ps = FN(columns_contiguous)(&job->plan) ? job->shape->b_cs : nr;
    }
}

/* The last panel of a B in place, where kernels cannot read it: packed, and taken off g. */
static void FN(run_tail)(FN(piece) *piece, int threads) {
    FN(gemm_operands) *g = &piece->g;
    const FN(fnn_table) *t = piece->job->table;
    const ptrdiff_t whole = g->n / t->gemm_nr * t->gemm_nr;
    if (whole == g->n) return;
    FN(piece) tail = *piece;
    tail.g.n = g->n - whole;
    tail.g.c += whole;
    if (whole) tail.sums = NULL;
    if (tail.g.bias_column) tail.g.bias_column += whole;
    FN(pack_panels)(t, g->b + whole, g->b_ks, 1, g->k, tail.g.n, piece->panels);
    tail.g.b = piece->panels;
    tail.g.b_ks = t->gemm_nr;
    FN(run_piece)(&tail, threads);
    g->n = whole;
}

/* One block of B, made ready, with rows i .. of C. */
static void FN(block)(FN(piece) *piece, ptrdiff_t index, ptrdiff_t i, int threads) {
    const FN(job) *job = piece->job;
    const fnn_gemm_shape *s = job->shape;
    const plan *p = &job->plan;
    FN(gemm_operands) *g = &piece->g;
    const ptrdiff_t j = piece->j0, k = piece->k0;
    const int last = k + g->k == s->k;
    g->n = fnn_min(p->nc, s->n - j);
    g->c = job->c + index * s->c_bs + i * s->c_rs + (job->c_at ? 0 : j);
    g->c_at = job->c_at ? job->c_at + j / job->table->lanes : NULL;
    g->c_rs = s->c_rs;
    g->accumulate = s->accumulate || k > 0;
    g->relu = s->relu && last;
    g->streams = p->streams;
    g->wide = p->wide;
    g->bias_column = s->bias == FNN_BIAS_PER_COLUMN && last ? job->bias + j : NULL;
    g->bias_row = s->bias == FNN_BIAS_PER_ROW && last ? job->bias + i : NULL;
    piece->b = job->pack ? NULL : job->b + index * s->b_bs + k * s->b_rs + j * s->b_cs;
    piece->sums = job->sums && j == 0 ? job->sums + k / fnn_max(1, p->kc) * s->m : NULL;
    FN(prepare_b)(piece, threads);
    piece->thin = j + g->n == s->n ? p->thin : 0;
    if (piece->thin && g->a_ks == 1) {
        const FN(fnn_table) *t = job->table;
        const ptrdiff_t whole = g->n - p->thin;
        t->gemm_pack(p->thin, g->k, g->b + whole / t->gemm_nr * g->b_ps + whole % t->gemm_nr, 1,
                     g->b_ks, piece->thin_b, p->thin_pitch, fnn_round_up(g->k, t->lanes));
    }
    if (p->way == IN_PLACE && p->b_bytes > p->thin_bytes) FN(run_tail)(piece, threads);
    if (g->n) FN(run_piece)(piece, threads);
}

static void FN(pack_a_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(piece) *piece = argument;
    const FN(gemm_operands) *g = &piece->g;
    const ptrdiff_t pitch = piece->job->plan.a_whole, i = task * PACK_A_ROWS;
    (void)worker;
    piece->job->table->gemm_pack(fnn_min(PACK_A_ROWS, g->m - i), g->k, g->a + i * g->a_rs, g->a_rs,
                                 1, (real *)piece->packed_a + i * pitch, pitch,
                                 fnn_round_up(g->k, FNN_LINE / (ptrdiff_t)sizeof(real)));
}

/* One matrix of the batch: blocks of B in turn, each with all rows of C; depth by depth if rows of
 * A, packed once for a depth, meet several blocks. */
static void FN(matrix)(const FN(job) *job, ptrdiff_t index, int threads, char *workspace) {
    const fnn_gemm_shape *s = job->shape;
    const plan *p = &job->plan;
    const real *const a = job->a + index * s->a_bs;
    FN(piece) piece;
    FN(gemm_operands) *g = &piece.g;
    piece.g = (FN(gemm_operands)){0};
    piece.job = job;
    piece.panels = (real *)workspace;
    piece.packed_a = workspace + p->b_bytes * (p->b_each ? (size_t)threads : 1);
    char has_b[FNN_MAX_THREADS] = {0}; /* one piece is all there is if each packs */
    piece.has_b = has_b;
    piece.thin_b = (real *)(piece.packed_a - p->thin_bytes);
    if (p->a_whole) {
        for (ptrdiff_t i = 0; i < s->m; i += p->mc)
            for (piece.k0 = 0; piece.k0 < s->k; piece.k0 += p->kc) {
                g->m = fnn_min(p->mc, s->m - i);
                g->k = fnn_min(p->kc, s->k - piece.k0);
                g->a = a + i * s->a_rs + piece.k0;
                g->a_rs = s->a_rs;
                fnn_parallel(threads, fnn_ceil_div(g->m, PACK_A_ROWS), FN(pack_a_task), &piece);
                g->a = (const real *)piece.packed_a;
                g->a_rs = p->a_whole;
                g->a_ks = 1;
                for (piece.j0 = 0; piece.j0 < s->n; piece.j0 += p->nc)
                    FN(block)(&piece, index, i, threads);
            }
        return;
    }
    g->m = s->m;
    for (piece.j0 = 0; piece.j0 < s->n; piece.j0 += p->nc) {
        piece.k0 = 0;
        do { /* once even if there is nothing to sum */
            g->k = fnn_min(p->kc, s->k - piece.k0);
            g->a = a + piece.k0 * s->a_cs;
            g->a_rs = s->a_rs;
            g->a_ks = s->a_cs;
            FN(block)(&piece, index, 0, threads);
            piece.k0 += g->k;
        } while (piece.k0 < s->k);
    }
}

static void FN(matrix_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(job) *job = argument;
    const size_t bytes = job->plan.a_bytes + job->plan.b_bytes;
    FN(matrix)(job, task, 1, job->workspace + (size_t)worker * bytes);
}

static void FN(run)(FN(job) *job) {
    const int threads = job->ctx->threads;
    const fnn_fpstate state = fnn_fp_flush();
    if (job->plan.by_matrix)
        fnn_parallel(threads, job->shape->batch, FN(matrix_task), job);
    else
        for (ptrdiff_t i = 0; i < job->shape->batch; i++)
            FN(matrix)(job, i, threads, job->workspace);
    if (job->plan.sums_bytes && job->sums)
        job->table->sum_columns(fnn_ceil_div(job->shape->k, job->plan.kc), job->shape->m, job->sums,
                                job->shape->m, 0, job->shape->sums);
    fnn_fp_set(state);
}
