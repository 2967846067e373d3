"""Writes the test tables as a binary case file for the C driver (format in cases.h).

Expected values come from the reference backend in float64; the errors allowed are those of
the Python tests (compare.py and tests/kernels), as an absolute and a relative bound for each
output.
"""

import struct
from dataclasses import replace
from itertools import chain, islice

import cases as windows
import cases_pointwise as pointwise
import cases_products as products
import numpy as np
from cases_flat import FLAT
from compare import TRANSCENDENTAL, eps, largest

from fastnn.backends.reference import backend as reference

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}
#: Columns between the rows of a result that is not dense.
GAP = 3
#: Roundings on the way to a parameter (tests/kernels/test_optim_kernels.py).
ROUNDINGS = 12


def wide(array):
    return None if array is None else np.array(array, np.float64)  # a copy, even of 0 dimensions


def array_bytes(array):
    if array is None:
        return struct.pack("<qq", -1, 0)
    data = np.ascontiguousarray(array).tobytes()
    return struct.pack("<qq", len(data), array.itemsize) + data + b"\0" * (-len(data) % 8)


def record(operation, dtype, ints, reals, inputs, outputs):
    """One case; ``outputs`` are (array, absolute[, relative]); int32 arrays must be equal."""
    parts = [operation.encode().ljust(16, b"\0"), struct.pack("<q", dtype == np.float64)]
    parts.append(struct.pack(f"<q{len(ints)}q", len(ints), *ints))
    parts.append(struct.pack(f"<q{len(reals)}d", len(reals), *reals))
    parts.append(struct.pack("<q", len(inputs)))
    parts += [array_bytes(array) for array in inputs]
    parts.append(struct.pack("<q", len(outputs)))
    for array, absolute, *relative in outputs:
        integer = array.dtype == np.int32
        parts.append(struct.pack("<qdd", integer, absolute, *(relative or [0.0])))
        parts.append(array_bytes(array if integer else array.astype(dtype)))
    return b"".join(parts)


def gemm(case, dtype):
    """Bias per column and ReLU, bias per row, C added to beside sums of A's rows, B packed."""
    if len(case.batch_a) > 1 or len(case.batch_b) > 1:
        return None
    a, b = case.arrays(dtype)
    batch = np.broadcast_shapes(case.batch_a, case.batch_b)
    rng = case.rng()
    column, row = (case.normal(rng, (size,), dtype) for size in (case.n, case.m))
    before = np.full((*batch, case.m, case.n + GAP), np.nan, dtype)
    before[..., : case.n] = case.normal(rng, (*batch, case.m, case.n), dtype)

    def strides(x, dims):
        rows, columns = (s // x.itemsize for s in x.strides[-2:])
        return rows, columns, x.strides[0] // x.itemsize if dims and dims[0] > 1 else 0

    def spaced(x):
        result = np.full_like(before, np.nan, dtype=np.float64)
        result[..., : case.n] = x
        return result

    product = wide(a) @ wide(b)
    limit = eps(dtype) * (case.k + 1) * largest(a) * largest(b)
    outputs = [
        (spaced(np.maximum(product + wide(column), 0)), limit + eps(dtype) * largest(column)),
        (product + wide(row)[:, None], limit + eps(dtype) * largest(row)),
        (spaced(product + wide(before)[..., : case.n]),
         limit + 2 * eps(dtype) * largest(before[..., : case.n])),
    ]  # fmt: skip
    if not batch:
        outputs.append((product, limit))
        outputs.append((wide(a).sum(axis=1), eps(dtype) * (case.k + 1) * largest(a)))
    bases = [x.swapaxes(-1, -2) if t else x
             for x, t in ((a, case.transpose_a), (b, case.transpose_b))]  # fmt: skip
    count = batch[0] if batch else 1
    ints = [case.m, case.n, case.k, count, *strides(a, case.batch_a), *strides(b, case.batch_b)]
    inputs = [*bases, column, row, before]
    return record("gemm", dtype, [*ints, case.n + GAP], [], inputs, outputs)


def conv2d(case, dtype):
    x, weight, bias, grad = case.arrays(dtype)
    wanted = [reference.conv2d(wide(x), wide(weight), wide(bias), *case.how)]
    wanted += reference.conv2d_backward(
        wide(grad), wide(x), wide(weight), *case.how, (True, True, True)
    )
    n, _, p, q = case.out
    taps = case.kernel[0] * case.kernel[1]
    terms = (case.reduction, case.k // case.groups * taps, n * p * q, n * p * q)
    scales = (
        largest(x) * largest(weight),
        largest(grad) * largest(weight),
        largest(grad) * largest(x),
        largest(grad),
    )
    more = (eps(dtype) * largest(bias), 0, 0, 0)
    outputs = [
        (want, eps(dtype) * (count + 1) * scale + extra)
        for want, count, scale, extra in zip(wanted, terms, scales, more, strict=True)
    ]
    outputs.append((np.maximum(wanted[0], 0), outputs[0][1]))
    outputs.append((np.where(x > 0, wanted[1], 0), outputs[1][1]))
    outputs.append(outputs[3])
    ints = [*case.x, case.k, *case.kernel, p, q, *case.stride, *case.padding, *case.dilation]
    inputs = [x, weight, bias, grad]
    return record("conv2d", dtype, [*ints, case.groups], [], inputs, outputs)


def pool(case, dtype, maximum):
    x, grad = case.arrays(dtype)
    how = (case.kernel, case.stride, case.padding)
    n, c, h, w = case.x
    taps = case.kernel[0] * case.kernel[1]
    if maximum:
        y, index = reference.max_pool2d(x, *how, case.dilation, case.out_size)
        dx = reference.max_pool2d_backward(wide(grad), index, (h, w))
        limit = eps(dtype) * taps * largest(grad)
        gated = np.where(x > 0, dx, 0)
        outputs = [(y, 0.0), (index, 0.0), (dx, limit), (y, 0.0), (gated, limit)]
        outputs += [(y, 0.0), (dx, limit)]
    else:
        average = (case.count_include_pad, case.divisor)
        y = reference.avg_pool2d(wide(x), *how, case.out_size, *average)
        dx = reference.avg_pool2d_backward(wide(grad), (h, w), *how, *average)
        limits = [eps(dtype) * (taps + 1) * largest(a) for a in (x, grad)]
        outputs = [(y, limits[0]), (dx, limits[1])]
    ints = [n * c, h, w, *case.out_size, *case.kernel, *case.stride, *case.padding]
    ints += [*case.dilation, case.count_include_pad, case.divisor or 0]
    name = "max_pool" if maximum else "avg_pool"
    return record(name, dtype, ints, [], [x, grad], outputs)


def binary(case, dtype):
    a, b = case.arrays(dtype)
    out = np.broadcast_shapes(a.shape, b.shape)

    def element_strides(array):
        return [s // array.itemsize for s in np.broadcast_to(array, out).strides]

    triples = zip(out, element_strides(a), element_strides(b), strict=True)
    ints = [len(out), *(i for triple in triples for i in triple)]
    functions = (reference.add, reference.sub, reference.mul, reference.div)
    outputs = [(function(a, b), 0.0) for function in functions]
    return record("binary", dtype, ints, [], [a, b], outputs)


def unary(shape, dtype):
    rng = np.random.default_rng(len(shape) + sum(shape))
    x = np.asarray(3 * rng.standard_normal(shape), dtype)
    grad = np.asarray(rng.standard_normal(shape), dtype)
    y = np.asarray(rng.uniform(-1, 1, shape), dtype)
    outputs = []
    for name in ("exp", "log", "tanh", "sigmoid", "relu"):
        relative = 0.0 if name == "relu" else TRANSCENDENTAL * eps(dtype)
        outputs.append((getattr(reference, name)(wide(x)), 0.0, relative))
    for name in ("tanh", "sigmoid", "relu"):
        # 1 - y * y loses up to eps of y * y <= 1, whatever is left of the difference
        limit = 0.0 if name == "relu" else 3 * eps(dtype) * largest(grad)
        outputs.append((getattr(reference, f"{name}_backward")(wide(grad), wide(y)), limit))
    return record("unary", dtype, [x.size], [], [x, grad, y], outputs)


def reduction(case, dtype):
    (x,) = case.arrays(dtype)
    axes = case.axes
    if not axes or axes != tuple(range(axes[0], axes[-1] + 1)):
        return None  # the binding's affair: C reduces one run of axes
    outer = int(np.prod(x.shape[: axes[0]]))
    inner = int(np.prod(x.shape[axes[-1] + 1 :]))
    want = 0.5 * reference.sum(wide(x), axes)
    limit = eps(dtype) * max(case.reduction, 1) * largest(x)
    ints = [outer, case.reduction, inner]
    return record("sum", dtype, ints, [0.5], [x], [(np.asarray(want), limit)])


def softmax(case, dtype, logarithm):
    """Bounds of tests/kernels/test_softmax_kernels.py."""
    x, grad = case.arrays(dtype)
    name = "log_softmax" if logarithm else "softmax"
    y = getattr(reference, name)(wide(x), case.axis)
    rounded = y.astype(dtype)
    dx = getattr(reference, f"{name}_backward")(wide(grad), wide(rounded), case.axis)
    shape, axis = case.shape, case.axis
    length, spread = max(shape[axis], 1), min(2 * largest(x), 750.0)
    relative = eps(dtype) * (2 * TRANSCENDENTAL + length + spread)
    if logarithm:
        outputs = [(y, eps(dtype) * (2 * TRANSCENDENTAL + length + 4 * largest(x))),
                   (dx, relative * length * largest(grad))]  # fmt: skip
    else:
        outputs = [(y, float(np.finfo(dtype).tiny), relative),
                   (dx, eps(dtype) * (length + 3) * largest(grad) * largest(rounded))]  # fmt: skip
    ints = [int(np.prod(shape[:axis])), shape[axis], int(np.prod(shape[axis + 1 :])), logarithm]
    return record("softmax", dtype, ints, [], [x, grad, rounded], outputs)


def cross_entropy(case, dtype):
    """Bounds of tests/kernels/test_softmax_kernels.py."""
    logits, target, weight, grad = case.arrays(dtype)
    how = (case.ignore_index, case.smoothing, case.reduction)
    loss, lse, divisor = reference.cross_entropy(wide(logits), target, wide(weight), *how)
    dx = reference.cross_entropy_backward(
        wide(grad), wide(logits), target, wide(weight), *how, lse, divisor
    )
    heaviest = 1.0 if weight is None else largest(weight)
    rounding = eps(dtype) * (2 * TRANSCENDENTAL + case.classes + 4 * largest(logits))
    rows = case.rows if case.reduction == "sum" else 2
    row_loss = 2 * largest(logits) + float(np.log(max(case.classes, 1))) + 1
    share = divisor if case.reduction == "mean" and divisor else 1.0
    outputs = [
        (loss, rounding * rows * heaviest * row_loss),
        (lse, 2 * rounding),
        (dx, 2 * rounding * largest(grad) * heaviest / share),
    ]
    ints = [case.rows, case.classes, case.ignore_index, REDUCTIONS[case.reduction]]
    inputs = [logits, target, weight, grad]
    return record("cross_entropy", dtype, ints, [case.smoothing], inputs, outputs)


def optimizer_rows(dtype, shapes):
    """Parameters, gradients, and the rows of their state, squares being positive."""
    rng = np.random.default_rng(5)
    rows = [[np.asarray(rng.standard_normal(s), dtype) for s in shapes] for _ in range(5)]
    return [*rows[:3], *([np.asarray(np.abs(v)) for v in row] for row in rows[3:])]


def updated(dtype, before, after):
    size = max(largest(*row) for row in before)
    return [(a, ROUNDINGS * eps(dtype) * max(size, largest(a))) for row in after for a in row]


def sgd(case, dtype, first, shapes):
    p, g, m, *_ = optimizer_rows(dtype, shapes)
    after = [[wide(a) for a in row] for row in ((p, m) if case.momentum else (p,))]
    buffers = after[1] if case.momentum else None
    reference.sgd_step(after[0], [wide(a) for a in g], buffers, first=first, **vars(case))
    ints = [len(p), len(after), case.nesterov, case.maximize, first]
    reals = [case.lr, case.momentum, case.dampening, case.weight_decay]
    inputs = [*p, *g, *(m if case.momentum else ())]
    return record("sgd", dtype, ints, reals, inputs, updated(dtype, (p, g, m), after))


def adam(case, dtype, shapes):
    p, g, m, v, top = optimizer_rows(dtype, shapes)
    state = (p, m, v, top) if case.amsgrad else (p, m, v)
    after = [[wide(a) for a in row] for row in state]
    how = {key: value for key, value in vars(case).items() if key != "amsgrad"}
    maxima = after[3] if case.amsgrad else None
    reference.adam_step(after[0], [wide(a) for a in g], *after[1:3], maxima, step=3, **how)
    ints = [len(p), len(after), case.decoupled, case.maximize, 3]
    reals = [case.lr, case.beta1, case.beta2, case.eps, case.weight_decay]
    inputs = [*p, *g, *(a for row in state[1:] for a in row)]
    return record("adam", dtype, ints, reals, inputs, updated(dtype, (*state, g), after))


def small(dtype):
    """Every case of every table."""
    yield from (gemm(case, dtype) for case in products.GEMM)
    yield from (conv2d(case, dtype) for case in windows.CONV2D)
    yield from (pool(case, dtype, True) for case in windows.MAX_POOL)
    yield from (pool(case, dtype, False) for case in windows.AVG_POOL)
    yield from (binary(case, dtype) for case in pointwise.BINARY)
    yield from (unary(shape, dtype) for shape in pointwise.UNARY)
    yield from (reduction(case, dtype) for case in pointwise.REDUCTION)
    for logarithm in (False, True):
        yield from (softmax(case, dtype, logarithm) for case in pointwise.SOFTMAX)
    yield from (cross_entropy(case, dtype) for case in pointwise.CROSS_ENTROPY)
    for first in (False, True):
        yield from (sgd(case, dtype, first, pointwise.PARAMETERS) for case in pointwise.SGD)
    yield from (adam(case, dtype, pointwise.PARAMETERS) for case in pointwise.ADAM)


def large(dtype):
    """Enough work that every driver shares it out among its threads."""
    yield gemm(products.GemmCase(97, 307, 251), dtype)
    yield gemm(products.GemmCase(97, 307, 251, True, True), dtype)
    yield gemm(products.GemmCase(43, 1024, 256), dtype)  # B is packed, in parallel
    yield gemm(products.GemmCase(60, 600, 1024), dtype)  # A is packed once for several blocks of B
    yield gemm(products.GemmCase(60, 70, 80, False, False, (3,), (3,)), dtype)
    yield gemm(products.GemmCase(13, 16, 16, False, False, (300,), (300,)), dtype)  # one call each
    case = windows.Conv2dCase((5, 4, 29, 31), 33, padding=(1, 1, 1, 1))
    yield conv2d(case, dtype)
    yield conv2d(replace(case, x=(3, 9, 29, 31), k=18, groups=3), dtype)
    yield conv2d(replace(case, x=(1, 40, 15, 31), k=40), dtype)
    yield conv2d(replace(case, x=(8, 20, 48, 48), k=4), dtype)  # many blocks of Winograd's tiles
    dilated = replace(case, x=(3, 8, 40, 41), k=8, padding=(2, 2, 2, 2), dilation=(2, 2))
    yield conv2d(dilated, dtype)  # maps that Winograd puts together from phases
    depthwise = replace(case, x=(4, 24, 29, 31), k=24, groups=24)
    yield conv2d(depthwise, dtype)
    yield conv2d(replace(depthwise, kernel=(7, 7)), dtype)
    near = replace(depthwise, x=(4, 24, 58, 59), kernel=(5, 5), stride=(2, 2), dilation=(2, 2))
    yield conv2d(near, dtype)  # pairs of planes in L1
    yield conv2d(
        replace(depthwise, x=(2, 40, 60, 61), k=40, kernel=(1, 1), padding=(0,) * 4, groups=40),
        dtype,
    )
    places = replace(depthwise, x=(4, 300, 7, 7), k=300, kernel=(7, 7), padding=(0,) * 4)
    yield conv2d(replace(places, groups=300), dtype)  # windows of few places
    yield conv2d(windows.Conv2dCase((3, 16, 29, 31), 33, (1, 1), (2, 2)), dtype)
    yield conv2d(windows.Conv2dCase((2, 3, 61, 67), 40, padding=(1,) * 4), dtype)  # sums of dy
    yield conv2d(windows.Conv2dCase((5, 150, 7, 7), 70, (1, 1)), dtype)  # images joined, forward
    yield conv2d(windows.Conv2dCase((5, 70, 7, 7), 150, (1, 1)), dtype)  # and backward-data
    yield conv2d(FLAT[1], dtype)  # rows side by side
    padded = windows.Conv2dCase((5, 40, 9, 11), 140, (5, 5), padding=(2,) * 4)
    yield conv2d(padded, dtype)  # weights by rows of pixels
    patches = windows.Conv2dCase((3, 4, 60, 92), 40, (8, 8), (4, 4))
    yield conv2d(patches, dtype)  # rows below a column of the source
    yield conv2d(windows.Conv2dCase((3, 64, 42, 46), 40, (2, 2), (2, 2)), dtype)  # taps in place
    few = windows.Conv2dCase((16, 3, 32, 32), 3, padding=(1,) * 4)
    yield conv2d(few, dtype)  # weights by three results at a time
    yield pool(windows.PoolCase((1, 2, 200, 203), (3, 3), (2, 2), (1, 1)), dtype, True)
    case = windows.PoolCase((17, 19, 29, 31), (3, 3), (2, 2), (1, 1))
    yield pool(case, dtype, True)
    yield pool(case, dtype, False)
    yield binary(pointwise.BinaryCase((3, 301, 331), (3, 301, 331)), dtype)
    yield unary((300_001,), dtype)
    yield reduction(pointwise.ReductionCase((7, 331, 257), (1,)), dtype)
    yield reduction(pointwise.ReductionCase((600_001,), (0,)), dtype)
    yield reduction(pointwise.FAR_REDUCTION[0], dtype)
    for logarithm in (False, True):
        yield softmax(pointwise.SoftmaxCase((1001, 131), 1), dtype, logarithm)
        yield softmax(pointwise.SoftmaxCase((131, 1001), 0), dtype, logarithm)
    yield cross_entropy(pointwise.CrossEntropyCase(1001, 131, weight=True, smoothing=0.1), dtype)
    shapes = ((150_001,), (7,), (301, 401))
    yield sgd(pointwise.SGD[0], dtype, False, shapes)
    yield sgd(pointwise.SGD[-1], dtype, False, shapes)
    yield adam(pointwise.ADAM[-1], dtype, shapes)


#: Bytes of a case that an emulated processor does in seconds. The few beyond are most of the work:
#: deep sums and wide maps, which differ by blocks and not by bodies.
SHORT = 1_000_000


def dump(path, every=1, emulated=False):
    """Write every ``every``-th small case and all large ones, or the short ones to be emulated.

    Returns how many.
    """
    count = 0
    with path.open("wb") as file:
        file.write(b"FNNCASES" + struct.pack("<q", 0))
        for dtype in (np.float32, np.float64):
            written = (r for r in small(dtype) if r is not None)
            chosen = islice((r for r in written if not emulated or len(r) < SHORT), 0, None, every)
            for case in chain(chosen, () if emulated else large(dtype)):
                file.write(case)
                count += 1
        file.seek(8)
        file.write(struct.pack("<q", count))
    return count
