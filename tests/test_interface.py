"""Both backends have exactly the operations of the interface, with its signatures."""

import inspect
from typing import Any

import pytest

from fastnn import backends
from fastnn.backends import Backend

OPERATIONS = [
    name
    for name, member in vars(Backend).items()
    if inspect.isfunction(member) and not name.startswith("_")
]


def parameters(owner: Any, name: str) -> list[tuple[str, Any, Any]]:
    signature = inspect.signature(getattr(owner, name))
    return [(p.name, p.kind, p.default) for p in signature.parameters.values() if p.name != "self"]


@pytest.fixture(params=backends.available())
def implementation(request: pytest.FixtureRequest) -> Any:
    with backends.use_backend(request.param):
        return backends.settings().backend


def test_interface_is_not_empty():
    assert len(OPERATIONS) > 30


@pytest.mark.parametrize("name", OPERATIONS)
def test_signature(implementation, name):
    assert callable(getattr(implementation, name, None)), f"{implementation.name} lacks {name}"
    assert parameters(implementation, name) == parameters(Backend, name)


def test_names_and_selection():
    for name in backends.available():
        with backends.use_backend(name):
            assert backends.settings().backend.name == name
    with pytest.raises(ValueError, match="unknown backend 'cuda'; choose from native, reference"):
        backends.use_backend("cuda")
    with pytest.raises(ValueError, match="unknown convolution algorithm 'fft'"):
        backends.conv_algorithm("fft")
    with pytest.raises(ValueError, match="unknown convolution precision 'exact'"):
        backends.set_conv_precision("exact")


def test_selection_lasts_until_left():
    before = backends.settings()
    with (
        backends.use_backend("reference"),
        backends.conv_algorithm("direct"),
        backends.set_conv_precision("strict"),
    ):
        inner = backends.settings()
        assert (inner.backend.name, *inner[1:]) == ("reference", "direct", "strict")
        assert backends.get_conv_algorithm() == "direct"
        assert backends.get_conv_precision() == "strict"
    assert backends.settings() == before
    assert (backends.get_conv_algorithm(), backends.get_conv_precision()) == ("auto", "fast")
