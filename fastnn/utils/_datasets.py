"""Datasets: what can be asked for its length and for a sample."""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from .. import random
from ..tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Base of the datasets: ``len(dataset)`` samples, ``dataset[i]`` is one of them.

    A subclass may also define ``__getitems__(indices)``, which returns a list of samples.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors whose first dimension counts the samples.

    Parameters
    ----------
    *tensors : Tensor
        Each (N, ...) with one N.

    Raises
    ------
    AssertionError
        If the sizes differ.
    ValueError
        If there are no tensors.
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset needs at least one tensor")
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise TypeError(f"TensorDataset takes tensors, but got {type(tensor).__name__}")
        if any(t._data.ndim == 0 or len(t._data) != len(tensors[0]._data) for t in tensors):
            shapes = ", ".join(str(list(t._data.shape)) for t in tensors)
            raise AssertionError(f"Size mismatch between tensors: {shapes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0]._data)


class Subset(Dataset[T_co]):
    """Some samples of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Where the samples come from.
    indices : sequence of int
        Which ones, in this order.
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            samples: T_co = self.dataset[[self.indices[i] for i in index]]
            return samples
        sample: T_co = self.dataset[self.indices[index]]
        return sample

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Any,
    lengths: Sequence[int | float],
    generator: random.Generator | None = None,
) -> list[Subset[Any]]:
    """Split a dataset at random into parts that do not overlap.

    Parameters
    ----------
    dataset : Dataset
        What to split.
    lengths : sequence of int or of float
        Sizes of the parts; or fractions that sum to 1, rounded down, where the samples
        left over go to the first parts, one each.
    generator : Generator, optional
        Source of the random numbers; the default one if None.

    Raises
    ------
    ValueError
        If the sizes do not sum to ``len(dataset)``, or a fraction is outside [0, 1].
    """
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = _sizes_of_fractions(total, lengths)
        for i, size in enumerate(sizes):
            if size == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.",
                    stacklevel=2,
                )
    else:
        sizes = [operator.index(length) for length in lengths]  # type: ignore[arg-type]
    if sum(sizes) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"{sum(sizes)} != {total}"
        )
    order = random.permutation(total, generator).tolist()
    ends = list(itertools.accumulate(sizes))
    starts = [0, *ends[:-1]]
    return [Subset(dataset, order[a:b]) for a, b in zip(starts, ends, strict=True)]


def _sizes_of_fractions(total: int, fractions: Sequence[float]) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1: {fraction}")
    sizes = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(sizes)):
        sizes[i % len(sizes)] += 1
    return sizes
