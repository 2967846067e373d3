"""The command ``fastnn demo``: check, train and time a small classifier of handwritten digits."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import nn, optim, runtime
from .autograd import GradcheckError, gradcheck_model, no_grad
from .backends import CONV_ALGORITHMS, conv_algorithm, use_backend
from .datasets import digits
from .random import manual_seed
from .tensor import Tensor
from .utils.data import DataLoader, TensorDataset

__all__ = ["Classifier", "add_arguments", "run"]

CHANNELS = 16
LEARNING_RATE = 4e-3
EPOCHS = 20
BATCH_SIZE = 32
GOAL = 0.97
PICTURE = Path("fastnn-demo.png")
COLUMNS = 10  # of misread digits in the picture


class Classifier(nn.Module):
    """Three 3x3 convolutions with ReLU, then one linear layer: (N, 1, 8, 8) to (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, CHANNELS, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.ReLU()),
        )
        self.flatten = nn.Flatten()
        self.scores = nn.Linear(CHANNELS * 8 * 8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Give each image a score for each digit; the highest is the prediction."""
        scores: Tensor = self.scores(self.flatten(self.features(images)))
        return scores


class Epoch(NamedTuple):
    """What one pass over the training digits left behind; accuracies from 0 to 1."""

    loss: float
    train: float
    test: float


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if not -(2**63) <= value < 2**64:
        raise argparse.ArgumentTypeError(f"must be at least -2**63 and below 2**64, got {value}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``fastnn demo``."""
    parser.add_argument(
        "--epochs", type=_positive, default=EPOCHS, help="passes over the digits (%(default)s)"
    )
    parser.add_argument(
        "--batch-size", type=_positive, default=BATCH_SIZE, help="images a step (%(default)s)"
    )
    parser.add_argument("--seed", type=_seed, default=0, help="of weights and order (%(default)s)")
    parser.add_argument(
        "--out", type=Path, default=PICTURE, metavar="PICTURE", help="picture file (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo; returns the exit status, 1 if default settings do not reach 97 %."""
    if not options.out.absolute().parent.is_dir():
        print(f"fastnn demo: no folder for the picture {options.out}", file=sys.stderr)
        return 2
    machine = runtime.info()
    say = (
        "fastnn {fastnn}: ISA {isa}, threads {threads}, Python {python}, NumPy {numpy}, {platform}"
    )
    _print(say.format(**machine))
    manual_seed(options.seed)
    model = Classifier()
    train, test = digits("train"), digits("test")
    weights = sum(p.numel() for p in model.parameters())
    _print(
        f"{len(train[1])} handwritten digits to learn from, {len(test[1])} held out; a classifier "
        f"with\nthree 3x3 convolutions, each with ReLU, and a linear layer: {weights} weights."
    )
    if not _check(model, train):
        return 1
    begin = time.perf_counter()
    history = _train(model, train, test, options.epochs, options.batch_size)
    seconds = time.perf_counter() - begin
    accuracy = history[-1].test
    _print(f"Test accuracy {accuracy:.1%} after {len(history)} epochs in {seconds:.1f} s.\n")
    _print(_speeds(train, options.batch_size) + "\n")
    saved = _save_picture(history, model, test, options.out)
    if accuracy < GOAL:
        _print(f"The test accuracy, {accuracy:.1%}, is below the {GOAL:.0%} expected.")
        if (options.epochs, options.batch_size) == (EPOCHS, BATCH_SIZE):
            return 1
    return 0 if saved else 1


def _print(text: str) -> None:
    print(text, flush=True)  # whoever reads through a pipe sees each line at once


# -- the gradient check --------------------------------------------------------------------------


def _check(model: Classifier, train: tuple[Tensor, Tensor], count: int = 8) -> bool:
    images, labels = train[0][:count], train[1][:count]
    loss = nn.CrossEntropyLoss()
    # A step of the differences may carry some ReLU across its kink, where both answers are right;
    # a smaller step will not.  A wrong gradient stays wrong whatever the step.
    for eps in (1e-6, 1e-7, 1e-8):
        try:
            report = gradcheck_model(model, loss, images, labels, eps=eps, entries=20)
        except GradcheckError as error:
            failure = error
            continue
        worst = report.worst
        assert worst is not None, "the model has parameters"
        _print(
            f"Gradient check on a batch of {count}, in float64: backpropagation agrees with "
            f"central\ndifferences in {report.checked} comparisons. The worst, {worst.name}:\n"
            f"{worst.analytical:.9g} against {worst.numerical:.9g}, {worst.excess:.1%} of the "
            "difference allowed. The check is now off."
        )
        return True
    print(f"fastnn demo: the gradient check failed: {failure}", file=sys.stderr)
    return False


# -- training ------------------------------------------------------------------------------------


class _Progress:
    """Counts batches: with tqdm where it is installed, else on one line that rewrites itself.

    Where the output is not a terminal, only the lines that stay are printed.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._terminal = sys.stdout.isatty()
        self._bar: Any = None
        try:
            from tqdm import tqdm  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ImportError:
            return
        # None: tqdm itself keeps silent where it would not write to a terminal
        self._bar = tqdm(total=total, unit="batch", leave=False, disable=None)

    def advance(self) -> None:
        """Count one batch."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif self._terminal and (self._done % 8 == 0 or self._done == self._total):
            print(f"\rbatch {self._done} of {self._total}", end="", flush=True)

    def line(self, text: str) -> None:
        """Print a line that stays."""
        if self._bar is not None:
            self._bar.write(text)
            sys.stdout.flush()
        else:
            _print("\r" + text if self._terminal else text)

    def close(self) -> None:
        """Take the bar away; on Ctrl-C too, or the next line would be written across it."""
        if self._bar is not None:
            self._bar.close()


def _train(
    model: Classifier,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    epochs: int,
    batch_size: int,
) -> list[Epoch]:
    """Train with Adam, at a rate that falls to zero; returns what each epoch reached."""
    loader: DataLoader[Any] = DataLoader(TensorDataset(*train), batch_size, shuffle=True)
    optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)
    progress = _Progress(epochs * len(loader))
    history = []
    try:
        for number in range(epochs):
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - number / epochs)
            loss, right = 0.0, 0
            for images, labels in loader:
                batch_loss, scores = _step(model, optimizer, images, labels)
                loss += batch_loss.item() * len(labels)
                right += int((scores.argmax(1) == labels).sum().item())
                progress.advance()
            size = len(train[1])
            epoch = Epoch(loss / size, right / size, _accuracy(model, *test))
            history.append(epoch)
            progress.line(
                f"epoch {number + 1:2d}/{epochs}  loss {epoch.loss:.4f}  "
                f"accuracy {epoch.train:6.1%}  held out {epoch.test:6.1%}"
            )
    finally:
        progress.close()
    return history


def _step(
    model: Classifier, optimizer: optim.Adam, images: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    optimizer.zero_grad()
    scores = model(images)
    loss = nn.functional.cross_entropy(scores, labels)
    loss.backward()
    optimizer.step()
    return loss, scores


def _predict(model: Classifier, images: Tensor) -> Tensor:
    with no_grad():
        scores: Tensor = model(images)
        return scores.argmax(1)


def _accuracy(model: Classifier, images: Tensor, labels: Tensor) -> float:
    return float(np.mean(_predict(model, images).numpy() == labels.numpy()))


# -- timing --------------------------------------------------------------------------------------


@contextmanager
def _isa(name: str) -> Iterator[None]:
    before = runtime.get_isa()
    runtime.set_isa(name)
    try:
        yield
    finally:
        runtime.set_isa(before)


def _speeds(train: tuple[Tensor, Tensor], batch_size: int, rounds: int = 4) -> str:
    """Time one training step on every backend, instruction set and algorithm; a table."""
    size = min(batch_size, 64)  # more would take long where there are no vectors
    images, labels = train[0][:size], train[1][:size]
    model = Classifier()
    optimizer = optim.Adam(model.parameters())

    def step() -> None:
        _step(model, optimizer, images, labels)

    isas = runtime.isa_available()[::-1]
    times: dict[tuple[str, str], float] = {}
    for _ in range(rounds):  # in turn, so that a busy moment does not fall on one of them alone
        for isa in isas:
            for algorithm in CONV_ALGORITHMS:
                with use_backend("native"), _isa(isa), conv_algorithm(algorithm):
                    best = times.get((isa, algorithm), np.inf)
                    times[isa, algorithm] = min(best, _fastest(step, 0.02))
        with use_backend("reference"):
            times["", ""] = min(times.get(("", ""), np.inf), _fastest(step, 0.05))
    reference = times["", ""]
    lines = [
        f"One training step of {size} images: milliseconds, and how many times faster "
        "than the reference",
        f"{'backend':<11}{'':<9}" + "".join(f"{name:>18}" for name in CONV_ALGORITHMS),
    ]
    for isa in isas:
        cells = [times[isa, name] for name in CONV_ALGORITHMS]
        figures = "".join(f"{t * 1e3:>9.2f} {f'({reference / t:.1f}x)':>8}" for t in cells)
        lines.append(f"{'native':<11}{isa:<9}{figures}")
    lines.append(f"{'reference':<11}{'NumPy':<9}{reference * 1e3:>9.2f} {'(1.0x)':>8}")
    return "\n".join(lines)


def _fastest(step: Callable[[], None], seconds: float) -> float:
    """Seconds of the fastest of the steps that fit into ``seconds``, after one to warm up."""
    step()
    clock = time.perf_counter
    best, end = np.inf, clock() + seconds
    while best == np.inf or clock() < end:
        begin = clock()
        step()
        best = min(best, clock() - begin)
    return float(best)


# -- the picture ---------------------------------------------------------------------------------


def _save_picture(
    history: list[Epoch], model: Classifier, test: tuple[Tensor, Tensor], path: Path
) -> bool:
    """Draw the course of the training and the misread digits; False if the file failed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        _print('For a picture of all this, pip install "fastnn-cpu[demo]" (matplotlib is missing).')
        return True
    said, truth = _predict(model, test[0]).numpy(), test[1].numpy()
    wrong = np.flatnonzero(said != truth)
    rows = max(1, min(2, -(-len(wrong) // COLUMNS)))
    heights = (4.2, 0.5 + 1.3 * rows)
    figure = Figure(figsize=(10, sum(heights)), dpi=120, layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    above, below = parts
    _draw_history(above, history)
    shown = wrong[: rows * COLUMNS]
    more = f", the first {len(shown)}" if len(shown) < len(wrong) else ""
    below.suptitle(f"Misread: {len(wrong)} of {len(truth)} held-out digits{more}")
    grid = below.subplots(rows, min(COLUMNS, max(1, len(shown))), squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, i in zip(grid.flat, shown, strict=False):
        axes.imshow(test[0].numpy()[i, 0], cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"{truth[i]}, read as {said[i]}", fontsize=9)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:  # ValueError: a suffix that names no format
        print(f"fastnn demo: cannot write the picture {path}: {error}", file=sys.stderr)
        return False
    _print(f"Picture of loss, accuracy and the misread digits: {path}")
    return True


def _draw_history(figure: Any, history: list[Epoch]) -> None:
    epochs = range(1, len(history) + 1)
    left, right = figure.subplots(1, 2)
    left.semilogy(epochs, [e.loss for e in history], "o-", color="tab:red", markersize=4)
    left.set(title="Loss on the training digits", xlabel="epoch", ylabel="cross-entropy")
    right.plot(epochs, [e.train for e in history], "o-", markersize=4, label="training")
    right.plot(epochs, [e.test for e in history], "s-", markersize=4, label="held out")
    right.axhline(GOAL, color="gray", linestyle="--", linewidth=1)
    right.text(1, GOAL, f"{GOAL:.0%}", va="bottom", color="gray")
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    right.set(title="Accuracy", xlabel="epoch")
    right.set_ylim(top=1.02)
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
