"""PyTorch's ``cuda`` namespace, for code that asks before it uses one: there is none."""

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """Return False."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0
