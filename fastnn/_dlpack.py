"""DLPack on arrays: how tensors trade memory with other libraries without copying."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dtypes import from_numpy_dtype

Array = NDArray[Any]

#: ``(kDLCPU, 0)``: what ``__dlpack_device__`` returns.
CPU_DEVICE = (1, 0)


def to_capsule(
    array: Array,
    *,
    requires_grad: bool,
    stream: object = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """Return a DLPack capsule of ``array``: the body of a tensor's ``__dlpack__``.

    A read-only array can only be told to consumers that ask for ``max_version`` (1, 0) or
    later.  The other arguments are those of the array API's ``__dlpack__``.

    Raises
    ------
    BufferError
        If the tensor requires grad, the array is read-only and the consumer too old to
        know, or another device is asked for.
    AssertionError
        If a stream is given, as in PyTorch.
    """
    if requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if stream is not None:
        raise AssertionError(f"stream should be None on cpu, got {stream!r}.")
    if dl_device is not None and tuple(map(int, dl_device)) != CPU_DEVICE:
        raise BufferError(f"a tensor on the CPU cannot be exported to device {dl_device}")
    if copy:
        array = array.copy()
    # NumPy 2.0 knows no max_version: it is passed on only if it says something.
    wishes: dict[str, Any] = {} if max_version is None else {"max_version": max_version}
    return array.__dlpack__(**wishes)


def from_exporter(exporter: Any) -> Array:
    """Return an array on the memory of ``exporter``, an object with ``__dlpack__``.

    It is read-only if the exporter says so; NumPy 2.0, which cannot be told, makes all of
    them read-only.

    Raises
    ------
    TypeError
        If the object has no ``__dlpack__``, or no tensor can hold its element type.
    BufferError
        If the exporter refuses, or its memory is not the CPU's.
    """
    if not hasattr(exporter, "__dlpack__") or not hasattr(exporter, "__dlpack_device__"):
        raise TypeError(
            "from_dlpack() takes an object with __dlpack__ and __dlpack_device__, "
            f"not {type(exporter).__name__}"
        )
    kind, number = map(int, exporter.__dlpack_device__())
    if kind != CPU_DEVICE[0]:
        raise BufferError(f"only memory of the CPU can be used, not of device {kind, number}")
    array: Array = np.from_dlpack(exporter)
    from_numpy_dtype(array.dtype)
    return array
