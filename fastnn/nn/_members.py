"""The ways to walk over what a module holds; they are Module's methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module
    from .parameter import Parameter


def _members(
    self: Module, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    modules = named_modules(self, None, prefix, remove_duplicate) if recurse else ((prefix, self),)
    for path, module in modules:
        for name, value in module.__dict__[registry].items():
            if value is not None and id(value) not in seen:
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value


def named_parameters(
    self: Module, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
) -> Iterator[tuple[str, Parameter]]:
    """Yield the parameters with their paths (``"fc.weight"``), shared ones once."""
    return _members(self, "_parameters", prefix, recurse, remove_duplicate)


def parameters(self: Module, recurse: bool = True) -> Iterator[Parameter]:
    """Yield the parameters of the module and (``recurse``) of all below it."""
    for _, parameter in _members(self, "_parameters", "", recurse, True):
        yield parameter


def named_buffers(
    self: Module, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers with their paths, shared ones once."""
    return _members(self, "_buffers", prefix, recurse, remove_duplicate)


def buffers(self: Module, recurse: bool = True) -> Iterator[Tensor]:
    """Yield the buffers of the module and (``recurse``) of all below it."""
    for _, buffer in _members(self, "_buffers", "", recurse, True):
        yield buffer


def named_modules(
    self: Module, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
) -> Iterator[tuple[str, Module]]:
    """Yield the module itself and all below it with their paths, shared ones once."""
    memo = set() if memo is None else memo
    if self in memo:
        return
    if remove_duplicate:
        memo.add(self)
    yield prefix, self
    for name, child in self._modules.items():
        if child is not None:
            path = f"{prefix}.{name}" if prefix else name
            yield from named_modules(child, memo, path, remove_duplicate)


def modules(self: Module, remove_duplicate: bool = True) -> Iterator[Module]:
    """Yield the module itself and all below it, shared ones once."""
    for _, module in named_modules(self, remove_duplicate=remove_duplicate):
        yield module


def named_children(self: Module) -> Iterator[tuple[str, Module]]:
    """Yield the modules directly below with their names, shared ones once."""
    seen: set[Module] = set()
    for name, child in self._modules.items():
        if child is not None and child not in seen:
            seen.add(child)
            yield name, child


def children(self: Module) -> Iterator[Module]:
    """Yield the modules directly below, shared ones once."""
    for _, child in named_children(self):
        yield child
