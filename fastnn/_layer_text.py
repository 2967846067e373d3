"""A layer or net out of the text that its constructor takes, for the command line."""

from __future__ import annotations

import ast
from typing import Any

from . import nn
from .nn.module import Module

__all__ = ["layer_from_text"]


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        return _layer(node)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"neither a layer nor a literal: {ast.unparse(node)}") from None


def _layer(node: ast.expr) -> Module:
    name = node.func if isinstance(node, ast.Call) else None
    if not isinstance(node, ast.Call) or not isinstance(name, ast.Name):
        raise ValueError(f"expected a call like Conv2d(3, 8, 3), but got {ast.unparse(node)}")
    kind = getattr(nn, name.id, None)
    if not (isinstance(kind, type) and issubclass(kind, Module)):
        raise ValueError(f"fastnn.nn has no layer {name.id!r}")
    arguments = [_value(argument) for argument in node.args]
    keywords = {keyword.arg or "": _value(keyword.value) for keyword in node.keywords}
    layer: Module = kind(*arguments, **keywords)
    return layer


def layer_from_text(text: str) -> Module:
    """Build ``"Conv2d(3, 8, 3, padding=1)"`` or ``"Sequential(Conv2d(3, 8, 3), ReLU())"``.

    Arguments are literals or layers; nothing else is evaluated.

    Raises
    ------
    ValueError
        If the text is anything else, or names no layer of :mod:`fastnn.nn`.
    TypeError
        If the layer does not take these arguments.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"not a layer: {text!r}: {error.msg}") from None
    return _layer(tree.body)
