"""The random streams against PyTorch's, and on their own."""

import copy
import os
import pickle
import threading
import warnings

import numpy as np
import pytest

from fastnn import random

SEEDS = (0, 5, 123456789, 2**32 + 5, 2**64 - 1, -7)
SIZES = (0, 1, 2, 7, 15, 16, 17, 31, 32, 1000)
FLOATS = ("float32", "float64")


@pytest.fixture
def fused(torch):
    """PyTorch contracts multiply and add only in its AVX2 and AVX-512 builds."""
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("this PyTorch computes without fused multiply-add")
    return torch


def drawn(fill, shape, dtype="float32", seed=5, **arguments):
    array = np.full(shape, 0 if np.dtype(dtype).kind in "iub" else np.nan, dtype)
    generator = random.Generator().manual_seed(seed)
    fill(array, generator=generator, **arguments)
    return array


def theirs(torch, call, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return call(generator).numpy()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("seed", SEEDS)
def test_uniform_is_pytorchs(torch, dtype, seed):
    for size in SIZES:
        expected = theirs(
            torch, lambda g, n=size: torch.rand(n, generator=g, dtype=getattr(torch, dtype)), seed
        )
        np.testing.assert_array_equal(drawn(random.fill_uniform, size, dtype, seed), expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("low", "high"), [(-0.31, 0.77), (-1 / 3, 1 / 3), (0, 1), (2, 2), (-5e4, 1e-3), (1e-30, 1e-20)]
)
def test_uniform_range_is_pytorchs(fused, dtype, low, high):
    expected = theirs(
        fused,
        lambda g: fused.empty(20000, dtype=getattr(fused, dtype)).uniform_(low, high, generator=g),
    )
    found = drawn(random.fill_uniform, 20000, dtype, low=low, high=high)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("mean", "std"), [(0, 1), (1.5, 0.3), (0, 0)])
def test_normal_is_pytorchs_to_a_few_ulps(torch, dtype, mean, std):
    kind = getattr(torch, dtype)
    for size in SIZES:
        expected = theirs(
            torch, lambda g, n=size: torch.empty(n, dtype=kind).normal_(mean, std, generator=g)
        )
        found = drawn(random.fill_normal, size, dtype, mean=mean, std=std)
        # The sum of mean and noise may cancel: measure against the larger of the two.
        bound = 8 * np.finfo(dtype).eps * np.maximum(np.abs(expected), abs(mean))
        assert (np.abs(found - expected) <= bound).all()


def test_normal_keeps_the_second_of_a_pair_as_pytorch_does(torch):
    generator = random.Generator().manual_seed(3)
    theirs_generator = torch.Generator().manual_seed(3)
    for size in (3, 1, 20, 0, 2, 5, 1):
        array = np.empty(size)
        random.fill_normal(array, generator=generator)
        expected = torch.randn(size, generator=theirs_generator, dtype=torch.float64)
        np.testing.assert_allclose(array, expected, rtol=1e-14)
    assert generator.initial_seed() == 3


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 1),
        (0, 10),
        (-7, 1000),
        (0, 2**28 - 1),
        (0, 2**28),
        (-5, 2**31),
        (0, 2**32),
        (-(2**63), 2**63 - 1),
    ],
)
def test_randint_is_pytorchs(torch, low, high):
    expected = theirs(torch, lambda g: torch.randint(low, high, (50, 7), generator=g))
    np.testing.assert_array_equal(
        drawn(random.fill_randint, (50, 7), "int64", low=low, high=high), expected
    )


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", *FLOATS])
def test_randint_of_other_types_is_pytorchs(torch, dtype):
    expected = theirs(
        torch, lambda g: torch.randint(0, 2, (99,), generator=g, dtype=getattr(torch, dtype))
    )
    np.testing.assert_array_equal(drawn(random.fill_randint, 99, dtype, low=0, high=2), expected)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 1000, 70000])
def test_permutation_is_pytorchs(torch, n):
    expected = theirs(torch, lambda g: torch.randperm(n, generator=g))
    np.testing.assert_array_equal(
        random.permutation(n, random.Generator().manual_seed(5)), expected
    )


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 2 / 3, 1.0])
def test_bernoulli_is_pytorchs(torch, p):
    expected = theirs(torch, lambda g: torch.empty(999).bernoulli_(p, generator=g))
    np.testing.assert_array_equal(drawn(random.fill_bernoulli, 999, p=p), expected)
    mask = random.bernoulli_mask((27, 37), p, random.Generator().manual_seed(5))
    np.testing.assert_array_equal(mask.reshape(-1), expected.astype(bool))


@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_of_each_is_pytorchs(torch, dtype):
    probabilities = np.linspace(0, 1, 501, dtype=dtype)
    expected = theirs(
        torch, lambda g: torch.bernoulli(torch.from_numpy(probabilities), generator=g)
    )
    found = drawn(random.fill_bernoulli_each, 501, dtype, probabilities=probabilities)
    np.testing.assert_array_equal(found, expected)


def test_a_mix_of_calls_stays_in_step(torch):
    """Every call takes as many words from the stream as PyTorch's."""
    mine, other = random.Generator().manual_seed(11), torch.Generator().manual_seed(11)
    for _ in range(3):
        for size in (5, 18):
            array = np.empty(size, np.float32)
            random.fill_normal(array, generator=mine)
            torch.empty(size).normal_(generator=other)
            random.fill_uniform(array, -1, 1, mine)
            torch.empty(size).uniform_(-1, 1, generator=other)
            random.fill_bernoulli(array, 0.3, mine)
            torch.empty(size).bernoulli_(0.3, generator=other)
            random.permutation(size, mine)
            torch.randperm(size, generator=other)
            found = np.empty(4, np.int64)
            random.fill_randint(found, 0, 2**20, mine)
            expected = torch.randint(0, 2**20, (4,), generator=other)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[:, ::2],
        lambda a: a.T[1:, ::3],
        lambda a: a.reshape(6, 2, 10).transpose(2, 0, 1),
    ],
)
def test_scattered_arrays_are_filled_in_the_order_of_memory(torch, view):
    mine, other = np.zeros((6, 20)), np.zeros((6, 20))
    random.fill_uniform(view(mine), generator=random.Generator().manual_seed(5))
    torch.from_numpy(view(other)).uniform_(generator=torch.Generator().manual_seed(5))
    np.testing.assert_array_equal(mine, other)
    random.fill_normal(view(mine), generator=random.Generator().manual_seed(5))
    torch.from_numpy(view(other)).normal_(generator=torch.Generator().manual_seed(5))
    np.testing.assert_allclose(mine, other, rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("randint", lambda: drawn(random.fill_randint, 2, "int64", low=5, high=3)),
        ("randint byte", lambda: drawn(random.fill_randint, 2, "uint8", low=0, high=300)),
        ("randint from", lambda: drawn(random.fill_randint, 2, "int8", low=-129, high=3)),
        ("randint bool", lambda: drawn(random.fill_randint, 2, "bool", low=0, high=3)),
        ("uniform", lambda: drawn(random.fill_uniform, 2, low=2, high=1)),
        ("uniform overflow", lambda: drawn(random.fill_uniform, 2, low=-3e38, high=3e38)),
        ("uniform int", lambda: drawn(random.fill_uniform, 2, "int64")),
        ("normal", lambda: drawn(random.fill_normal, 2, std=-1)),
        ("normal int", lambda: drawn(random.fill_normal, 2, "int64")),
        ("bernoulli", lambda: drawn(random.fill_bernoulli, 2, p=2.0)),
        (
            "bernoulli each",
            lambda: drawn(random.fill_bernoulli_each, 1, probabilities=np.array([2.0])),
        ),
        (
            "bernoulli int",
            lambda: drawn(random.fill_bernoulli_each, 1, probabilities=np.array([1])),
        ),
        ("seed", lambda: random.Generator().manual_seed(2**64)),
    ],
)
def test_errors_begin_as_pytorchs(torch, name, call):
    calls = {
        "randint": lambda: torch.randint(5, 3, (2,)),
        "randint byte": lambda: torch.randint(0, 300, (2,), dtype=torch.uint8),
        "randint from": lambda: torch.randint(-129, 3, (2,), dtype=torch.int8),
        "randint bool": lambda: torch.randint(0, 3, (2,), dtype=torch.bool),
        "uniform": lambda: torch.empty(2).uniform_(2, 1),
        "uniform overflow": lambda: torch.empty(2).uniform_(-3e38, 3e38),
        "uniform int": lambda: torch.empty(2, dtype=torch.int64).uniform_(),
        "normal": lambda: torch.empty(2).normal_(0, -1),
        "normal int": lambda: torch.empty(2, dtype=torch.int64).normal_(),
        "bernoulli": lambda: torch.empty(2).bernoulli_(2.0),
        "bernoulli each": lambda: torch.bernoulli(torch.tensor([2.0])),
        "bernoulli int": lambda: torch.bernoulli(torch.tensor([1])),
        "seed": lambda: torch.Generator().manual_seed(2**64),
    }
    with pytest.raises((RuntimeError, ValueError)) as expected:
        calls[name]()
    with pytest.raises(type(expected.value)) as found:
        call()
    first = str(expected.value).split(".  (Could", 1)[0].split("\n", 1)[0]
    assert str(found.value).startswith(first)


def test_a_failed_fill_changes_nothing():
    array = np.ones(3, np.float32)
    generator = random.Generator()
    state = generator.get_state()
    with pytest.raises(RuntimeError):
        random.fill_uniform(array, 2, 1, generator)
    with pytest.raises(RuntimeError):
        random.fill_normal(array, 0, float("nan"), generator)
    assert (array == 1).all()
    assert (generator.get_state() == state).all()


# -- without PyTorch -----------------------------------------------------------------------


def words(generator, count=5):
    found = np.empty(count, np.int64)
    random.fill_randint(found, 0, 2**20, generator)
    return found.tolist()


def test_known_numbers():
    """PyTorch's documentation-famous first numbers for seed 0."""
    found = drawn(random.fill_uniform, 3, seed=0)
    np.testing.assert_array_equal(found, np.float32([0.49625659, 0.76822180, 0.08847743]))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 400])
def test_state_is_all_there_is(count):
    generator = random.Generator().manual_seed(1)
    random.fill_normal(np.empty(count), generator=generator)
    copies = [
        copy.deepcopy(generator),
        pickle.loads(pickle.dumps(generator)),
        random.Generator(),
    ]
    copies[2].set_state(generator.get_state())
    expected = np.empty(3)
    random.fill_normal(expected, generator=generator)
    later = words(generator)
    for each in copies:
        found = np.empty(3)
        random.fill_normal(found, generator=each)
        np.testing.assert_array_equal(found, expected)
        assert words(each) == later
        assert each.initial_seed() == 1


@pytest.mark.parametrize("state", [np.zeros(3, np.uint8), np.zeros(5), b"", None])
def test_a_foreign_state_is_refused(state):
    with pytest.raises(RuntimeError, match="RNG state is wrong size"):
        random.Generator().set_state(state)


def test_an_impossible_state_is_refused():
    with pytest.raises(RuntimeError, match="RNG state is invalid"):
        random.Generator().set_state(np.full_like(random.Generator().get_state(), 255))


def test_default_generator():
    assert random.manual_seed(42) is random.default_generator
    assert random.initial_seed() == 42
    first, second = words(None), words(None)
    random.manual_seed(42)
    assert (words(None), words(None)) == (first, second)
    chosen = random.seed()
    assert chosen == random.initial_seed()
    assert words(None) != first


def test_new_generators_start_as_pytorchs(torch):
    assert random.Generator().initial_seed() == torch.Generator().initial_seed()
    assert random.Generator("cpu").device.type == "cpu"
    with pytest.raises(RuntimeError, match="cuda"):
        random.Generator("cuda")


def test_threads_share_one_stream_without_losing_a_number():
    generator = random.Generator().manual_seed(9)
    found = [np.empty(1001) for _ in range(8)]  # odd: the spare number is contended for

    def draw(array):
        for start in range(0, 1001, 7):
            random.fill_normal(array[start : start + 7], generator=generator)

    threads = [threading.Thread(target=draw, args=(array,)) for array in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = np.empty((8 * 1001, 2))[:, 0]
    random.fill_normal(alone, generator=random.Generator().manual_seed(9))
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.sort(alone))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_lock_held_at_the_fork_does_not_hang_the_child():
    with random.default_generator._lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forking with threads
        child = os.fork()
        if child == 0:
            os._exit(0 if random.default_generator._lock.acquire(timeout=5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_moments():
    array = np.empty((300, 200), np.float32)
    random.fill_normal(array, 2, 3, random.Generator().manual_seed(1))
    assert abs(array.mean() - 2) < 0.05
    assert abs(array.std() - 3) < 0.05
    random.fill_uniform(array, -1, 3, random.Generator().manual_seed(1))
    assert -1 <= array.min() < -0.99
    assert 2.99 < array.max() < 3
    assert abs(array.mean() - 1) < 0.02
