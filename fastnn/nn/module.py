"""Module: the base of all layers and models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .. import dtypes
from ..tensor import Tensor
from . import _hooks, _members
from ._convert import conversion, convert
from ._registry import Registry, check_name
from ._state import IncompatibleKeys, load
from .parameter import Parameter

__all__ = ["Module"]

Self = TypeVar("Self", bound="Module")

# What each registry is for, and what may be assigned to the name of an entry.
_REGISTRIES = {
    "_parameters": ("parameter", "fastnn.nn.Parameter"),
    "_modules": ("child module", "fastnn.nn.Module"),
    "_buffers": ("buffer", "fastnn.Tensor"),
}


class Module:
    """Base class of everything with parameters.

    A subclass calls ``super().__init__()``, assigns parameters and other modules to its
    attributes, and defines ``forward``; calling the module runs it.

    Attributes
    ----------
    training : bool
        Whether the module is in training mode (see :meth:`train`).
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _forward_pre_hooks: OrderedDict[int, _hooks.Hook]
    _forward_hooks: OrderedDict[int, _hooks.Hook]
    _backward_pre_hooks: OrderedDict[int, _hooks.Hook]
    _backward_hooks: OrderedDict[int, _hooks.Hook]

    # True from the first hook on: calls then take the longer way.
    _hooked = False

    def __init__(self) -> None:
        attributes = self.__dict__
        attributes["training"] = True
        for name in _REGISTRIES:
            attributes[name] = Registry(attributes)
        attributes["_non_persistent_buffers_set"] = set()
        attributes["_forward_pre_hooks"] = OrderedDict()
        attributes["_forward_hooks"] = OrderedDict()
        attributes["_backward_pre_hooks"] = OrderedDict()
        attributes["_backward_hooks"] = OrderedDict()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the module's result; every subclass defines its own.

        Raises
        ------
        NotImplementedError
            If it does not.
        """
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run :meth:`forward`, with the hooks around it."""
        if self._hooked:
            return _hooks.call_with_hooks(self, args, kwargs)
        # handing on an empty dict takes as long as an activation
        return self.forward(*args, **kwargs) if kwargs else self.forward(*args)

    # -- registration ----------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Parameter, Module)):
            self._adopt(name, value)
            return
        attributes = self.__dict__
        for registry, (kind, expected) in _REGISTRIES.items():
            if name in attributes.get(registry, ()):
                fits = value is None or (registry == "_buffers" and isinstance(value, Tensor))
                if not fits:
                    raise TypeError(
                        f"cannot assign '{type(value).__name__}' as {kind} '{name}' "
                        f"({expected} or None expected)"
                    )
                attributes[registry][name] = value
                return
        object.__setattr__(self, name, value)

    def _adopt(self, name: str, value: Parameter | Module) -> None:
        """Register a parameter or child under ``name``, in place of whatever was there."""
        parameter = isinstance(value, Parameter)
        own = "_parameters" if parameter else "_modules"
        attributes = self.__dict__
        if own not in attributes:
            kind = "parameters" if parameter else "module"
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if name not in attributes[own]:
            for registry in _REGISTRIES:
                attributes[registry].pop(name, None)
            attributes.pop(name, None)
            self._non_persistent_buffers_set.discard(name)
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        else:
            self.add_module(name, value)

    def __delattr__(self, name: str) -> None:
        for registry in _REGISTRIES:
            if name in self.__dict__.get(registry, ()):
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None reserves the name for a module that has none.

        Raises
        ------
        KeyError, TypeError, AttributeError
            For a name that cannot be used, or a ``param`` that is no Parameter.
        """
        check_name(self, "_parameters", "parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(fastnn.nn.Parameter or None required)"
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not trained.

        One that is not ``persistent`` is left out of :meth:`state_dict`.

        Raises
        ------
        KeyError, TypeError, AttributeError
            For a name that cannot be used, or a ``tensor`` that is no Tensor.
        """
        check_name(self, "_buffers", "buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                "(fastnn.Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child, as assigning it to an attribute does.

        Raises
        ------
        KeyError, TypeError, AttributeError
            For a name that cannot be used, or a ``module`` that is no Module.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        check_name(self, "_modules", "module", name)
        self._modules[name] = module

    register_module = add_module

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _REGISTRIES:
            self.__dict__[name] = Registry(self.__dict__, state[name])

    # -- what is inside --------------------------------------------------------------------

    named_parameters = _members.named_parameters
    parameters = _members.parameters
    named_buffers = _members.named_buffers
    buffers = _members.buffers
    named_modules = _members.named_modules
    modules = _members.modules
    named_children = _members.named_children
    children = _members.children

    def get_submodule(self, target: str) -> Module:
        """Return the module at a path such as ``"net.0"``; ``""`` is the module itself.

        Raises
        ------
        AttributeError
            If there is nothing, or something else.
        """
        module = self
        for name in target.split(".") if target else ():
            found = _attribute(module, name)
            if not isinstance(found, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a path; raises as :meth:`get_submodule`."""
        path, _, name = target.rpartition(".")
        found = _attribute(self.get_submodule(path), name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer at a path; raises as :meth:`get_submodule`."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = _attribute(module, name)
        if name not in module._buffers or not isinstance(found, Tensor):
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    # -- state -----------------------------------------------------------------------------

    def state_dict(
        self,
        *,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """Return every parameter and persistent buffer by path.

        The tensors share memory with the module's and are detached, unless ``keep_vars``.
        They are put into ``destination`` if it is given, their paths after ``prefix``.
        """
        state = OrderedDict() if destination is None else destination
        for name, parameter in self._parameters.items():
            if parameter is not None:
                state[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                state[prefix + name] = buffer if keep_vars else buffer.detach()
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy tensors or arrays by path into the module and all below it.

        Parameters
        ----------
        state_dict : mapping
            As :meth:`state_dict` returns it; values may also be ndarrays.
        strict : bool
            Whether its keys have to be exactly those of the module.
        assign : bool
            Take the tensors themselves, with their dtypes, instead of copying.

        Returns
        -------
        named tuple
            ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        RuntimeError
            Listing all keys and sizes that do not fit; nothing is changed then.
        TypeError
            If ``state_dict`` is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        return load(self, state_dict, strict, assign)

    # -- changes all the way down ----------------------------------------------------------

    def apply(self: Self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn`` with every module below, then with this one; return self."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Switch training mode (which Dropout, for one, minds) on or off; return self.

        Raises
        ------
        ValueError
            If ``mode`` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Switch training mode off; return self."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Set whether the parameters are trained; return self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Convert all floating parameters and buffers, in place; return self.

        Call as ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(tensor)``, with
        ``non_blocking`` accepted and ignored.

        Raises
        ------
        TypeError
            If the dtype is not floating.
        RuntimeError
            If the device is not the CPU.
        """
        convert(self.modules(), conversion(*args, **kwargs))
        return self

    def float(self: Self) -> Self:
        """Convert all floating parameters and buffers to float32; return self."""
        return self.to(dtypes.float32)

    def double(self: Self) -> Self:
        """Convert all floating parameters and buffers to float64; return self."""
        return self.to(dtypes.float64)

    def cpu(self: Self) -> Self:
        """Return self: there is no other place to be."""
        return self

    def cuda(self: Self, device: str | int | None = None) -> Self:
        """Raise RuntimeError: there is no such device."""
        return self.to("cuda")

    # -- hooks -----------------------------------------------------------------------------

    register_forward_pre_hook = _hooks.register_forward_pre_hook
    register_forward_hook = _hooks.register_forward_hook
    register_full_backward_pre_hook = _hooks.register_full_backward_pre_hook
    register_full_backward_hook = _hooks.register_full_backward_hook

    # -- appearance ------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return what the repr says between the parentheses."""
        return ""

    def __dir__(self) -> list[str]:
        # Children of a Sequential are attributes nobody can spell.
        return [name for name in super().__dir__() if not name[0].isdigit()]

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if not self._modules and len(lines) <= 1:
            return f"{type(self).__name__}({extra})"
        lines += [f"({name}): {_indented(child)}" for name, child in self._modules.items()]
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def _attribute(module: Module, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        raise AttributeError(f"{type(module).__name__} has no attribute `{name}`") from None


def _indented(module: Module | None) -> str:
    return repr(module).replace("\n", "\n  ")
