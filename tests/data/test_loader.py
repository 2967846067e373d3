"""Datasets, samplers and the DataLoader."""

from __future__ import annotations

from collections import namedtuple
from itertools import chain

import numpy as np
import pytest

import fastnn
from fastnn.utils import data


def dataset(n=10):
    x = fastnn.from_numpy(np.arange(n * 6, dtype=np.float32).reshape(n, 3, 2))
    return data.TensorDataset(x, fastnn.arange(n))


class Squares(data.Dataset):
    """Samples made one by one."""

    def __init__(self, n):
        self.n = n

    def __getitem__(self, index):
        if not 0 <= index < self.n:
            raise IndexError(index)
        return {"root": index, "square": float(index**2), "name": f"n{index}"}

    def __len__(self):
        return self.n


def labels(loader):
    return [y.tolist() for _, y in loader]


# -- TensorDataset, Subset, random_split -----------------------------------------------------


def test_tensor_dataset():
    d = dataset()
    assert len(d) == 10
    x, y = d[3]
    assert x.tolist() == [[18, 19], [20, 21], [22, 23]]
    assert y.item() == 3


def test_tensor_dataset_refuses():
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors: \[3\], \[4, 2\]"):
        data.TensorDataset(fastnn.zeros(3), fastnn.zeros(4, 2))
    with pytest.raises(AssertionError, match="Size mismatch"):
        data.TensorDataset(fastnn.tensor(1.0))
    with pytest.raises(ValueError, match="at least one"):
        data.TensorDataset()
    with pytest.raises(TypeError, match="ndarray"):
        data.TensorDataset(np.zeros(3))


def test_subset_of_subset():
    outer = data.Subset(data.Subset(dataset(), [8, 6, 4, 2]), [3, 0])
    assert len(outer) == 2
    assert [outer[i][1].item() for i in range(2)] == [2, 8]
    assert labels(data.DataLoader(outer, batch_size=2)) == [[2, 8]]


def test_random_split():
    parts = data.random_split(dataset(), [7, 3], generator=fastnn.Generator().manual_seed(1))
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10))
    parts = data.random_split(range(11), [0.5, 0.25, 0.25])
    assert [len(part) for part in parts] == [6, 3, 2]
    with pytest.raises(ValueError, match=r"Sum of input lengths does not equal .*9 != 10"):
        data.random_split(dataset(), [5, 4])
    with pytest.raises(ValueError, match="Fraction at index 1 is not between 0 and 1"):
        data.random_split(dataset(), [1.0, -0.5, 0.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        data.random_split(range(2), [0.9, 0.1])


# -- samplers --------------------------------------------------------------------------------


def test_samplers():
    assert list(data.SequentialSampler("abc")) == [0, 1, 2]
    assert sorted(data.RandomSampler("abcde")) == [0, 1, 2, 3, 4]
    drawn = list(data.RandomSampler("abc", replacement=True, num_samples=50))
    assert len(drawn) == 50
    assert set(drawn) == {0, 1, 2}
    twice = list(data.RandomSampler("abc", num_samples=7))
    assert sorted(twice[:3]) == sorted(twice[3:6]) == [0, 1, 2]
    assert len(twice) == 7
    for drop_last, expected in ((False, [[0, 1], [2, 3], [4]]), (True, [[0, 1], [2, 3]])):
        batches = data.BatchSampler(data.SequentialSampler(range(5)), 2, drop_last)
        assert list(batches) == expected
        assert len(batches) == len(expected)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: data.RandomSampler([]), ValueError, "num_samples=0"),
        (lambda: data.RandomSampler("ab", num_samples=-1), ValueError, "num_samples=-1"),
        (lambda: data.RandomSampler("ab", replacement=1), TypeError, "replacement=1"),
        (lambda: data.BatchSampler([], 0, False), ValueError, "batch_size=0"),
        (lambda: data.BatchSampler([], True, False), ValueError, "batch_size=True"),
        (lambda: data.BatchSampler([], 1, 0), ValueError, "drop_last=0"),
    ],
)
def test_samplers_refuse(make, error, text):
    with pytest.raises(error, match=text):
        make()


# -- the loader ------------------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 11])
def test_batches_in_order(batch_size, drop_last):
    d = dataset()
    loader = data.DataLoader(d, batch_size=batch_size, drop_last=drop_last)
    batches = list(loader)
    assert len(loader) == len(batches) == (10 // batch_size if drop_last else -(-10 // batch_size))
    for i, batch in enumerate(batches):
        assert type(batch) is list
        rows = slice(i * batch_size, (i + 1) * batch_size)
        for tensor, whole in zip(batch, d.tensors, strict=True):
            np.testing.assert_array_equal(tensor.numpy(), whole.numpy()[rows])
            assert tensor.dtype == whole.dtype


@pytest.mark.parametrize("settings", [{}, {"shuffle": True}])
def test_batches_are_new_memory(settings):
    d = dataset()
    for x, y in data.DataLoader(d, batch_size=10, **settings):
        assert not np.shares_memory(x.numpy(), d.tensors[0].numpy())
        x.numpy()[...] = -1
        y.numpy()[...] = -1
    assert d.tensors[1].tolist() == list(range(10))


def test_shuffle_is_seeded_complete_and_new_each_time():
    def epochs():
        loader = data.DataLoader(
            dataset(), batch_size=4, shuffle=True, generator=fastnn.Generator().manual_seed(5)
        )
        return [labels(loader) for _ in range(3)]

    first = epochs()
    assert first == epochs()
    assert first[0] != first[1] != first[2]
    for epoch in first:
        assert sorted(chain.from_iterable(epoch)) == list(range(10))

    def from_the_default():
        fastnn.manual_seed(3)
        return labels(data.DataLoader(dataset(), batch_size=4, shuffle=True))

    assert from_the_default() == from_the_default()


def test_rows_stay_together_when_shuffled():
    for x, y in data.DataLoader(dataset(), batch_size=3, shuffle=True):
        np.testing.assert_array_equal(x.numpy()[:, 0, 0], y.numpy() * 6)


def test_two_iterations_at_once_and_one_broken_off():
    loader = data.DataLoader(dataset(4), batch_size=2)
    pairs = [(a.tolist(), b.tolist()) for (_, a), (_, b) in zip(loader, loader, strict=True)]
    assert pairs == [([0, 1], [0, 1]), ([2, 3], [2, 3])]
    for _ in loader:
        break
    assert labels(loader) == [[0, 1], [2, 3]]


def test_samplers_of_ones_own():
    d = dataset()
    assert labels(data.DataLoader(d, sampler=[5, -1, 0], batch_size=2)) == [[5, 9], [0]]
    assert labels(data.DataLoader(d, batch_sampler=[[1], [2, 3]])) == [[1], [2, 3]]
    assert len(data.DataLoader(d, batch_sampler=[[1], [2, 3]])) == 2
    with pytest.raises(IndexError):
        list(data.DataLoader(d, sampler=[10]))
    with pytest.raises(TypeError, match="have to be integers"):
        list(data.DataLoader(d, sampler=[0.5]))


def test_single_samples():
    loader = data.DataLoader(dataset(), batch_size=None)
    assert len(loader) == 10
    assert [y.item() for _, y in loader] == list(range(10))


def test_datasets_of_ones_own_are_collated():
    batch = next(iter(data.DataLoader(Squares(5), batch_size=3)))
    assert batch["root"].tolist() == [0, 1, 2]
    assert batch["root"].dtype == fastnn.int64
    assert batch["square"].tolist() == [0, 1, 4]
    assert batch["square"].dtype == fastnn.float64
    assert batch["name"] == ["n0", "n1", "n2"]
    loader = data.DataLoader(Squares(5), batch_size=2, collate_fn=len)
    assert list(loader) == [2, 2, 1]
    assert list(data.DataLoader(dataset(5), batch_size=2, collate_fn=len)) == [2, 2, 1]


def test_a_subclass_of_tensor_dataset_keeps_its_own_samples():
    class Negated(data.TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x, -y

    loader = data.DataLoader(Negated(*dataset(4).tensors), batch_size=4)
    assert labels(loader) == [[0, -1, -2, -3]]


def test_several_samples_at_once():
    class Batched(Squares):
        def __getitems__(self, indices):
            return [-i for i in indices]

    (batch,) = data.DataLoader(Batched(3), batch_size=3)
    assert batch.tolist() == [0, -1, -2]


def test_gradients_reach_the_tensors_of_a_dataset():
    x = fastnn.ones(4, 2).requires_grad_()
    for (batch,) in data.DataLoader(data.TensorDataset(x), batch_size=2):
        (batch * batch).sum().backward()
    assert x.grad.tolist() == [[2, 2]] * 4


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"num_workers": 2}, "num_workers=2 is not supported"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"shuffle": True, "sampler": [0]}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
    ],
)
def test_loader_refuses(settings, text):
    with pytest.raises(ValueError, match=text):
        data.DataLoader(dataset(), **settings)


# -- collating -------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


def as_numpy(value):
    if isinstance(value, dict):
        return {key: as_numpy(entry) for key, entry in value.items()}
    if hasattr(value, "_fields"):
        return type(value)(*map(as_numpy, value))
    if isinstance(value, list | tuple):
        return type(value)(map(as_numpy, value))
    if isinstance(value, str | bytes):
        return value
    array = np.asarray(value)
    return array.dtype.name, array.tolist()


SAMPLES = [
    [1, 2, 3],
    [True, False],
    [1.5, 2.5],
    [1, 2.5],
    ["a", "b"],
    [(1, 2.0), (3, 4.0)],
    [[1, 2], [3, 4]],
    [{"a": 1, "b": [1, 2]}, {"a": 2, "b": [3, 4]}],
    [Point(1, 2.0), Point(3, 4.0)],
    [np.float32(1), np.float32(2)],
    [np.arange(3, dtype=np.int32), np.ones(3, np.int32)],
]


@pytest.mark.parametrize("batch", SAMPLES, ids=str)
def test_collating_is_pytorchs(torch, batch):
    from torch.utils.data import default_collate

    assert as_numpy(data.default_collate(batch)) == as_numpy(default_collate(batch))


def test_collating_tensors():
    stacked = data.default_collate([fastnn.ones(2), fastnn.zeros(2)])
    assert stacked.tolist() == [[1, 1], [0, 0]]
    with pytest.raises(RuntimeError, match=r"equal size, but got \[2\] at entry 0 and \[3\]"):
        data.default_collate([fastnn.ones(2), fastnn.ones(3)])
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal"):
        data.default_collate([[1], [1, 2]])
    for unknown in (object(), np.array(["a"]), np.array([None])):
        with pytest.raises(TypeError, match="default_collate: batch must contain tensors"):
            data.default_collate([unknown, unknown])


# -- PyTorch's order -------------------------------------------------------------------------


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("settings", [{"batch_size": 4}, {"batch_size": 3, "drop_last": True}])
def test_order_is_pytorchs(torch, settings, own_generator):
    def orders(lib, utils):
        lib.manual_seed(11)
        if own_generator:
            settings["generator"] = lib.Generator().manual_seed(12)
        loader = utils.DataLoader(utils.TensorDataset(lib.arange(37)), shuffle=True, **settings)
        epochs = [[y.tolist() for (y,) in loader] for _ in range(2)]
        plain = utils.DataLoader(utils.TensorDataset(lib.arange(5)))
        epochs.append([y.tolist() for (y,) in plain])
        return epochs, lib.rand(3).tolist()

    assert orders(fastnn, data) == orders(torch, torch.utils.data)


@pytest.mark.parametrize(
    "settings",
    [{}, {"num_samples": 9}, {"num_samples": 20}, {"replacement": True, "num_samples": 70}],
)
def test_random_sampler_is_pytorchs(torch, settings):
    def orders(lib, utils):
        lib.manual_seed(4)
        sampler = utils.RandomSampler(range(10), **settings)
        return [list(sampler), list(sampler)]

    assert orders(fastnn, data) == orders(torch, torch.utils.data)


@pytest.mark.parametrize("lengths", [[7, 3], [0.5, 0.3, 0.2], [10]])
def test_random_split_is_pytorchs(torch, lengths):
    def parts(lib, utils):
        generator = lib.Generator().manual_seed(9)
        return [list(part.indices) for part in utils.random_split(range(10), lengths, generator)]

    assert parts(fastnn, data) == parts(torch, torch.utils.data)
