"""Differentiable primitives on plain arrays, forward and backward side by side."""
