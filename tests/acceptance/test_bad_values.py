"""Bad input: a clear error with the values, PyTorch's first sentence, and nothing changed.

Types, labels, keys, graphs, devices and names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn

Row = tuple[Callable[[Any, Any], Any], type[BaseException], str]


def new(L: Any, *shape: int, dtype: str = "float32", grad: bool = False) -> Any:
    return L.torch.ones(*shape, dtype=getattr(L.torch, dtype), requires_grad=grad)


def state(side: Any, **changes: Any) -> dict[str, Any]:
    """A state_dict for ``Given.linear`` with some entries changed; None leaves one out."""
    entries = {"weight": side.torch.ones(3, 4), "bias": side.torch.ones(3), **changes}
    return {name: entry for name, entry in entries.items() if entry is not None}


R, V, T, X = RuntimeError, ValueError, TypeError, IndexError
LOADING = "Error(s) in loading state_dict for Linear:\n\t"

#: As PyTorch: the type, and the first sentence.
SAME: dict[str, Row] = {
    # types
    "matmul, types": (
        lambda L, g: g.doubles @ g.table,
        R,
        "expected m1 and m2 to have the same dtype, but got: double != float",
    ),
    "linear, types": (
        lambda L, g: g.linear(g.doubles),
        R,
        "mat1 and mat2 must have the same dtype, but got Double and Float",
    ),
    "linear, integers": (
        lambda L, g: g.linear(new(L, 2, 4, dtype="int64")),
        R,
        "mat1 and mat2 must have the same dtype, but got Long and Float",
    ),
    "conv2d, types": (
        lambda L, g: g.conv(new(L, 1, 3, 8, 8, dtype="float64")),
        R,
        "Input type (double) and bias type (float) should be the same",
    ),
    "conv2d, bytes": (
        lambda L, g: g.conv(new(L, 1, 3, 8, 8, dtype="uint8")),
        R,
        "Input type (unsigned char) and bias type (float) should be the same",
    ),
    "integers that require grad": (
        lambda L, g: g.ints.requires_grad_(),
        R,
        "only Tensors of floating point dtype can require gradients",
    ),
    "new integers that require grad": (
        lambda L, g: L.torch.tensor([1, 2], requires_grad=True),
        R,
        "Only Tensors of floating point and complex dtype can require gradients",
    ),
    "object array": (
        lambda L, g: L.torch.tensor(np.array([None, 1])),
        T,
        "can't convert np.ndarray of type numpy.object_",
    ),
    "object array, shared": (
        lambda L, g: L.torch.from_numpy(np.array([object()])),
        T,
        "can't convert np.ndarray of type numpy.object_",
    ),
    "ragged list": (
        lambda L, g: L.torch.tensor([[1, 2], [3]]),
        V,
        "expected sequence of length 2 at dim 1 (got 1)",
    ),
    "letters": (lambda L, g: L.torch.tensor(["a"]), V, "too many dimensions 'str'"),
    # labels
    "label": (
        lambda L, g: L.F.cross_entropy(g.rows, g.labels),
        X,
        "Target 4 is out of bounds",
    ),
    "negative label": (
        lambda L, g: L.F.nll_loss(g.rows, -1 - g.labels),
        X,
        "Target -1 is out of bounds",
    ),
    "labels of another batch": (
        lambda L, g: L.nn.CrossEntropyLoss()(g.rows, L.torch.tensor([0, 1, 2])),
        V,
        "Expected input batch_size (2) to match target batch_size (3)",
    ),
    "label of one_hot": (
        lambda L, g: L.F.one_hot(g.labels, 4),
        R,
        "Class values must be smaller than num_classes",
    ),
    "index": (
        lambda L, g: g.vector[5],
        X,
        "index 5 is out of bounds for dimension 0 with size 3",
    ),
    # keys
    "missing key": (
        lambda L, g: g.linear.load_state_dict(state(L, bias=None)),
        R,
        LOADING + 'Missing key(s) in state_dict: "bias"',
    ),
    "unexpected key": (
        lambda L, g: g.linear.load_state_dict(state(L, scale=new(L, 1))),
        R,
        LOADING + 'Unexpected key(s) in state_dict: "scale"',
    ),
    "mismatched key": (
        lambda L, g: g.linear.load_state_dict(state(L, bias=new(L, 2))),
        R,
        LOADING + "size mismatch for bias: copying a param with shape torch.Size([2]) from "
        "checkpoint, the shape in current model is torch.Size([3])",
    ),
    "everything wrong": (
        lambda L, g: g.net.load_state_dict({"0.weight": new(L, 3, 4), "2.x": new(L, 1)}),
        R,
        "Error(s) in loading state_dict for Sequential:\n\t"
        'Missing key(s) in state_dict: "0.bias", "2.weight", "2.bias"',
    ),
    "no dict": (
        lambda L, g: g.linear.load_state_dict([1]),
        T,
        "Expected state_dict to be dict-like, got <class 'list'>",
    ),
    "groups of an optimiser": (
        lambda L, g: g.optimizer.load_state_dict(
            L.optim.SGD([{"params": [g.bias]}, {"params": [g.vector]}], lr=1.0).state_dict()
        ),
        V,
        "loaded state dict has a different number of parameter groups",
    ),
    "sizes of an optimiser's groups": (
        lambda L, g: g.optimizer.load_state_dict(L.optim.SGD([g.bias], lr=1.0).state_dict()),
        V,
        "loaded state dict contains a parameter group that doesn't match the size of "
        "optimizer's group",
    ),
    # backward
    "backward from a vector": (
        lambda L, g: (g.vector * 2).backward(),
        R,
        "grad can be implicitly created only for scalar outputs",
    ),
    "backward without a graph": (
        lambda L, g: g.vector.detach().sum().backward(),
        R,
        "element 0 of tensors does not require grad and does not have a grad_fn",
    ),
    "gradient of another size": (
        lambda L, g: (g.vector * 2).backward(new(L, 2)),
        R,
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([2]) and output[0] has a "
        "shape of torch.Size([3])",
    ),
    "a freed graph": (
        lambda L, g: g.freed.backward(),
        R,
        "Trying to backward through the graph a second time (or directly access saved tensors "
        "after they have already been freed)",
    ),
    "a saved tensor was changed": (
        lambda L, g: g.stale.backward(),
        R,
        "one of the variables needed for gradient computation has been modified by an inplace "
        "operation: [",
    ),
    "an unused input": (
        lambda L, g: L.torch.autograd.grad(g.vector.sum(), [g.vector, g.bias]),
        R,
        "The differentiated Tensor at index 1 appears to not have been used in the graph",
    ),
    "in place on a leaf": (
        lambda L, g: g.vector.add_(1),
        R,
        "a leaf Variable that requires grad is being used in an in-place operation",
    ),
    "in place on a parameter": (
        lambda L, g: g.linear.weight.zero_(),
        R,
        "a leaf Variable that requires grad is being used in an in-place operation",
    ),
    "in place on a view of a leaf": (
        lambda L, g: g.rows[0].mul_(2),
        R,
        "a view of a leaf Variable that requires grad is being used in an in-place operation",
    ),
    "writing to a leaf": (
        lambda L, g: g.vector.__setitem__(0, 1.0),
        R,
        "a view of a leaf Variable that requires grad is being used in an in-place operation",
    ),
    "in place, types": (
        lambda L, g: g.ints.add_(1.5),
        R,
        "result type Float can't be cast to the desired output type Long",
    ),
    "in place, sizes": (
        lambda L, g: g.doubles.add_(new(L, 3, 2, 4)),
        R,
        "output with shape [2, 4] doesn't match the broadcast shape [3, 2, 4]",
    ),
    "numpy": (
        lambda L, g: g.vector.numpy(),
        R,
        "Can't call numpy() on Tensor that requires grad",
    ),
}

NO_CUDA = "fastnn computes on the CPU only: there is no device 'cuda"

#: PyTorch has other words, which name its own classes, or none.
OWN: dict[str, Row] = {
    "device of a tensor": (lambda L, g: L.torch.ones(2, device="cuda"), R, NO_CUDA),
    "to a device": (lambda L, g: g.doubles.to("cuda:0"), R, NO_CUDA + ":0"),
    "cuda": (lambda L, g: g.doubles.cuda(), R, NO_CUDA),
    "device of a layer": (lambda L, g: L.nn.Linear(2, 2, device="cuda"), R, NO_CUDA),
    "layer to a device": (lambda L, g: g.net.to("cuda"), R, NO_CUDA),
    "layer to cuda": (lambda L, g: g.net.cuda(), R, NO_CUDA),
    "unknown device": (lambda L, g: L.torch.device("gpu"), R, NO_CUDA.replace("cuda", "gpu")),
    "backend": (
        lambda L, g: fastnn.use_backend("cuda"),
        V,
        "unknown backend 'cuda'; choose from native, reference",
    ),
    "algorithm": (
        lambda L, g: fastnn.conv_algorithm("fft"),
        V,
        "unknown convolution algorithm 'fft'; choose from auto, direct, im2col, batch, winograd",
    ),
    "precision": (
        lambda L, g: fastnn.set_conv_precision("exact"),
        V,
        "unknown convolution precision 'exact'; choose from fast, strict",
    ),
    "instruction set": (
        lambda L, g: fastnn.set_isa("avx1024"),
        V,
        "unknown instruction set 'avx1024'; this build has ",
    ),
    "threads": (
        lambda L, g: fastnn.set_num_threads(0),
        R,
        "set_num_threads expects a positive integer, but got 0",
    ),
    "gradients of gradients": (
        lambda L, g: (g.vector**2).sum().backward(create_graph=True),
        R,
        "create_graph=True is not supported",
    ),
    "conv2d, type of the weight": (
        lambda L, g: L.F.conv2d(g.image, g.weight.double()),
        R,
        "Input type (float) and weight type (double) should be the same",
    ),
    "arrays in place of tensors": (
        lambda L, g: g.linear(np.ones((2, 4), np.float32)),
        T,
        "linear(): argument 'input' (position 1) must be Tensor, not ndarray",
    ),
    "integer parameter": (
        lambda L, g: L.nn.Parameter(g.ints),
        R,
        "only Tensors of floating point dtype can require gradients, but this one is torch.int64",
    ),
    "complex numbers": (
        lambda L, g: L.torch.tensor(np.ones(2, complex)),
        T,
        "can't convert np.ndarray of type numpy.complex128. The only supported types are: ",
    ),
    "lists in a state_dict": (
        lambda L, g: g.linear.load_state_dict(state(L, bias=[1.0, 2.0, 3.0])),
        R,
        LOADING + 'While copying the parameter named "bias", expected torch.Tensor or ndarray '
        "from checkpoint but received <class 'list'>",
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_refused(refused: Any, name: str) -> None:
    refused(*SAME[name])


@pytest.mark.parametrize("name", SAME)
def test_refused_as_pytorch_does(refused_alike: Any, name: str) -> None:
    refused_alike(*SAME[name])


@pytest.mark.parametrize("name", OWN)
def test_refused_in_words_of_our_own(refused: Any, name: str) -> None:
    refused(*OWN[name])


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.ints.zero_(),
        lambda g: g.vector.sum().backward(),
        lambda g: g.linear.load_state_dict({"bias": fastnn.ones(3)}, strict=False),
        lambda g: g.optimizer.param_groups[0].update(lr=1.0),
        lambda g: fastnn.rand(1),
    ],
)
def test_what_an_error_leaves_changed_is_noticed(refused: Any, change: Any) -> None:
    def call(L: Any, g: Any) -> None:
        change(g)
        raise ValueError("bad")

    with pytest.raises(AssertionError):
        refused(call, ValueError, "bad")
