"""Datasets, samplers and the DataLoader, under PyTorch's names.

For equal seeds the samplers and the loader give PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import random
from ..backends import Array
from ..tensor import Tensor, wrap
from ._collate import default_collate
from ._datasets import Dataset, Subset, TensorDataset, random_split
from ._samplers import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

__all__ = [
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "default_collate",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)
Collate = Callable[[list[Any]], Any]


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches; each iteration starts afresh.

    Batches of a :class:`TensorDataset`, or of subsets of one, are made by one gather for each
    tensor and never touch single samples.  Every batch is new memory.

    Parameters
    ----------
    dataset : Dataset
        Anything with ``len`` and ``[]``.
    batch_size : int or None
        Samples to a batch; None yields single samples, not collated.
    shuffle : bool, optional
        Go through the samples in a new random order in each iteration.
    sampler : iterable of int, optional
        The indices to take instead.
    batch_sampler : iterable of list of int, optional
        The indices of each batch instead.
    num_workers : int
        Only 0: a batch is one gather, which a second process could not make sooner.
    collate_fn : callable, optional
        Makes a batch of a list of samples, instead of :func:`default_collate`.
    pin_memory : bool
        Accepted for PyTorch's sake and without effect: there is no other device.
    drop_last : bool
        Leave out a last batch that is smaller.
    generator : Generator, optional
        Source of the random order; the default one if None.

    Raises
    ------
    ValueError
        For options that exclude each other, a batch size that is not positive, or workers.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Collate | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        generator: random.Generator | None = None,
    ) -> None:
        if num_workers != 0:
            raise ValueError(
                f"num_workers={num_workers} is not supported, use 0: "
                "there are no workers, because a batch is one gather in this process"
            )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive "
                    "with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching "
                "and is mutually exclusive with drop_last"
            )
        if sampler is None:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.generator = generator

    def __len__(self) -> int:
        batches = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        # PyTorch draws a seed for its workers here, before the sampler draws its own.
        draw_seed(self.generator)
        if self.batch_sampler is None:
            return self._single_samples()
        source = _arrays_of(self.dataset) if self.collate_fn is None else None
        if source is None:
            return self._collated(self.batch_sampler)
        arrays, positions = source
        return _gathered(arrays, positions, _index_batches(self.batch_sampler))

    def _single_samples(self) -> Iterator[Any]:
        for index in self.sampler:
            sample = self.dataset[index]
            yield sample if self.collate_fn is None else self.collate_fn(sample)

    def _collated(self, batches: Iterable[list[int]]) -> Iterator[Any]:
        collate = self.collate_fn or default_collate
        several = getattr(self.dataset, "__getitems__", None)
        for batch in batches:
            samples = [self.dataset[i] for i in batch] if several is None else several(batch)
            yield collate(samples)


def _arrays_of(dataset: Any) -> tuple[list[Array], NDArray[np.int64] | None] | None:
    """Find the arrays under a TensorDataset and its subsets, and the rows that were chosen.

    None if there is anything else: another class may give ``[]`` another meaning, and the
    batches of tensors that require grad have to be recorded.
    """
    rows: NDArray[np.int64] | None = None
    while type(dataset) is Subset:
        indices = np.asarray(dataset.indices, np.int64)
        rows = indices if rows is None else indices[rows]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or any(t.requires_grad for t in dataset.tensors):
        return None
    return [tensor._data for tensor in dataset.tensors], rows


def _index_batches(batches: Iterable[list[int]]) -> Iterator[NDArray[np.int64]]:
    """Yield the batches' indices as arrays; whole permutations stay arrays throughout."""
    if type(batches) is not BatchSampler or type(batches.sampler) is not RandomSampler:
        for batch in batches:
            indices = np.asarray(batch)
            if indices.size and indices.dtype.kind not in "iu":
                raise TypeError(f"the indices of a batch have to be integers, but got {batch}")
            yield indices.astype(np.int64, copy=False)
        return
    order, size = batches.sampler.order(), batches.batch_size
    stop = len(order) - len(order) % size if batches.drop_last else len(order)
    for start in range(0, stop, size):
        yield order[start : start + size]


def _gathered(
    arrays: list[Array],
    rows: NDArray[np.int64] | None,
    batches: Iterable[NDArray[np.int64]],
) -> Iterator[list[Tensor]]:
    for indices in batches:
        if rows is not None:
            indices = rows[indices]
        yield [wrap(array.take(indices, axis=0)) for array in arrays]
