"""What the convolutions of a layer or net would do: algorithm, reason, tiles, memory."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from . import _shapes_window as window
from .autograd import no_grad
from .backends import _native, native, settings
from .creation import zeros
from .nn import Conv2d
from .nn.module import Module

__all__ = ["Explanation", "LayerPlan", "PassPlan", "explain"]

Shape = tuple[int, ...]

PASSES = ("forward", "input", "weight")


class PassPlan(NamedTuple):
    """One pass of one convolution; see :func:`explain`."""

    algorithm: str | None
    reason: str
    workspace: int
    kernel: str | None
    sizes: dict[str, int]
    share: float | None
    basis: str | None

    def __str__(self) -> str:
        if self.algorithm is None:
            return self.reason
        lines = [f"{self.algorithm}: {self.reason}"]
        if self.kernel is not None:
            sizes = ", ".join(f"{name} {value}" for name, value in self.sizes.items())
            lines.append(f"{self.kernel}: {sizes}")
        lines.append(f"workspace {self.workspace:,} bytes")
        if self.share is not None:
            lines.append(f"lanes used: {self.share:.0%} ({self.basis})")
        return "\n".join(lines)


class LayerPlan(NamedTuple):
    """One use of a convolution; see :func:`explain`."""

    name: str
    layer: str
    input_shape: Shape
    output_shape: Shape
    forward: PassPlan
    input: PassPlan
    weight: PassPlan

    def __str__(self) -> str:
        lines = [f"{self.name or 'layer'}: {self.layer}"]
        lines.append(f"  {self.input_shape} -> {self.output_shape}")
        titles = ("forward", "gradient of the input", "gradient of the weight")
        for title, plan in zip(titles, self[4:], strict=True):
            first, *rest = str(plan).splitlines()
            lines.append(f"  {title + ':':<24}{first}")
            lines += [" " * 26 + line for line in rest]
        return "\n".join(lines)


class Explanation(tuple[LayerPlan, ...]):
    """The convolutions in the order in which they run; prints as a report."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    __repr__ = __str__


def _checked_shape(input_shape: Sequence[int]) -> Shape:
    try:
        shape = tuple(operator.index(size) for size in input_shape)
    except TypeError:
        raise TypeError(
            f"explain: input_shape must be a sequence of integers, not {input_shape!r}"
        ) from None
    if any(size < 0 for size in shape):
        raise ValueError(f"explain: input_shape has a negative size: {shape}")
    return shape


def _plan_layer(name: str, layer: Conv2d, shape: Shape) -> LayerPlan:
    if len(shape) not in (3, 4):
        raise ValueError(
            f"explain: {layer} takes an input of shape (N, C, H, W) or (C, H, W), "
            f"but got {len(shape)} dimensions: {shape}"
        )
    if shape[-3] != layer.in_channels:
        raise ValueError(
            f"explain: {layer} takes {layer.in_channels} channels, "
            f"but the input of shape {shape} has {shape[-3]}"
        )
    x = shape if len(shape) == 4 else (1, *shape)
    padding = window.conv2d_padding(layer.padding, layer.kernel_size, layer.stride, layer.dilation)
    if layer.padding_mode != "zeros":  # the layer pads, then convolves without
        top, bottom, left, right = padding
        x = (*x[:2], x[2] + top + bottom, x[3] + left + right)
        padding = (0, 0, 0, 0)
    weight = tuple(layer.weight.shape)
    how = (layer.stride, padding, layer.dilation, layer.groups)
    out = window.conv2d_output(x, weight, None, *how)
    options: dict[str, Any] = {
        "dtype": layer.weight.dtype.name,
        "algorithm": settings().algorithm,
        "precision": settings().precision,
    }
    plans = (
        PassPlan(**_native.conv2d_plan(x, weight, *how, which=which, **options)) for which in PASSES
    )
    return LayerPlan(name, str(layer), shape, (*shape[:-3], weight[0], *out), *plans)


@contextmanager
def _as_in_use(module: Module) -> Iterator[None]:
    """No gradients, no dropout; every module's mode comes back."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training


def _run(module: Module, shape: Shape) -> list[LayerPlan]:
    """Runs zeros through the module and notes what reaches each convolution."""
    plans: list[LayerPlan] = []
    layers = [(name, part) for name, part in module.named_modules() if isinstance(part, Conv2d)]
    if not layers:
        raise ValueError(f"explain: there is no Conv2d in {module}")

    def hook(name: str) -> Any:
        def note(layer: Any, arguments: tuple[Any, ...]) -> None:
            plans.append(_plan_layer(name, layer, tuple(arguments[0].shape)))

        return note

    handles = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers]
    try:
        with _as_in_use(module):
            module(zeros(shape, dtype=layers[0][1].weight.dtype))
    finally:
        for handle in handles:
            handle.remove()
    return plans


def explain(module: Module, input_shape: Sequence[int]) -> Explanation:
    """Tell what each convolution of a layer or net would do with an input of this shape.

    Nothing is computed for a single ``Conv2d``; through any other module zeros of the shape run
    once, without gradients and in evaluation mode.

    Parameters
    ----------
    module : Module
        A ``Conv2d`` or whatever holds some; convolutions that it calls by
        ``functional.conv2d`` are not seen.
    input_shape : sequence of int
        Of the module's one input: (N, C, H, W) or (C, H, W) for a ``Conv2d``.

    Returns
    -------
    Explanation
        A tuple that prints as a report: for each use of a ``Conv2d`` its ``name``, ``layer``,
        ``input_shape``, ``output_shape`` and the passes ``forward``, ``input`` and ``weight``
        (the gradients of these), each with

        - ``algorithm``: that the native backend takes now, under the instruction set,
          ``conv_algorithm`` and ``set_conv_precision`` in force; None if the forced one cannot do
          the shape,
        - ``reason``: the chooser's,
        - ``workspace``: bytes for the number of threads in force,
        - ``kernel`` and ``sizes``: the inner kernel, its register tile and blocks,
        - ``share``: of the multiply-add lanes that the inner kernel fills, and ``basis``, how that
          is counted; None where nothing counts it. It is no prediction of the speed: memory,
          packing and transforms are left out, and terms in padding that are skipped count as done.

    Raises
    ------
    TypeError
        If ``module`` is no Module, or the shape is not of integers.
    ValueError
        If the shape has a wrong number of dimensions or channels, or the module has no Conv2d.
    RuntimeError
        With PyTorch's text, if a kernel is larger than its padded input, and from the layers; and
        under ``use_backend("reference")``, which chooses nothing.
    """
    if not isinstance(module, Module):
        raise TypeError(f"explain: expected a fastnn.nn.Module, but got {type(module).__name__}")
    shape = _checked_shape(input_shape)
    if settings().backend is not native.backend:
        raise RuntimeError(
            "explain: the reference backend is in use, which computes every convolution in one way "
            'with NumPy; call use_backend("native") to see what its kernels do'
        )
    if isinstance(module, Conv2d):
        return Explanation([_plan_layer("", module, shape)])
    return Explanation(_run(module, shape))
