"""The description of a convolution agrees with what runs: every case, pass, algorithm and ISA."""

import numpy as np
import pytest
from cases import APART, CONV2D, COPIED

from fastnn.backends import CONV_ALGORITHMS, CONV_PRECISIONS, _native

PASSES = ("forward", "input", "weight")


def plan(case, which, dtype, algorithm="auto"):
    name = np.dtype(dtype).name
    return _native.conv2d_plan(case.x, case.weight, *case.how, which, name, algorithm)


@pytest.mark.parametrize("algorithm", CONV_ALGORITHMS[1:])
def test_forced_algorithm_describes_itself(isa, dtype, algorithm):
    lanes = 0
    described = 0
    for case in CONV2D:
        for which in PASSES:
            told = plan(case, which, dtype, algorithm)
            assert (told["algorithm"] is None) == (not case.suits(algorithm))
            if told["algorithm"] is None or told["reason"] == "nothing to compute":
                continue
            described += 1
            assert told["algorithm"] == algorithm
            assert told["kernel"]
            assert told["sizes"], case
            least = min(case.reduction, 1)  # of a sum without terms
            assert min(told["sizes"].values()) >= least, (str(case), told)
            assert told["workspace"] >= 0
            if told["share"] is not None:
                assert 0 < told["share"] <= 1, (str(case), which, told)
                assert told["basis"]
            lanes = max(lanes, told["sizes"].get("lanes", 0))
    assert described
    if algorithm == "direct":
        bits = {"scalar": 8 * np.dtype(dtype).itemsize, "avx2": 256, "avx512": 512}.get(isa, 128)
        assert lanes * np.dtype(dtype).itemsize * 8 == bits


def test_choice_is_one_of_the_algorithms_and_says_why(isa, dtype):
    reasons = set()
    for case in CONV2D:
        for which in PASSES:
            told = plan(case, which, dtype)
            assert told["algorithm"] in CONV_ALGORITHMS[1:]
            forced = plan(case, which, dtype, told["algorithm"])
            assert {**forced, "reason": told["reason"]} == told
            reasons.add(told["reason"])
    assert len(reasons) > 3
    assert "nothing to compute" in reasons
    assert "forced" not in reasons


@pytest.mark.parametrize("which", ["forward", "input"])
def test_small_maps_share_products(isa, dtype, which):
    how = ((512, 512, 5, 5), (1, 1), (2, 2, 2, 2), (1, 1), 1, which, np.dtype(dtype).name)
    told = _native.conv2d_plan((16, 512, 7, 7), *how)
    if isa == "scalar":  # no vector has lanes to fill: another form is the cheaper one
        assert "images side by side" not in told["sizes"]
        return
    assert told["sizes"]["images side by side"] > 1
    assert told["sizes"]["pixels a row"] == 7 * told["sizes"]["images side by side"]
    assert told["workspace"] < 16e6  # the weights alone are 26 or 52 MB


@pytest.mark.parametrize(
    ("shape", "which"),
    [((4, 32, 8, 4), "forward"), ((4, 32, 8, 4), "weight"), ((3, 96, 4, 4), "weight")],
)
def test_few_channels_with_wide_strides_are_patches(isa, shape, which):
    c, k, side, step = shape
    how = ((k, c, side, side), (step, step), (0, 0, 0, 0), (1, 1), 1, which)
    told = {
        name: _native.conv2d_plan((2, c, 84, 84), *how, name) for name in ("float32", "float64")
    }
    assert ("patches" in told["float32"]["kernel"]) == (isa in ("avx2", "avx512"))
    assert "patches" not in told["float64"]["kernel"]


def test_few_pixels_of_two_images_share_a_product(isa):
    how = ((64, 16, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1, "forward")
    if isa in ("avx2", "avx512"):
        told = _native.conv2d_plan((2, 16, 8, 8), *how)
        assert ("columns permuted" if isa == "avx512" else "columns packed") in told["kernel"]
        assert told["sizes"]["images side by side"] == 2
        assert told["sizes"]["products"] == 1
    many = _native.conv2d_plan((99, 16, 8, 8), *how, "float32", "im2col")  # beyond L1
    assert "columns" not in many["kernel"] or "images side by side" not in many["sizes"]


@pytest.mark.parametrize(
    ("groups", "shape", "kernel", "which", "algorithm"),
    [
        (4, (16, 16, 48, 16), 5, "input", "batch"),  # windows in place of several channels each
        (8, (16, 48, 7, 32), 3, "forward", "batch"),
        (1, (1, 4, 28, 96), 1, "weight", "im2col"),  # many outputs
        (1, (1, 3, 64, 8), 3, "forward", "direct"),  # too few images to stand side by side
    ],
)
def test_few_channels_take_what_is_expected_to_take_least(
    isa, groups, shape, kernel, which, algorithm
):
    if isa not in ("avx2", "avx512"):
        pytest.skip("the cases are of wide vectors")
    images, channels, size, outputs = shape
    padding, weight = (kernel // 2,) * 4, (outputs, channels // groups, kernel, kernel)
    stride = (1, 1) if which != "weight" else (2, 2)
    how = (stride, padding, (1, 1), groups, which, "float32")
    told = _native.conv2d_plan((images, channels, size, size), weight, *how)
    assert told["algorithm"] == algorithm


def test_maps_too_large_to_count_both_are_not_taken_for_empty(isa):
    how = ((1, 1), (1, 1, 1, 1), (1, 1), 1, "weight", "float32")
    told = _native.conv2d_plan((1, 2, 65536, 65536), (2, 2, 3, 3), *how)
    assert told["reason"] != "nothing to compute"


@pytest.mark.parametrize("far", [2**28, 2**31 - 1, 2**32, 2**61])
def test_planes_too_large_to_count_are_an_error(isa, far):
    x, weight = np.ones((1, 64, 5, 5), np.float32), np.ones((64, 64, 3, 3), np.float32)
    how = ((1, 1), (far,) * 4, (far, far), 1)
    with pytest.raises(MemoryError, match=f"padded planes of {2 * far + 5} x"):
        _native.conv2d(x, weight, None, *how)


def test_lanes_of_groups_that_are_partly_empty_compete(isa):
    """Groups of one channel in vectors of which half or more is empty, and in full ones."""
    of_isa = {
        "avx2": (32, 4, 16, 32, 5, 1, 2, "forward"),
        "avx512": (8, 6, 18, 10, 3, 2, 1, "weight"),
    }
    if isa not in of_isa:
        pytest.skip("the cases are of wide vectors")
    images, groups, outputs, size, kernel, stride, dilation, which = of_isa[isa]
    padding = (dilation * (kernel // 2),) * 4
    for times, algorithm in ((1, "batch"), (16, "direct")):
        x, weight = (images, times * groups, size, size), (times * outputs, 1, kernel, kernel)
        how = ((stride,) * 2, padding, (dilation,) * 2, times * groups, which, "float32")
        assert _native.conv2d_plan(x, weight, *how)["algorithm"] == algorithm


def test_far_maps_are_packed_by_the_pass_that_reads_them(isa, dtype):
    def workspace(megabytes, channels, results, which):
        """Of maps of 56x56 whose 256 channels take so much."""
        how = ((1, 1), (0, 0, 0, 0), (1, 1), 1, which, np.dtype(dtype).name)
        images = megabytes * 10**6 // (256 * 56 * 56 * np.dtype(dtype).itemsize)
        shapes = ((images, channels, 56, 56), (results, channels, 1, 1))
        return _native.conv2d_plan(*shapes, *how)["workspace"]

    block = 256 * 1024  # less than is packed of the wide map, more than anything else takes
    assert workspace(52, 256, 64, "forward") > block
    assert workspace(52, 64, 256, "input") > block
    # tall tiles read in place what the last cache holds, unless lines of rows share sets of L1
    in_place = workspace(26, 256, 64, "forward") < block
    assert in_place == (isa == "avx512" and dtype == np.float32)


@pytest.mark.parametrize("case", APART, ids=str)
def test_pointwise_images_apart(case, isa, dtype):
    for which in ("forward", "input"):
        apart = "image by image" in plan(case, which, dtype)["kernel"]
        assert apart == (isa in ("avx2", "avx512") and dtype == np.float32)


@pytest.mark.parametrize("case", COPIED, ids=str)
def test_first_rows_of_pixels_copy_weights(case, isa, dtype):
    copied = "weights copied by the first rows" in plan(case, "input", dtype, "im2col")["sizes"]
    assert copied == (isa in ("avx2", "avx512") and dtype == np.float32)


@pytest.mark.parametrize(
    ("images", "size", "stride", "algorithm"),
    [(4, 4, 1, "winograd"), (1, 8, 1, "winograd"), (2, 4, 1, "im2col"), (4, 8, 2, "im2col")],
)
def test_weights_of_few_images_are_not_summed_in_place(isa, images, size, stride, algorithm):
    how = ((64, 64, 3, 3), (stride, stride), (1,) * 4, (1, 1), 1, "weight", "float32")
    if isa in ("avx2", "avx512"):
        assert _native.conv2d_plan((images, 64, size, size), *how)["algorithm"] == algorithm


def test_small_images_share_a_product_of_columns(isa, dtype):
    def products(size, kernel):
        """Of the gradient of the weights of sixteen images in four groups."""
        padding = (0, 0, kernel // 2, kernel // 2)
        how = ((2, 2), padding, (1, 1), 4, "weight", np.dtype(dtype).name, "im2col")
        shapes = ((16, 256, size, size), (640, 64, 1, kernel))
        return _native.conv2d_plan(*shapes, *how)["sizes"]["products"]

    assert products(14, 7) < 4 * 16
    assert products(14, 1) == 4 * 16  # too few columns to repay a copy
    assert products(56, 7) == 4 * 16  # an image is deep enough


def test_planes_of_pointwise_groups_are_multiplied_as_they_lie(isa, dtype):
    def told(size, which):
        how = ((1, 1), (0, 0, 0, 0), (1, 1), 16, which, np.dtype(dtype).name)
        return _native.conv2d_plan((2, 16, size, size), (16, 1, 1, 1), *how)["kernel"]

    assert [told(16, which) for which in PASSES] == ["conv2d_scale", "conv2d_scale", "gemm_dot"]
    assert told(7, "weight") != "gemm_dot"  # calls for every plane would cost more


def test_few_pixels_are_not_cut_along_the_sum(isa, dtype):
    how = ((512, 2048, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1, "forward", np.dtype(dtype).name)
    whole = _native.conv2d_plan((1, 2048, 7, 7), *how)["sizes"].get("depth block") == 2048
    assert whole == (isa == "avx512" and dtype == np.float32)


def test_nothing_to_compute():
    told = _native.conv2d_plan((0, 3, 8, 8), (4, 3, 3, 3), (1, 1), (0,) * 4, (1, 1), 1, "forward")
    assert told["reason"] == "nothing to compute"
    assert (told["workspace"], told["share"], told["sizes"]) == (0, None, {})


def test_the_tile_is_as_long_as_the_vectors_of_the_dtype():
    how = ((1, 64, 56, 56), (64, 64, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, "forward")
    single, double = (
        _native.conv2d_plan(*how, dtype, "direct")["sizes"]["lanes"]
        for dtype in ("float32", "float64")
    )
    assert single == 2 * double or _native.get_isa() == "scalar"


def test_bad_arguments_are_told():
    shapes = ((1, 3, 8, 8), (4, 3, 3, 3))
    how = ((1, 1), (0, 0, 0, 0), (1, 1), 1)
    with pytest.raises(ValueError, match="unknown pass 'backward'; choose from forward, input"):
        _native.conv2d_plan(*shapes, *how, "backward")
    with pytest.raises(ValueError, match="unknown convolution algorithm 'fft'"):
        _native.conv2d_plan(*shapes, *how, "forward", "float32", "fft")
    with pytest.raises(ValueError, match="unknown convolution precision 'exact'"):
        _native.conv2d_plan(*shapes, *how, "forward", precision="exact")
    with pytest.raises(ValueError, match=r"impossible convolution: \(1, 3, 8, 8\)"):
        _native.conv2d_plan(shapes[0], (4, 2, 3, 3), *how, "forward")
    with pytest.raises(TypeError, match="int64"):
        _native.conv2d_plan(*shapes, *how, "forward", "int64")


def tile_sides(channels, which, dtype="float32", size=56, padding=1):
    how = ((1, channels, size, size), (channels, channels, 3, 3), (1, 1), (padding,) * 4, (1, 1), 1)
    return [
        _native.conv2d_plan(*how, which, dtype, "winograd", precision)["sizes"]["tile side"]
        for precision in CONV_PRECISIONS
    ]


def test_precision_decides_the_tile():
    for which in PASSES:
        assert tile_sides(31, which) == [4, 2]
        # long sums lose as much as larger tiles do
        assert tile_sides(32, which) == [4, 2 if which == "weight" else 3]
        assert tile_sides(32, which, "float64") == [4, 2]
    # but not those of windows of which most lies outside of a small plane
    assert tile_sides(64, "input", size=5, padding=0) == [4, 2]
    assert tile_sides(64, "forward", size=3, padding=2) == [4, 2]


@pytest.mark.parametrize("groups", [1, 16])
@pytest.mark.parametrize("kernel", [1, 3])
def test_steps_that_nothing_takes_are_as_good_as_one(isa, kernel, groups):
    x = np.ones((2, 16, 5, 5), np.float32)
    weight = np.ones((16, 16 // groups, kernel, kernel), np.float32)
    far = ((2**40, 2**31 - 1), (0,) * 4, (2**40,) * 2 if kernel == 1 else (1, 1), groups)
    near = ((5, 5), (0,) * 4, (1, 1), groups)
    ways = [_native.conv2d(x, weight, None, *how) for how in (far, near)]
    assert ways[0].shape == (2, 16, 1, 1)
    np.testing.assert_array_equal(*ways)
    grads = [_native.conv2d_backward(ways[0], x, weight, *how, (True,) * 3) for how in (far, near)]
    for a, b in zip(*grads, strict=True):
        np.testing.assert_array_equal(a, b)
