"""nn.utils against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def model(lib: Any, scale: float) -> list[Any]:
    """Parameters with gradients, and one without."""
    rng = np.random.default_rng(1)
    parameters = []
    for shape in ((3, 4), (5,), (2, 1)):
        parameter = lib.nn.Parameter(lib.tensor(rng.standard_normal(shape)))
        parameter.grad = lib.tensor(rng.standard_normal(shape) * scale)
        parameters.append(parameter)
    return [*parameters, lib.nn.Parameter(lib.tensor(np.ones(2)))]


def compare(both: Any, call: Any, scale: float = 1.0) -> None:
    ours, theirs = (model(lib, scale) for lib in (both.ours, both.theirs))
    results = [call(lib.nn.utils, p) for lib, p in ((both.ours, ours), (both.theirs, theirs))]
    if results[1] is not None:
        np.testing.assert_allclose(results[0].detach().numpy(), results[1].detach().numpy())
    for got, want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy())
        assert (got.grad is None) == (want.grad is None)
        if want.grad is not None:
            np.testing.assert_allclose(got.grad.numpy(), want.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("norm", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_clip_grad_norm(both: Any, norm: float, scale: float) -> None:
    compare(both, lambda utils, p: utils.clip_grad_norm_(p, 2.5, norm), scale)


def test_clip_one_parameter_and_none(both: Any) -> None:
    compare(both, lambda utils, p: utils.clip_grad_norm_(p[0], 0.1))
    compare(both, lambda utils, p: utils.clip_grad_norm_(p[3:], 0.1))
    compare(both, lambda utils, p: utils.clip_grad_value_(p, 0.3))


def test_not_finite(both: Any) -> None:
    def call(lib: Any) -> None:
        parameters = model(lib, 1.0)
        parameters[0].grad[0, 0] = float("nan")
        lib.nn.utils.clip_grad_norm_(parameters, 1.0)
        assert np.isnan(parameters[1].grad.numpy()).all()
        lib.nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)

    both.same_error(call)


def test_vectors(both: Any) -> None:
    compare(both, lambda utils, p: utils.parameters_to_vector(p))
    ours = both.ours
    parameters = model(ours, 1.0)
    vector = ours.tensor(np.arange(21.0))
    ours.nn.utils.vector_to_parameters(vector, parameters)
    assert parameters[0].detach().numpy()[0].tolist() == [0, 1, 2, 3]
    assert parameters[3].detach().numpy().tolist() == [19, 20]
    back = ours.nn.utils.parameters_to_vector(parameters)
    np.testing.assert_array_equal(back.detach().numpy(), vector.numpy())
    with pytest.raises(RuntimeError, match="the parameters have 21 elements, but the vector has o"):
        ours.nn.utils.vector_to_parameters(ours.tensor(np.ones(9)), parameters)
    assert parameters[0].detach().numpy()[0, 1] == 1
    with pytest.raises(TypeError, match=r"expected fastnn\.Tensor, but got: list"):
        ours.nn.utils.vector_to_parameters([1], parameters)
