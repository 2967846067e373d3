"""Data that ships with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..dtypes import as_numpy_dtype, dtype
from ..tensor import Tensor, wrap

__all__ = ["digits"]

_TEST_IMAGES_PER_DIGIT = 36
_SPLIT_SEED = 0


def digits(split: str = "train", *, dtype: dtype | None = None) -> tuple[Tensor, Tensor]:
    """Images of handwritten digits, 8 by 8 pixels, and what they show.

    They are the 1797 images of the test part of "Optical Recognition of Handwritten Digits" by
    E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository,
    https://doi.org/10.24432/C50P49, under the licence CC BY 4.0
    (https://creativecommons.org/licenses/by/4.0/); see LICENSE-digits.txt among the
    package's licences.

    The split is always the same: 36 images of each digit are for testing, chosen at random
    once and for all, and both parts are in a fixed random order.  The 13 writers occur in
    both parts.

    Parameters
    ----------
    split : {"train", "test", "all"}
        The 1437 images to learn from, the 360 to test on, or both, in that order.
    dtype : dtype, optional
        Floating type of the images; the default one (float32) unless given.

    Returns
    -------
    images : Tensor
        (N, 1, 8, 8), from 0 (paper) to 1 (ink), in steps of 1/16.
    labels : Tensor
        (N,), int64, from 0 to 9.

    Raises
    ------
    ValueError
        If there is no such split.
    TypeError
        If ``dtype`` is not a floating type.

    Examples
    --------
    >>> images, labels = digits("test")
    >>> images.shape, labels.shape
    (fastnn.Size([360, 1, 8, 8]), fastnn.Size([360]))
    """
    parts = {"train": ("train",), "test": ("test",), "all": ("train", "test")}
    if split not in parts:
        raise ValueError(f"unknown split {split!r}; choose from {', '.join(parts)}")
    kind = as_numpy_dtype(dtype)
    if kind.kind != "f":
        raise TypeError(f"the images need a floating type, not {dtype!r}")
    images, labels = _load()
    rows = np.concatenate([_rows(labels)[part] for part in parts[split]])
    return wrap(images[rows, None].astype(kind) / 16), wrap(labels[rows].astype(np.int64))


@cache
def _load() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    # Stored pixel by pixel (Fortran order), whose runs of zeros deflate to an eighth less.
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as arrays:
        return np.ascontiguousarray(arrays["images"]), arrays["labels"]


def _rows(labels: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
    """Draw the rows of each part, and then their order."""
    # RandomState: its streams are frozen for ever, those of newer generators are not.
    rng = np.random.RandomState(_SPLIT_SEED)
    drawn = rng.permutation(len(labels))
    test = np.zeros(len(labels), bool)
    for digit in range(10):
        test[drawn[labels[drawn] == digit][:_TEST_IMAGES_PER_DIGIT]] = True
    order = rng.permutation(len(labels)).astype(np.int64)
    return {"train": order[~test[order]], "test": order[test[order]]}
