"""Modules that hold other modules: one after the other, in a list, in a dict."""

from __future__ import annotations

import operator
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, SupportsIndex, overload

from .activation import ReLU
from .conv import Conv2d
from .linear import Linear
from .module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


# The layers that a ReLU behind them is computed with, and what they do unless somebody replaced it.
_JOINED = frozenset((Conv2d, Linear))
_FORWARDS: dict[type, Any] = {layer: layer.forward for layer in (Conv2d, Linear, ReLU)}
# What calling a module does, likewise.
_CALL = Module.__call__


def _position(module: Module, index: SupportsIndex) -> str:
    """Give the name of the child at ``index``, which may be negative.

    Raises
    ------
    IndexError
        ``index 5 is out of range``.
    """
    wanted = operator.index(index)
    names = list(module._modules)
    if not -len(names) <= wanted < len(names):
        raise IndexError(f"index {wanted} is out of range")
    return names[wanted]


def _plain(module: Module) -> bool:
    """Whether calling ``module``, a layer of ``_FORWARDS``, runs that forward and nothing else."""
    layer = type(module)
    return (
        not module._hooked
        and "forward" not in module.__dict__
        and layer.forward is _FORWARDS[layer]
    )


def _children(module: Module) -> list[Any]:
    return list(module._modules.values())


def _renumber(module: Module, children: Iterable[Module]) -> None:
    """Make ``children`` all there are, under the names "0", "1", ..."""
    kept = list(children)
    for child in kept:
        if not isinstance(child, Module):
            raise TypeError(f"{type(child).__name__} is not a Module subclass")
    module._modules.clear()
    for i, child in enumerate(kept):
        module._modules[str(i)] = child


def _delete(module: Module, index: SupportsIndex | slice) -> None:
    children = _children(module)
    if not isinstance(index, slice):
        index = list(module._modules).index(_position(module, index))
    del children[index]
    _renumber(module, children)


class Sequential(Module):
    """Calls modules one after the other, each with the result of the one before.

    Parameters
    ----------
    *args : Module
        The modules; or one mapping of names to modules.
    """

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        super().__init__()
        named: Any = enumerate(args)
        if len(args) == 1 and isinstance(args[0], Mapping):
            named = args[0].items()
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        """Pass ``input`` through all of them.

        A Conv2d or Linear and the ReLU behind it are computed together, where neither is
        subclassed nor has hooks: the same bits, and one pass over memory less.
        """
        waiting: Any = None  # a layer that the next module may join
        module: Any
        for module in self._modules.values():
            layer = type(module)
            if waiting is not None:
                joined = layer is ReLU and _plain(module)
                input = waiting._forward_relu(input) if joined else waiting.forward(input)
                waiting = None
                if joined:
                    continue
            if layer in _JOINED and _plain(module):
                waiting = module
            elif layer.__call__ is _CALL and not module._hooked:
                input = module.forward(input)  # as the call would, two frames earlier
            else:
                input = module(input)
        return input if waiting is None else waiting.forward(input)

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))  # type: ignore[arg-type]
        return self._modules[_position(self, index)]

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        setattr(self, _position(self, index), module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        _delete(self, index)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *_operand(other))

    def __iadd__(self, other: Sequential) -> Sequential:
        return self.extend(_operand(other))

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; return self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, sequential: Iterable[Module]) -> Sequential:
        """Add modules at the end; return self."""
        for module in list(sequential):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Sequential:
        """Add a module before the one at ``index``; return self.

        Raises
        ------
        IndexError
            If ``index`` is outside [-len, len].
        """
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        children = _children(self)
        children.insert(index, module)
        _renumber(self, children)
        return self

    def pop(self, key: SupportsIndex) -> Any:
        """Remove and return the module at ``key``."""
        module = self[key]
        del self[key]
        return module


def _operand(other: object) -> Sequential:
    if isinstance(other, Sequential):
        return other
    raise ValueError(
        f"add operator supports only objects of Sequential class, but {type(other)} is given."
    )


class ModuleList(Module):
    """A list of modules, which are children of it.

    Parameters
    ----------
    modules : iterable of Module, optional
        What to begin with.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(_children(self)[index])
        return self._modules[_position(self, index)]

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        setattr(self, _position(self, index), module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        _delete(self, index)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> ModuleList:
        return self.extend(other)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end; return self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end; return self.

        Raises
        ------
        TypeError
            If ``modules`` cannot be iterated over.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, "
                f"but got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Add a module before the one at ``index``, as ``list.insert``."""
        children = _children(self)
        children.insert(index, module)
        _renumber(self, children)

    def pop(self, key: SupportsIndex) -> Any:
        """Remove and return the module at ``key``."""
        module = self[key]
        del self[key]
        return module

    def __repr__(self) -> str:
        """Print equal neighbours once, as ``(0-1): 2 x ReLU()``."""
        groups: list[tuple[int, int, str]] = []
        for i, text in enumerate(repr(child) for child in self):
            if groups and groups[-1][2] == text:
                groups[-1] = (groups[-1][0], i, text)
            else:
                groups.append((i, i, text))
        if not groups:
            return f"{type(self).__name__}()"
        lines = [
            f"\n({first}): {text}"
            if first == last
            else f"\n({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in groups
        ]
        return f"{type(self).__name__}(" + "".join(lines).replace("\n", "\n  ") + "\n)"


class ModuleDict(Module):
    """A dict of modules, which are children of it.

    Parameters
    ----------
    modules : mapping or iterable of (str, Module), optional
        What to begin with.
    """

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Remove and return the module under ``key``."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """Return the pairs of name and module."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """Return the modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules, replacing those of equal names.

        Raises
        ------
        TypeError
            If ``modules`` is neither a mapping nor an iterable of pairs.
        ValueError
            If an element is no pair.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, "
                f"but got {type(modules).__name__}"
            )
        named = isinstance(modules, (Mapping, ModuleDict))
        pairs: Iterable[Any] = modules.items() if named else modules  # type: ignore[union-attr]
        for i, pair in enumerate(pairs):
            if not isinstance(pair, Iterable):
                raise TypeError(
                    f"ModuleDict update sequence element #{i} should be Iterable; "
                    f"is {type(pair).__name__}"
                )
            entry = tuple(pair)
            if len(entry) != 2:
                raise ValueError(
                    f"ModuleDict update sequence element #{i} has length {len(entry)}; "
                    "2 is required"
                )
            self[entry[0]] = entry[1]
