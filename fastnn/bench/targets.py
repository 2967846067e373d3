r"""What the kernels are asked to reach: cases with the ratio to a peer that each should have.

``fastnn bench --cases targets`` measures them and prints each target beside its figure, those
missed first; ``targets_avx2`` are those of AVX2, for a run in which every library is held to it::

    OPENBLAS_CORETYPE=Haswell ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 \
        MKL_ENABLE_INSTRUCTIONS=AVX2 \
        fastnn bench --cases targets_avx2 --isa avx2

and ``targets_threads`` those of a second thread, against fastnn with one::

    fastnn bench --cases targets_threads --threads 2 --against one-thread
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .cases import FAMILIES, Case, conv_case, gemm_case
from .peer import ONE_THREAD

__all__ = [
    "BEST",
    "DEFAULT",
    "PRODUCTS",
    "STEPS",
    "targets",
    "targets_avx2",
    "targets_threads",
]

#: Against the fastest peer in its best layout, or against PyTorch's default layout.
BEST, DEFAULT = "the best", "PyTorch's default layout"
PASSES = ("forward", "input", "weight")
Asked = dict[str, float]


def _conv(
    label: str,
    asked: dict[str, Asked],
    n: int,
    c: int,
    size: int,
    k: int,
    kernel: tuple[int, int] = (3, 3),
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    groups: int = 1,
    precision: str = "fast",
) -> Iterator[Case]:
    """A case for each pass that something is asked of."""
    r, s = kernel
    same = [dilation * (length // 2) if padding is None else padding for length in kernel]
    shape = {"n": n, "c": c, "size": size, "k": k, "r": r, "s": s, "stride": stride}
    shape |= {"pad_h": same[0], "pad_w": same[1], "dilation": dilation, "groups": groups}
    for which, ratios in asked.items():
        case = conv_case("targets", f"{label} {which}", which, "float32", **shape)
        params = case.params if precision == "fast" else {**case.params, "precision": precision}
        yield replace(case, params=params, asked=ratios)


def _each(**ratios: float) -> dict[str, Asked]:
    """The same ratios in each pass."""
    names = {"best": BEST, "default": DEFAULT}
    return {which: {names[name]: ratio for name, ratio in ratios.items()} for which in PASSES}


def _winograd() -> Iterator[Case]:
    images = ((32, 56), (64, 32), (128, 28), (256, 14), (512, 7))
    for n, c, size in (*((16, *each) for each in images), (1, 64, 56), (1, 128, 28)):
        label = f"3x3 {n}x{c}@{size}"
        yield from _conv(label, _each(default=2.2, best=2.0), n, c, size, c)
        yield from _conv(f"{label} strict", _each(default=1.7), n, c, size, c, precision="strict")
    for c, size in ((256, 14), (512, 7)):
        label = f"3x3 1x{c}@{size}"
        yield from _conv(label, _each(default=1.5), 1, c, size, c)
        yield from _conv(f"{label} strict", _each(default=1.4), 1, c, size, c, precision="strict")


def _few_channels() -> Iterator[Case]:
    training = {"training": {DEFAULT: 10.0, BEST: 5.0}}
    yield from _conv("notebook 3x3 64x3->3@32", training, 64, 3, 32, 3)
    yield from _conv("LeNet 5x5 64x1->6@28", training, 64, 1, 28, 6, (5, 5))
    second = {"training": {DEFAULT: 2.0}}
    yield from _conv("LeNet 5x5 64x6->16@14", second, 64, 6, 14, 16, (5, 5), padding=0)
    yield from _conv("MNIST 3x3 64x1->32@28", {"training": {DEFAULT: 3.5}}, 64, 1, 28, 32)
    stem = {"forward": {DEFAULT: 1.2}, "input": {DEFAULT: 4.0}, "weight": {DEFAULT: 1.3}}
    yield from _conv("stem 7x7/2 1x3->64@224", stem, 1, 3, 224, 64, (7, 7), stride=2)


def _many_groups() -> Iterator[Case]:
    depthwise = ((1, 32, 112), (8, 384, 14), (1, 96, 56), (8, 64, 32), (16, 32, 56), (16, 512, 7))
    asked = _each(default=2.8, best=1.2)
    for n, c, size in depthwise:
        yield from _conv(f"depthwise 3x3 {n}x{c}@{size}", asked, n, c, size, c, groups=c)
    yield from _conv("depthwise 3x3/2 8x144@56", asked, 8, 144, 56, 144, stride=2, groups=144)
    yield from _conv("depthwise 5x5 8x240@28", asked, 8, 240, 28, 240, (5, 5), groups=240)
    asked = _each(default=1.3)
    for label, n, c, size, r in (
        ("groups of 32, 3x3 8x128@28", 8, 128, 28, 3),
        ("groups of 16, 3x3 16x64@56", 16, 64, 56, 3),
        ("groups of 64, 5x5 16x256@14", 16, 256, 14, 5),
    ):
        yield from _conv(label, asked, n, c, size, c, (r, r), groups=4)
    for n, c, size in ((8, 64, 28), (16, 128, 28), (16, 256, 14)):
        yield from _conv(f"dilated 3x3 (2) {n}x{c}@{size}", asked, n, c, size, c, dilation=2)


def _pointwise() -> Iterator[Case]:
    for c, size, k in ((64, 56, 256), (512, 28, 128), (1024, 14, 256), (2048, 7, 512)):
        one = {"forward": {DEFAULT: 0.95}}
        yield from _conv(f"1x1 1x{c}->{k}@{size}", one, 1, c, size, k, (1, 1))
        many = _each(default=1.2)
        yield from _conv(f"1x1 16x{c}->{k}@{size}", many, 16, c, size, k, (1, 1))


#: Size or layout of a product to what is asked of the call ``mm``.
PRODUCTS: dict[str, float] = {
    **{f"{n}x{n}x{n}": 1.0 for n in (8, 16, 32, 48, 64, 96, 128, 256, 512, 1024, 2048)},
    **{f"{m}x1024x1024 nt": 1.5 for m in (4, 8, 16)},
    **{f"{m}x1024x1024 nt": 1.0 for m in (1, 2, 32)},
    "1x1024x1024": 1.0,
    "64x3072x10 nt": 1.2,
    "64x10x3072": 1.2,
    "10x64x3072": 1.2,
}
#: Size of a square product to what is asked kernel to kernel, and how many of them one call of
#: ``bmm`` makes, so that the call itself counts for little, in every library alike.
BATCHES: dict[int, tuple[float, int]] = {8: (2.0, 64), 16: (2.0, 64), 32: (1.25, 16)}
#: Sizes of square products with a weight that fastnn has packed once, and what is asked of them
#: against a peer's ordinary call.
PACKED, PACKED_ASKED = (96, 128, 256), 1.1
#: Lengths of dot products that should not be slower.
DOTS = (1000, 10_000)
#: Net to what is asked of its training step.
STEPS: dict[str, float] = {
    "MLP 10-5-5-10": 4.5,
    "MLP 784-256-256-10": 1.6,
    "Classifier 3-3-3-3-10": 5.0,
    "ConvNet 3-32": 2.5,
    "LeNet": 3.0,
    "MNIST CNN 32-64": 2.3,
    "CIFAR CNN 64-128-256": 2.2,
}


def _product(text: str, asked: float) -> Case:
    """The case ``MxKxN``, with ``nt`` if the second operand is transposed."""
    size, _, layout = text.partition(" ")
    m, k, n = map(int, size.split("x"))
    case = gemm_case(m, n, k, layout or "nn")
    return replace(case, family="targets", name=f"mm {text}", asked={BEST: asked})


def _batch(n: int, asked: float, count: int) -> Case:
    """So many products of n x n in one call."""
    return Case(
        family="targets",
        name=f"bmm, {count} of {n}x{n}x{n}",
        kind="batch",
        params={"n": n, "count": count},
        flops=2.0 * count * n**3,
        reads=8.0 * count * n**2,
        writes=4.0 * count * n**2,
        asked={BEST: asked},
    )


def _packed(n: int) -> Case:
    case = replace(_product(f"{n}x{n}x{n}", PACKED_ASKED), kind="packed")
    return replace(case, name=f"prepacked {n}x{n}x{n}")


def _dot(count: int) -> Case:
    return Case(
        family="targets",
        name=f"dot of {count}",
        kind="dot",
        params={"count": count},
        flops=2.0 * count,
        reads=8.0 * count,
        writes=4.0,
        asked={BEST: 1.0},
    )


def targets() -> list[Case]:
    """Those of AVX-512."""
    steps = {case.name.partition(",")[0]: case for case in FAMILIES["train"]}
    return [
        *(_product(text, asked) for text, asked in PRODUCTS.items()),
        *(_batch(n, *asked) for n, asked in BATCHES.items()),
        *map(_packed, PACKED),
        *map(_dot, DOTS),
        *_winograd(),
        *_few_channels(),
        *_many_groups(),
        *_pointwise(),
        *(
            replace(steps[net], family="targets", name=f"train {net}", asked={BEST: asked})
            for net, asked in STEPS.items()
        ),
    ]


def targets_avx2() -> list[Case]:
    """Those of AVX2."""
    five = {"training": {DEFAULT: 5.0}}
    cases = [
        *(_product(text, 1.0) for text in PRODUCTS),
        *_conv("3x3 1x64@56", _each(default=2.5), 1, 64, 56, 64),
        *_conv("3x3 16x128@28", _each(default=2.5), 16, 128, 28, 128),
        *_conv("notebook 3x3 64x3->3@32", five, 64, 3, 32, 3),
        *_conv("LeNet 5x5 64x1->6@28", {"training": {DEFAULT: 6.0}}, 64, 1, 28, 6, (5, 5)),
        *_conv("depthwise 3x3 1x32@112", _each(default=2.6), 1, 32, 112, 32, groups=32),
    ]
    return [replace(case, family="targets_avx2") for case in cases]


def targets_threads() -> list[Case]:
    """Steps of nets above 10 million operations gain 1.8, and nothing is slower."""
    steps = [
        replace(case, asked={ONE_THREAD: 1.8 if case.flops > 1e7 else 1.0})
        for case in FAMILIES["train"]
    ]
    trainings = [case for case in FAMILIES["conv"] if case.params["which"] == "training"]
    others = [
        replace(case, name=f"{case.family} {case.name}", asked={ONE_THREAD: 1.0})
        for case in FAMILIES["gemm"] + trainings
    ]
    return [replace(case, family="targets_threads") for case in steps + others]
