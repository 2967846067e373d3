/* The three passes over phases, for one element type. A phase of an image is an image: [image][row
 * phase][column phase][channel]. Workspace:
 *
 *   phases of x or dx | phases of y or dy | the undilated convolution's own
 */

#if FNN_REAL_IS_F32
#define FLAT_OR(entry, dense) \
    (fnn_conv2d_winograd_can(dense) ? FN(fnn_conv2d_winograd_##entry) : FN(fnn_conv2d_flat_##entry))
#else
#define FLAT_OR(entry, dense) FN(fnn_conv2d_winograd_##entry)
#endif

/* Maps and their phases, which are copied either way. */
typedef struct FN(phases_map) {
    const FN(fnn_table) *kernels;
    FN(conv2d_crop) crop;               /* of phase (0, 0) and one run of channels */
    ptrdiff_t channels, dilation, runs; /* runs of channels: tasks */
    int back;
    real *map, *phases;
} FN(phases_map);

static void FN(phases_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(phases_map) *job = argument;
    const ptrdiff_t d = job->dilation, run = task % job->runs, a = task / job->runs % d;
    const ptrdiff_t image = task / job->runs / d, first = job->channels * run / job->runs;
    const ptrdiff_t phase = job->channels * job->crop.dst_plane;
    FN(conv2d_crop) crop = job->crop;
    (void)worker;
    crop.planes = job->channels * (run + 1) / job->runs - first;
    crop.row += a;
    real *map = job->map + (image * job->channels + first) * crop.src_plane;
    real *phases = job->phases + (image * d + a) * d * phase + first * crop.dst_plane;
    crop.twin = job->back && d == 2 ? phase : 0; /* two phases at once fill a row */
    for (ptrdiff_t b = 0; b < (crop.twin ? 1 : d); b++, crop.col++, phases += phase) {
        if (job->back)
            job->kernels->conv2d_unpad(&crop, map, phases);
        else
            job->kernels->conv2d_pad(&crop, map, phases);
    }
}

/* Copies the phases of maps of h x w, each of rows x cols, out or back. */
static void FN(phases_copy)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, ptrdiff_t channels,
                            FN(conv2d_crop) crop, int back, real *map, real *phases) {
    FN(phases_map) job = {.kernels = FN(table)(ctx), .crop = crop, .channels = channels,
                          .dilation = s->dilation_h, .back = back, .map = map, .phases = phases};
    job.crop.src_plane = crop.h * crop.w, job.crop.dst_plane = crop.rows * crop.cols;
    job.crop.row_step = job.crop.col_step = s->dilation_h;
    const ptrdiff_t elements = channels * crop.rows * crop.cols * s->dilation_h;
    job.runs = fnn_max(fnn_min(elements / GRAIN, channels), 1);
    fnn_parallel(ctx->threads, s->n * s->dilation_h * job.runs, FN(phases_task), &job);
}

/* Whole maps, when all of their phases are back. */
typedef struct FN(phases_maps) {
    const FN(fnn_table) *kernels;
    FN(finishing) finishing;
    ptrdiff_t channels, pixels, runs;
} FN(phases_maps);

static void FN(phases_finish_task)(void *argument, ptrdiff_t task, int worker) {
    const FN(phases_maps) *job = argument;
    const ptrdiff_t run = task % job->runs, first = job->channels * run / job->runs;
    const ptrdiff_t count = job->channels * (run + 1) / job->runs - first;
    (void)worker;
    FN(finish)(job->kernels, &job->finishing,
               (FN(region)){count, job->pixels, 1, job->pixels, job->pixels},
               (task / job->runs * job->channels + first) * job->pixels);
}

static void FN(phases_finish)(const fnn_ctx *ctx, const fnn_conv2d_shape *s, ptrdiff_t channels,
                              ptrdiff_t pixels, real *dst) {
    FN(phases_maps) job = {FN(table)(ctx), FN(finishing_of)(s, dst), channels, pixels, 1};
    job.runs = fnn_max(fnn_min(channels * pixels / GRAIN, channels), 1);
    if (s->relu || s->gate)
        fnn_parallel(ctx->threads, s->n * job.runs, FN(phases_finish_task), &job);
}

static void FN(phases_of_x)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                            const fnn_conv2d_shape *dense, int back, real *x, real *phases) {
    const ptrdiff_t d = s->dilation_h;
    const FN(conv2d_crop) crop = {.h = s->h, .w = s->w, .row = -(s->pad_top % d),
                                  .col = -(s->pad_left % d), .rows = dense->h, .cols = dense->w};
    FN(phases_copy)(ctx, s, s->c, crop, back, x, phases);
}

static void FN(phases_of_y)(const fnn_ctx *ctx, const fnn_conv2d_shape *s,
                            const fnn_conv2d_shape *dense, int back, real *y, real *phases) {
    const FN(conv2d_crop) crop = {.h = s->p, .w = s->q, .rows = dense->p, .cols = dense->q};
    FN(phases_copy)(ctx, s, s->k, crop, back, y, phases);
}

/* Where the parts of the workspace are. */
typedef struct FN(phases_room) {
    real *x, *y;
    void *rest;
    size_t bytes; /* before the rest */
} FN(phases_room);

static FN(phases_room) FN(phases_lay)(const fnn_conv2d_shape *dense, void *workspace) {
    const size_t x = fnn_lines((size_t)(dense->n * dense->c * dense->h * dense->w) * sizeof(real));
    const size_t y = fnn_lines((size_t)(dense->n * dense->k * dense->p * dense->q) * sizeof(real));
    FN(phases_room) room = {.bytes = x + y};
    if (workspace) {
        room.x = workspace;
        room.y = (real *)(void *)((char *)workspace + x);
        room.rest = (char *)workspace + x + y;
    }
    return room;
}

size_t FN(fnn_conv2d_phases_workspace)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                       fnn_conv2d_pass pass) {
    const fnn_conv2d_shape dense = fnn_phases_shape(shape);
    return FN(phases_lay)(&dense, NULL).bytes +
           FLAT_OR(workspace, &dense)(ctx, &dense, pass);
}

void FN(fnn_conv2d_phases_describe)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                    fnn_conv2d_pass pass, fnn_conv2d_plan *to) {
    const fnn_conv2d_shape dense = fnn_phases_shape(shape);
    FLAT_OR(describe, &dense)(ctx, &dense, pass, to);
    fnn_conv2d_note(to, "phases", shape->dilation_h * shape->dilation_w);
}

void FN(fnn_conv2d_phases_forward)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                   const real *x, const real *w, const real *bias, real *y,
                                   void *workspace) {
    const fnn_conv2d_shape dense = fnn_phases_shape(shape);
    const FN(phases_room) room = FN(phases_lay)(&dense, workspace);
    FN(phases_of_x)(ctx, shape, &dense, 0, (real *)x, room.x);
    FLAT_OR(forward, &dense)(ctx, &dense, room.x, w, bias, room.y, room.rest);
    FN(phases_of_y)(ctx, shape, &dense, 1, y, room.y);
    FN(phases_finish)(ctx, shape, shape->k, shape->p * shape->q, y);
}

void FN(fnn_conv2d_phases_backward_data)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                         const real *dy, const real *w, real *dx,
                                         void *workspace) {
    const fnn_conv2d_shape dense = fnn_phases_shape(shape);
    const FN(phases_room) room = FN(phases_lay)(&dense, workspace);
    FN(phases_of_y)(ctx, shape, &dense, 0, (real *)dy, room.y);
    FLAT_OR(backward_data, &dense)(ctx, &dense, room.y, w, room.x, room.rest);
    FN(phases_of_x)(ctx, shape, &dense, 1, dx, room.x);
    FN(phases_finish)(ctx, shape, shape->c, shape->h * shape->w, dx);
}

void FN(fnn_conv2d_phases_backward_weight)(const fnn_ctx *ctx, const fnn_conv2d_shape *shape,
                                           const real *dy, const real *x, real *dw, real *db,
                                           void *workspace) {
    const fnn_conv2d_shape dense = fnn_phases_shape(shape);
    const FN(phases_room) room = FN(phases_lay)(&dense, workspace);
    FN(phases_of_x)(ctx, shape, &dense, 0, (real *)x, room.x);
    FN(phases_of_y)(ctx, shape, &dense, 0, (real *)dy, room.y);
    FN(fnn_conv2d_winograd_backward_weight)(ctx, &dense, room.y, room.x, dw, db, room.rest);
}

#undef FLAT_OR
