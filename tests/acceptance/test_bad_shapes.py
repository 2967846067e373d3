"""Bad input: a clear error with the values, PyTorch's first sentence, and nothing changed.

Sizes that do not fit each other, or no memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Row = tuple[Callable[[Any, Any], Any], type[BaseException], str]

HUGE = 2**62


def new(L: Any, *shape: int, dtype: str = "float32", grad: bool = False) -> Any:
    return L.torch.ones(*shape, dtype=getattr(L.torch, dtype), requires_grad=grad)


R, V, X = RuntimeError, ValueError, IndexError

#: As PyTorch: the type, and the first sentence.
SAME: dict[str, Row] = {
    # channels
    "channels": (
        lambda L, g: L.F.conv2d(new(L, 1, 4, 8, 8), g.weight, g.bias),
        R,
        "Given groups=1, weight of size [4, 3, 3, 3], expected input[1, 4, 8, 8] to have 3 "
        "channels, but got 4 channels instead",
    ),
    "channels of a layer, unbatched": (
        lambda L, g: g.conv(new(L, 1, 8, 8)),
        R,
        "Given groups=1, weight of size [4, 3, 3, 3], expected input[1, 1, 8, 8] to have 3 "
        "channels, but got 1 channels instead",
    ),
    "channels of groups": (
        lambda L, g: L.F.conv2d(new(L, 1, 6, 8, 8), new(L, 8, 2, 3, 3), groups=2),
        R,
        "Given groups=2, weight of size [8, 2, 3, 3], expected input[1, 6, 8, 8] to have 4 "
        "channels, but got 6 channels instead",
    ),
    "an image without channels": (
        lambda L, g: g.conv(new(L, 8, 8)),
        R,
        "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [8, 8]",
    ),
    # products
    "linear": (
        lambda L, g: g.linear(new(L, 1, 768)),
        R,
        "mat1 and mat2 shapes cannot be multiplied (1x768 and 4x3)",
    ),
    "linear, three dimensions": (
        lambda L, g: g.linear(new(L, 2, 2, 5)),
        R,
        "mat1 and mat2 shapes cannot be multiplied (4x5 and 4x3)",
    ),
    "matmul": (
        lambda L, g: g.rows @ new(L, 3, 5),
        R,
        "mat1 and mat2 shapes cannot be multiplied (2x4 and 3x5)",
    ),
    "addmm": (
        lambda L, g: L.torch.addmm(g.vector, g.rows, g.rows),
        R,
        "mat1 and mat2 shapes cannot be multiplied (2x4 and 2x4)",
    ),
    "batched matmul": (
        lambda L, g: new(L, 2, 3, 4) @ new(L, 3, 4, 5),
        R,
        "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0",
    ),
    "dot": (
        lambda L, g: L.torch.dot(g.vector, g.bias),
        R,
        "inconsistent tensor size, expected tensor [3] and src [4] to have the same number of "
        "elements, but got 3 and 4 elements respectively",
    ),
    "broadcasting": (
        lambda L, g: g.vector + g.bias,
        R,
        "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 0",
    ),
    # windows
    "kernel": (
        lambda L, g: g.conv(new(L, 1, 3, 2, 5)),
        R,
        "Calculated padded input size per channel: (2 x 5). Kernel size: (3 x 3). Kernel size "
        "can't be greater than actual input size",
    ),
    "kernel, padded": (
        lambda L, g: L.F.conv2d(g.image, new(L, 1, 3, 11, 1), padding=1),
        R,
        "Calculated padded input size per channel: (10 x 10). Kernel size: (11 x 1). Kernel size "
        "can't be greater than actual input size",
    ),
    "kernel, dilated": (
        lambda L, g: L.F.conv2d(g.image, g.weight, dilation=4),
        R,
        "Calculated padded input size per channel: (8 x 8). Kernel size: (9 x 9). Kernel size "
        "can't be greater than actual input size",
    ),
    "stride 0": (
        lambda L, g: L.F.conv2d(g.image, g.weight, stride=0),
        R,
        "non-positive stride is not supported",
    ),
    "negative padding": (
        lambda L, g: L.F.conv2d(g.image, g.weight, padding=-1),
        R,
        "negative padding is not supported",
    ),
    "dilation": (
        lambda L, g: L.F.conv2d(g.image, g.weight, dilation=-1),
        R,
        "dilation should be greater than zero",
    ),
    "pooling, stride 0": (
        lambda L, g: L.F.max_pool2d(g.image, 2, stride=0),
        R,
        "stride should not be zero",
    ),
    "pooling, padding": (
        lambda L, g: L.F.max_pool2d(g.image, 2, padding=2),
        R,
        "pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and "
        "dilation=1",
    ),
    "pooling, window": (
        lambda L, g: L.F.max_pool2d(new(L, 1, 1, 1, 1), 2),
        R,
        "Given input size: (1x1x1). Calculated output size: (1x0x0). Output size is too small",
    ),
    "pooling, dimensions": (
        lambda L, g: L.F.max_pool2d(g.rows, 2),
        R,
        "non-empty 3D or 4D (batch mode) tensor expected for input",
    ),
    # groups, bias
    "groups": (
        lambda L, g: L.F.conv2d(new(L, 1, 4, 8, 8), new(L, 3, 2, 3, 3), groups=2),
        R,
        "Given groups=2, expected weight to be divisible by 2 at dimension 0, but got weight of "
        "size [[3, 2, 3, 3]] instead",
    ),
    "groups of a layer, in": (
        lambda L, g: L.nn.Conv2d(3, 4, 3, groups=2),
        V,
        "in_channels must be divisible by groups",
    ),
    "groups of a layer, out": (
        lambda L, g: L.nn.Conv2d(4, 3, 3, groups=2),
        V,
        "out_channels must be divisible by groups",
    ),
    "bias of conv2d": (
        lambda L, g: L.F.conv2d(g.image, g.weight, g.vector),
        R,
        "Given weight of size [4, 3, 3, 3], expected bias to be 1-dimensional with 4 elements, "
        "but got bias of size [3] instead",
    ),
    "bias of linear": (
        lambda L, g: L.F.linear(g.rows, new(L, 3, 4), g.bias),
        R,
        "The expanded size of the tensor (3) must match the existing size (4) at non-singleton "
        "dimension 1",
    ),
    # sizes
    "zeros": (
        lambda L, g: L.torch.zeros(HUGE, 8),
        R,
        f"Storage size calculation overflowed with sizes=[{HUGE}, 8]",
    ),
    "full": (
        lambda L, g: L.torch.full((8, HUGE), 1.0),
        R,
        f"Storage size calculation overflowed with sizes=[8, {HUGE}]",
    ),
    "random": (
        lambda L, g: L.torch.randn(HUGE),
        R,
        f"Storage size calculation overflowed with sizes=[{HUGE}]",
    ),
    "a layer": (
        lambda L, g: L.nn.Linear(HUGE, 8),
        R,
        f"Storage size calculation overflowed with sizes=[8, {HUGE}]",
    ),
    "repeat": (
        lambda L, g: g.ints.repeat(2**32, 2**32),
        R,
        f"Storage size calculation overflowed with sizes=[{2**33}, {2**33}]",
    ),
    "pad": (
        lambda L, g: L.F.pad(g.image, (HUGE, 0)),
        R,
        f"Storage size calculation overflowed with sizes=[2, 3, 8, {HUGE + 8}]",
    ),
    "one_hot": (
        lambda L, g: L.F.one_hot(g.labels, HUGE),
        R,
        f"Storage size calculation overflowed with sizes=[2, {HUGE}]",
    ),
    "reshape": (
        lambda L, g: g.rows.reshape(HUGE, 8),
        R,
        f"shape '[{HUGE}, 8]' is invalid for input of size 8",
    ),
    "unflatten": (
        lambda L, g: g.bias.unflatten(0, (3, -1)),
        R,
        "unflatten: Provided sizes [3, -1] don't multiply up to the size of dim 0 (4) in the "
        "input tensor",
    ),
}

#: PyTorch has other words, which name its own code or a library, or none.
OWN: dict[str, Row] = {
    "output of conv2d": (
        lambda L, g: L.F.conv2d(new(L, 1, 1, 4, 4), new(L, 1, 1, 1, 1), padding=2**31),
        R,
        f"Storage size calculation overflowed with sizes=[1, 1, {2**32 + 4}, {2**32 + 4}]",
    ),
    "padding of conv2d": (
        lambda L, g: L.F.conv2d(g.image, g.weight, padding=HUGE),
        R,
        f"Given padding={HUGE}, expected padding to be at most {HUGE - 1}",
    ),
    "dilation of conv2d": (
        lambda L, g: L.F.conv2d(g.image, g.weight, dilation=HUGE),
        R,
        f"Given dilation={HUGE}, expected dilation to be at most {HUGE - 1}",
    ),
    "stride of conv2d": (
        lambda L, g: L.F.conv2d(g.image, g.weight, stride=1.5),
        TypeError,
        "conv2d: stride must be an int or a tuple of two ints, not 1.5",
    ),
    "stride of a layer": (
        lambda L, g: setattr(g.conv, "stride", (0, 0)) or g.conv(g.image),
        R,
        "non-positive stride is not supported, but got stride=[0, 0]",
    ),
    "weight of conv2d": (
        lambda L, g: L.F.conv2d(g.image, new(L, 4, 3, 3)),
        R,
        "Expected 4-dimensional weight for conv2d, but got weight of size [4, 3, 3]",
    ),
    "weight of linear": (
        lambda L, g: L.F.linear(g.rows, g.bias),
        R,
        "weight of linear must be a matrix (out_features, in_features), got size [4]",
    ),
    "window of pooling": (
        lambda L, g: L.F.avg_pool2d(g.image, HUGE),
        R,
        f"Given stride=[{HUGE}, {HUGE}], expected at most {HUGE - 1}",
    ),
    "expand": (
        lambda L, g: new(L, 1, 1).expand(HUGE, 8),
        R,
        f"Storage size calculation overflowed with sizes=[{HUGE}, 8]",
    ),
    "eye": (
        lambda L, g: L.torch.eye(2**40),
        R,
        f"Storage size calculation overflowed with sizes=[{2**40}, {2**40}]",
    ),
    "no memory": (lambda L, g: L.torch.zeros(2**46), MemoryError, "Unable to allocate 256. TiB"),
    "no memory for a result": (
        lambda L, g: new(L, 1, 1).expand(2**40, 2**10) + 1,
        MemoryError,
        "Unable to allocate 4.00 PiB",
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
