"""What is printed, written, merged and drawn, from recorded figures."""

import json
import math

import pytest

from fastnn.bench import figures
from fastnn.bench.bandwidth import KERNELS, bandwidth_cases, sizes
from fastnn.bench.figures import worst_ratio
from fastnn.bench.grid import cells
from fastnn.bench.grid_plot import pair_tables, save_heat_map
from fastnn.bench.grid_report import geometric_mean, summary
from fastnn.bench.machine import STREAMS, cache_bytes
from fastnn.bench.report import FOOTNOTE, Table, amount, duration
from fastnn.bench.results import Measurement, Result, Run

BANDWIDTH = [{"level": "memory", "cache": None} | dict.fromkeys(STREAMS, 1e10)]
MACHINE = {"bandwidth": BANDWIDTH, "peaks": {}, "pipes": 1.0}


def result(case, own, again=None, torch=None, last=None, repeats=()):
    """One case of given times."""
    variants = {"fastnn": [Measurement("", [own, 2 * own])]}
    if again:
        variants["self"] = [Measurement("", [again])]
    if torch:
        variants["torch"] = [Measurement("", [torch]), Measurement("channels_last", [last])]
    errors = dict.fromkeys(variants, 1e-7)
    return Result(case, variants, errors, peak=1e11, repeats=[{"torch": r} for r in repeats])


def grid_run():
    """Ratios 0.50, 0.51, ... over the whole list; the first two were timed three times."""
    results = [
        result(cell.case, 1e-3, 1.01e-3, 2e-3, (0.5 + i / 100) * 1e-3)
        for i, cell in enumerate(cells()[:160])
    ]
    results[0].repeats = [{"torch": 0.9}, {"torch": 1.3}]
    return Run(results, 0.01, 2, 34.0)


def forced(case, times, chosen):
    variants = {"fastnn": [Measurement(name, [time]) for name, time in times.items()]}
    return Result(case, variants, {"fastnn": 0.0}, peak=1e11, chosen=chosen)


def test_durations():
    assert [duration(t) for t in (2.5e-8, 1e-6, 0.00123, 0.5, 2.0)] == [
        "25 ns",
        "1 us",
        "1.23 ms",
        "500 ms",
        "2 s",
    ]


def test_memory_is_told_in_megabytes():
    assert amount(7_654_321.0, "bytes") == "7.65 MB"
    assert amount(0.00123, "s") == "1.23 ms"


def test_table_has_all_that_a_row_needs():
    case = cells()[0].case
    run = Run([result(case, 1e-3, 1.01e-3, 3e-3, 2e-3)], 0.034, 2, 12.0)
    found = figures.as_json(run, {}, MACHINE)
    table = Table(["fastnn", "self", "torch"], BANDWIDTH)
    text = table.text(found)
    rate = case.flops / 1e-3
    assert case.flops > 0
    for part in (
        f"grid {case.name}",
        "1 ms",
        "2 ms",  # the fastest of torch's; the median of ours is 1.5
        "1.5 ms",
        f"{rate / 1e9:.1f}",
        f"{rate / 1e11:.0%}",
        "2 ms*, 2.00x",
        "Noise: fastnn against itself differs by up to 3.4% in 95 of 100 cases (2 sweeps, 12 s).",
        FOOTNOTE,
    ):
        assert part in text, part
    assert "self" not in table.header()
    page = table.markdown(found).splitlines()
    assert "2 ms*, **2.00x** |" in page[2]
    assert page[0].count("|") == page[1].count("|") == page[2].count("|")


def test_bytes_stand_where_no_operations_are_counted():
    case = bandwidth_cases()[0]
    moved = case.reads + case.writes
    found = figures.case_figures(result(case, moved / 5e9), MACHINE)
    cells = Table(["fastnn"], BANDWIDTH).row(found).split()
    assert cells[-5:] == ["5.0", "GB/s", "50%", "memory", "2.00x"]


def test_sizes_are_parts_of_the_caches_and_no_more_than_far_beyond_the_second():
    names = lambda l1, l2, l3: [  # noqa: E731
        name for name, _ in sizes({"L1": l1 << 10, "L2": l2 << 20, "L3": l3 << 20})
    ]
    assert names(48, 2, 260) == ["24 KB", "1 MB", "32 MB", "512 MB"]
    assert names(32, 1, 32) == ["16 KB", "512 KB", "8 MB", "128 MB"]


def test_every_kernel_has_work_in_every_level_and_no_plane_too_many():
    found = bandwidth_cases()
    assert len(found) == 4 * len(KERNELS)
    levels = [size for _, size in sizes(cache_bytes())]
    for case, most in zip(found, levels * len(KERNELS), strict=True):
        assert most / 2 < case.reads + case.writes <= most, case.name
        assert case.params["rows"] <= 4 or case.params["rows"] % 4 == 0, case.name


def test_losses_come_first():
    cases = [cell.case for cell in cells()[:3]]
    ratios = (2.0, 0.5, 1.0)
    results = [result(c, 1.0, 1.0, r, r) for c, r in zip(cases, ratios, strict=True)]
    found = figures.as_json(Run(results, 0, 1, 1), {}, MACHINE)
    lines = Table(["fastnn", "torch"], BANDWIDTH).text(found).splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["0.50x", "1.00x", "2.00x"]


def test_figures_survive_a_file_and_shards_merge(tmp_path):
    whole = grid_run()
    parts = []
    for i in range(3):
        path = tmp_path / f"{i}.json"
        part = Run(whole.results[i::3], 0.5, i + 1, 10.0)
        path.write_text(json.dumps(figures.as_json(part, {"fastnn": "1"}, MACHINE)))
        parts.append(figures.read(path))
    merged = figures.merge(parts)
    assert merged["noise"] == pytest.approx(math.log(1.01))
    assert (merged["sweeps"], merged["seconds"]) == (1, 30.0)
    alone = json.loads(json.dumps(figures.as_json(whole, {"fastnn": "1"}, MACHINE)))
    key = lambda each: each["name"]  # noqa: E731
    assert sorted(merged["results"], key=key) == sorted(alone["results"], key=key)
    again = figures.merge([merged, parts[0]])
    assert len(again["results"]) == len(merged["results"])


def test_json_has_limit_share_and_both_times():
    case = cells()[0].case
    run = Run([result(case, 1e-3, 1.01e-3, 3e-3, 2e-3)], 0.03, 1, 1.0)
    (cell,) = figures.as_json(run, {}, MACHINE)["results"]
    assert cell["limit"]["by"] in ("peak", "memory")
    assert cell["distance"] == pytest.approx(1e-3 / cell["limit"]["seconds"])
    own, torch = cell["libraries"]["fastnn"], cell["libraries"]["torch"]
    assert (own["min"], own["median"], own["samples"]) == (1e-3, 1.5e-3, 2)
    assert torch["ratio"] == pytest.approx(2)
    assert set(torch["variants"]) == {"", "channels_last"}
    assert cell["pair"] == (1e-3, 1.01e-3)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine": 1}'])
def test_other_files_are_told(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json"):
        figures.read(path)
    with pytest.raises(ValueError, match="cannot read"):
        figures.read(tmp_path / "none.json")


def test_geometric_mean():
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4)
    assert math.isnan(geometric_mean([]))


def test_summary_counts_losses_and_lists_the_worst_ten():
    found = figures.as_json(grid_run(), {}, MACHINE)
    lines = summary(found).splitlines()
    ratios = [0.9, *(0.5 + i / 100 for i in range(1, 160))]  # the first by its median
    assert lines[0] == (
        f"160 cells against the fastest peer and layout: geometric mean "
        f"{geometric_mean(ratios):.2f}x; 50 below 1.00, 50 of them beyond the noise of 1.0%"
    )
    worst = [line for line in lines if line.startswith("  ") and "of peak" in line]
    assert [line.split()[0] for line in worst] == [f"{0.5 + i / 100:.2f}x" for i in range(1, 11)]
    assert str(cells()[1]) in worst[0]
    assert "torch channels_last 510 us" in worst[0]
    assert sum("by pass:" in line or "by dtype:" in line for line in lines) == 2


def test_losses_within_the_noise_are_told_apart():
    results = [result(cells()[0].case, 1.0, 1.0, 0.98, 2.0)]
    found = figures.as_json(Run(results, 0.05, 1, 1.0), {}, MACHINE)
    assert "1 below 1.00, 0 of them beyond the noise of 5.0%" in summary(found)


def test_choices_are_judged_by_the_best_algorithm():
    listed = [cell.case for cell in cells()[:4]]
    results = [
        forced(listed[0], {"auto": 1.0, "direct": 1.0, "im2col": 2.0}, "direct"),
        forced(listed[1], {"auto": 1.5, "direct": 1.0, "im2col": 1.4}, "im2col"),
        forced(listed[2], {"auto": 1.2, "direct": 1.0, "im2col": 1.05}, "im2col"),
        forced(listed[3], {"auto": 0.9, "direct": 1.0, "im2col": 0.95}, "direct"),
        forced(cells()[4].case, {"auto": 0.9, "direct": 1.0, "im2col": 0.95}, "winograd"),
    ]
    lines = summary(figures.as_json(Run(results, 0.0, 1, 1.0), {}, MACHINE)).splitlines()
    mean = geometric_mean([1, 1.4, 1.05, 1, 1]) - 1
    assert lines[0] == (
        "the chosen algorithm is within 10% of the best in 4 of 5 cells (80.0%) "
        f"and loses {mean:.1%} on average"
    )
    assert "  direct: chosen in 2, loses 0.0% on average" in lines
    worst = lines[lines.index("the worst 5:") + 1]
    assert worst.split()[0] == "1.40x"
    assert worst.endswith("im2col, best direct")
    assert str(cells()[1]) in worst


def test_pair_tables_have_a_figure_for_every_pair_that_occurs():
    found = figures.as_json(grid_run(), {}, MACHINE)["results"]
    labels, means, minima = pair_tables(found)
    at = labels.index
    mine = [worst_ratio(c) for c in found if c["name"].split()[1] == "3" and " 16 " in c["name"]]
    assert means[at("kernel 3")][at("batch 16")] == pytest.approx(geometric_mean(mine))
    assert minima[at("batch 16")][at("kernel 3")] == pytest.approx(min(mine))
    assert math.isnan(means[at("kernel 3")][at("kernel 5")])
    assert math.isnan(minima[at("groups 4")][at("ladder 1@28")])
    assert len(labels) == len(means) == len(minima) == len(means[0])


def test_heat_map_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "grid.png"
    save_heat_map(figures.as_json(grid_run(), {}, MACHINE), path)
    assert path.stat().st_size > 50_000
    alone = Run([result(cells()[0].case, 1.0, 1.0)], 0.0, 1, 1.0)
    with pytest.raises(ValueError, match="nothing to draw"):
        save_heat_map(figures.as_json(alone, {}, MACHINE), path)
