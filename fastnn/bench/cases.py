"""The workloads: plain data that every peer can build from."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FAMILIES", "Case", "select"]


@dataclass(frozen=True)
class Case:
    """One workload.

    Attributes
    ----------
    family : str
        Key of :data:`FAMILIES`, what ``--cases`` selects by.
    name : str
        Printed; unique within the family.
    kind : str
        Which builder of ``workloads.py`` makes it.
    params : dict
        The builder's arguments.
    flops : float
        Floating-point operations of one call, as the direct method counts them; 0 if the
        figure says nothing.
    """

    family: str
    name: str
    kind: str
    params: dict[str, int | str] = field(hash=False)
    flops: float = 0.0


def _gemm(m: int, n: int, k: int, layout: str = "nn") -> Case:
    name = f"{m}x{k}x{n}" + ("" if layout == "nn" else f" {layout}")
    return Case("gemm", name, "gemm", {"m": m, "n": n, "k": k, "layout": layout}, 2.0 * m * n * k)


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
    passes: tuple[str, ...] = ("forward", "training"),
) -> list[Case]:
    padding = r // 2 if padding is None else padding
    out = (size + 2 * padding - r) // stride + 1
    forward = 2.0 * n * k * out * out * (c // groups) * r * r
    shape: dict[str, int | str] = {
        "n": n,
        "c": c,
        "size": size,
        "k": k,
        "r": r,
        "stride": stride,
        "padding": padding,
        "groups": groups,
    }
    return [
        Case(
            "conv",
            f"{label} {p}",
            "conv",
            {**shape, "which": p},
            forward if p == "forward" else 3 * forward,
        )
        for p in passes
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
        *_conv("3x3/2 8x64->128@28", 8, 64, 28, 128, 3, stride=2),
    ]


def _train(net: str, batch: int, flops: float = 0.0) -> Case:
    return Case("train", f"{net}, batch {batch}", "train", {"net": net, "batch": batch}, flops)


FAMILIES: dict[str, list[Case]] = {
    "gemm": [
        *(_gemm(s, s, s) for s in (8, 16, 32, 64, 128, 256, 512, 1024)),
        _gemm(256, 256, 256, "nt"),
        _gemm(1024, 1024, 1024, "nt"),
        _gemm(64, 10, 3072, "nt"),
        _gemm(16, 1024, 1024, "nt"),
        _gemm(1, 1024, 1024, "nt"),
    ],
    "conv": [*_few_channels(), *_resnet()],
    "elementwise": [
        Case("elementwise", f"{op} {label}", "elementwise", {"op": op, "count": count})
        for op in ("relu", "add", "exp", "softmax")
        for label, count in (("16 KB", 4096), ("1 MB", 1 << 18), ("16 MB", 1 << 22))
    ],
    "train": [
        _train("MLP 10-5-5-10", 64),
        _train("MLP 784-256-256-10", 64),
        _train("Classifier 3-3-3-3-10", 64),
        _train("LeNet", 64),
    ],
}


def select(names: list[str]) -> list[Case]:
    """Cases of the named families; a name may be ``family:text`` to keep names with that text.

    Raises
    ------
    ValueError
        If there is no such family, or nothing is left.
    """
    chosen: list[Case] = []
    for name in names:
        family, _, text = name.partition(":")
        if family not in FAMILIES:
            raise ValueError(f"unknown cases {family!r}; choose from {', '.join(FAMILIES)}")
        chosen += [case for case in FAMILIES[family] if text in case.name]
    if not chosen:
        raise ValueError(f"no case matches {', '.join(names)}")
    return chosen
