"""Loading a state_dict: everything is compared first, and copied only if all of it fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..tensor import Tensor, bump
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

__all__ = ["IncompatibleKeys", "load"]


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` returns: the keys that only one side had."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


class _Place(NamedTuple):
    """A tensor of the state: where it lives, and what it is to become."""

    registry: dict[str, Any]
    name: str
    value: Any


def load(module: Module, state: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Copy ``state`` into the module and its descendants; see ``Module.load_state_dict``."""
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    places: list[_Place] = []
    for prefix, each in _walk(module, ""):
        for registry, name, tensor in _own_state(each):
            key = prefix + name
            if key not in state:
                missing.append(key)
                continue
            wrong = _mismatch(key, tensor, state[key])
            if wrong is None:
                places.append(_Place(registry, name, state[key]))
            else:
                errors.append(wrong)
        unexpected.extend(_unexpected(each, prefix, state))
    if strict:
        if unexpected:
            errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        if missing:
            errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
    if errors:
        raise RuntimeError(
            f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(errors)
        )
    for place in places:
        _store(place, assign)
    return IncompatibleKeys(missing, unexpected)


def _walk(module: Module, prefix: str) -> Iterator[tuple[str, Module]]:
    yield prefix, module
    for name, child in module._modules.items():
        if child is not None:
            yield from _walk(child, prefix + name + ".")


def _own_state(module: Module) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
    for name, parameter in module._parameters.items():
        if parameter is not None:
            yield module._parameters, name, parameter
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            yield module._buffers, name, buffer


def _unexpected(module: Module, prefix: str, state: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys below ``prefix`` that are no state of the module nor below a child."""
    own = {name for _, name, _ in _own_state(module)}
    for key in state:
        if key.startswith(prefix):
            name, dot, _ = key[len(prefix) :].partition(".")
            if not (module._modules.get(name) if dot else name in own):
                yield key


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def _mismatch(key: str, tensor: Tensor, value: Any) -> str | None:
    if not isinstance(value, (Tensor, np.ndarray, np.generic)):
        return (
            f'While copying the parameter named "{key}", expected fastnn.Tensor or ndarray '
            f"from checkpoint but received {type(value)}"
        )
    if not isinstance(value, Tensor) and value.dtype.kind not in "biuf":
        return (
            f'While copying the parameter named "{key}", expected an array of numbers '
            f"but received one of dtype {value.dtype}"
        )
    if tuple(value.shape) == tensor._data.shape or (
        # Scalars used to be saved with one dimension.
        value.shape == (1,) and not tensor._data.shape
    ):
        return None
    return (
        f"size mismatch for {key}: copying a param with shape {_size(value)} from checkpoint, "
        f"the shape in current model is {_size(tensor)}."
    )


def _size(value: Any) -> str:
    return f"fastnn.Size({list(value.shape)})"


def _store(place: _Place, assign: bool) -> None:
    registry, name, value = place
    current = registry[name]
    array = value._data if isinstance(value, Tensor) else np.asarray(value)
    if not assign:
        np.copyto(current._data, array.reshape(current._data.shape), casting="unsafe")
        bump(current)
    elif isinstance(current, Parameter):
        registry[name] = (
            value
            if isinstance(value, Parameter)
            else Parameter(Tensor(array), requires_grad=current.requires_grad)
        )
    else:
        registry[name] = value if isinstance(value, Tensor) else Tensor(array)
