"""The search for the limit, against servers whose limit is known: quiet ones, noisy ones, and a tired generator."""

import math
import threading
import time
from collections.abc import Callable
from random import Random

import pytest

from load.capacity import NEAR, Search, Trial, answer, find, long_enough
from load.measuring.pace import change, fixed_work_ms
from reports.load import FIXED_WORK, Series
from tests.load.simulated import TEXT, Server, play, profile, report


class Queue:
    """A server of one queue that serves `rate` a second: its p99 is ln(100)/(rate - offered), here with noise."""

    def __init__(self, rate: float, noise: float, seed: int = 1) -> None:
        self.rate, self.noise, self.random, self.asked = rate, noise, Random(seed), 0

    @property
    def limit(self) -> float:
        """Where p99 is one second."""
        return self.rate - math.log(100)

    def __call__(self, offered: float) -> Trial:
        self.asked += 1
        p99 = math.log(100) / (self.rate - offered) if offered < self.rate else 60.0
        p99 *= math.exp(self.random.gauss(0, self.noise))
        return Trial(offered, p99 <= 1.0, () if p99 <= 1.0 else ("acknowledged-p99",))


@pytest.mark.parametrize("start", [1.0, 5.0, 30.0, 95.0, 400.0])
@pytest.mark.parametrize("rate", [20.0, 100.0, 333.0])
def test_a_quiet_server_s_limit_is_found_from_anywhere(start: float, rate: float) -> None:
    server = Queue(rate, noise=0)
    found = find(server, Search(start))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= server.limit <= found.high
    assert found.high / found.low <= 1.15 + 1e-9
    assert found.confirmed
    assert found.gave_way == ("acknowledged-p99",)
    assert server.asked <= 18


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_three_searches_of_a_noisy_server_overlap_and_hold_the_truth(noise: float) -> None:
    for trio in range(20):
        found = []
        for seed in range(3):
            server = Queue(100, noise, seed=trio * 10 + seed)
            found.append(find(server, Search(10)))
            assert server.asked <= 24
        assert max(each.low or 0 for each in found) <= min(each.high or math.inf for each in found), found
        for each in found:
            # What noise can do to p99 near the limit, three times over.
            assert (each.low or 0) < 100 - math.log(100) * math.exp(-3 * noise)
            assert (each.high or math.inf) > 100 - math.log(100) * math.exp(3 * noise)


def test_a_rate_that_holds_once_and_gives_way_once_lies_inside_the_answer() -> None:
    answers = {10.0: [True, True], 20.0: [False, False]}

    def run(rate: float) -> Trial:
        held = answers.setdefault(rate, [rate < 14, rate < 14.2]).pop(0)
        return Trial(rate, held, () if held else ("p99",))

    found = find(run, Search(10.0, precision=0.05))
    assert found.low is not None
    assert found.high is not None
    assert found.low < 14.14 < found.high
    contradicted = [t.rate for t in found.trials if {o.held for o in found.trials if o.rate == t.rate} == {True, False}]
    assert all(found.low < rate < found.high for rate in contradicted)


class Day:
    """A server whose p99 grows with the rate, 20 ms for each, and on a good or a bad day is less or more by a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, offered: float) -> Trial:
        p99 = self.factor * offered / 50
        return Trial(offered, p99 <= 1.0, () if p99 <= 1.0 else ("acknowledged-p99",), near=1 / NEAR < p99 <= NEAR)


def test_searches_on_a_good_and_a_bad_day_overlap() -> None:
    """Held for as long as one likes, a rate comes out the same on one day: what lies near the bound is told by no side."""
    found = [find(Day(factor), Search(10, precision=0.05)) for factor in (0.85, 1.0, 1.2)]
    assert all(each.confirmed for each in found)
    assert max(each.low or 0 for each in found) < 50 < min(each.high or 0 for each in found)
    for each in found:
        assert all(not trial.near for trial in each.trials if trial.rate in (each.low, each.high))


@pytest.mark.parametrize(
    ("takes", "held", "near"), [(0.5, True, False), (0.9, True, True), (1.15, False, True), (1.5, False, False)]
)
def test_a_rate_whose_latency_is_near_its_bound_says_so(takes: float, held: bool, near: bool) -> None:
    """The bound is a second, from when it was meant to when it was acknowledged."""
    trial = Trial.of(50, report(profile(), play(profile(), Server(lambda _: takes))))
    assert (trial.held, trial.near) == (held, near)


def test_a_rate_tells_how_fast_the_machine_was_while_it_was_measured() -> None:
    """The warm-up took the machine's time away, and so did somebody for a moment; the search says what is left of that."""
    took = Series(name=FIXED_WORK, points=((5, 9.0), (20, 2.0), (30, 2.5), (40, 80.0), (50, 2.0), (73, 9.0)))
    told = report(profile(), play(profile(), Server())).model_copy(update={"series": (took,)})
    unknown = report(profile(), play(profile(), Server()))
    trials = [Trial.of(50, told), Trial.of(50, unknown)]
    assert [trial.fixed_work_ms for trial in trials] == [2.25, None]
    assert [each.fixed_work_ms for each in answer(Search(50, trials=trials)).trials] == [2.25, None]


def test_a_machine_s_speed_changed_by_a_factor_where_there_is_something_to_compare() -> None:
    assert change([1.5, None, 1.2, 1.8]) == pytest.approx(1.5)
    assert change([1.5, None]) is None


def test_the_machine_s_speed_is_told_by_what_a_processor_did_and_not_by_whoever_else_is_there() -> None:
    """Four others want the same interpreter: the work takes several times as long, and no more of the processor."""
    ended = threading.Event()

    def busy() -> None:
        while not ended.is_set():
            sum(range(1000))

    others = [threading.Thread(target=busy) for _ in range(4)]
    alone = min(fixed_work_ms() for _ in range(5))
    for each in others:
        each.start()
    try:
        begin = time.perf_counter()
        beside = min(fixed_work_ms() for _ in range(5))
        # Three pieces of work each.
        taken = (time.perf_counter() - begin) * 1000 / 15
    finally:
        ended.set()
        for each in others:
            each.join()
    assert taken > 2 * beside
    assert beside < 2 * alone


def test_what_was_lost_is_no_matter_of_chance() -> None:
    """The latency is near its bound, and a message is lost: this rate gave way."""
    told = report(profile(), play(profile(), Server(lambda _: 1.15, lose=lambda number: number == 1000)))
    assert [each.id for each in told.objectives if not each.met] == ["acknowledged-p99", "nothing-lost"]
    assert not Trial.of(50, told).near


def test_a_generator_at_its_own_limit_leaves_the_answer_open_upwards() -> None:
    def run(rate: float) -> Trial:
        return Trial(rate, rate <= 40, invalid="schedule slip" if rate > 40 else "")

    found = find(run, Search(10))
    assert (found.low, found.high, found.confirmed) == (40, None, False)
    assert found.gave_way == ("the generator itself: schedule slip",)


def tired_above(most: float, server: Queue) -> Callable[[float], Trial]:
    def run(rate: float) -> Trial:
        return Trial(rate, False, invalid="loop lag") if rate > most else server(rate)

    return run


@pytest.mark.parametrize("most", [10.0, 12.0, 30.0])
def test_a_generator_that_is_tired_from_the_start_finds_the_limit_below(most: float) -> None:
    """On one machine the servers that are asked for too much take the generator's breath: at less, both do well."""
    server = Queue(13, noise=0)
    found = find(tired_above(most, server), Search(40))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= server.limit <= found.high <= most
    assert found.high / found.low <= 1.15 + 1e-9
    assert found.confirmed
    assert found.gave_way == ("acknowledged-p99",)


def test_a_tired_generator_whose_server_holds_all_that_it_can_ask_says_how_much_that_is() -> None:
    found = find(tired_above(12.5, Queue(1000, noise=0)), Search(40))
    assert found.low is not None
    assert 12.5 / 1.15 <= found.low <= 12.5
    assert (found.high, found.confirmed) == (None, False)
    assert found.gave_way == ("the generator itself: loop lag",)


def test_a_generator_that_can_do_nothing_at_all_ends_at_the_least() -> None:
    found = find(tired_above(0, Queue(1000, noise=0)), Search(4, floor=1))
    assert (found.low, found.high, found.confirmed) == (None, None, False)
    assert [trial.rate for trial in found.trials] == [4, 4, 2, 2, 1, 1]
    assert found.gave_way == ("the generator itself: loop lag",)


def test_a_rate_that_cannot_be_believed_any_more_ends_the_search() -> None:
    server = Queue(100, noise=0)
    beside = [False]

    def run(rate: float) -> Trial:
        # Something else begins on the machine when the ends are close.
        beside[0] = beside[0] or server.asked >= 8
        return Trial(rate, False, invalid="loop lag") if beside[0] else server(rate)

    found = find(run, Search(10))
    assert not found.confirmed
    assert [bool(trial.invalid) for trial in found.trials].count(True) <= 4


def test_one_run_that_cannot_be_believed_is_made_again() -> None:
    server, hiccups = Queue(100, 0), iter([True])

    def run(rate: float) -> Trial:
        return Trial(rate, False, invalid="a hiccup") if next(hiccups, False) else server(rate)

    found = find(run, Search(10))
    assert found.confirmed
    assert found.low is not None
    assert found.low <= server.limit <= (found.high or 0)


def test_a_server_that_never_holds_is_told_as_below_the_least() -> None:
    found = find(lambda rate: Trial(rate, False, ("errors",)), Search(10, floor=1))
    assert (found.low, found.high, found.confirmed) == (None, 1, False)
    assert found.gave_way == ("errors",)


def test_a_server_that_always_holds_is_told_as_above_the_most() -> None:
    found = find(lambda rate: Trial(rate, True), Search(10, ceiling=100))
    assert (found.low, found.high, found.confirmed) == (100, None, False)


def test_runs_of_the_crowd_s_own_measures_find_what_one_lane_can_serve() -> None:
    """A server that takes 20 ms for one after the other serves 50 a second."""
    short = profile(TEXT.replace("measured = 60", "measured = 20"))

    def run(rate: float) -> Trial:
        played = short.with_changes(rate=rate)
        return Trial.of(rate, report(played, play(played, Server(lambda _: 0.02, lanes=1))))

    found = find(run, Search(20))
    assert found.low is not None
    assert found.high is not None
    assert 40 < found.low < 52
    assert 45 < found.high < 65
    assert found.gave_way[0].startswith(("acknowledged-p99", "decrypted-p99", "achieved"))


def test_a_rate_is_held_until_there_are_two_hundred_arrivals() -> None:
    """A low one longer than the profile says, a high one as long as that, and none for more than five minutes."""
    assert [long_enough(rate, measured=30) for rate in (2, 4, 50)] == [100, 50, 30]
    assert long_enough(0.1, measured=30) == 300
    assert long_enough(0.1, measured=600) == 600
