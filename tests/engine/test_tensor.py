"""Tensor's own methods: ways in and out, copies, pickling, protocols."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.functions.methods import Methods


def test_numpy_shares_memory() -> None:
    array = np.arange(6.0).reshape(2, 3)
    t = fastnn.from_numpy(array)
    assert t.numpy() is array
    assert np.asarray(t) is array
    array[0, 0] = 9
    assert t[0, 0].item() == 9
    assert np.array(t) is not array
    assert np.asarray(t, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        np.array(t, np.float32, copy=False)


def test_numpy_refuses_the_graph() -> None:
    x = fastnn.ones(2, requires_grad=True)
    text = r"Can't call numpy\(\) on Tensor that requires grad. Use tensor.detach\(\).numpy\(\)"
    for read in (x.numpy, lambda: np.asarray(x), (x * 2).numpy):
        with pytest.raises(RuntimeError, match=text):
            read()
    assert x.numpy(force=True).tolist() == [1, 1]
    assert x.detach().numpy().tolist() == [1, 1]


def test_requires_grad_is_for_floats() -> None:
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype can require"):
        fastnn.tensor([1, 2]).requires_grad_()
    x = fastnn.ones(2)
    x.requires_grad = True
    y = x * 2
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf"):
        y.requires_grad = False
    assert y.requires_grad_() is y
    assert not (x > 0).requires_grad
    assert not x.argmax().requires_grad


def test_properties(torch: Any) -> None:
    a, b = fastnn.zeros(2, 3), torch.zeros(2, 3)
    for name in ("ndim", "itemsize", "nbytes"):
        assert getattr(a, name) == getattr(b, name)
    for name in ("numel", "dim", "nelement", "element_size", "stride", "is_contiguous", "size"):
        assert getattr(a, name)() == getattr(b, name)()
    assert a.t().stride() == b.t().stride()
    assert a.size(-1) == 3
    assert a.stride(0) == 3
    assert repr(a.shape) == "fastnn.Size([2, 3])"
    assert a.dtype is fastnn.float32
    assert a.device == fastnn.device("cpu")
    assert a.type() == "fastnn.FloatTensor"
    assert a.type(fastnn.float64).dtype is fastnn.float64
    assert fastnn.is_tensor(a)
    assert not fastnn.is_tensor(a.numpy())
    assert fastnn.result_type(a, 2) is fastnn.float32
    with pytest.raises(IndexError, match="Dimension out of range"):
        a.size(2)


def test_python_numbers() -> None:
    assert fastnn.tensor(3).item() == 3
    assert isinstance(fastnn.tensor([2.5]).item(), float)
    assert isinstance(fastnn.tensor(True).item(), bool)
    assert (float(fastnn.tensor(2)), int(fastnn.tensor(2.9)), bool(fastnn.tensor([0]))) == (
        2.0,
        2,
        False,
    )
    assert [10, 20, 30][fastnn.tensor(1)] == 20
    assert list(range(fastnn.tensor(3))) == [0, 1, 2]
    assert fastnn.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert f"{fastnn.tensor(2.5):.3f}" == "2.500"
    assert f"{fastnn.tensor([1.0])}" == "tensor([1.])"
    assert 2 in fastnn.tensor([1, 2])
    assert 5 not in fastnn.tensor([1, 2])
    assert len(fastnn.zeros(4, 2)) == 4
    assert [row.tolist() for row in fastnn.tensor([[1], [2]])] == [[1], [2]]


def test_hash_is_identity() -> None:
    a, b = fastnn.ones(2), fastnn.ones(2)
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1


def test_to() -> None:
    x = fastnn.ones(2)
    assert x.to("cpu") is x
    assert x.to(fastnn.float32) is x
    assert x.cpu() is x
    assert x.float() is x
    assert x.to(fastnn.device("cpu"), fastnn.float64).dtype is fastnn.float64
    assert x.to(fastnn.zeros(1, dtype=fastnn.int64)).dtype is fastnn.int64
    assert x.to("cpu", copy=True) is not x
    kinds = [x.double(), x.long(), x.int(), x.bool(), x.byte()]
    assert [str(t.dtype) for t in kinds] == [
        "fastnn.float64",
        "fastnn.int64",
        "fastnn.int32",
        "fastnn.bool",
        "fastnn.uint8",
    ]
    with pytest.raises(RuntimeError, match="cuda"):
        x.to("cuda")
    with pytest.raises(TypeError, match="to\\(\\) takes"):
        x.to(3.5)
    with pytest.raises(TypeError, match="unexpected keyword"):
        x.to("cpu", colour=1)


def test_new_ones_like_this() -> None:
    x = fastnn.zeros(1, dtype=fastnn.float64)
    assert x.new_zeros(2, 3).shape == (2, 3)
    assert x.new_ones((2,)).dtype is fastnn.float64
    assert x.new_full((2,), 7, dtype=fastnn.int64).tolist() == [7, 7]
    assert x.new_tensor([1, 2]).dtype is fastnn.float64


def test_detach() -> None:
    x = fastnn.ones(2, requires_grad=True)
    y = x * 2
    z = y.detach()
    assert not z.requires_grad
    assert z.grad_fn is None
    assert np.shares_memory(z.numpy(), y.numpy(force=True))
    assert y.detach_() is y
    assert y.is_leaf
    assert not y.requires_grad


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    x = fastnn.arange(6.0).reshape(2, 3).requires_grad_()
    x.note = "kept"
    back = pickle.loads(pickle.dumps(x, protocol))
    assert back.tolist() == x.tolist()
    assert back.requires_grad
    assert back.note == "kept"
    (back * 2).sum().backward()
    parameter = fastnn.nn.Parameter(fastnn.ones(2))
    again = pickle.loads(pickle.dumps(parameter, protocol))
    assert type(again) is fastnn.nn.Parameter
    assert again.requires_grad
    strided = pickle.loads(pickle.dumps(fastnn.arange(6).reshape(2, 3).t(), protocol))
    assert strided.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_deepcopy() -> None:
    x = fastnn.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    twice = copy.deepcopy([x, x])
    assert twice[0] is twice[1]
    assert twice[0].grad.tolist() == [3, 3]
    twice[0].grad.zero_()
    assert x.grad.tolist() == [3, 3]
    assert not np.shares_memory(twice[0].numpy(force=True), x.numpy(force=True))
    with pytest.raises(
        RuntimeError, match=r"Only Tensors created explicitly by the user \(graph leaves\) support"
    ):
        copy.deepcopy(x * 2)


def test_tensor_class_takes_data() -> None:
    assert fastnn.Tensor([1, 2]).dtype is fastnn.float32
    assert fastnn.Tensor().shape == (0,)
    with pytest.raises(TypeError, match=r"can't convert np\.ndarray of type"):
        fastnn.Tensor(np.array([object()]))


def test_every_method_is_there() -> None:
    for name in vars(Methods):
        if name not in ("__module__", "__dict__", "__weakref__", "__doc__"):
            assert vars(fastnn.Tensor)[name] is vars(Methods)[name]


def test_public_names_exist() -> None:
    for name in fastnn.__all__:
        assert hasattr(fastnn, name), name
    assert fastnn.cuda.is_available() is False
    assert fastnn.cuda.device_count() == 0
