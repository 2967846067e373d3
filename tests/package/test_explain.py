"""``fastnn.explain`` and ``fastnn info --explain``."""

import pytest

import fastnn
import fastnn.nn as nn
from fastnn import __main__ as command
from fastnn._layer_text import layer_from_text
from fastnn.backends import CONV_ALGORITHMS


def test_single_convolution_computes_nothing():
    layer = nn.Conv2d(3, 8, 3, padding=1)
    layer.register_forward_pre_hook(lambda *_: pytest.fail("explain ran the layer"))
    (told,) = fastnn.explain(layer, (2, 3, 9, 10))
    assert (told.input_shape, told.output_shape) == ((2, 3, 9, 10), (2, 8, 9, 10))
    for plan in (told.forward, told.input, told.weight):
        assert plan.algorithm in CONV_ALGORITHMS[1:]
        assert plan.reason
        assert plan.workspace >= 0


def test_without_a_batch():
    (told,) = fastnn.explain(nn.Conv2d(3, 8, 3), (3, 9, 10))
    assert told.output_shape == (8, 7, 8)


def test_forced_algorithm_is_the_one_described():
    layer = nn.Conv2d(3, 8, 3)
    for name in CONV_ALGORITHMS[1:]:
        with fastnn.conv_algorithm(name):
            (told,) = fastnn.explain(layer, (1, 3, 9, 10))
        assert {told.forward.algorithm, told.input.algorithm, told.weight.algorithm} == {name}
        assert told.forward.reason == "forced"


def test_dtype_is_that_of_the_weights():
    single = fastnn.explain(nn.Conv2d(3, 64, 3), (1, 3, 40, 40))[0].forward
    double = fastnn.explain(nn.Conv2d(3, 64, 3).double(), (1, 3, 40, 40))[0].forward
    assert single != double


def test_padding_that_is_not_zeros_is_part_of_the_image():
    ring = nn.Conv2d(2, 4, 3, padding=2, padding_mode="circular")
    (told,) = fastnn.explain(ring, (1, 2, 8, 9))
    assert told.input_shape == (1, 2, 8, 9)
    assert told.output_shape == tuple(ring(fastnn.zeros(1, 2, 8, 9)).shape)
    (plain,) = fastnn.explain(nn.Conv2d(2, 4, 3), (1, 2, 12, 13))
    assert told.forward == plain.forward


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.conv(self.drop(self.conv(x)[:, :, ::2]))


def test_tree_in_the_order_of_execution():
    net = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), Twice(), nn.MaxPool2d(2))
    fastnn.manual_seed(3)
    expected = fastnn.rand(1).item()
    fastnn.manual_seed(3)
    told = fastnn.explain(net, (2, 1, 12, 12))
    assert [each.name for each in told] == ["0", "2.conv", "2.conv"]
    assert [each.input_shape for each in told] == [(2, 1, 12, 12), (2, 4, 8, 8), (2, 4, 4, 8)]
    assert fastnn.rand(1).item() == expected  # dropout drew nothing
    assert all(part.training for part in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not net[0]._forward_pre_hooks


def test_modes_and_hooks_come_back_after_an_error():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(3, 3))
    net[1].eval()
    with pytest.raises(RuntimeError):
        fastnn.explain(net, (1, 1, 12, 12))
    assert [part.training for part in net.modules()] == [True, True, False]
    assert not net[0]._forward_pre_hooks


def test_report_names_all():
    text = str(fastnn.explain(nn.Conv2d(3, 8, 3, padding=1), (2, 3, 9, 10)))
    for part in (
        "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "(2, 3, 9, 10) -> (2, 8, 9, 10)",
        "forward:",
        "gradient of the input:",
        "gradient of the weight:",
        "workspace",
        "lanes used: ",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("module", "shape", "error", "text"),
    [
        (nn.Conv2d(3, 4, 3), (3, 8), ValueError, r"got 2 dimensions: \(3, 8\)"),
        (nn.Conv2d(3, 4, 3), (1, 2, 8, 8), ValueError, r"3 channels, .*\(1, 2, 8, 8\) has 2"),
        (nn.Conv2d(3, 4, 3), (1, 3, 2, 9), RuntimeError, r"\(2 x 9\).*\(3 x 3\)"),
        (nn.Conv2d(3, 4, 3), (1, 3, -2, 9), ValueError, r"negative size: \(1, 3, -2, 9\)"),
        (nn.Conv2d(3, 4, 3), (1, 3, 2.5, 9), TypeError, r"integers, not \(1, 3, 2.5, 9\)"),
        (nn.Conv2d(3, 4, 3), 3, TypeError, "integers, not 3"),
        (nn.Linear(3, 4), (1, 3), ValueError, r"no Conv2d in Linear\(in_features=3"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 2, 8, 8), ValueError, "3 channels"),
        ("conv", (1, 3, 8, 8), TypeError, "Module, but got str"),
    ],
)
def test_bad_input_is_told(module, shape, error, text):
    with pytest.raises(error, match=text):
        fastnn.explain(module, shape)


def test_command_prints_the_report(capsys):
    layer = "Sequential(Conv2d(3, 8, (3, 5), padding='same'), ReLU(), Conv2d(8, 4, 1))"
    assert command.main(["info", "--explain", layer, "2,3,16,16"]) == 0
    net = nn.Sequential(nn.Conv2d(3, 8, (3, 5), padding="same"), nn.ReLU(), nn.Conv2d(8, 4, 1))
    assert capsys.readouterr().out == f"{fastnn.explain(net, (2, 3, 16, 16))}\n"
    options = ["--dtype", "float64", "--algorithm", "im2col"]
    assert command.main(["info", "--explain", "Conv2d(3, 8, 3)", "(3, 16, 16,)", *options]) == 0
    with fastnn.conv_algorithm("im2col"):
        told = fastnn.explain(nn.Conv2d(3, 8, 3).double(), (3, 16, 16))
    assert capsys.readouterr().out == f"{told}\n"


def test_command_describes_the_precision_and_the_instruction_set(capsys):
    before = fastnn.get_isa()
    conv = ["info", "--explain", "Conv2d(64, 64, 3, padding=1)", "8,64,56,56"]
    reports = {}
    for options in ([], ["--precision", "strict"], ["--isa", "scalar"]):
        assert command.main([*conv, *options]) == 0
        reports[capsys.readouterr().out] = options
    assert len(reports) == 3
    assert fastnn.get_isa() == before
    assert fastnn.get_conv_precision() == "fast"


def test_command_tells_what_a_forced_algorithm_cannot_do(capsys):
    forced = ["--algorithm", "winograd"]
    assert command.main(["info", "--explain", "Conv2d(3,64,5)", "8,3,32,32", *forced]) == 2
    told = capsys.readouterr()
    assert told.out.count("the forced algorithm cannot do this shape") == 3
    assert told.err == "fastnn info: algorithm 'winograd' cannot do all of this\n"
    for option in ("--algorithm", "--precision", "--isa"):
        with pytest.raises(SystemExit, match="2"):
            command.main(["info", "--explain", "Conv2d(3,64,5)", "8,3,32,32", option, "foo"])
        assert "'foo'" in capsys.readouterr().err


def test_the_reference_backend_has_nothing_to_explain():
    net = nn.Conv2d(3, 8, 3)
    with fastnn.use_backend("reference"), pytest.raises(RuntimeError, match="reference backend"):
        fastnn.explain(net, (1, 3, 8, 8))


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        ("Conv2d(3, 4, 3)", "1,2,8,8", "takes 3 channels"),
        ("Conv2d(3, 4, 3)", "1,x", "'x'"),
        ("Conv2d(3, 4)", "1,3,8,8", "kernel_size"),
        ("Conv2d(3, 4, 3", "1,3,8,8", "not a layer: 'Conv2d(3, 4, 3'"),
        ("conv", "1,3,8,8", "expected a call like Conv2d(3, 8, 3), but got conv"),
        ("Conv9d(3)", "1,3,8,8", "no layer 'Conv9d'"),
        ("functional(3)", "1,3,8,8", "no layer 'functional'"),
        ("Sequential(print(1))", "1,3,8,8", "no layer 'print'"),
        ("Conv2d(3, 4, open)", "1,3,8,8", "neither a layer nor a literal: open"),
    ],
)
def test_command_tells_what_is_wrong(capsys, layer, shape, text):
    assert command.main(["info", "--explain", layer, shape]) == 2
    assert text in capsys.readouterr().err


def test_layer_text_reads_a_repr():
    layer = nn.Conv2d(4, 8, (1, 3), stride=(1, 2), padding=(0, 1), groups=2, bias=False)
    assert str(layer_from_text(str(layer))) == str(layer)
