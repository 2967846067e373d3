"""The cells of a first course, run with fastnn in PyTorch's place: what is printed is the same.

From a single neuron to a convolutional classifier and its training.  Every cell is written
once, as a function of the modules that the course imports; weights and inputs are the same
numbers on both sides.  ``printed_by_torch.txt`` holds what PyTorch printed, so that the cells
are checked without it too; ``PYTHONPATH=tests python tests/acceptance/test_notebook.py`` prints
it anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Show = Callable[..., None]
Cell = Callable[[Any, Any, Any, Show], None]


def numbers(*shape: int, scale: float = 1.0, seed: int = 0) -> Any:
    """The same float32 numbers in [-scale, scale) everywhere."""
    return (np.random.RandomState(seed).uniform(-scale, scale, shape)).astype(np.float32)


def fill(torch: Any, model: Any) -> Any:
    """Give every parameter numbers of the size PyTorch's initialisation has."""
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            scale = float(np.prod(parameter.shape[1:])) ** -0.5 if parameter.dim() > 1 else 0.1
            drawn = numbers(*parameter.shape, scale=scale, seed=i + 1)
            parameter.copy_(torch.from_numpy(drawn))
    return model


def refused(show: Show, call: Callable[[], Any]) -> None:
    try:
        call()
    except Exception as error:
        show(f"{type(error).__name__}: {error}")
    else:
        raise AssertionError("nothing was raised")


# -- the models ------------------------------------------------------------------------------


def mlp(nn: Any, F: Any) -> Any:
    class MLP(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(10, 5)
            self.fc2 = nn.Linear(5, 5)
            self.fc3 = nn.Linear(5, 10)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.fc1(x))
            x = F.relu(self.fc2(x))
            return self.fc3(x)

    return MLP()


def conv_net(nn: Any, F: Any) -> Any:
    class ConvNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
            self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
            self.conv3 = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return F.relu(self.conv3(F.relu(self.conv2(F.relu(self.conv1(x))))))

    return ConvNet()


def classifier(nn: Any, F: Any, flatten: str = "view") -> Any:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = conv_net(nn, F)
            self.flatten = nn.Flatten()
            self.fc = nn.Linear(3 * 32 * 32, 10)

        def forward(self, x: Any) -> Any:
            x = self.features(x)
            x = x.view(x.size(0), -1) if flatten == "view" else self.flatten(x)
            return self.fc(x)

    return Classifier()


# -- the cells -------------------------------------------------------------------------------


def neuron(torch: Any, nn: Any, F: Any, show: Show) -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 2.5])
    w = torch.tensor([0.2, 0.8, -0.5, 1.0], requires_grad=True)
    b = torch.tensor(2.0, requires_grad=True)
    show(x, w, b)
    show(torch.dot(w, x) + b)
    show((w * x).sum() + b)
    show(w @ x + b, (w @ x).shape)
    y = F.relu(torch.dot(w, x) + b)
    show(y)
    y.backward()
    show(w.grad, b.grad, y.item())


def linear_layer(torch: Any, nn: Any, F: Any, show: Show) -> None:
    layer = fill(torch, nn.Linear(4, 3))
    show(layer, layer.weight, layer.bias)
    x = torch.from_numpy(numbers(2, 4))
    y = layer(x)
    show(y, y.shape, y.grad_fn.name())
    show(x @ layer.weight.T + layer.bias, torch.allclose(y, x @ layer.weight.T + layer.bias))
    show(layer(x[0]), layer(x[0]).grad_fn.name())
    y.sum().backward()
    show(layer.weight.grad, layer.bias.grad)
    refused(show, lambda: layer(torch.ones(2, 5)))


def multilayer_perceptron(torch: Any, nn: Any, F: Any, show: Show) -> None:
    model = fill(torch, mlp(nn, F))
    show(model, sum(p.numel() for p in model.parameters()), list(model.state_dict()))
    x = torch.from_numpy(numbers(3, 10))
    show(model(x), model(x[0]))
    same = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 10))
    show(same, torch.equal(fill(torch, same)(x), model(x)))
    for name, parameter in model.named_parameters():
        show(name, parameter.shape, parameter.requires_grad, parameter.grad)


def activation(torch: Any, nn: Any, F: Any, show: Show) -> None:
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, float("nan"), float("inf")], requires_grad=True)
    show(F.relu(x), nn.ReLU()(x), x.relu(), torch.relu(x), nn.ReLU())
    show(torch.sigmoid(x), torch.tanh(x))
    F.relu(x)[:4].sum().backward()
    show(x.grad)


def convolution(torch: Any, nn: Any, F: Any, show: Show) -> None:
    image = torch.from_numpy(numbers(1, 3, 32, 32))
    for how in ({}, {"padding": 1}, {"stride": 2}, {"stride": 2, "padding": 1}, {"padding": 2}):
        conv = fill(torch, nn.Conv2d(3, 6, 3, **how))
        y = conv(image)
        show(conv, y.shape, y[0, :2, :3, :4], y.grad_fn.name())
    show(conv.weight.shape, conv.bias)
    show(conv(image[0]).shape, conv(image[0, :, :16, :20]).shape)
    y.mean().backward()
    show(conv.weight.grad[0, 0], conv.bias.grad)
    refused(show, lambda: conv(torch.ones(1, 4, 32, 32)))
    refused(show, lambda: nn.Conv2d(3, 6, 5)(image[:, :, :4, :4]))
    refused(show, lambda: conv(image.double()))


def network_of_convolutions(torch: Any, nn: Any, F: Any, show: Show) -> None:
    model = fill(torch, conv_net(nn, F))
    show(model)
    for size in ((1, 3, 32, 32), (2, 3, 16, 16), (1, 3, 7, 50), (3, 8, 8), (0, 3, 9, 9)):
        y = model(torch.from_numpy(numbers(*size)))
        show(y.shape, y.grad_fn.name(), y[..., :2, :3])


def classification(torch: Any, nn: Any, F: Any, show: Show) -> None:
    model = fill(torch, classifier(nn, F))
    show(model, sum(p.numel() for p in model.parameters()), list(model.state_dict()))
    x = torch.from_numpy(numbers(2, 3, 32, 32))
    y = model(x)
    show(y, y.shape, y.argmax(dim=1), F.softmax(y, dim=1))
    flat = fill(torch, classifier(nn, F, "layer"))
    show(torch.equal(flat(x), y))
    refused(show, lambda: model(torch.ones(1, 3, 16, 16)))
    refused(show, lambda: flat(torch.ones(5, 3, 16, 16)))
    refused(show, lambda: model(torch.ones(1, 1, 32, 32)))


def backward_over_all_samples(torch: Any, nn: Any, F: Any, show: Show) -> None:
    model, criterion = fill(torch, classifier(nn, F)), nn.CrossEntropyLoss()
    x, y = torch.from_numpy(numbers(4, 3, 32, 32)), torch.tensor([3, 0, 9, 3])
    loss = criterion(model(x), y)
    show(loss, loss.grad_fn.name(), loss.item() == float(loss.detach()))
    loss.backward()
    whole = [p.grad.clone() for p in model.parameters()]
    show(model.features.conv1.weight.grad[0, 0], model.features.conv3.bias.grad, model.fc.bias.grad)
    model.zero_grad()
    show(model.fc.bias.grad)
    for i in range(len(x)):
        (criterion(model(x[i : i + 1]), y[i : i + 1]) / len(x)).backward()
    for p, expected in zip(model.parameters(), whole, strict=True):
        show(torch.allclose(p.grad, expected, atol=1e-6))
    refused(show, loss.backward)
    refused(show, model(x).backward)


def gradient_check(torch: Any, nn: Any, F: Any, show: Show) -> None:
    model = fill(torch, mlp(nn, F)).double()
    x, y = torch.from_numpy(numbers(3, 10)).double(), torch.tensor([1, 0, 9])
    F.cross_entropy(model(x), y).backward()
    for name, parameter in model.named_parameters():
        flat, worst = parameter.data.view(-1), 0.0
        for i in range(len(flat)):
            kept = flat[i].item()
            flat[i] = kept + 1e-5
            above = F.cross_entropy(model(x), y).item()
            flat[i] = kept - 1e-5
            below = F.cross_entropy(model(x), y).item()
            flat[i] = kept
            estimate = (above - below) / 2e-5
            worst = max(worst, abs(estimate - parameter.grad.view(-1)[i].item()))
        show(name, worst < 1e-8, parameter.grad)
    inputs = (x.requires_grad_(), *(p.detach().requires_grad_() for p in model.fc1.parameters()))
    show(torch.autograd.gradcheck(lambda x, w, b: torch.tanh(F.linear(x, w, b)), inputs))


def gradient_descent(torch: Any, nn: Any, F: Any, show: Show) -> None:
    model = fill(torch, mlp(nn, F))
    x, y = torch.from_numpy(numbers(8, 10)), torch.from_numpy(numbers(8, 10, seed=9))
    for _ in range(5):
        loss = F.mse_loss(model(x), y)
        show(loss)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.5 * parameter.grad
    show(model.fc1.weight, model(x[:3]))


def advanced_optimiser(torch: Any, nn: Any, F: Any, show: Show) -> None:
    model = fill(torch, mlp(nn, F))
    x, y = torch.from_numpy(numbers(8, 10)), torch.from_numpy(numbers(8, 10, seed=9))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    show(type(optimizer).__name__, optimizer.param_groups[0]["betas"])
    for _ in range(5):
        loss = F.mse_loss(model(x), y)
        show(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    show(model.fc3.bias, model.fc3.bias.grad)
    with torch.no_grad():
        show(model(x[:2]), model(x).requires_grad)


CELLS: dict[str, Cell] = {
    cell.__name__: cell
    for cell in (
        neuron,
        linear_layer,
        multilayer_perceptron,
        activation,
        convolution,
        network_of_convolutions,
        classification,
        backward_over_all_samples,
        gradient_check,
        gradient_descent,
        advanced_optimiser,
    )
}


def run(library: Any, name: str) -> list[str]:
    """What the cell shows, a text for each ``show``."""
    shown: list[str] = []

    def show(*values: object) -> None:
        shown.append("\n".join(library.text(value) for value in values))

    CELLS[name](library.torch, library.nn, library.F, show)
    return shown


def recorded() -> dict[str, list[str]]:
    """What PyTorch printed, by cell."""
    texts = Path(__file__).with_name("printed_by_torch.txt").read_text("utf-8")
    cells = {}
    for section in texts.split("\n==== ")[1:]:
        name, *shown = section.split("\n----\n")
        cells[name] = shown
    return cells


RECORDED = recorded()


def assert_alike(got: list[str], want: list[str]) -> None:
    """Equal texts; ours may say more after PyTorch's error."""
    assert len(got) == len(want)
    for mine, other in zip(got, want, strict=True):
        error = "Error: " in other.partition("\n")[0]
        assert (mine[: len(other)] if error else mine) == other


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_prints_what_pytorch_printed(ours: Any, backend: Any, name: str) -> None:
    assert_alike(run(ours, name), RECORDED[name])


@pytest.mark.parametrize("name", CELLS)
def test_the_record_is_pytorchs(ours: Any, theirs: Any, name: str) -> None:
    shown = run(theirs, name)
    assert_alike(run(ours, name), shown)
    assert_alike(shown, RECORDED[name])


@pytest.mark.parametrize("flatten", ["view", "layer"])
def test_weights_copied_from_pytorch(ours: Any, theirs: Any, backend: Any, flatten: str) -> None:
    theirs.torch.manual_seed(4)
    other, model = (classifier(side.nn, side.F, flatten) for side in (theirs, ours))
    state = {name: value.numpy() for name, value in other.state_dict().items()}
    assert list(model.state_dict()) == list(state)
    model.load_state_dict(state)
    x, y = numbers(5, 3, 32, 32, seed=8), np.array([1, 2, 3, 9, 0])
    for side, net in ((ours, model), (theirs, other)):
        side.F.cross_entropy(net(side.tensor(x)), side.tensor(y)).backward()
    for mine, their in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), their.grad.numpy(), rtol=0, atol=1e-6)
    got, want = (net(s.tensor(x)).detach().numpy() for s, net in ((ours, model), (theirs, other)))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_equal_seeds_give_equal_weights(ours: Any, theirs: Any) -> None:
    models = []
    for side in (ours, theirs):
        side.torch.manual_seed(4)
        models.append(classifier(side.nn, side.F))
    for mine, their in zip(*(model.parameters() for model in models), strict=True):
        np.testing.assert_array_equal(mine.detach().numpy(), their.detach().numpy())


def test_a_cell_that_prints_something_else_is_noticed(ours: Any) -> None:
    shown = run(ours, "neuron")
    with pytest.raises(AssertionError):
        assert_alike([*shown[:-1], shown[-1].replace("1.", "1.1")], RECORDED["neuron"])
    with pytest.raises(AssertionError):
        assert_alike(["ValueError: x"], ["ValueError: y"])


if __name__ == "__main__":
    import torch
    from conftest import Library

    pytorch = Library(torch, torch.nn, torch.nn.functional, torch.optim)
    for cell in CELLS:
        print("\n==== " + "\n----\n".join([cell, *run(pytorch, cell)]), end="")
