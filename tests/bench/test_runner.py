"""The noise, the sweeps and the repetitions, on recorded times and a clock that tests turn."""

import math

import pytest

from fastnn.bench.cases import Case
from fastnn.bench.noise import Budget, noise, percentile
from fastnn.bench.peer import BenchmarkError, PeerTimeoutError
from fastnn.bench.runner import Effort, measure

CASES = [Case("gemm", name, "gemm", {}, flops=2e6) for name in ("a", "b")]
QUICK = Effort(seconds=0.2, turns=2, noise=0.07, budget=100)


class Clock:
    """Seconds that pass only when somebody measures."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Recorded:
    """A peer whose times are given: a list for each case, consumed turn by turn."""

    def __init__(self, label, clock, times, variants=("",), error=1e-7, supported=True,
                 cannot=(), fails=None):  # fmt: skip
        self.label, self._clock, self._variants = label, clock, variants
        self._times = {name: list(values) for name, values in times.items()}
        self._error, self._supported = error, supported
        self._cannot, self._fails = dict(cannot), fails
        self.asked = []
        self.restarts = 0

    def restart(self):
        self.restarts += 1

    def ask(self, timeout=None, **request):
        self.asked.append(request)
        self._clock.now += 1
        if self._fails and len(self.asked) > self._fails[0]:
            raise self._fails[1]
        if request["do"] == "peak":
            return {"flops": 1e9}
        if request["do"] == "prepare":
            self._case = request["name"]
            if self._supported == "never":
                raise PeerTimeoutError(f"{self.label} took more than {timeout:g} s")
            if self._case in self._cannot:
                return {"supported": False, "why": self._cannot[self._case]}
            if not self._supported:
                return {"supported": False}
            answer = {"supported": True, "variants": list(self._variants)}
            return answer | ({"error": self._error} if request["verify"] else {})
        values = self._times[self._case]
        return {"times": [values.pop(0) if len(values) > 1 else values[0]]}


def stopped(peers, effort=QUICK, cases=CASES, clock=None):
    shown, lines = [], []
    got = measure(cases, peers, effort, shown.append, lines.append, clock or (lambda: 0.0))
    return got, lines


def run(*arguments, **keywords):
    got, lines = stopped(*arguments, **keywords)
    assert got.stopped is None
    return got, lines


def test_percentile_is_a_value_that_occurs():
    values = [float(v) for v in range(1, 101)]
    assert percentile(values, 0.95) == 95
    assert percentile(reversed(values), 0.5) == 50
    assert percentile([3.0], 0.95) == 3
    assert percentile(range(20), 0.95) == 18
    assert percentile([], 0.95) == 0


def test_noise_ignores_one_case_in_twenty_and_which_was_longer():
    pairs = [(1.0, 1.02)] * 10 + [(1.02, 1.0)] * 9 + [(5.0, 1.0)]
    assert noise(pairs) == pytest.approx(math.log(1.02))
    assert noise([*pairs, (1.0, 5.0)]) == pytest.approx(math.log(5))
    assert noise([]) == 0


def test_budget_asks_for_more_while_noisy_and_while_it_fits():
    clock = Clock()
    budget = Budget(0.07, 100, clock)
    clock.now = 30
    assert budget.wants_more(0.08)
    clock.now = 60
    assert not budget.wants_more(0.07)  # low enough
    clock.now = 71  # the last took 11, 29 are left
    assert budget.wants_more(0.5)
    clock.now = 86  # 15 and 14
    assert not budget.wants_more(0.5)
    assert budget.spent == 86
    assert budget.fits(14)
    assert not budget.fits(15)


def test_sweeps_are_added_until_the_noise_is_low():
    clock = Clock()
    own = Recorded("fastnn", clock, {"a": [1.5, 1.5, 1.3, 1.3, 1.0], "b": [2.0]})
    again = Recorded("self", clock, {"a": [1.0], "b": [2.0]})
    got, lines = run([own, again], clock=clock)
    assert got.sweeps == 3
    assert got.noise == 0
    assert [line.partition(" after")[0] for line in lines] == [
        "sweep 1: noise 40.5%",
        "sweep 2: noise 26.2%",
        "sweep 3: noise 0.0%",
    ]
    first = got.results[0].measurements["fastnn"]
    assert (first.best, first.median, len(first.times)) == (1.0, 1.3, 6)
    assert got.seconds == clock.now
    assert own.restarts == again.restarts == 2  # every sweep in fresh processes


def test_sweeps_end_when_the_time_is_spent():
    clock = Clock()
    own = Recorded("fastnn", clock, {"a": [1.5], "b": [2.0]})
    again = Recorded("self", clock, {"a": [1.0], "b": [2.0]})
    got, _ = run([own, again], Effort(turns=2, budget=50), clock=clock)
    assert got.sweeps == 3  # of 16 seconds each
    assert got.noise == pytest.approx(math.log(1.5))


def test_peers_have_their_turns_one_after_the_other():
    clock, order = Clock(), []

    class Listening(Recorded):
        def ask(self, timeout=None, **request):
            order.append((self.label, request["do"], request.get("variant")))
            return super().ask(timeout, **request)

    times = {"a": [1.0]}
    peers = [
        Listening("fastnn", clock, times),
        Listening("self", clock, times),
        Listening("torch", clock, times, variants=("", "channels_last")),
    ]
    run(peers, cases=CASES[:1])
    turn = [
        ("fastnn", "time", ""),
        ("self", "time", ""),
        ("torch", "time", ""),
        ("torch", "time", "channels_last"),
        ("fastnn", "peak", None),
    ]
    prepared = [(label, "prepare", None) for label in ("fastnn", "self", "torch")]
    assert order == prepared + turn + turn
    asked = [r["seconds"] for r in peers[2].asked if r["do"] == "time"]
    assert asked == [QUICK.seconds / QUICK.turns] * 4


def test_the_better_layout_counts():
    class Layouts(Recorded):
        def ask(self, timeout=None, **request):
            answer = super().ask(timeout, **request)
            if request.get("variant") == "channels_last":
                answer["times"] = [0.5]
            return answer

    clock = Clock()
    own, again = (Recorded(label, clock, {"a": [1.0]}) for label in ("fastnn", "self"))
    torch = Layouts("torch", clock, {"a": [3.0]}, variants=("", "channels_last"))
    got, _ = run([own, again, torch], cases=CASES[:1])
    (result,) = got.results
    assert result.measurements["torch"].variant == "channels_last"
    assert result.worst_ratio == 0.5
    assert [m.best for m in result.variants["torch"]] == [3.0, 0.5]


def test_only_a_case_below_one_is_timed_three_times_and_its_median_counts():
    clock = Clock()
    own = Recorded("fastnn", clock, {"a": [1.0], "b": [1.0]})
    again = Recorded("self", clock, {"a": [1.0], "b": [1.0]})
    torch = Recorded("torch", clock, {"a": [0.7, 0.8, 1.2, 1.2, 0.9, 0.9], "b": [1.1]})
    effort = Effort(turns=2, budget=1000, retime=True)
    got, _ = run([own, again, torch], effort, clock=clock)
    a, b = got.results
    assert [each["torch"] for each in a.repeats] == pytest.approx([1.2, 0.9])
    assert a.ratio("torch") == pytest.approx(0.9)  # of 0.7, 1.2, 0.9
    assert a.ratio("fastnn") == 1
    assert b.repeats == []
    assert b.ratio("torch") == pytest.approx(1.1)
    assert got.sweeps == 1
    assert sum(r["do"] == "prepare" for r in again.asked) == 2  # noise is not measured again


def test_a_quarter_of_the_time_is_kept_for_repetitions():
    clock = Clock()
    own = Recorded("fastnn", clock, {"a": [1.5], "b": [2.0]})
    again = Recorded("self", clock, {"a": [1.0], "b": [2.0]})
    got, _ = run([own, again], Effort(turns=2, budget=50, retime=True), clock=clock)
    assert got.sweeps == 2  # of 16 seconds each; three would be 48


def test_what_a_library_cannot_do_is_left_out():
    clock = Clock()
    own, again = (Recorded(label, clock, {"a": [1.0], "b": [2.0]}) for label in ("fastnn", "self"))
    numpy = Recorded("numpy", clock, {}, supported=False)
    slow = Recorded("torch.compile", clock, {}, supported="never")
    got, _ = run([own, again, numpy, slow])
    assert got.results[0].peers == []
    assert got.results[0].worst_ratio == math.inf
    assert got.results[1].absent == {
        "numpy": "",
        "torch.compile": f"torch.compile took more than {QUICK.patience:g} s",
    }


@pytest.mark.parametrize("error", [3e-4, math.nan, math.inf])
def test_a_wrong_peer_stops_the_run(error):
    clock = Clock()
    own = Recorded("fastnn", clock, {"a": [1.0]})
    wrong = Recorded("torch", clock, {"a": [1.0]}, error=error)
    got, _ = stopped([own, wrong], cases=CASES[:1])
    with pytest.raises(BenchmarkError, match="torch differs from the reference on gemm a: rel"):
        raise got.stopped
    assert got.results == []


def test_tolerance_is_that_of_the_dtype():
    clock = Clock()
    case = Case("gemm", "a", "gemm", {}, dtype="float64")
    got, _ = stopped([Recorded("fastnn", clock, {"a": [1.0]})], cases=[case])
    with pytest.raises(BenchmarkError, match=r"1\.0e-07 > 1e-11"):
        raise got.stopped


def test_what_fastnn_cannot_do_is_reported_and_has_no_result():
    clock = Clock()
    own, again, numpy = (
        Recorded(label, clock, {"b": [1.0]}, cannot={"a": "no such algorithm"})
        for label in ("fastnn", "self", "numpy")
    )
    shown = []
    got = measure(CASES, [own, again, numpy], QUICK, shown.append, print, lambda: 0.0)
    assert [result.case.name for result in shown] == ["a", "b"]
    assert shown[0].absent == {"fastnn": "no such algorithm"}
    assert got.results == shown[1:]
    assert all(request.get("name") != "a" for request in again.asked + numpy.asked)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BenchmarkError("ended")])
@pytest.mark.parametrize(("after", "names", "sweeps"), [(1, "", 0), (5, "a", 0), (12, "ab", 1)])
def test_what_ends_a_run_early_keeps_what_was_measured(error, after, names, sweeps):
    clock = Clock()
    own = Recorded("fastnn", clock, {"a": [1.0], "b": [2.0]}, fails=(after, error))
    again = Recorded("self", clock, {"a": [2.0], "b": [4.0]})
    got, _ = stopped([own, again], Effort(turns=2, budget=1e9))
    assert got.stopped is error
    assert [result.case.name for result in got.results] == list(names)
    assert got.sweeps == sweeps
    assert got.noise == pytest.approx(math.log(2) if names else 0)


def test_choice_and_auto_are_the_pair_of_the_noise():
    class Forced(Recorded):
        def ask(self, timeout=None, **request):
            answer = super().ask(timeout, **request)
            if request["do"] == "prepare":
                answer["chosen"] = "direct"
            if request["do"] == "time":
                answer["times"] = [{"auto": 1.0, "direct": 1.02, "im2col": 0.8}[request["variant"]]]
            return answer

    peer = Forced("fastnn", Clock(), {"a": [1.0]}, variants=("auto", "direct", "im2col"))
    got, _ = run([peer], cases=CASES[:1])
    assert got.results[0].pair == (1.0, 1.02)
    assert got.noise == pytest.approx(math.log(1.02))
