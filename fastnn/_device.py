"""Where tensors live: the CPU.  PyTorch's ``device``, for code that names one."""

from __future__ import annotations

from typing import Any


class device:  # noqa: N801 - PyTorch's name
    """Where a tensor lives: always the CPU.

    Parameters
    ----------
    type : str or device
        ``"cpu"`` or ``"cpu:0"``.
    index : int, optional
        Kept for PyTorch's sake; only 0 exists.

    Raises
    ------
    RuntimeError
        If it names anything but the CPU.
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | device = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if not isinstance(type, str):
            raise TypeError(f"device() takes a string such as 'cpu', not {type!r}")
        name, colon, number = type.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed: {type}"
                )
            if not number.isdecimal():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        if name != "cpu" or index not in (None, 0):
            asked = type if colon or index is None else f"{type}:{index}"
            raise RuntimeError(f"fastnn computes on the CPU only: there is no device '{asked}'")
        self.type = name
        self.index = index

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type='{self.type}')"
        return f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (self.type, self.index)


#: The device of every tensor.
CPU = device("cpu")


def check_device(where: str | device | None) -> None:
    """Raise unless ``where`` is None or the CPU (errors as :class:`device`)."""
    if where is not None and where != "cpu" and where is not CPU:
        device(where)
