"""The stream behind every random number: :class:`Generator`, and the default one.

It deals in raw 32-bit words of the Mersenne Twister; :mod:`fastnn.random` makes numbers
of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, SupportsInt

import numpy as np
from numpy.typing import NDArray

from .dtypes import check_device, device

Words = NDArray[np.uint64]
PairMaker = Callable[[Words], NDArray[np.float64]]

#: The seed of a new Generator, as in PyTorch.
DEFAULT_SEED = 67280421310721

_UNSIGNED_64 = 1 << 64


class Generator:
    """A stream of random numbers with its own seed; safe to share between threads.

    Parameters
    ----------
    device : str or device
        The CPU; anything else raises RuntimeError.

    Notes
    -----
    The state is the Mersenne Twister's, and the second of the last pair of normal numbers
    if it has not been used yet.
    """

    def __init__(self, device: str | device = "cpu") -> None:
        check_device(device)
        self._lock = threading.Lock()
        self._twister: Any = None
        self._spare: float | None = None
        self._seed = DEFAULT_SEED

    @property
    def device(self) -> device:
        """Always the CPU."""
        return device("cpu")

    def manual_seed(self, seed: SupportsInt) -> Generator:
        """Restart from ``seed`` and return self.

        Only the low 32 bits of the seed matter; a negative one stands for ``2**64 + seed``.

        Raises
        ------
        ValueError
            If it is outside [-2**63, 2**64).
        """
        number = int(seed)
        if not -(1 << 63) <= number < _UNSIGNED_64:
            raise ValueError(
                f"Overflow when unpacking long long: seed {number} is outside [-2**63, 2**64)"
            )
        with self._lock:
            self._seed = number % _UNSIGNED_64
            self._twister = None
            self._spare = None
        return self

    def initial_seed(self) -> int:
        """Return the seed the stream started from."""
        return self._seed

    def seed(self) -> int:
        """Restart from a seed of the operating system's, and return it."""
        number = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(number)
        return number

    def get_state(self) -> NDArray[np.uint8]:
        """Return everything that decides the numbers to come, as an opaque array of bytes."""
        with self._lock:
            twister = self._bits().state["state"]
            fields = (self._seed, twister["key"], twister["pos"], self._spare is not None)
            return np.array([(*fields, self._spare or 0.0)], _STATE).view(np.uint8)

    def set_state(self, state: object) -> None:
        """Continue from a state that :meth:`get_state` returned (array or tensor of bytes).

        Raises
        ------
        RuntimeError
            If it is not such a state.
        """
        raw = np.ascontiguousarray(state)
        if raw.dtype != np.uint8 or raw.shape != (_STATE.itemsize,):
            raise RuntimeError(
                f"RNG state is wrong size: expected {_STATE.itemsize} bytes (uint8), "
                f"got {raw.shape} of {raw.dtype}"
            )
        fields = raw.view(_STATE)[0]
        if fields["pos"] > fields["key"].size:
            raise RuntimeError(f"RNG state is invalid: position {fields['pos']}")
        with self._lock:
            self._seed = int(fields["seed"])
            twister = {"key": fields["key"].copy(), "pos": int(fields["pos"])}
            self._bits().state = {"bit_generator": "MT19937", "state": twister}
            self._spare = float(fields["spare"]) if fields["has_spare"] else None

    def __getstate__(self) -> NDArray[np.uint8]:
        return self.get_state()

    def __setstate__(self, state: NDArray[np.uint8]) -> None:
        self.__init__()  # type: ignore[misc]
        self.set_state(state)

    def _bits(self) -> Any:
        """Return the twister, made when first needed (importing numpy.random takes 10 ms)."""
        if self._twister is None:
            twister = np.random.MT19937(0)
            # RandomState seeds as the twister's authors do, and as PyTorch does.
            np.random.RandomState(twister).seed(self._seed % (1 << 32))
            self._twister = twister
        return self._twister

    def _words(self, count: int) -> Words:
        words: Words = self._bits().random_raw(count)
        return words

    def draw_32(self, count: int) -> Words:
        """Return the next ``count`` words of 32 bits."""
        with self._lock:
            return self._words(count)

    def draw_64(self, count: int) -> Words:
        """Return ``count`` words of 64 bits, each of two: the first is the high half."""
        with self._lock:
            return _join(self._words(2 * count))

    def draw_paired(self, count: int, make_pairs: PairMaker) -> NDArray[np.float64]:
        """Return ``count`` numbers that arise in pairs from two words of 64 bits each.

        The second of the last pair waits for the next call if it is not needed.

        Parameters
        ----------
        count : int
            How many numbers.
        make_pairs : callable
            Makes 2 * n numbers of 2 * n words.
        """
        result = np.empty(count)
        with self._lock:
            missing = count
            if self._spare is not None and count:
                result[0] = self._spare
                self._spare = None
                missing -= 1
            made = make_pairs(_join(self._words(4 * ((missing + 1) // 2))))
            result[count - missing :] = made[:missing]
            if missing % 2:
                self._spare = float(made[-1])
        return result


_STATE = np.dtype(
    [("seed", "u8"), ("key", "u4", 624), ("pos", "u4"), ("has_spare", "u4"), ("spare", "f8")]
)


def _join(words: Words) -> Words:
    return (words[0::2] << np.uint64(32)) | words[1::2]


#: The stream used where no generator is given.
default_generator = Generator()
default_generator.seed()


def _renew_lock() -> None:
    # A thread of the parent may have held it at the fork; that thread is not in the child.
    default_generator._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def manual_seed(seed: SupportsInt) -> Generator:
    """Restart the default generator from ``seed`` and return it (see Generator.manual_seed)."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Restart the default generator from a seed of the operating system's, and return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """Return the seed the default generator started from."""
    return default_generator.initial_seed()
