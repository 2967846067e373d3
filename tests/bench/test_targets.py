"""The targets: what is asked, measured how, and reported in which order."""

import numpy as np
import pytest

from fastnn.bench import figures, target_report, workloads
from fastnn.bench.machine import STREAMS
from fastnn.bench.peer import ONE_THREAD
from fastnn.bench.results import Measurement, Result, Run
from fastnn.bench.select import select
from fastnn.bench.targets import BEST, DEFAULT, targets

BANDWIDTH = [{"level": "memory", "cache": None} | dict.fromkeys(STREAMS, 1e10)]
MACHINE = {"bandwidth": BANDWIDTH, "peaks": {}, "pipes": 1.0}


@pytest.mark.parametrize("family", ["targets", "targets_avx2", "targets_threads"])
def test_every_case_has_a_name_of_its_own_and_something_asked(family):
    cases = select(family)
    assert len({case.name for case in cases}) == len(cases)
    assert {case.family for case in cases} == {family}
    for case in cases:
        assert case.asked
        assert set(case.asked) <= {BEST, DEFAULT, ONE_THREAD}
        assert all(0.9 < ratio <= 10 for ratio in case.asked.values())


def recorded(times, asked, noise=0.05):
    """Figures of one case with these times, by library and variant."""
    case = targets()[0]
    case.asked.clear()
    case.asked.update(asked)
    variants = {
        label: [Measurement(name, [time]) for name, time in each.items()]
        for label, each in times.items()
    }
    errors = dict.fromkeys(variants, 0.0)
    run = Run([Result(case, variants, errors, peak=1e11)], noise, 1, 1.0)
    return figures.as_json(run, {}, MACHINE)


def test_a_ratio_is_against_what_it_names():
    times = {"fastnn": {"": 1.0}, "self": {"": 0.5}, "torch": {"": 4.0, "channels_last": 3.0}}
    asked = {DEFAULT: 2.0, BEST: 2.5}
    ratios = {
        against: ratio for _, against, _, ratio in target_report.reached(recorded(times, asked))
    }
    assert ratios == {DEFAULT: 4.0, BEST: 3.0}
    times["numpy"] = {"": 2.0}
    ratios = {
        against: ratio for _, against, _, ratio in target_report.reached(recorded(times, asked))
    }
    assert ratios == {DEFAULT: 4.0, BEST: 2.0}


def test_a_second_thread_is_measured_against_one():
    times = {"fastnn": {"": 1.0}, "torch": {"": 4.0}, ONE_THREAD: {"": 1.7}}
    rows = target_report.reached(recorded(times, {ONE_THREAD: 1.8}))
    assert [row[1:] for row in rows] == [(ONE_THREAD, 1.8, 1.7)]


def test_without_the_peer_there_is_no_figure():
    numpy_only = recorded({"fastnn": {"": 1.0}, "numpy": {"": 2.0}}, {DEFAULT: 2.0})
    assert target_report.reached(numpy_only) == []
    alone = recorded({"fastnn": {"": 1.0}, "self": {"": 1.0}}, {BEST: 1.0, DEFAULT: 1.0})
    assert target_report.reached(alone) == []


def test_missed_targets_come_first_and_are_counted():
    times = {"fastnn": {"": 1.0}, "torch": {"": 1.9, "channels_last": 1.5}}
    found = recorded(times, {BEST: 1.0, DEFAULT: 2.0}, noise=0.06)
    assert [row[1] for row in target_report.reached(found)] == [DEFAULT, BEST]
    first = "2 targets: 1 reached, 1 missed, 0 of them by more than the noise of 6.0%"
    assert target_report.text(found).splitlines()[0] == first
    table = target_report.markdown(found).splitlines()
    assert table[0] == f"{first}."
    assert table[4].endswith("| PyTorch's default layout | 2.00x | **1.90x** |")
    assert table[5].endswith("| the best | 1.00x | 1.50x |")
    assert target_report.has_targets(found)
    assert not target_report.has_targets(recorded(times, {}))


@pytest.mark.parametrize("which", ["forward", "input", "weight"])
def test_strict_cases_take_the_strict_algorithm(which):
    (case,) = [c for c in targets() if c.name == f"3x3 16x64@32 strict {which}"]
    small = {**case.params, "n": 1}
    strict = workloads.prepare("fastnn", type(case)("conv", "", "conv", small)).result()
    fast = {k: v for k, v in small.items() if k != "precision"}
    quick = workloads.prepare("fastnn", type(case)("conv", "", "conv", fast)).result()
    assert not all(np.array_equal(a, b) for a, b in zip(strict, quick, strict=True))
