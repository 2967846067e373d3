/* How `im2col` lays out and cuts rows of pixels: see drivers/conv2d_rows.h. */
#include "base/common.h"

#include "drivers/conv2d_rows.h"

enum {
    WEIGHT_BYTES = 512 * 1024, /* of a product's channels, all taps: half of L2 */
    SOURCE_BYTES = 256 * 1024, /* turned source of a band that every panel passes over */
    MOST_SOURCE = 4096 * 1024, /* of a stack of images */
    STAYS = 1024 * 1024,       /* a turned image that L2 keeps for all panels; a stack: half */
    FAR = 1024 * 1024,         /* all maps, beyond which picks wait for them */
    RESULT_BYTES = 128 * 1024, /* results of a product */
    KEPT_BYTES = 4096 * 1024,  /* weights kept in order for all pixels */
    FEW_PIXELS = 256,          /* that meet weights, and do not repay bringing them in order */
    FIXED = 45,                /* cycles of a tile beside its sum, and of its sums' way to memory */
    SEGMENT = 20,              /* of each row of taps, where a tile takes several */
    GRAIN = 200000             /* multiply-adds worth threads */
};

/* Cycles of a weight that is turned with all of its channel, where others take one. */
static const double WHOLE_ORDER = 0.6;

/* Quotients rounded down and up, of any sign of a. */
static ptrdiff_t down(ptrdiff_t a, ptrdiff_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
static ptrdiff_t up(ptrdiff_t a, ptrdiff_t b) { return -down(-a, b); }

static void find_inside(fnn_rows_axis *a) {
    for (int i = 0; i < a->classes; i++) {
        for (int n = a->start[i]; n < a->start[i + 1]; n++) {
            const ptrdiff_t before = a->pad - a->reach[n];
            a->from[n] = fnn_max(a->first[i], up(before, a->in_step));
            a->to[n] = fnn_min(a->last[i], down(a->in - 1 + before, a->in_step));
        }
    }
}

/* Taps and positions that share a divisor read every so many elements: the others are left out. */
static fnn_rows_axis forward_axis(ptrdiff_t in, ptrdiff_t out, ptrdiff_t taps, ptrdiff_t stride,
                                  ptrdiff_t dilation, ptrdiff_t pad) {
    const ptrdiff_t skip = taps == 1 ? stride : fnn_conv2d_gcd(stride, dilation);
    const ptrdiff_t origin = (skip - pad % skip) % skip;
    const ptrdiff_t step = taps == 1 ? 1 : dilation / skip;
    fnn_rows_axis a = {.in = in > origin ? (in - origin - 1) / skip + 1 : 0, .out = out,
                       .pad = (pad + origin) / skip, .in_step = stride / skip, .out_step = 1,
                       .skip = skip, .origin = origin, .classes = 1, .run = step == 1, .hi = out,
                       .halo = (taps - 1) * step};
    a.last[0] = out - 1;
    a.start[1] = (int)taps;
    for (ptrdiff_t r = 0; r < taps; r++) a.reach[r] = r * step, a.tap[r] = (int)r;
    find_inside(&a);
    return a;
}

static fnn_rows_axis backward_axis(ptrdiff_t in, ptrdiff_t out, ptrdiff_t taps, ptrdiff_t stride,
                                   ptrdiff_t dilation, ptrdiff_t pad) {
    const fnn_conv2d_axis from =
        fnn_conv2d_axis_backward(in, out, taps, stride, dilation, pad);
    fnn_rows_axis a = {.in = from.in, .out = from.out, .pad = from.halo, .in_step = 1,
                       .out_step = stride, .skip = 1, .classes = (int)from.phases, .lo = from.lo,
                       .hi = from.hi, .run = dilation == fnn_conv2d_gcd(stride, dilation),
                       .halo = from.halo};
    int n = 0;
    for (ptrdiff_t i = 0; i < from.phases; i++) {
        a.first[i] = fnn_conv2d_first(&from, i);
        a.last[i] = fnn_conv2d_last(&from, i);
        a.shift[i] = fnn_conv2d_residue(&from, i) - from.out_origin;
        a.start[i] = n;
        /* the last tap reaches least */
        for (ptrdiff_t r = i + (taps - 1 - i) / from.phases * from.phases; r >= i;
             r -= from.phases, n++)
            a.reach[n] = fnn_conv2d_reach(&from, r), a.tap[n] = (int)r;
        a.start[i + 1] = n;
    }
    find_inside(&a);
    return a;
}

/* Cycles of one product of m rows of pixels and k terms, or of its share if it takes several rows
 * of taps: two multiply-adds or two loads a cycle,
 * and four cycles of latency. */
static double product_cost(const fnn_rows_plan *plan, const fnn_conv2d_sizes *tile, ptrdiff_t m,
                           ptrdiff_t k) {
    if (m <= 0) return 0;
    const double vectors = (double)(plan->nr / tile->lanes);
    const ptrdiff_t most = vectors == 1 ? tile->mr * 9 / 7 : tile->mr;
    const double tiles = (double)fnn_ceil_div(m, most), rows = (double)m / tiles;
    /* beside an element of each row, a row of B is loaded and another fetched ahead: loads bind
     * tiles of one vector, most of all whole lines, of which a core loads fewest */
    const int line = tile->lanes * tile->element == FNN_LINE;
    double step = rows * vectors / 2;
    if (vectors == 1) step = line ? rows * 3 / 4 : (rows + 1) / 2;
    if (step < 4) step = 4;
    const int taps = plan->rows.start[plan->rows.classes] / plan->rows.classes;
    const double share = (double)fnn_max(fnn_min(plan->merged, taps), 1);
    return tiles * (step * (double)k + (share > 1 ? SEGMENT : 0) +
                    (rows * vectors + FIXED) / share);
}

/* Of the sums of all images. */
static double sums_cost(const fnn_rows_plan *plan, const fnn_conv2d_sizes *tile) {
    const fnn_rows_axis *rows = &plan->rows, *cols = &plan->cols;
    ptrdiff_t lines = 0;
    double line = 0;
    for (int n = 0; n < rows->start[rows->classes]; n++)
        lines += fnn_max(rows->to[n] - rows->from[n] + 1, 0);
    for (int j = 0; j < cols->classes; j++) {
        const int taps = cols->start[j + 1] - cols->start[j];
        if (plan->runs) {
            const ptrdiff_t width = cols->last[j] - cols->first[j] + 1;
            line += product_cost(plan, tile, width, taps * plan->depth);
        } else {
            for (int n = cols->start[j]; n < cols->start[j + 1]; n++)
                line += product_cost(plan, tile,
                                     (cols->to[n] - cols->from[n] + 1) * plan->side, plan->depth);
        }
    }
    return (double)lines * line * (double)(plan->cuts * plan->panels * plan->groups * plan->stacks);
}

/* Of bringing weights in order and of reading what the L2 cache does not hold. */
static double moves_cost(const fnn_rows_plan *plan, const fnn_conv2d_sizes *tile) {
    const double blocks = (double)(plan->stacks * plan->bands), size = (double)tile->element;
    const double weights = (double)(plan->groups * plan->in * plan->out * plan->taps);
    const double sources = (double)(plan->groups * plan->source) * blocks;
    const ptrdiff_t maps = plan->images * plan->groups * plan->in * plan->tensor_rows *
                           plan->tensor_columns * tile->element;
    const ptrdiff_t picks = plan->cols.skip + (plan->cols.skip > 1 && maps > FAR ? 2 : 0);
    const int stays = plan->source * tile->element <= (plan->side > 1 ? STAYS / 2 : STAYS);
    const double bytes = (weights * blocks + sources * (double)(stays ? 1 : plan->panels)) * size;
    return weights * (plan->kept ? 1 : blocks) * (plan->whole ? WHOLE_ORDER : 1) +
           sources * (double)(plan->gathers ? picks : 1) + bytes / 16;
}

/* A plan for stacks of `side` images, or for bands of one whose source has about `limit` bytes. */
static void lay_out(fnn_rows_plan *plan, const fnn_conv2d_sizes *tile, ptrdiff_t limit) {
    const fnn_rows_axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t size = tile->element;
    plan->split = plan->side > 1 && cols->in_step > 1;
    plan->sorted = plan->side > 1 && cols->out_step > 1;
    plan->pitch = plan->runs ? (cols->hi - cols->lo - 1) * cols->in_step + cols->halo + 1
                             : fnn_round_up(cols->in, plan->split ? cols->in_step : 1);
    plan->gathers = plan->split || cols->skip > 1;
    plan->columns = cols->out;
    if (plan->sorted) {
        plan->columns = 0;
        for (int j = 0; j < cols->classes; j++)
            plan->columns += fnn_max(cols->last[j] - cols->first[j] + 1, 0);
    }
    plan->stacks = fnn_ceil_div(plan->images, plan->side);
    const ptrdiff_t positions = rows->hi - rows->lo;
    const ptrdiff_t source_row = plan->pitch * plan->side * fnn_max(plan->in, 1);
    const ptrdiff_t result_row = plan->columns * plan->side * plan->nr;
    const ptrdiff_t most =
        fnn_min(limit / fnn_max(source_row * rows->in_step * size, 1),
                RESULT_BYTES / fnn_max(result_row * rows->out_step * size, 1));
    plan->bands = plan->side > 1 ? 1 : fnn_ceil_div(positions, fnn_max(most, 1));
    plan->band = fnn_ceil_div(positions, plan->bands);
    const ptrdiff_t reads = fnn_min((plan->band - 1) * rows->in_step + rows->halo + 1, rows->in);
    plan->source = reads * source_row;
    plan->result = fnn_min(plan->band * rows->out_step, rows->out) * result_row;
    plan->flat = plan->sorted ? rows->out * cols->out * plan->nr : 0;
    const ptrdiff_t fits =
        fnn_max(WEIGHT_BYTES / (plan->taps * plan->nr * size), tile->lanes);
    const ptrdiff_t in = fnn_max(plan->in, 1), cuts = fnn_ceil_div(in, fnn_min(fits, tile->kc));
    plan->depth = cuts > 1 ? fnn_round_up(fnn_ceil_div(in, cuts), tile->lanes) : in;
    plan->cuts = fnn_ceil_div(in, plan->depth);
    const ptrdiff_t taps = plan->runs ? cols->start[1] : 1;
    plan->merged = (int)fnn_max(tile->kc / (plan->depth * taps), 1);
    const ptrdiff_t weights = plan->groups * plan->panels * plan->in * plan->taps * plan->nr;
    plan->kept = plan->stacks * plan->bands > 1 && weights * size <= KEPT_BYTES;
    const int straight = plan->w_out == 1 && rows->classes * cols->classes == 1;
    plan->copies = tile->copies && straight && !plan->kept && plan->nr == tile->nr ? tile->mr : 0;
    const ptrdiff_t pixels = plan->images * rows->out * cols->out;
    plan->whole = !plan->runs && plan->taps > 1 && plan->taps % 2 == 1 &&
                  pixels <= (plan->kept ? 1 : plan->stacks * plan->bands) * FEW_PIXELS;
    plan->cycles = 0.84 * (sums_cost(plan, tile) + moves_cost(plan, tile)) +
                   0.74 * (double)(plan->images * plan->groups * plan->out * rows->out * cols->out);
}

/* A small pointwise map is one row of pixels: more of them in a product. */
static fnn_conv2d_shape flattened(const fnn_conv2d_shape *s, const fnn_conv2d_sizes *tile) {
    fnn_conv2d_shape flat = *s;
    if (fnn_conv2d_is_product(s) && s->h * s->w * tile->nr * tile->element <= RESULT_BYTES) {
        flat.w = flat.q = s->h * s->w;
        flat.h = flat.p = 1;
    }
    return flat;
}

/* Images side by side whose results and sources fit. */
static ptrdiff_t most_side(const fnn_rows_plan *plan, const fnn_conv2d_sizes *tile, ptrdiff_t limit) {
    const fnn_rows_axis *rows = &plan->rows, *cols = &plan->cols;
    const ptrdiff_t source = fnn_max(rows->in * cols->in * plan->in * tile->element, 1);
    const ptrdiff_t result = rows->out * cols->out * plan->nr * tile->element;
    const ptrdiff_t most = fnn_max(fnn_min(limit / source, RESULT_BYTES / result), 1);
    return fnn_ceil_div(plan->images, fnn_ceil_div(plan->images, most));
}

fnn_rows_plan fnn_conv2d_rows_plan(const fnn_conv2d_shape *shape, int backward,
                                   const fnn_conv2d_sizes *tile, int threads) {
    const fnn_conv2d_shape flat = flattened(shape, tile), *const s = &flat;
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups;
    fnn_rows_plan plan = {.images = s->n, .groups = s->groups, .in = backward ? k : c,
                          .out = backward ? c : k, .taps = s->r * s->s,
                          .tensor_rows = backward ? s->p : s->h,
                          .tensor_columns = backward ? s->q : s->w}, best = {0};
    plan.reversed = backward;
    plan.w_out = backward ? plan.taps : c * plan.taps;
    plan.w_in = backward ? c * plan.taps : plan.taps;
    plan.nr = fnn_min(tile->nr, fnn_round_up(plan.out, tile->lanes));
    plan.panels = fnn_ceil_div(plan.out, plan.nr);
    fnn_rows_axis (*const make)(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t) =
        backward ? backward_axis : forward_axis;
    plan.rows = make(s->h, s->p, s->r, s->stride_h, s->dilation_h, s->pad_top);
    plan.cols = make(s->w, s->q, s->s, s->stride_w, s->dilation_w, s->pad_left);
    for (int i = 0; i < 6; i++) {
        const ptrdiff_t limit = i % 2 ? MOST_SOURCE : SOURCE_BYTES;
        const int stacked = i < 2;
        plan.runs = i >= 4;
        if (plan.runs && !plan.cols.run) break;
        if (!stacked && i % 2 && plan.bands == 1) continue; /* the same again */
        const ptrdiff_t side = stacked ? most_side(&plan, tile, limit) : 1;
        if (stacked && (side == 1 || side == plan.side)) continue;
        plan.side = side;
        lay_out(&plan, tile, limit);
        if (best.cycles == 0 || plan.cycles < best.cycles) best = plan;
    }
    const double work = (double)plan.images * (double)(plan.groups * plan.in * plan.out * plan.taps) *
                        (double)(s->p * s->q);
    const ptrdiff_t tasks = best.stacks * best.bands * best.groups;
    best.threads = work < 2 * GRAIN ? 1 : threads;
    best.shared = best.threads > 1 && tasks < 2 * best.threads;
    best.sources = best.shared ? tasks : best.threads;
    return best;
}

double fnn_conv2d_rows_cycles(const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                              const fnn_conv2d_sizes *tile) {
    const ptrdiff_t c = s->c / s->groups, k = s->k / s->groups;
    const ptrdiff_t in = pass == FNN_FORWARD ? c : k, out = pass == FNN_FORWARD ? k : c;
    if (pass == FNN_BACKWARD_WEIGHT || s->r > FNN_ROWS_TAPS || s->s > FNN_ROWS_TAPS ||
        fnn_conv2d_is_empty(s) || in < tile->lanes || 4 * out < 3 * tile->lanes)
        return 0;
    const double cycles = fnn_conv2d_rows_plan(s, pass == FNN_BACKWARD_DATA, tile, 1).cycles;
    if (!fnn_conv2d_is_small(s) || fnn_conv2d_is_product(s)) return cycles;
    const ptrdiff_t maps = s->n * (s->c * s->h * s->w + s->k * s->p * s->q);
    const ptrdiff_t weights = s->k * c * s->r * s->s;
    return 1.1 * cycles + 0.23 * (double)maps +
           (weights > FNN_CONV2D_FAR_WEIGHTS ? 0.4 * (double)weights : 0);
}

int fnn_conv2d_takes_rows(const fnn_conv2d_shape *s, fnn_conv2d_pass pass,
                          const fnn_conv2d_sizes *tile, double known) {
    /* where pixels in place fill their vectors, turning both maps is not repaid, if only weights
     * need not be walked over */
    if (fnn_conv2d_is_product(s) && s->groups == 1 && tile->lanes >= 16 &&
        s->p * s->q >= 8 * tile->lanes && (pass == FNN_FORWARD || s->n > 1))
        return 0;
    const double cycles = known < 0 ? fnn_conv2d_rows_cycles(s, pass, tile) : known;
    return cycles > 0 && cycles <= fnn_conv2d_columns_cycles(s, pass, tile->lanes);
}
