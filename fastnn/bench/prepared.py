"""What a workload becomes in one library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Array", "Prepared", "numpy_of", "random_array", "tensors"]

Array = np.ndarray[Any, Any]


@dataclass
class Prepared:
    """A workload of one library.

    Attributes
    ----------
    variants : dict
        Name to callable; the library is represented by its fastest.
    result : callable
        Computes once and returns what to compare with the reference backend's.
    chosen : str, optional
        Which of the variants is the one that is taken by default.
    """

    variants: dict[str, Callable[[], object]]
    result: Callable[[], list[Array]]
    chosen: str | None = None


def random_array(*shape: int, seed: int = 0, dtype: str = "float32") -> Array:
    """Seeded normal values."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=dtype)  # type: ignore[call-overload, no-any-return]


def tensors(torch: Any, *arrays: Array) -> list[Any]:
    """Copies of the arrays as tensors of fastnn or PyTorch, each in memory of its own library.

    That is where a net's activations are; NumPy's memory starts 16 bytes into a page.
    """
    copies = (torch.tensor(array if array.flags.c_contiguous else array.T) for array in arrays)
    return [
        copy if array.flags.c_contiguous else copy.T
        for copy, array in zip(copies, arrays, strict=True)
    ]


def numpy_of(values: list[Any]) -> list[Array]:
    """Copies of tensors as arrays."""
    return [np.array(value.detach().numpy()) for value in values]
