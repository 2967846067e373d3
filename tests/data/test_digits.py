"""The shipped digits: what is promised of them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import fastnn
from fastnn.datasets import digits

ROOT = Path(__file__).resolve().parents[2]


def test_shapes_types_and_range():
    for split, count in (("train", 1437), ("test", 360), ("all", 1797)):
        images, labels = digits(split)
        assert images.shape == (count, 1, 8, 8)
        assert labels.shape == (count,)
        assert images.dtype == fastnn.float32
        assert labels.dtype == fastnn.int64
        assert images.min().item() == 0
        assert images.max().item() == 1
        assert set(labels.tolist()) == set(range(10))


def test_the_split_is_balanced_fixed_and_has_no_overlap():
    images, labels = digits("test")
    assert np.bincount(labels.numpy()).tolist() == [36] * 10
    train_images, train_labels = digits("train")
    both, both_labels = digits("all")
    np.testing.assert_array_equal(both.numpy(), np.concatenate([train_images, images]))
    np.testing.assert_array_equal(both_labels.numpy(), np.concatenate([train_labels, labels]))
    # Every image of the file once.
    with (resources.files("fastnn.datasets") / "digits.npz").open("rb") as stream:
        stored = np.load(stream)["images"]
    rows = (both.numpy() * 16).astype(np.uint8).reshape(-1, 64)
    assert sorted(map(bytes, rows)) == sorted(map(bytes, stored.reshape(-1, 64)))
    assert len(set(map(bytes, rows))) == 1797
    # Written down once: another order would be another data set.
    assert train_labels[:12].tolist() == EXPECTED_TRAIN
    assert labels[:12].tolist() == EXPECTED_TEST


EXPECTED_TRAIN = [2, 5, 9, 5, 2, 2, 7, 1, 3, 3, 5, 4]
EXPECTED_TEST = [1, 3, 3, 0, 6, 6, 2, 2, 4, 1, 4, 8]


def test_labels_belong_to_their_images():
    """Nearest class means, learnt from one part, read most of the other."""
    images, labels = digits("train")
    means = np.stack([images.numpy()[labels.numpy() == d].mean(0).ravel() for d in range(10)])
    images, labels = digits("test")
    distances = ((images.numpy().reshape(-1, 1, 64) - means) ** 2).sum(-1)
    assert (distances.argmin(1) == labels.numpy()).mean() > 0.85


def test_each_call_returns_new_memory_and_the_type_asked_for():
    images, labels = digits("test")
    images.numpy()[...] = 7
    labels.numpy()[...] = 7
    again, again_labels = digits("test", dtype=fastnn.float64)
    assert again.dtype == fastnn.float64
    assert again.max().item() == 1
    assert again_labels.max().item() == 9


def test_bad_arguments():
    with pytest.raises(ValueError, match="unknown split 'valid'; choose from train, test, all"):
        digits("valid")
    with pytest.raises(TypeError, match="floating type"):
        digits(dtype=fastnn.int64)


def test_source_and_licence_are_named():
    notice = (ROOT / "fastnn/datasets/LICENSE-digits.txt").read_text("utf-8")
    for text in ("E. Alpaydin and C. Kaynak", "UCI Machine Learning Repository", "CC BY 4.0"):
        assert text in notice
        assert text in digits.__doc__.replace("\n    ", " ")
    assert "https://creativecommons.org/licenses/by/4.0/" in notice
    assert "Attribution 4.0 International" in notice
