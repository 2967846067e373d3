"""The probe of the machine, and the limits that follow from it."""

import pytest

from fastnn.backends import _native
from fastnn.bench import machine
from fastnn.bench.cases import Case, conv_case
from fastnn.bench.limits import limit, yardstick


def rates(level, cache, read, copy, double, quadruple, write):
    return {"level": level, "cache": cache, "read": read, "copy": copy, "double": double,
            "quadruple": quadruple, "write": write}  # fmt: skip


BANDWIDTH = [
    rates("L1", 1000, 100.0, 120.0, 80.0, 60.0, 50.0),
    rates("L2", 10_000, 40.0, 40.0, 40.0, 40.0, 40.0),
    rates("memory", None, 10.0, 8.0, 6.0, 5.0, 4.0),
]


def case(flops=0.0, reads=0.0, writes=0.0, operations=0.0, in_place=False):
    return Case("gemm", "case", "gemm", {}, flops, reads, writes, operations, in_place=in_place)


def test_probe_measures_every_figure():
    isa = _native.get_isa()
    found = machine.probe(seconds=0.0)
    assert _native.get_isa() == isa
    assert tuple(found["peaks"]) == _native.isa_available()
    assert all(rate > 0 for rates in found["peaks"].values() for rate in rates.values())
    assert [level["level"] for level in found["bandwidth"]] == ["L1", "L2", "L3", "memory"]
    for level in found["bandwidth"]:
        assert all(level[stream] > 0 for stream in machine.STREAMS)
        assert level["buffer"] % 4096 == 0
        assert level["cache"] is None or level["buffer"] <= level["cache"]
    assert found["pipes"] == machine.pipes(isa)
    text = machine.describe(found)
    for name in (*found["peaks"], "L1", "L2", "L3", "memory"):
        assert f"\n  {name} " in text


def test_cache_sizes_are_those_of_the_system(tmp_path):
    for i, (level, kind, size) in enumerate(
        [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K")]
    ):
        index = tmp_path / f"index{i}"
        index.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (index / name).write_text(text + "\n")
    (tmp_path / "index3").mkdir()  # told nothing
    assert machine.cache_bytes(tmp_path) == {
        "L1": 48 << 10,
        "L2": 2 << 20,
        "L3": machine.DEFAULT_CACHES["L3"],
    }
    assert machine.cache_bytes(tmp_path / "none") == machine.DEFAULT_CACHES


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (case(flops=1000.0), (10.0, "peak")),
        (case(reads=200.0, writes=100.0), (2.5, "L1")),  # all of it at the copy's rate
        (case(reads=200.0, writes=100.0, in_place=True), (2.0, "L1")),  # the reads alone
        (case(reads=600.0, writes=10.0), (6.0, "L1")),  # the reads alone
        (case(reads=100.0, writes=600.0), (12.0, "L1")),  # the writes alone
        (case(reads=300.0, writes=300.0), (6.0, "L1")),  # the writes alone
        (case(reads=200.0, writes=400.0), (8.0, "L1")),  # two writes for each read: 600 at 80
        (case(reads=110.0, writes=410.0), (8.2, "L1")),  # between two and four: the writes alone
        (case(reads=100.0, writes=400.0), (500 / 60, "L1")),
        (case(reads=600.0, writes=401.0), (1001 / 40, "L2")),
        (case(reads=10_000.0, writes=8.0), (1000.8, "memory")),
        (case(flops=1000.0, reads=600.0, writes=10.0), (10.0, "peak")),
        (case(flops=1000.0, reads=600.0, writes=401.0), (1001 / 40, "L2")),
        (case(operations=50.0, reads=200.0, writes=100.0), (16.0, "operations")),
        (case(operations=50.0, reads=600.0, writes=401.0), (1001 / 40, "L2")),
    ],
)
def test_the_later_of_peak_and_bandwidth_is_the_limit(given, want):
    bound = limit(given, 100.0, BANDWIDTH, 1.0)
    assert bound is not None
    assert bound.by == want[1]
    assert bound.seconds == pytest.approx(want[0])


@pytest.mark.parametrize(
    ("reads", "writes", "want"),
    [(1, 0, 120), (2, 1, 120), (1, 1, 120), (1, 1.9, 120), (1, 2, 80), (1, 3.9, 80), (1, 4, 60),
     (0, 1, 50)],
)  # fmt: skip
def test_a_share_is_of_a_loop_that_writes_no_more(reads, writes, want):
    assert yardstick(reads, writes, BANDWIDTH[0]) == want


def test_operations_are_bound_by_all_pipes():
    given = case(operations=50.0, reads=200.0, writes=100.0)
    assert limit(given, 100.0, BANDWIDTH, 2.0) == (8.0, "operations")
    assert limit(given, 100.0, BANDWIDTH, None) == (2.5, "L1")


@pytest.mark.parametrize(
    ("vendor", "isa", "want"),
    [
        ("GenuineIntel", "avx512", 1.0),
        ("GenuineIntel", "avx2", 1.5),
        ("AuthenticAMD", "avx512", 2.0),
        ("AuthenticAMD", "avx2", 2.0),
        ("GenuineIntel", "sse2", None),
    ],
)
def test_pipes_are_those_of_the_vendor(tmp_path, vendor, isa, want):
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n")
    assert machine.pipes(isa, path) == want
    assert machine.pipes("avx512", tmp_path / "none") == 2.0


def test_nothing_counted_has_no_limit():
    assert limit(case(), 100.0, BANDWIDTH, 1.0) is None


def test_training_moves_what_its_passes_move():
    shape = {"n": 2, "c": 4, "size": 6, "k": 8, "r": 3, "s": 3, "stride": 1, "pad_h": 1}
    shape |= {"pad_w": 1, "dilation": 1, "groups": 2}
    names = ("forward", "input", "weight", "training")
    parts = {which: conv_case("conv", which, which, "float32", **shape) for which in names}
    whole = parts.pop("training")
    for name in ("flops", "reads", "writes"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts.values())
