"""The committed grid covers what it promises."""

from itertools import combinations, product

import pytest

from fastnn import _shapes_window as window
from fastnn.bench.grid import AXES, MOST, Cell, cells, generate, grid_cases, is_common
from fastnn.bench.select import NAMES, select, shard

LISTED = {dtype: [cell for cell in cells() if cell.dtype == dtype] for dtype in AXES["dtype"]}
#: Pairs of values that no convolution has, or that say the same as another pair.
IMPOSSIBLE = {
    (("groups", "4"), ("ladder", "1@28")),  # four groups do not divide one channel
    (("groups", "4"), ("ladder", "3@224")),
    (("kernel", "1"), ("dilation", 2)),  # a 1x1 window has nothing to dilate
    (("kernel", "1"), ("padding", "same")),  # and needs no padding to keep the size
}


def shown(cell, count):
    return set(combinations(zip(Cell._fields[1:], cell[1:], strict=True), count))


def test_axes_are_those_that_people_use():
    assert AXES == {
        "dtype": ("float32", "float64"),
        "kernel": ("1", "3", "5", "7", "1x7", "7x1"),
        "stride": (1, 2),
        "padding": ("none", "same"),
        "dilation": (1, 2),
        "groups": ("1", "4", "channels"),
        "batch": (1, 16),
        "ladder": (
            "1@28", "3@224", "16@112", "32@56", "64@56", "128@28", "256@14", "512@7"
        ),
        "which": ("forward", "input", "weight"),
    }  # fmt: skip
    assert tuple(AXES) == Cell._fields


def test_committed_list_is_the_generated_one():
    assert list(cells()) == generate(), "run python -P -m fastnn.bench.grid > fastnn/bench/grid.txt"


def test_list_is_short_and_has_no_cell_twice():
    assert len(cells()) == len(set(cells())) <= MOST == 400
    assert len(LISTED["float32"]) > 2 * len(LISTED["float64"]) > 0


@pytest.mark.parametrize("dtype", AXES["dtype"])
def test_every_pair_of_values_is_covered(dtype):
    axes = [[(name, value) for value in values] for name, values in list(AXES.items())[1:]]
    every = {pair for a, b in combinations(axes, 2) for pair in product(a, b)}
    covered = set().union(*(shown(cell, 2) for cell in LISTED[dtype]))
    assert every - covered == IMPOSSIBLE
    assert covered <= every


def test_every_possible_triple_is_covered_in_float32():
    every = set()
    for values in product(*list(AXES.values())[1:]):
        cell = Cell("float32", *values)
        if cell.is_possible:
            every |= shown(cell, 3)
    assert every == set().union(*(shown(cell, 3) for cell in LISTED["float32"]))


def test_common_convolutions_are_all_there():
    common = {cell for cell in cells() if is_common(cell)}
    wanted = {
        (kernel, groups, batch, ladder, which)
        for kernel, groups in (("1", "1"), ("3", "1"), ("3", "channels"))
        for batch, ladder, which in product(AXES["batch"], AXES["ladder"], AXES["which"])
    }
    assert wanted == {
        (c.kernel, c.groups, c.batch, c.ladder, c.which) for c in common if c.dtype == "float32"
    }


def test_cells_are_read_as_they_are_written():
    for cell in cells():
        assert Cell.parse(str(cell)) == cell
    with pytest.raises(ValueError, match="'9' is no kernel of the grid"):
        Cell.parse("float32 9 1 same 1 1 1 64@56 forward")
    with pytest.raises(ValueError, match="has 9 words, not 2"):
        Cell.parse("float32 3")


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_case_counts_the_direct_method(cell):
    """Against the layers' own rule of shapes."""
    p, case = cell.shape, cell.case
    x = (p["n"], p["c"], p["size"], p["size"])
    weight = (p["k"], p["c"] // p["groups"], p["r"], p["s"])
    padding = (p["pad_h"], p["pad_h"], p["pad_w"], p["pad_w"])
    how = ((p["stride"],) * 2, padding, (p["dilation"],) * 2, p["groups"])
    height, width = window.conv2d_output(x, weight, None, *how)
    if cell.padding == "same" and cell.stride == 1:
        assert (height, width) == x[2:]
    y = p["n"] * p["k"] * height * width
    assert case.flops == 2 * y * weight[1] * p["r"] * p["s"]
    sizes = {"x": x[0] * x[1] * x[2] * x[3], "y": y}
    sizes["w"] = weight[0] * weight[1] * weight[2] * weight[3]
    result = {"forward": "y", "input": "x", "weight": "w"}[cell.which]
    item = 4 if cell.dtype == "float32" else 8
    assert case.writes == item * sizes.pop(result)
    assert case.reads == item * sum(sizes.values())
    assert (case.family, case.name, case.dtype) == ("grid", str(cell), cell.dtype)


@pytest.mark.parametrize("count", [1, 2, 7, len(cells())])
def test_shards_are_a_partition(count):
    parts = [shard(grid_cases(), f"{i}/{count}") for i in range(1, count + 1)]
    names = [case.name for part in parts for case in part]
    assert sorted(names) == sorted(str(cell) for cell in cells())
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "a/b", "1/0", "-1/2", "2/4/8"])
def test_bad_shards_are_told(text):
    with pytest.raises(ValueError, match=f"shard i/n with 1 <= i <= n, but got '{text}'"):
        shard(grid_cases(), text)


def test_empty_shard_is_told():
    with pytest.raises(ValueError, match=r"shard 3/5 of 2 cases is empty"):
        shard(grid_cases()[:2], "3/5")


def test_every_name_can_be_given_as_printed():
    everything = select(",".join(NAMES))
    for case in everything[:: len(everything) // 100]:
        for separator in (":", " "):
            assert case in select(f"{case.family}{separator}{case.name}"), case
    pools = "pool mean 3x3/2 padded, 16x512@7, pool:max 2x2/2, 64x32@28,gemm:8x8x8"
    assert [case.name for case in select(pools)] == [
        "mean 3x3/2 padded, 16x512@7",
        "max 2x2/2, 64x32@28",
        "8x8x8",
    ]


def test_blanks_and_overlaps_change_nothing():
    assert select(" gemm , gemm:8x8x8,gemm: 8x8x8 ") == select("gemm")
    assert select("gemm, pool") == select("gemm,pool")


def test_selection_by_family_and_text():
    assert [case.name for case in select("gemm:8x8x8")] == ["8x8x8"]
    assert select("grid:512@7 weight") == [
        c.case for c in cells() if (c.ladder, c.which) == ("512@7", "weight")
    ]
    with pytest.raises(ValueError, match="unknown cases 'gird'; choose from gemm, conv"):
        select("gird")
    with pytest.raises(ValueError, match="no case matches 'gemm:nothing'"):
        select("gemm:nothing")
