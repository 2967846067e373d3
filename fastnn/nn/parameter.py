"""Parameter: a tensor that a module trains."""

from __future__ import annotations

from ..tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that a module lists among its parameters once it is assigned to an attribute.

    Parameters
    ----------
    data : Tensor, optional
        Shared, not copied; an empty tensor if left out.
    requires_grad : bool
        Whether the parameter is trained.

    Raises
    ------
    TypeError
        If ``data`` is not a tensor.
    RuntimeError
        If integers should require grad.
    """

    __slots__ = ()

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = Tensor()
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter data must be a Tensor, not {type(data).__name__}")
        super().__init__(data)
        if requires_grad:
            self.requires_grad_(True)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
