"""``save`` and ``load``: state_dicts and other plain data in ``.npz`` files, without pickle.

An object is split into its arrays, each a member of the archive, and a JSON text that says
how they were nested::

    {"format": "fastnn", "version": 1, "value": NODE}

A node is null, true, false, a number or a string as it is, or ``{TAG: CONTENT}`` with one of
the tags ``tensor`` and ``array`` (a member's name; ``grad tensor`` if it required grad),
``list``, ``tuple``, ``size`` (nodes), ``dict``, ``ordered`` (pairs of nodes) and ``dtype``.
An array found under keys that make a good file name is stored under it, so that
``numpy.load(path)["layer.weight"]`` finds it.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from . import dtypes
from ._archive import PathLike, read_archive, write_archive, write_atomically
from .dtypes import Size, check_device, device, dtype
from .tensor import Tensor, wrap

__all__ = ["load", "save"]

Array = NDArray[Any]

_FORMAT = "fastnn"
_VERSION = 1
_GOOD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")


def save(obj: Any, f: PathLike | IO[bytes]) -> None:
    """Write an object to a file, as an ``.npz`` archive.

    A path is written atomically: the file appears complete under exactly this name, or an
    older one stays as it was.

    Parameters
    ----------
    obj : object
        Tensors, arrays, numbers, strings, None and dtypes, in dicts, lists and tuples, such
        as a ``state_dict()`` of a module or an optimiser.  Parameters come back as tensors,
        NumPy's scalars as Python's numbers.
    f : str, path or binary file
        Where to write.

    Raises
    ------
    TypeError
        If something else is in it; the text names its key.  Nothing is written then.
    ValueError
        If a container holds itself.
    """
    encoder = _Encoder()
    structure = {"format": _FORMAT, "version": _VERSION, "value": encoder.node(obj, ())}
    if isinstance(f, str | os.PathLike):
        write_atomically(f, lambda stream: write_archive(stream, structure, encoder.arrays))
    else:
        write_archive(f, structure, encoder.arrays)


def load(
    f: PathLike | IO[bytes],
    map_location: str | device | None = None,
    *,
    weights_only: bool = True,
) -> Any:
    """Read what :func:`save` has written, or the arrays of any ``.npz`` file.

    Parameters
    ----------
    f : str, path or binary file
        Where to read.
    map_location : str or device, optional
        The CPU, if given: for PyTorch's sake.
    weights_only : bool
        For PyTorch's sake, without effect: nothing is ever unpickled.

    Returns
    -------
    object
        What was saved; for a file of ``numpy.savez`` a dict of tensors by name (arrays,
        where no tensor holds the type).

    Raises
    ------
    RuntimeError
        If the file is damaged or of another kind.
    OSError
        If it cannot be opened.
    """
    check_device(map_location)
    label = repr(os.fspath(f)) if isinstance(f, str | os.PathLike) else "the file"
    structure, arrays = read_archive(f, label)
    if structure is None:
        return {name: _tensor_if_possible(array) for name, array in arrays.items()}
    try:
        if structure["format"] != _FORMAT:
            raise RuntimeError(f"{label} has the unknown format {structure['format']!r}")
        if structure["version"] != _VERSION:
            raise RuntimeError(
                f"{label} has version {structure['version']!r} of the format; this fastnn reads "
                f"version {_VERSION}"
            )
        return _decode(structure["value"], arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RuntimeError(
            f"{label} is damaged: its structure makes no sense: {error!r}"
        ) from error


def _tensor_if_possible(array: Array) -> Tensor | Array:
    try:
        dtypes.from_numpy_dtype(array.dtype)
    except (TypeError, ValueError):
        return array
    return wrap(array)


# -- objects to nodes ------------------------------------------------------------------------


class _Encoder:
    """Turns an object into a node, and gathers its arrays under names."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self._open: set[int] = set()

    def node(self, obj: Any, keys: tuple[Any, ...]) -> Any:
        """Return the node of ``obj``, found under ``keys``."""
        if obj is None or type(obj) in (bool, int, float, str):
            return obj
        if isinstance(obj, np.bool_ | np.integer | np.floating):
            return obj.item()
        if isinstance(obj, Tensor):
            tag = "grad tensor" if obj.requires_grad else "tensor"
            return {tag: self._member(obj._data, keys)}
        if isinstance(obj, np.ndarray):
            return {"array": self._member(obj, keys)}
        if isinstance(obj, dtype):
            return {"dtype": obj.name}
        if isinstance(obj, dict | list | tuple):
            return self._container(obj, keys)
        raise TypeError(f"cannot save {_place(keys)}: {_qualified(obj)} is not supported")

    def _container(self, obj: Any, keys: tuple[Any, ...]) -> Any:
        if id(obj) in self._open:
            raise ValueError(f"cannot save {_place(keys)}: the container holds itself")
        self._open.add(id(obj))
        try:
            if isinstance(obj, dict):
                tag = "ordered" if isinstance(obj, OrderedDict) else "dict"
                return {tag: [self._pair(key, value, keys) for key, value in obj.items()]}
            tag = "list" if isinstance(obj, list) else "size" if type(obj) is Size else "tuple"
            if tag == "tuple" and type(obj) is not tuple:
                raise TypeError(f"cannot save {_place(keys)}: {_qualified(obj)} is not supported")
            return {tag: [self.node(each, (*keys, i)) for i, each in enumerate(obj)]}
        finally:
            self._open.discard(id(obj))

    def _pair(self, key: Any, value: Any, keys: tuple[Any, ...]) -> list[Any]:
        if key is not None and type(key) not in (bool, int, float, str):
            raise TypeError(
                f"cannot save {_place(keys)}: the key {key!r} is a {_qualified(key)}; keys may be "
                "strings, numbers and None"
            )
        return [key, self.node(value, (*keys, key))]

    def _member(self, array: Array, keys: tuple[Any, ...]) -> str:
        if array.dtype.hasobject:
            raise TypeError(
                f"cannot save {_place(keys)}: an array of type {array.dtype} holds Python objects"
            )
        name = ".".join(map(str, keys))
        if not _GOOD_NAME.fullmatch(name) or name in self.arrays:
            # A space keeps it apart from all good names, whatever comes later.
            name = f"array {len(self.arrays)}"
        self.arrays[name] = array
        return name


def _place(keys: tuple[Any, ...]) -> str:
    return "the object" + "".join(f"[{key!r}]" for key in keys)


def _qualified(obj: object) -> str:
    kind = type(obj)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


# -- nodes to objects ------------------------------------------------------------------------


def _decode(node: Any, arrays: dict[str, Array]) -> Any:
    if not isinstance(node, dict):
        if isinstance(node, list):
            raise ValueError("a list without a tag")
        return node
    ((tag, content),) = node.items()
    match tag:
        case "tensor" | "grad tensor":
            array = arrays[content]
            floating = dtypes.from_numpy_dtype(array.dtype).is_floating_point
            if tag == "tensor":
                return wrap(array)
            if not floating:
                raise ValueError(f"a tensor of {array.dtype} that requires grad")
            return wrap(array).requires_grad_()
        case "array":
            return arrays[content]
        case "dtype":
            return {each.name: each for each in dtypes.ALL}[content]
        case "dict" | "ordered":
            pairs = [(key, _decode(value, arrays)) for key, value in content]
            return OrderedDict(pairs) if tag == "ordered" else dict(pairs)
        case "list":
            return [_decode(each, arrays) for each in content]
        case "tuple":
            return tuple([_decode(each, arrays) for each in content])
        case "size":
            return Size(content)
        case _:
            raise ValueError(f"unknown tag {tag!r}")
