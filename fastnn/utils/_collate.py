"""Batches out of single samples."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from ..dtypes import as_numpy_dtype
from ..functions.joining import stack
from ..tensor import Tensor, wrap


def default_collate(batch: Sequence[Any]) -> Any:
    """Make a batch of samples.

    Parameters
    ----------
    batch : sequence
        Samples of one kind: tensors, arrays and numbers are stacked along a new first
        dimension; mappings, tuples and lists are collated field by field; strings are kept.

    Returns
    -------
    object
        A tensor, or mappings and lists of tensors, or the strings as they were.  Python
        floats become float64, as in PyTorch.

    Raises
    ------
    TypeError
        For samples of another kind.
    RuntimeError
        For sequences of different lengths, or tensors of different shapes.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch)
    if isinstance(first, np.ndarray | np.generic):
        if first.dtype.kind not in "biuf":
            raise TypeError(_UNKNOWN.format(first.dtype))
        return stack([wrap(np.asarray(sample)) for sample in batch])
    if isinstance(first, float):
        return wrap(np.array(batch, np.float64))
    if isinstance(first, int):
        numbers = np.array(batch)
        return wrap(numbers.astype(as_numpy_dtype(None)) if numbers.dtype.kind == "f" else numbers)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        fields = {key: default_collate([sample[key] for sample in batch]) for key in first}
        if isinstance(first, MutableMapping):
            clone = copy.copy(first)
            clone.update(fields)
            return clone
        return fields
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(_UNKNOWN.format(type(first)))


_UNKNOWN = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
