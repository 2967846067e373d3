"""Samplers: the order in which a loader takes the samples.

For equal seeds they give PyTorch's order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import random

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base of the samplers, which yield indices (or lists of them) in some order."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class SequentialSampler(Sampler[int]):
    """0, 1, ... ``len(data_source) - 1``."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices in random order, a new one in every iteration.

    Parameters
    ----------
    data_source : sized
        What to sample from.
    replacement : bool
        Draw each index anew from all, instead of going through a permutation.
    num_samples : int, optional
        How many to draw; ``len(data_source)`` unless given.
    generator : Generator, optional
        Source of the random numbers.  Without one, each iteration seeds one of its own with
        a number from the default generator, as in PyTorch.

    Raises
    ------
    TypeError
        If ``replacement`` is not a bool.
    ValueError
        If ``num_samples`` is not a positive int.
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: random.Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, "
                f"but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices an iteration yields."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> NDArray[np.int64]:
        """Draw the indices of one iteration."""
        generator = self.generator
        if generator is None:
            generator = random.Generator()
            generator.manual_seed(draw_seed(None))
        n, count = len(self.data_source), self.num_samples
        if self.replacement:
            indices = np.empty(count, np.int64)
            random.fill_randint(indices, 0, n, generator)
            return indices
        # PyTorch draws one permutation more, of which it takes what is left: maybe nothing.
        passes = [random.permutation(n, generator) for _ in range(count // n + 1)]
        return np.concatenate(passes)[:count]

    def __iter__(self) -> Iterator[int]:
        yield from self.order().tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices from another sampler.

    Parameters
    ----------
    sampler : iterable of int
        Where the indices come from.
    batch_size : int
        How many to a list.
    drop_last : bool
        Leave out a last list that is shorter.

    Raises
    ------
    ValueError
        If ``batch_size`` is not a positive int, or ``drop_last`` not a bool.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def draw_seed(generator: random.Generator | None) -> int:
    """Draw a number from 0 .. 2**63 - 1, as PyTorch's ``random_()`` draws an int64."""
    return int((generator or random.default_generator).draw_64(1)[0]) & (2**63 - 1)
