"""The workloads: plain data that every peer can build from."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import nets

__all__ = ["FAMILIES", "Case", "conv_case", "gemm_case"]


@dataclass(frozen=True)
class Case:
    """One workload.

    Attributes
    ----------
    family : str
        Key of :data:`FAMILIES`, or ``"grid"``: what ``--cases`` selects by.
    name : str
        Printed; unique within the family.
    kind : str
        Which builder of ``workloads.py`` makes it.
    params : dict
        The builder's arguments.
    flops : float
        Floating-point operations of one call, as the direct method counts them; 0 if the
        figure says nothing.
    reads, writes : float
        Bytes of the operands and of the results, each once; 0 if the figure says nothing.
    operations : float
        Operations on vectors of 64 bytes that the kernel cannot do without, whatever pipe does
        them; 0 if the figure says nothing.
    dtype : str
        Of the operands.
    asked : dict
        What the ratio should be, by what it is measured against (see :mod:`.targets`).
    in_place : bool
        Whether what is written lies where it was read: such lines are not fetched for it again.
    unit : str
        What is measured: ``"s"``, the time of a call, or ``"bytes"``, the memory that one takes
        in a fresh process (see :mod:`.memory`).
    """

    family: str
    name: str
    kind: str
    params: dict[str, int | str] = field(hash=False)
    flops: float = 0.0
    reads: float = 0.0
    writes: float = 0.0
    operations: float = 0.0
    dtype: str = "float32"
    asked: dict[str, float] = field(default_factory=dict, hash=False)
    in_place: bool = False
    unit: str = "s"


def gemm_case(m: int, n: int, k: int, layout: str = "nn") -> Case:
    """The product of m x k and k x n; ``"nt"``: the second operand is a transposed matrix."""
    return Case(
        family="gemm",
        name=f"{m}x{k}x{n}" + ("" if layout == "nn" else f" {layout}"),
        kind="gemm",
        params={"m": m, "n": n, "k": k, "layout": layout},
        flops=2.0 * m * n * k,
        reads=4.0 * (m * k + k * n),
        writes=4.0 * m * n,
    )


def conv_case(family: str, name: str, which: str, dtype: str, **p: int) -> Case:
    """One pass of a convolution.

    Parameters
    ----------
    which : str
        ``"forward"``, ``"input"`` or ``"weight"`` (the gradients of these), or ``"training"``:
        forward and all gradients.
    p : int
        ``n, c, size, k, r, s, stride, pad_h, pad_w, dilation, groups``; images are square.
    """
    height = (p["size"] + 2 * p["pad_h"] - p["dilation"] * (p["r"] - 1) - 1) // p["stride"] + 1
    width = (p["size"] + 2 * p["pad_w"] - p["dilation"] * (p["s"] - 1) - 1) // p["stride"] + 1
    x = p["n"] * p["c"] * p["size"] ** 2
    w = p["k"] * (p["c"] // p["groups"]) * p["r"] * p["s"]
    y = p["n"] * p["k"] * height * width
    reads, writes = {
        "forward": (x + w, y),
        "input": (y + w, x),
        "weight": (x + y, w),
        "training": (2 * x + 2 * w + 2 * y, x + w + y),
    }[which]
    passes = 3 if which == "training" else 1
    return Case(
        family=family,
        name=name,
        kind="conv",
        params={**p, "which": which, "dtype": dtype},
        flops=2.0 * passes * y * (p["c"] // p["groups"]) * p["r"] * p["s"],
        reads=float(reads * (8 if dtype == "float64" else 4)),
        writes=float(writes * (8 if dtype == "float64" else 4)),
        dtype=dtype,
    )


def _conv(
    label: str,
    n: int,
    c: int,
    size: int,
    k: int,
    r: int,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
) -> list[Case]:
    pad = r // 2 if padding is None else padding
    shape = {"n": n, "c": c, "size": size, "k": k, "r": r, "s": r, "stride": stride}
    shape |= {"pad_h": pad, "pad_w": pad, "dilation": 1, "groups": groups}
    return [
        conv_case("conv", f"{label} {which}", which, "float32", **shape)
        for which in ("forward", "input", "weight", "training")
    ]


def _resnet() -> list[Case]:
    cases: list[Case] = []
    for n in (1, 8):
        for channels, size in ((64, 56), (128, 28), (256, 14), (512, 7)):
            cases += _conv(f"{n}x{channels}@{size} 3x3", n, channels, size, channels, 3)
        for c, size, k in (
            (64, 56, 256),
            (256, 56, 64),
            (512, 28, 128),
            (1024, 14, 256),
            (2048, 7, 512),
        ):
            cases += _conv(f"{n}x{c}->{k}@{size} 1x1", n, c, size, k, 1)
    return cases


def _few_channels() -> list[Case]:
    return [
        *_conv("notebook 64x3->3@32 3x3", 64, 3, 32, 3, 3),
        *_conv("LeNet 64x1->6@28 5x5", 64, 1, 28, 6, 5),
        *_conv("LeNet 64x6->16@14 5x5", 64, 6, 14, 16, 5, padding=0),
        *_conv("stem 1x3->64@224 7x7/2", 1, 3, 224, 64, 7, stride=2),
        *_conv("depthwise 1x32@112 3x3", 1, 32, 112, 32, 3, groups=32),
    ]


def _strided() -> list[Case]:
    return [
        *_conv("3x3/2 8x64->128@28", 8, 64, 28, 128, 3, stride=2),
        *_conv("3x3/2 8x256@28", 8, 256, 28, 256, 3, stride=2),
        *_conv("1x1/2 8x256->512@56", 8, 256, 56, 512, 1, stride=2),
        *_conv("U-Net 2x2/2 8x32@56", 8, 32, 56, 32, 2, stride=2, padding=0),
        *_conv("ConvNeXt 2x2/2 8x96->192@56", 8, 96, 56, 192, 2, stride=2, padding=0),
        *_conv("ConvNeXt 4x4/4 8x3->96@224", 8, 3, 224, 96, 4, stride=4, padding=0),
        *_conv("ViT 16x16/16 1x3->768@224", 1, 3, 224, 768, 16, stride=16, padding=0),
        *_conv("DQN 32x4->32@84 8x8/4", 32, 4, 84, 32, 8, stride=4, padding=0),
        *_conv("depthwise 3x3/2 8x144@56", 8, 144, 56, 144, 3, stride=2, groups=144),
    ]


def _few_images() -> list[Case]:
    return [
        *_conv("few images 2x64@4 3x3", 2, 64, 4, 64, 3),
        *_conv("few images 4x64@4 3x3", 4, 64, 4, 64, 3),
        *_conv("few images 2x32->64@8 3x3/2", 2, 32, 8, 64, 3, stride=2),
        *_conv("few images 4x16->32@7 5x5", 4, 16, 7, 32, 5),
    ]


def _elementwise(op: str, label: str, count: int) -> Case:
    reads = 8.0 * count if op == "add" else 4.0 * count
    params: dict[str, int | str] = {"op": op, "count": count}
    return Case("elementwise", f"{op} {label}", "elementwise", params, 0.0, reads, 4.0 * count)


SIZES = (("16 KB", 4096), ("1 MB", 1 << 18), ("16 MB", 1 << 22))
#: Floats read and written for each element: the loss forward and backward, then the optimisers'
#: steps.
STREAMS: tuple[tuple[str, str, float, float], ...] = (
    ("loss", "cross-entropy", 2, 1),
    ("optim", "SGD", 2, 1),
    ("optim", "SGD momentum", 3, 2),
    ("optim", "Adam", 4, 3),
)


def _streams() -> list[Case]:
    cases = []
    for kind, op, reads, writes in STREAMS:
        for label, count in SIZES:
            params: dict[str, int | str] = {"op": op, "count": count}
            bytes_ = (4.0 * reads * count, 4.0 * writes * count)
            cases.append(Case("elementwise", f"{op} {label}", kind, params, 0.0, *bytes_))
    return cases


def _pool(op: str, n: int, c: int, size: int, k: int, stride: int, pad: int = 0) -> Case:
    """Forward and backward; max pooling keeps the positions of its maxima."""
    x = n * c * size**2
    y = n * c * ((size + 2 * pad - k) // stride + 1) ** 2
    maps = 2 if op == "max" else 1
    name = f"{op} {k}x{k}/{stride}{' padded' * (pad > 0)}, {n}x{c}@{size}"
    params: dict[str, int | str] = {"op": op, "n": n, "c": c, "size": size}
    params |= {"k": k, "stride": stride, "pad": pad}
    moved = 4.0 * (x + maps * y)
    return Case("pool", name, "pool", params, 0.0, moved, moved)


def _net(task: str, net: str, batch: int) -> Case:
    flops = nets.step_flops(net, batch) if task == "train" else nets.forward_flops(net, batch)
    params: dict[str, int | str] = {"task": task, "net": net, "batch": batch}
    return Case(task, f"{net}, batch {batch}", "net", params, flops)


FAMILIES: dict[str, list[Case]] = {
    "gemm": [
        *(gemm_case(s, s, s) for s in (8, 16, 32, 64, 128, 256, 512, 1024)),
        gemm_case(256, 256, 256, "nt"),
        gemm_case(1024, 1024, 1024, "nt"),
        gemm_case(64, 10, 3072, "nt"),
        gemm_case(16, 1024, 1024, "nt"),
        gemm_case(1, 1024, 1024, "nt"),
        # rows of a matrix as they lie; few rows and columns with a long sum
        gemm_case(1, 1024, 1024),
        gemm_case(1, 1, 10000),
        gemm_case(1, 8, 10000),
        gemm_case(4, 4, 20000),
    ],
    "conv": [*_few_channels(), *_strided(), *_few_images(), *_resnet()],
    "elementwise": [
        *(_elementwise(op, *size) for op in ("relu", "add", "exp", "softmax") for size in SIZES),
        *_streams(),
    ],
    "pool": [
        _pool(op, *how)
        for op in ("max", "mean")
        for how in (
            (64, 32, 28, 2, 2),
            (8, 64, 112, 2, 2),
            (8, 64, 112, 3, 2, 1),
            (8, 192, 56, 3, 2),
            (16, 256, 28, 3, 1, 1),
            (16, 256, 14, 3, 1, 1),
            (16, 256, 14, 3, 2, 1),
            (16, 512, 7, 3, 2, 1),
            (16, 512, 7, 7, 7),
            (16, 256, 14, 5, 1, 2),
            (16, 256, 20, 13, 1, 6),
            (16, 256, 13, 5, 3),
        )
    ],
    "train": [_net("train", net, 64) for net in nets.NETS],
    "infer": [_net("infer", net, batch) for net in nets.NETS for batch in (1, 64)],
}
