"""How tensors print: PyTorch's layout, computed from the array alone.

One format serves the whole tensor: integers, ``1.`` if every float is a whole number,
fixed point, or scientific notation if the numbers' sizes are too far apart.  All elements
are padded to one width.  Beyond ``threshold`` elements only the edges of each dimension
are shown, and only they decide the format.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .dtypes import from_numpy_dtype, get_default_dtype

Array = NDArray[Any]


class _Options(NamedTuple):
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}

_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print, for the whole process; what is not given stays as it is.

    Parameters
    ----------
    precision : int, optional
        Digits after the point (4 at first).
    threshold : float, optional
        Tensors of more elements are summarised (1000 at first).
    edgeitems : int, optional
        Elements shown at each end of a summarised dimension (3 at first).
    linewidth : int, optional
        Characters in a line (80 at first).
    profile : {"default", "short", "full"}, optional
        A set of the four above, changed by those also given.
    sci_mode : bool, optional
        Whether floats print in scientific notation.  None, or nothing, lets the numbers
        decide: this option alone never stays.

    Raises
    ------
    ValueError
        If the profile is unknown.
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"unknown profile {profile!r}: choose from {sorted(_PROFILES)}")
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changes = _PROFILES[profile] if profile is not None else {}
    changes = changes | {name: value for name, value in given.items() if value is not None}
    _options = _options._replace(**changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """Return the options in force, as keyword arguments for :func:`set_printoptions`."""
    return _options._asdict()


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with other options inside a ``with`` (arguments of :func:`set_printoptions`)."""
    global _options
    before = _options
    set_printoptions(**options)
    try:
        yield
    finally:
        _options = before


def format_tensor(
    array: Array, *, requires_grad: bool, grad_fn_name: str | None, name: str = "tensor"
) -> str:
    """Return the text of a tensor as PyTorch prints it, our names of types aside.

    Parameters
    ----------
    array : ndarray
        The elements.
    requires_grad : bool
        Printed where there is no ``grad_fn``.
    grad_fn_name : str, optional
        Such as ``"AddmmBackward0"``.
    name : str
        What stands before the parenthesis.
    """
    options = _options
    indent = len(name) + 1
    kind = from_numpy_dtype(array.dtype)
    suffixes = []
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={array.shape}")
        shows_its_type = kind is get_default_dtype()
    else:
        summarize = array.size > options.threshold
        if not options.edgeitems:
            suffixes.append(f"size={array.shape}")
        to_text, width = _element_format(_edges(array, options) if summarize else array, options)
        body = _Layout(to_text, width, summarize, options).text(array, indent)
        shows_its_type = kind is get_default_dtype() or kind.name in ("int64", "bool")
    if not shows_its_type:
        suffixes.append(f"dtype={kind!r}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return _append(f"{name}({body}", suffixes, indent, options.linewidth) + ")"


def _append(text: str, suffixes: list[str], indent: int, linewidth: int) -> str:
    """Put suffixes behind ``text``, each on a new line if the last one is full."""
    # PyTorch counts the last line one character longer than it is.
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text


def _edges(array: Array, options: _Options) -> Array:
    """Return the elements of a summarised array that will be shown."""
    count = options.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * count:
            shown = [*range(count), *range(size - count, size)]
            array = array.take(shown, axis)
    return array


def _element_format(array: Array, options: _Options) -> tuple[Callable[[Any], str], int]:
    """Choose the one format of all elements, and its width."""
    if array.dtype.kind != "f":
        return str, max((len(str(value)) for value in array.reshape(-1).tolist()), default=1)
    values = array[np.isfinite(array) & (array != 0)].astype(np.float64)
    if not values.size:
        # Zeros and non-finite numbers alone print as whole numbers, without alignment.
        return _whole, 1
    sizes = np.abs(values)
    smallest, largest = float(sizes.min()), float(sizes.max())
    if options.sci_mode is None:
        scientific = largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
    else:
        scientific = options.sci_mode
    to_text: Callable[[Any], str]
    if scientific:
        to_text = f"{{:.{options.precision}e}}".format
    elif (values == np.ceil(values)).all():
        to_text = _whole
    else:
        to_text = f"{{:.{options.precision}f}}".format
    return to_text, max(len(to_text(value)) for value in values.tolist())


def _whole(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else str(value)


class _Layout(NamedTuple):
    """Brackets, commas and lines around elements of one format."""

    to_text: Callable[[Any], str]
    width: int
    summarize: bool
    options: _Options

    def text(self, array: Array, indent: int) -> str:
        """Lay out ``array`` behind ``indent`` characters of its first line."""
        if array.ndim == 0:
            return self.to_text(array.item()).rjust(self.width)
        count = self.options.edgeitems
        skips = self.summarize and len(array) > 2 * count
        if array.ndim == 1:
            return self._row(array, indent, skips)
        parts = [array[:count], array[len(array) - count :]] if skips else [array]
        texts = [[self.text(each, indent + 1) for each in part] for part in parts]
        between = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
        rows = [*texts[0], "...", *texts[1]] if skips else texts[0]
        return "[" + between.join(rows) + "]"

    def _row(self, array: Array, indent: int, skips: bool) -> str:
        count = self.options.edgeitems
        texts = [self.to_text(value).rjust(self.width) for value in self._shown(array, skips)]
        if skips:
            texts.insert(count, " ..." if count else "...")
        per_line = max(1, (self.options.linewidth - indent) // (self.width + 2))
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"

    def _shown(self, array: Array, skips: bool) -> list[Any]:
        if not skips:
            shown: list[Any] = array.tolist()
            return shown
        count = self.options.edgeitems
        return [*array[:count].tolist(), *array[len(array) - count :].tolist()]
