"""Every library computes what the reference computes, in every pass; a broken one is caught."""

from itertools import product

import numpy as np
import pytest

from fastnn.backends import CONV_ALGORITHMS
from fastnn.bench import nets, peer, worker, workloads
from fastnn.bench.bandwidth import KERNELS
from fastnn.bench.cases import FAMILIES, Case, conv_case
from fastnn.bench.runner import tolerance

PASSES = ("forward", "input", "weight", "training")
SHAPE = {"n": 3, "c": 4, "size": 11, "k": 8, "r": 3, "s": 5, "stride": 2, "pad_h": 1, "pad_w": 4}
CONVS = [
    conv_case("conv", f"{which} g{groups}", which, dtype, dilation=dilation, groups=groups, **SHAPE)
    for which, (groups, dilation), dtype in product(
        PASSES, ((1, 1), (4, 1), (2, 2)), ("float32", "float64")
    )
]
NETS = [
    Case(task, net, "net", {"task": task, "net": net, "batch": 2})
    for task, net in product(("train", "infer"), nets.NETS)
]
WINDOWS = {"n": 2, "c": 3, "size": 9, "k": 3, "stride": 2, "pad": 1}
POOLS = [Case("pool", op, "pool", {"op": op, **WINDOWS}) for op in ("max", "mean")]
SMALL = [
    *CONVS,
    *NETS,
    Case("gemm", "nn", "gemm", {"m": 5, "n": 6, "k": 7, "layout": "nn"}),
    Case("gemm", "nt", "gemm", {"m": 5, "n": 6, "k": 7, "layout": "nt"}),
    Case("targets", "packed", "packed", {"m": 5, "n": 6, "k": 7, "layout": "nn"}),
    Case("targets", "batch", "batch", {"n": 5, "count": 3}),
    Case("targets", "dot", "dot", {"count": 37}),
    *(
        Case("elementwise", op, "elementwise", {"op": op, "count": 256})
        for op in ("relu", "add", "exp", "softmax")
    ),
    *POOLS,
    *(Case("bandwidth", op, "kernel", {"op": op, "rows": 8}) for op in KERNELS),
]
LIBRARIES = ("fastnn", "algorithms", "numpy", "torch", "onnxruntime")


def made(library, case):
    needed = peer.ALSO.get(library, (library,))
    for name in needed:
        if name != "algorithms":
            pytest.importorskip(name)
    return workloads.prepare(library, case)


@pytest.mark.parametrize("case", SMALL, ids=lambda c: f"{c.kind}-{c.family}-{c.name}-{c.dtype}")
@pytest.mark.parametrize("library", LIBRARIES)
def test_results_are_those_of_the_reference(library, case):
    prepared = made(library, case)
    if prepared is None:
        assert (library, case.kind) != ("fastnn", case.kind)
        return
    assert worker._verify(case, prepared) <= tolerance(case)
    for call in prepared.variants.values():
        call()


@pytest.mark.parametrize("case", CONVS, ids=lambda c: f"{c.name}-{c.dtype}")
def test_an_error_in_the_last_image_is_caught(case):
    prepared = workloads.prepare("fastnn", case)
    right = prepared.result()
    for i in range(len(right)):
        wrong = [array.copy() for array in right]
        wrong[i].flat[-1] += 1e-2
        prepared.result = lambda wrong=wrong: wrong
        assert worker._verify(case, prepared) > tolerance(case)


def test_layouts_of_torch_give_the_same():
    pytest.importorskip("torch")
    for case in (*CONVS, *POOLS):
        prepared = workloads.prepare("torch", case)
        assert list(prepared.variants) == ["", "channels_last"]
        results = [call() for call in prepared.variants.values()]
        for one, other in zip(*(r if isinstance(r, list | tuple) else [r] for r in results)):  # noqa: B905
            if one is not None:
                np.testing.assert_allclose(one.detach(), other.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", CONVS, ids=lambda c: f"{c.name}-{c.dtype}")
def test_every_algorithm_is_a_variant_and_one_is_chosen(case):
    prepared = workloads.prepare("algorithms", case)
    if case.params["which"] == "training":
        assert prepared is None
        return
    assert {"auto", "direct", "im2col"} <= set(prepared.variants) <= set(CONV_ALGORITHMS)
    assert prepared.chosen in prepared.variants
    forward = case.params["which"] == "forward"
    want = prepared.variants["auto"]()
    for call in prepared.variants.values():
        for one, other in zip([call()] if forward else call(), [want] if forward else want):  # noqa: B905
            if one is not None:
                np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_operations_of_the_nets_are_counted_from_their_layers():
    import fastnn

    for name, (shape, _) in nets.NETS.items():
        net = nets.build(name, fastnn.nn)
        found = []

        def note(layer, _, out, found=found):
            weight = getattr(layer, "weight", None)
            if weight is not None:
                found.append(2 * weight.numel() * out.numel() / out.shape[1])

        for layer in net:
            layer.register_forward_hook(note)
        net(fastnn.zeros(3, *shape))
        assert nets.forward_flops(name, 3) == sum(found)
        assert nets.step_flops(name, 3) == 3 * sum(found) - found[0]


def test_names_are_unique_within_a_family():
    for family, cases in FAMILIES.items():
        names = [case.name for case in cases]
        assert len(names) == len(set(names))
        assert {case.family for case in cases} == {family}
