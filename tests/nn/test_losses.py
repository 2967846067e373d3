"""Losses against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

REDUCTIONS = ["mean", "sum", "none"]
# logits, targets
SIZES: list[tuple[Any, Any]] = [
    ((6, 4), (6,)),
    ((1, 4), (1,)),
    ((4,), ()),
    ((5, 1), (5,)),
    ((2, 4, 3), (2, 3)),
    ((2, 4, 3, 5), (2, 3, 5)),
]


def logits(dtype: Any, shape: Any, seed: int = 1) -> Any:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * 3, dtype)


def classes(shape: Any, count: int, ignored: int | None = None) -> Any:
    rng = np.random.default_rng(2)
    labels = np.asarray(rng.integers(0, count, shape))
    if ignored is not None:
        labels = np.where(rng.random(shape) < 0.4, ignored, labels)
    return labels


def _named(shape: Any, reduction: str) -> bool:
    """PyTorch turns a sequence into an image and its losses back, which hides the node."""
    return not (len(shape) == 3 and reduction == "none")


def _count(shape: Any) -> int:
    return int(shape[1] if len(shape) > 1 else shape[0])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "labels"), SIZES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy(
    both: Any, dtype: Any, reduction: str, shape: Any, labels: Any, weighted: bool, smoothing: float
) -> None:
    count = _count(shape)
    weight = np.linspace(0.5, 2, count).astype(dtype) if weighted else None
    y = classes(labels, count)

    def call(lib: Any, x: Any, y: Any, w: Any) -> Any:
        how = {"reduction": reduction, "label_smoothing": smoothing}
        return lib.F.cross_entropy(x, y, None if w is None else w.detach(), **how)

    both.same(call, logits(dtype, shape), y, weight, name=_named(shape, reduction))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("ignored", [-100, 1, 7])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_ignored_classes(
    both: Any, reduction: str, ignored: int, smoothing: float, weighted: bool
) -> None:
    y = classes((9,), 4, ignored)
    weight = np.array([0.5, 1.5, 2.0, 0.25]) if weighted else None

    def call(lib: Any, x: Any, y: Any, w: Any) -> Any:
        how = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignored}
        return lib.F.cross_entropy(x, y, None if w is None else w.detach(), **how)

    both.same(call, logits(np.float64, (9, 4)), y, weight)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nothing_counts(both: Any, reduction: str) -> None:
    how = {"reduction": reduction}
    everything = np.full(3, -100)
    both.same(lambda lib, x, y: lib.F.cross_entropy(x, y, **how), logits(float, (3, 4)), everything)
    both.same(lambda lib, x, y: lib.F.nll_loss(x, y, **how), logits(float, (3, 4)), everything)
    none = np.zeros(0, int)
    both.same(lambda lib, x, y: lib.F.cross_entropy(x, y, **how), logits(float, (0, 4)), none)
    both.same(lambda lib, x, y: lib.F.nll_loss(x, y, **how), logits(float, (0, 4)), none)
    both.same(lambda lib, x, y: lib.F.mse_loss(x, y, **how), np.ones((0, 3)), np.ones((0, 3)))
    both.same(lambda lib, x, y: lib.F.l1_loss(x, y, **how), np.ones((0, 3)), np.ones((0, 3)))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(6, 4), (4,), (2, 4, 3), (2, 4, 3, 2)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_probabilities(
    both: Any, dtype: Any, reduction: str, shape: Any, weighted: bool, smoothing: float
) -> None:
    p = np.abs(logits(dtype, shape, 3))
    p /= p.sum(axis=1 if p.ndim > 1 else 0, keepdims=True)
    weight = np.linspace(0.5, 2, _count(shape)).astype(dtype) if weighted else None

    def call(lib: Any, x: Any, p: Any, w: Any) -> Any:
        how = {"reduction": reduction, "label_smoothing": smoothing}
        return lib.F.cross_entropy(x, p, None if w is None else w.detach(), **how)

    both.same(call, logits(dtype, shape), p, weight, name=False)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "labels"), SIZES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_nll_loss(
    both: Any, dtype: Any, reduction: str, shape: Any, labels: Any, weighted: bool
) -> None:
    count = _count(shape)
    weight = np.linspace(0.5, 2, count).astype(dtype) if weighted else None
    y = classes(labels, count, 0)

    def call(lib: Any, x: Any, y: Any, w: Any) -> Any:
        how = {"reduction": reduction, "ignore_index": 0}
        return lib.F.nll_loss(x, y, None if w is None else w.detach(), **how)

    both.same(call, logits(dtype, shape), y, weight, name=_named(shape, reduction))


def test_cross_entropy_is_nll_of_log_softmax(both: Any) -> None:
    x, y = both.ours.tensor(logits(float, (7, 5))), both.ours.tensor(classes((7,), 5))
    F = both.ours.F
    whole, parts = F.cross_entropy(x, y), F.nll_loss(F.log_softmax(x, 1), y)
    np.testing.assert_allclose(whole.numpy(), parts.numpy(), rtol=1e-14)


def test_bytes_are_classes(both: Any) -> None:
    y = np.array([0, 3, 2], np.uint8)
    both.same(lambda lib, x, y: lib.F.cross_entropy(x, y), logits(float, (3, 4)), y)


def test_extreme_logits(both: Any, dtype: Any) -> None:
    x = np.array([[1e4, -1e4, 0], [np.inf, 0, 1], [np.nan, 0, 1], [-np.inf, 0, 1]], dtype)
    y = np.array([1, 2, 1, 1])
    how = {"reduction": "none"}
    both.same(lambda lib, x, y: lib.F.cross_entropy(x, y, **how), x, y, grad=False)
    both.same(lambda lib, x, y: lib.F.cross_entropy(x, y, **how), x[[0, 3]], y[[0, 3]])


f4, f8 = np.float32, np.float64
X, Y = np.ones((4, 3), f4), np.array([0, 1, 2, 1])

CLASS_ERRORS: dict[str, tuple[list[Any], dict[str, Any], str | None]] = {
    "batch": ([X, Y[:3]], {}, None),
    "class": ([X, np.array([0, 1, 10, 0])], {}, None),
    "negative class": ([X, np.array([0, 1, -1, 0])], {}, None),
    "class of an image": ([np.ones((2, 3, 4, 5)), np.full((2, 4, 5), 7)], {}, None),
    "reduction": ([X, Y], {"reduction": "foo"}, None),
    "int32": ([X, Y.astype(np.int32)], {}, None),
    "float": ([X, Y.astype(f4)], {}, None),
    "bool": ([X, Y.astype(bool)], {}, None),
    "two targets": ([X, Y[:, None]], {}, None),
    "no target": ([X, np.array(1)], {}, None),
    "image": ([np.ones((2, 3, 4, 5)), np.zeros((2, 4, 4), int)], {}, None),
    "image, too few": ([np.ones((2, 3, 4, 5)), np.zeros((2, 4), int)], {}, None),
    "sequence": ([np.ones((2, 3, 4)), np.zeros((2, 3), int)], {}, None),
    "sequence, too few": ([np.ones((2, 3, 4)), np.zeros(2, int)], {}, None),
}


@pytest.mark.parametrize("case", CLASS_ERRORS)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_class_errors(both: Any, name: str, case: str) -> None:
    arrays, how, start = CLASS_ERRORS[case]
    both.same_error(lambda lib, *t: getattr(lib.F, name)(*t, **how), *arrays, start=start)


CROSS_ENTROPY_ERRORS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "smoothing": ([X, Y], {"label_smoothing": 1.1}),
    "integer probabilities": ([X, np.ones((4, 3), int)], {}),
    "ignored probability": ([X, X], {"ignore_index": 1}),
    "integer logits": ([np.ones((4, 3), int), Y], {}),
    "no tensor": ([X, [0, 1, 2, 1]], {}),
}


@pytest.mark.parametrize("case", CROSS_ENTROPY_ERRORS)
def test_cross_entropy_errors(both: Any, case: str) -> None:
    arrays, how = CROSS_ENTROPY_ERRORS[case]
    start = '"log_softmax_lastdim_kernel_impl" not impl' if case == "integer logits" else None
    both.same_error(lambda lib, *t: lib.F.cross_entropy(*t, **how), *arrays, start=start)


@pytest.mark.parametrize("weight", [np.ones(4, f4), np.ones(3, f8)], ids=["size", "dtype"])
def test_wrong_weights(both: Any, weight: Any) -> None:
    def call(lib: Any, x: Any, y: Any, w: Any) -> Any:
        return lib.F.cross_entropy(x, y, w.detach())

    both.same_error(call, X, Y, weight)


def test_weights_have_no_gradient(both: Any) -> None:
    both.same_error(lambda lib, x, y, w: lib.F.cross_entropy(x, y, w), X, Y, np.ones(3, f4))


def test_negative_smoothing_is_an_error(both: Any) -> None:
    x, y = both.ours.tensor(X), both.ours.tensor(Y)
    with pytest.raises(RuntimeError, match=r"label_smoothing must be between 0.0 and 1.0. Got: -0"):
        both.ours.F.cross_entropy(x, y, label_smoothing=-0.1)


def test_after_a_wrong_label_nothing_has_changed(both: Any) -> None:
    x = both.ours.tensor(X).requires_grad_(True)
    with pytest.raises(IndexError, match="Target 12 is out of bounds"):
        both.ours.F.cross_entropy(x, both.ours.tensor(np.array([0, 1, 12, 1])))
    assert x.grad is None
    both.ours.F.cross_entropy(x, both.ours.tensor(Y)).backward()
    assert np.isfinite(x.grad.numpy()).all()


# -- elementwise losses ----------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 0)], ids=str)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_regression(both: Any, dtype: Any, name: str, reduction: str, shape: Any) -> None:
    a, b = logits(dtype, shape), logits(dtype, shape, 2)
    both.same(lambda lib, *t: getattr(lib.F, name)(*t, reduction=reduction), a, b)
    both.same(lambda lib, *t: getattr(lib.F, name)(*t, reduction=reduction), a, b, fixed=(1,))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_regression_broadcasts_with_a_warning(both: Any, name: str, reduction: str) -> None:
    def call(lib: Any, a: Any, b: Any) -> Any:
        with pytest.warns(UserWarning, match="Using a target size .* that is different to"):
            return getattr(lib.F, name)(a, b, reduction=reduction)

    both.same(call, logits(f8, (4, 3)), logits(f8, (3,), 2))
    both.same(call, logits(f8, (4, 1)), logits(f8, (2, 1, 3), 2))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_regression_with_weights_and_mixed_types(both: Any, name: str, reduction: str) -> None:
    a, b, w = logits(f8, (4, 3)), logits(f8, (4, 3), 2), np.abs(logits(f8, (4, 3), 3))
    call = getattr
    both.same(
        lambda lib, a, b, w: call(lib.F, name)(a, b, reduction=reduction, weight=w.detach()),
        a,
        b,
        w,
        name=False,
    )
    how = {"reduction": reduction}
    both.same(lambda lib, a, b: call(lib.F, name)(a, b, **how), a, b.astype(f4), terms=10**9)
    both.same(lambda lib, a, b: call(lib.F, name)(a, b, **how), a, b.astype(int))


def test_regression_errors(both: Any) -> None:
    for name in ("mse_loss", "l1_loss"):

        def call(lib: Any, a: Any, b: Any, name: str = name, **how: Any) -> Any:
            with pytest.warns(UserWarning, match="Using a target size"):
                return getattr(lib.F, name)(a, b, **how)

        both.same_error(call, np.ones((4, 3)), np.ones(5))
        both.same_error(
            lambda lib, a, b, w, name=name: getattr(lib.F, name)(a, b, weight=w),
            *[np.ones((4, 3))] * 2,
            np.ones(3),
        )
        both.same_error(
            lambda lib, a, b, name=name: getattr(lib.F, name)(a, b, reduction="foo"),
            *[np.ones((4, 3))] * 2,
        )
    both.same_error(lambda lib, a, b: lib.F.mse_loss(a, b), np.ones(3, int), np.ones(3, int))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (3, 4), (0, 2)], ids=str)
@pytest.mark.parametrize("weight", [None, "full", "row"])
@pytest.mark.parametrize("pos_weight", [None, "row"])
def test_bce_with_logits(
    both: Any, dtype: Any, reduction: str, shape: Any, weight: Any, pos_weight: Any
) -> None:
    def factor(kind: str | None, seed: int) -> Any:
        size = {None: None, "full": shape, "row": shape[-1:]}[kind]
        return None if size is None else np.asarray(np.abs(logits(dtype, size, seed)))

    x = logits(dtype, shape)
    p = np.random.default_rng(3).random(shape).astype(dtype) if shape else np.array(0.3, dtype)
    arrays = [x, p, factor(weight, 4), factor(pos_weight, 5)]

    def call(lib: Any, x: Any, p: Any, w: Any, pw: Any) -> Any:
        how = {
            "weight": None if w is None else w.detach(),
            "pos_weight": None if pw is None else pw.detach(),
        }
        return lib.F.binary_cross_entropy_with_logits(x, p, reduction=reduction, **how)

    both.same(call, *arrays)
    both.same(call, *arrays, fixed=(1,))


def test_bce_extremes(both: Any, dtype: Any) -> None:
    x = np.array([1e4, -1e4, 0.0, 50.0, -50.0, np.nan], dtype)
    for p in (0.0, 1.0, 0.5):
        both.same(
            lambda lib, x, p: lib.F.binary_cross_entropy_with_logits(x, p, reduction="none"),
            x,
            np.full(6, p, dtype),
            fixed=(1,),
        )


@pytest.mark.parametrize(
    ("arrays", "how"),
    [
        ([X, np.ones(3, f4)], {}),
        ([X, np.ones((4, 3), int)], {}),
        ([np.ones((4, 3), int), np.ones((4, 3), f4)], {}),
        ([X, X], {"reduction": "foo"}),
    ],
    ids=["size", "integer target", "integer logits", "reduction"],
)
def test_bce_errors(both: Any, arrays: Any, how: Any) -> None:
    start = '"log_sigmoid_cpu" not implemented for' if arrays[0].dtype == int else None
    name = "binary_cross_entropy_with_logits"
    both.same_error(lambda lib, *t: getattr(lib.F, name)(*t, **how), *arrays, start=start)


def test_bce_factors_must_broadcast(both: Any) -> None:
    def call(lib: Any, x: Any, p: Any, w: Any) -> Any:
        return lib.F.binary_cross_entropy_with_logits(x, p, w.detach())

    both.same_error(call, X, X, np.ones(2, f4))


# -- layers ----------------------------------------------------------------------------------

LAYERS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "MSELoss": ({"reduction": "sum"}, [X, X * 2]),
    "L1Loss": ({"reduction": "none"}, [X, X * 2]),
    "CrossEntropyLoss": ({"ignore_index": 1, "label_smoothing": 0.1}, [X, Y]),
    "NLLLoss": ({"ignore_index": 1}, [X, Y]),
    "BCEWithLogitsLoss": ({}, [X, X / 4]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(both: Any, name: str) -> None:
    kwargs, arrays = LAYERS[name]
    both.same(lambda lib, *t: getattr(lib.nn, name)(**kwargs)(*t), *arrays)
    both.same(lambda lib, *t: getattr(lib.nn, name)()(*t), *arrays)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "BCEWithLogitsLoss"])
def test_layers_keep_their_weights(both: Any, name: str) -> None:
    weight = np.array([0.5, 1, 2], f4)
    arrays = LAYERS[name][1]

    def call(lib: Any, *t: Any) -> Any:
        loss = getattr(lib.nn, name)(lib.tensor(weight))
        assert list(loss.state_dict()) == ["weight"]
        assert not list(loss.parameters())
        return loss(*t)

    both.same(call, *arrays)


def test_former_reduction_arguments(both: Any) -> None:
    for size_average, reduce in ((True, None), (False, None), (None, False), (False, True)):

        def call(lib: Any, x: Any, y: Any, s: Any = size_average, r: Any = reduce) -> Any:
            with pytest.warns(UserWarning, match="size_average and reduce args will be deprecat"):
                return lib.F.cross_entropy(x, y, None, s, -100, r)

        both.same(call, X, Y)
