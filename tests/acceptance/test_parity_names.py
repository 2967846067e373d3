"""Every public name that PyTorch's users type is there, and takes PyTorch's arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Call = Callable[..., Any]

NAMES: dict[str, str] = {
    "torch": "tensor as_tensor from_numpy zeros ones full empty arange eye linspace rand randn "
    "randint randperm zeros_like ones_like full_like empty_like rand_like randn_like randint_like "
    "manual_seed Generator no_grad enable_grad inference_mode set_grad_enabled is_grad_enabled "
    "matmul mm addmm dot mv bmm add sub mul div pow eq ne lt le gt ge sum mean var std max min "
    "amax amin argmax argmin prod norm reshape flatten transpose permute unsqueeze squeeze cat "
    "stack split exp log sqrt abs clamp maximum minimum where relu sigmoid tanh softmax "
    "log_softmax float32 float64 float double int8 int16 int32 int int64 long uint8 bool device "
    "Size dtype Tensor set_default_dtype get_default_dtype save load equal allclose is_tensor "
    "numel set_num_threads get_num_threads set_printoptions",
    "torch.Tensor": "requires_grad grad grad_fn is_leaf backward detach item numpy dtype device "
    "shape numel dim size to float double long int bool cpu zero_ copy_ fill_ add_ sub_ mul_ div_ "
    "clamp_ normal_ uniform_ T view reshape flatten transpose permute unsqueeze squeeze expand "
    "split sum mean var std max min amax amin argmax argmin prod norm exp log sqrt pow abs clamp "
    "relu sigmoid tanh softmax log_softmax matmul mm addmm dot requires_grad_ retain_grad "
    "register_hook clone tolist data ndim contiguous is_contiguous stride type_as t mT "
    "__array__ __dlpack__ __dlpack_device__ __getitem__ __setitem__ __len__ __iter__ __matmul__",
    "torch.autograd": "grad backward Function gradcheck no_grad enable_grad inference_mode",
    "torch.cuda": "is_available device_count",
    "nn": "Module Parameter Sequential ModuleList Linear Conv2d ReLU LeakyReLU Sigmoid Tanh "
    "Softmax LogSoftmax Flatten Dropout MaxPool2d AvgPool2d MSELoss L1Loss CrossEntropyLoss "
    "NLLLoss BCEWithLogitsLoss functional init utils",
    "nn.Module": "parameters named_parameters modules named_modules children named_children "
    "buffers named_buffers register_buffer register_parameter register_module add_module "
    "state_dict load_state_dict train eval apply register_forward_hook requires_grad_ "
    "register_forward_pre_hook register_full_backward_hook zero_grad to float double cpu "
    "get_submodule get_parameter get_buffer extra_repr forward",
    "F": "linear conv2d relu leaky_relu sigmoid tanh softmax log_softmax dropout max_pool2d "
    "avg_pool2d pad mse_loss l1_loss cross_entropy nll_loss binary_cross_entropy_with_logits "
    "one_hot",
    "nn.init": "uniform_ normal_ constant_ zeros_ ones_ eye_ kaiming_uniform_ kaiming_normal_ "
    "xavier_uniform_ xavier_normal_ trunc_normal_ orthogonal_ calculate_gain",
    "optim": "Optimizer SGD Adam AdamW RMSprop LBFGS",
    "optim.Optimizer": "state_dict load_state_dict zero_grad step add_param_group",
    "torch.utils.data": "Dataset TensorDataset DataLoader Subset random_split",
}


def find(library: Any, place: str, name: str) -> Any:
    first, *rest = place.split(".")
    return getattr(functools.reduce(getattr, rest, getattr(library, first)), name)


def every(library: Any, place: str) -> dict[str, Any]:
    """What the library has under the names of a place."""
    return {name: find(library, place, name) for name in NAMES[place].split()}


@pytest.mark.parametrize("place", NAMES)
def test_the_names_are_there(ours: Any, place: str) -> None:
    assert all(value is not None for value in every(ours, place).values())


@pytest.mark.parametrize("place", NAMES)
def test_the_names_are_pytorchs(ours: Any, theirs: Any, place: str) -> None:
    other = every(theirs, place)
    for name, mine in every(ours, place).items():
        assert callable(mine) == callable(other[name]), name
        assert inspect.isclass(mine) == inspect.isclass(other[name]), name


#: Arguments of PyTorch's for devices, compilers, memory formats, pickles and worker processes.
FOREIGN = (
    "out layout pin_memory memory_format pickle_module pickle_load_args pickle_protocol mmap "
    "_use_new_zipfile_serialization _disable_byteorder_record timeout worker_init_fn "
    "multiprocessing_context prefetch_factor persistent_workers pin_memory_device in_order "
    "only_inputs is_grads_batched grad_variables nondet_tol check_undefined_grad "
    "check_grad_dtypes check_batched_grad check_batched_forward_grad check_forward_ad "
    "check_backward_ad masked sci_mode profile"
)
#: Written in C or passed on by wrappers, so that they do not say what they take.
SILENT = "max_pool2d Function no_grad enable_grad dtype Module Sigmoid Tanh"
#: By position only, as a rule.
POSITIONAL = "set_default_dtype is_tensor forward state_dict __getitem__ __setitem__ __dlpack__"


def parameters(function: Any) -> list[str]:
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return []
    return [name for name in found if name not in FOREIGN.split() and name != "self"]


def comparable(library: Any, place: str) -> dict[str, Any]:
    """What has a signature to compare."""
    left_out = f"{SILENT} {POSITIONAL}".split()
    return {
        name: value
        for name, value in every(library, place).items()
        if callable(value) and name not in left_out and parameters(value)
    }


@pytest.mark.parametrize("place", NAMES)
def test_they_take_pytorchs_arguments_in_their_order(ours: Any, theirs: Any, place: str) -> None:
    for name, other in comparable(theirs, place).items():
        mine, wanted = parameters(find(ours, place, name)), parameters(other)
        if (place, name) == ("torch.Tensor", "split"):
            mine[0] = "split_size"  # the same function as torch.split, which calls it otherwise
        assert [p for p in mine if p in wanted] == wanted, name


@pytest.mark.parametrize("place", NAMES)
def test_their_defaults_are_pytorchs(ours: Any, theirs: Any, place: str) -> None:
    for name, other in comparable(theirs, place).items():
        mine = inspect.signature(find(ours, place, name)).parameters
        for key, parameter in inspect.signature(other).parameters.items():
            own = key in mine and mine[key].default is not inspect.Parameter.empty
            settled = isinstance(parameter.default, (bool, int, float, str, tuple, type(None)))
            if own and settled and (name, key) != ("load", "weights_only"):  # None means True
                assert mine[key].default == parameter.default, f"{name}({key})"


X = np.random.RandomState(0).standard_normal((2, 3))
Y = np.random.RandomState(1).standard_normal((3, 2))

#: Functions that PyTorch writes in C, called by the names of their arguments.
BY_NAME: dict[str, Call] = {
    "add": lambda L, x, y: L.torch.add(input=x, other=y.T, alpha=2),
    "sub": lambda L, x, y: x.sub(other=y.T, alpha=2),
    "mul": lambda L, x, y: L.torch.mul(input=x, other=y.T),
    "div": lambda L, x, y: L.torch.div(input=x, other=y.T, rounding_mode="trunc"),
    "pow": lambda L, x, y: L.torch.pow(input=x, exponent=2),
    "comparison": lambda L, x, y: [L.torch.eq(input=x, other=0), L.torch.lt(input=x, other=0)],
    "matmul": lambda L, x, y: L.torch.matmul(input=x, other=y),
    "mm": lambda L, x, y: L.torch.mm(input=x, mat2=y),
    "addmm": lambda L, x, y: L.torch.addmm(input=x[:, :2], mat1=x, mat2=y, beta=2, alpha=3),
    "dot": lambda L, x, y: L.torch.dot(input=x[0], tensor=y[:, 0]),
    "mv": lambda L, x, y: L.torch.mv(input=x, vec=y[:, 0]),
    "bmm": lambda L, x, y: L.torch.bmm(input=x[None], mat2=y[None]),
    "sum": lambda L, x, y: L.torch.sum(input=x, dim=0, keepdim=True, dtype=L.torch.float32),
    "mean": lambda L, x, y: L.torch.mean(input=x, dim=(0, 1), keepdim=True),
    "var": lambda L, x, y: L.torch.var(input=x, dim=1, correction=0, keepdim=True),
    "std": lambda L, x, y: L.torch.std(input=x, dim=1, unbiased=False),
    "max": lambda L, x, y: list(L.torch.max(input=x, dim=1, keepdim=True)),
    "min": lambda L, x, y: L.torch.min(input=x),
    "max of two": lambda L, x, y: L.torch.max(input=x, other=y.T),
    "amax": lambda L, x, y: L.torch.amax(input=x, dim=(0, 1), keepdim=True),
    "amin": lambda L, x, y: x.amin(dim=1, keepdim=True),
    "argmax": lambda L, x, y: L.torch.argmax(input=x, dim=1, keepdim=True),
    "argmin": lambda L, x, y: x.argmin(dim=0),
    "prod": lambda L, x, y: L.torch.prod(input=x, dim=1, keepdim=True),
    "norm": lambda L, x, y: L.torch.norm(input=x, p=2, dim=1, keepdim=True),
    "reshape": lambda L, x, y: L.torch.reshape(input=x, shape=(3, 2)),
    "flatten": lambda L, x, y: L.torch.flatten(input=x, start_dim=0, end_dim=1),
    "transpose": lambda L, x, y: L.torch.transpose(input=x, dim0=0, dim1=1),
    "permute": lambda L, x, y: L.torch.permute(input=x, dims=(1, 0)),
    "unsqueeze": lambda L, x, y: L.torch.unsqueeze(input=x, dim=1),
    "squeeze": lambda L, x, y: L.torch.squeeze(input=x[:1], dim=0),
    "cat": lambda L, x, y: L.torch.cat(tensors=(x, y.T), dim=1),
    "stack": lambda L, x, y: L.torch.stack(tensors=(x, y.T), dim=2),
    "split": lambda L, x, y: L.torch.split(tensor=x, split_size_or_sections=2, dim=1),
    "exp": lambda L, x, y: [L.torch.exp(input=x), L.torch.abs(input=x), L.torch.tanh(input=x)],
    "sqrt": lambda L, x, y: [L.torch.sqrt(input=x * x), L.torch.log(input=x * x)],
    "clamp": lambda L, x, y: L.torch.clamp(input=x, min=-0.5, max=0.5),
    "maximum": lambda L, x, y: L.torch.maximum(input=x, other=y.T),
    "minimum": lambda L, x, y: L.torch.minimum(input=x, other=y.T),
    "where": lambda L, x, y: L.torch.where(condition=x > 0, input=x, other=y.T),
    "softmax": lambda L, x, y: L.torch.softmax(input=x, dim=1, dtype=L.torch.float64),
    "log_softmax": lambda L, x, y: L.torch.log_softmax(input=x, dim=0),
    "relu": lambda L, x, y: [L.torch.relu(input=x), L.torch.sigmoid(input=x)],
    "linear": lambda L, x, y: L.F.linear(input=x, weight=y.T, bias=y[:2, 0]),
    "conv2d": lambda L, x, y: L.F.conv2d(
        input=x[None, None],
        weight=y[None, None],
        bias=x[0, :1],
        stride=(1, 1),
        padding=(1, 0),
        dilation=(1, 1),
        groups=1,
    ),
    "max_pool2d": lambda L, x, y: L.F.max_pool2d(
        input=x[None], kernel_size=2, stride=1, padding=1, dilation=1, ceil_mode=True
    ),
    "avg_pool2d": lambda L, x, y: L.F.avg_pool2d(
        input=x[None],
        kernel_size=2,
        stride=1,
        padding=1,
        ceil_mode=True,
        count_include_pad=False,
        divisor_override=3,
    ),
    "zeros": lambda L, x, y: L.torch.zeros(size=(2, 3), dtype=L.torch.int32, device="cpu"),
    "ones": lambda L, x, y: L.torch.ones(2, 3, requires_grad=True) * 1,
    "full": lambda L, x, y: L.torch.full(size=(2, 3), fill_value=7),
    "arange": lambda L, x, y: L.torch.arange(start=1, end=9, step=2, dtype=L.torch.float64),
    "linspace": lambda L, x, y: L.torch.linspace(start=0, end=1, steps=5),
    "eye": lambda L, x, y: L.torch.eye(n=2, m=3),
    "tensor": lambda L, x, y: L.torch.tensor(
        data=[1, 2], dtype=L.torch.float32, device="cpu", requires_grad=True
    ),
    "as_tensor": lambda L, x, y: L.torch.as_tensor(data=X, dtype=L.torch.float32),
    "likes": lambda L, x, y: [
        L.torch.zeros_like(input=x, dtype=L.torch.int64),
        L.torch.ones_like(input=x),
        L.torch.full_like(input=x, fill_value=2.0),
    ],
    "random": lambda L, x, y: [
        L.torch.manual_seed(seed=3) and L.torch.rand(size=(2, 3)),
        L.torch.randn(size=(4,), generator=L.torch.Generator().manual_seed(1)),
        L.torch.randint(low=0, high=9, size=(3,)),
        L.torch.randperm(n=5),
        L.torch.rand_like(input=x),
    ],
    "to": lambda L, x, y: [x.to(dtype=L.torch.float32), x.to(device="cpu"), x.long(), x.float()],
    "in place": lambda L, x, y: [
        (x * 1).add_(other=y.T, alpha=2),
        (x * 1).mul_(other=3),
        (x * 1).clamp_(min=0, max=1),
        (x * 1).copy_(y.T, non_blocking=False),
        (x * 1).fill_(value=2),
    ],
    "sizes": lambda L, x, y: [x.size(dim=0), x.numel(), x.dim(), x.shape, x.stride()],
}


@pytest.mark.parametrize("name", BY_NAME)
def test_arguments_by_name(agree: Any, name: str) -> None:
    agree(BY_NAME[name], X, Y, names=False)
