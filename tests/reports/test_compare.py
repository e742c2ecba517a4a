"""Two sides compared: rules by what is told of them, figures by repeated runs."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reports.compare import Judgement, Side, compare, exit_code, read_side
from reports.compare_markdown import comparison_markdown
from reports.files import ReportError, write_atomically
from reports.load import FIXED_WORK, Health, LoadReport, Series, load_outcome, write_load
from reports.model import dumped
from reports.verdict import Status, Verdict
from tests.reports.sample_runs import load_run, verdict


def loads(p99: float, runs: int, noise: float = 0.03, seed: int = 1, **more: float) -> Side:
    random = Random(seed)
    return Side(f"p99 of {p99}", [], [load_run(p99 * random.lognormvariate(0, noise), **more) for _ in range(runs)])  # type: ignore[arg-type]


def verdicts(*each: Verdict) -> Side:
    return Side("rules", each, [])


def judged(a: Side, b: Side) -> tuple[Judgement, int]:
    found = compare(a, b)
    assert comparison_markdown(found).startswith("# ")
    return found.judgement, exit_code(found)


def test_a_half_slower_over_five_runs_is_worse_and_a_half_faster_is_better() -> None:
    assert judged(loads(100, 5), loads(150, 5, seed=2)) == (Judgement.WORSE, 2)
    assert judged(loads(150, 5), loads(100, 5, seed=2)) == (Judgement.BETTER, 0)


def test_a_hundredth_slower_is_too_small_to_matter() -> None:
    found = compare(loads(100, 6), loads(101, 6, seed=2))
    assert found.judgement is Judgement.SAME
    assert exit_code(found) == 0
    latency = next(figure for figure in found.figures if figure.name == "intended-acknowledged p99 ms")
    assert latency.detail == "too small to matter"
    assert latency.low is not None
    assert latency.low < latency.change < latency.high  # type: ignore[operator]


def test_a_millisecond_on_two_is_too_small_to_feel_whatever_the_share() -> None:
    assert judged(loads(4, 6, noise=0.02), loads(5, 6, noise=0.02, seed=2)) == (Judgement.SAME, 0)


def test_one_run_a_side_cannot_tell_however_far_apart() -> None:
    found = compare(loads(100, 1), loads(300, 1, seed=2))
    assert exit_code(found) == 3
    assert any("repeat it" in figure.detail for figure in found.figures)


def test_noise_larger_than_what_matters_cannot_tell() -> None:
    assert judged(loads(100, 3, noise=0.4), loads(110, 3, noise=0.4, seed=5)) == (Judgement.CANNOT_TELL, 3)


def test_a_machine_that_was_slower_is_named_beside_what_differs() -> None:
    """B took a half longer, and so did the same piece of work on the machine that asked: somebody should know."""

    def on(machine_ms: float, seed: int) -> Side:
        took = Series(name=FIXED_WORK, points=((1.0, machine_ms),))
        side = loads(100 * machine_ms, 5, seed=seed)
        return Side(side.name, [], [load.model_copy(update={"series": (took,)}) for load in side.loads])

    assert compare(on(1.0, 1), on(1.5, 2)).notes == (
        "the generator's machine was slower in B: the same piece of work took 1.50 times as long",
    )
    assert "slower in A" in compare(on(1.5, 1), on(1.0, 2)).notes[0]
    assert compare(on(1.0, 1), on(1.05, 2)).notes == ()
    assert compare(on(1.0, 1), loads(100, 5, seed=2)).notes == ()


def test_a_lost_message_where_none_was_lost_is_worse_without_statistics() -> None:
    assert judged(loads(100, 1), loads(100, 1, lost=1)) == (Judgement.WORSE, 2)
    assert judged(loads(100, 6, lost=3), loads(100, 6, seed=2)) == (Judgement.BETTER, 0)


def test_fewer_deliveries_a_second_are_worse() -> None:
    few = Side("few", [], [load_run(100, deliveries=20 + n / 10) for n in range(4)])
    many = Side("many", [], [load_run(100, deliveries=40 + n / 10) for n in range(4)])
    assert judged(many, few) == (Judgement.WORSE, 2)
    assert judged(few, many) == (Judgement.BETTER, 0)


def broken(runs: int, seed: int = 2) -> list[LoadReport]:
    """Runs in which every act got a 500: no latency, nothing achieved, nothing delivered, and nothing lost either."""
    found = []
    for load in loads(100, runs, seed=seed).loads:
        windows = tuple(
            each.model_copy(update={"done": 0, "achieved_per_second": 0.0, "deliveries_per_second": 0.0})
            for each in load.windows
        )
        found.append(load.model_copy(update={"latencies": (), "windows": windows}))
    return found


def test_a_release_of_which_nothing_works_is_worse_and_not_the_same() -> None:
    found = compare(loads(100, 5), Side("broken", [], broken(5)))
    assert exit_code(found) == 2
    told = {figure.name: figure for figure in found.figures}
    for name in ("achieved of offered", "deliveries per second"):
        assert (told[name].judgement, told[name].b) == (Judgement.WORSE, 0)
    latency = told["intended-acknowledged p99 ms"]
    assert (latency.judgement, latency.detail) == (Judgement.CANNOT_TELL, "missing in 5 of 5 runs of B")
    assert "missing in 5 of 5 runs of B" in comparison_markdown(found)
    assert judged(loads(100, 1), Side("broken once", [], broken(1))) == (Judgement.WORSE, 2)


def test_a_run_in_which_nothing_worked_is_not_hidden_by_those_in_which_all_did() -> None:
    """Nor by one before in which nothing worked either: one in four is fewer than two in four."""
    sometimes = Side("one in four", [], [*loads(100, 3, seed=2).loads, *broken(1)])
    often = Side("two in four", [], [*loads(100, 2, seed=3).loads, *broken(2)])
    assert judged(loads(100, 4), sometimes) == (Judgement.WORSE, 2)
    assert judged(sometimes, often) == (Judgement.WORSE, 2)
    assert judged(sometimes, sometimes) == (Judgement.CANNOT_TELL, 3)


def test_runs_that_dropped_arrivals_are_told_and_are_no_proof_that_nothing_got_worse() -> None:
    """Where nobody was idle for an arrival, less was asked of the server than of the other one."""

    def dropping(side: Side) -> Side:
        health = Health(flattering=("2.00% of the arrivals were dropped",))
        outcome = load_outcome(side.loads[0].objectives, health, "")
        return Side("dropping", [], [load.model_copy(update={"health": health, "outcome": outcome}) for load in side.loads])

    found = compare(loads(100, 5), dropping(loads(100, 5, seed=2)))
    assert exit_code(found) == 3
    assert any("dropping: 5 of 5 load runs flatter" in note and "2.00% of the arrivals" in note for note in found.notes)
    assert judged(loads(150, 5), dropping(loads(100, 5, seed=2))) == (Judgement.CANNOT_TELL, 3)
    assert judged(loads(100, 5), dropping(loads(150, 5, seed=2))) == (Judgement.WORSE, 2)


@pytest.mark.parametrize(
    ("before", "after", "judgement"),
    [
        ((Status.PASS,), (Status.FAIL,), Judgement.WORSE),
        ((Status.FAIL,), (Status.PASS,), Judgement.BETTER),
        ((Status.PASS,), (Status.PASS,), Judgement.SAME),
        ((Status.FAIL,), (Status.FAIL,), Judgement.SAME),
        ((Status.PASS,), (Status.UNTESTABLE,), Judgement.CANNOT_TELL),
        ((Status.PASS,), (Status.ERROR,), Judgement.CANNOT_TELL),
        ((Status.PASS,), (Status.NOT_RUN,), Judgement.CANNOT_TELL),
        ((Status.UNTESTABLE,), (Status.PASS,), Judgement.BETTER),
        ((Status.PASS, Status.PASS), (Status.PASS, Status.FAIL), Judgement.WORSE),
        ((Status.PASS, Status.PASS), (Status.FAIL, Status.ERROR), Judgement.WORSE),
    ],
)
def test_a_rule_is_compared_by_what_is_told_of_it(
    before: Sequence[Status], after: Sequence[Status], judgement: Judgement
) -> None:
    a, b = (verdicts(*(verdict(**{"REG-1": status, "REG-2": Status.PASS}) for status in side)) for side in (before, after))
    assert compare(a, b).judgement is judgement


def test_a_rule_that_is_gone_cannot_be_told() -> None:
    a, b = verdict(**{"REG-1": Status.PASS, "REG-2": Status.PASS}), verdict(**{"REG-2": Status.PASS})
    assert compare(verdicts(a), verdicts(b)).judgement is Judgement.CANNOT_TELL


def test_only_like_can_be_compared() -> None:
    with pytest.raises(ReportError, match="different rates or sizes"):
        compare(loads(100, 3), loads(100, 3, rate=20))


def test_a_side_without_what_the_other_has_cannot_be_told() -> None:
    found = compare(verdicts(verdict(**{"REG-1": Status.PASS})), Side("b", [], [load_run(100)]))
    assert found.judgement is Judgement.CANNOT_TELL
    assert "only one side has a verdict that can be compared" in found.notes


def test_runs_that_could_not_be_believed_are_left_out_and_told(tmp_path: Path) -> None:
    for number in range(4):
        write_load(
            load_run(100 + number, sick="schedule slip" if number == 3 else ""), tmp_path / "a" / str(number) / "load.json"
        )
    side = read_side(tmp_path / "a")
    assert len(side.loads) == 3
    assert side.notes == ["3 is left out: schedule slip"]


def test_a_folder_without_runs_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"no verdict\.json or load\.json in it"):
        read_side(tmp_path)
    with pytest.raises(ReportError, match="cannot be read"):
        read_side(tmp_path / "none")


def test_a_corrupt_run_is_refused(tmp_path: Path) -> None:
    write_atomically(tmp_path / "load.json", dumped({"schema": "vigie.load/1"}))
    with pytest.raises(ReportError, match=r"load\.json: "):
        read_side(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (("counts", "lost"), 10**400, "counts.lost: Input should be less than or equal to 1000000000000000"),
        (("counts", "lost"), -1, "counts.lost: Input should be greater than or equal to 0"),
        (("windows", 0, "done"), 10**400, "windows.0.done: Input should be less"),
        (("windows", 0, "offered"), -400, "windows.0.offered: Input should be greater"),
        (("latencies", 0, "p99"), -100, "latencies.0.p99: Input should be greater"),
        (("latencies", 0, "p99"), 1e300, "latencies.0.p99: Input should be less"),
        (("latencies", 0, "p99"), "100 ms", "latencies.0.p99: Input should be a valid number"),
        (("seconds",), 1e308, "seconds: Input should be less"),
        (("step",), 0, "step: Input should be greater than 0"),
        (("health", "loop_lag_ms"), -1, "health.loop_lag_ms: Input should be greater"),
        (("schema",), "vigie.load/0", "schema: Input should be 'vigie.load/1'"),
        (("schema",), None, "schema: Field required"),
        (("objectives",), None, "objectives: Field required"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_figure_that_no_run_has_is_refused_in_one_line_with_its_place(
    key: tuple[str | int, ...], value: object, told: str, tmp_path: Path
) -> None:
    """Ten to the 400th messages were a traceback, and fewer than none were the same as none."""
    content: Any = load_run(100).model_dump(mode="json", by_alias=True)
    *way, last = key
    inside = content
    for each in way:
        inside = inside[each]
    inside[last] = value
    if value is None:
        del inside[last]
    write_atomically(tmp_path / "load.json", dumped(content))
    with pytest.raises(ReportError) as caught:
        read_side(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'load.json'}: {told}")
    assert "\n" not in str(caught.value)


def test_a_rate_next_to_nothing_is_nothing() -> None:
    """By its ratio the other side was better by a number that is none."""
    found = compare(loads(100, 2, deliveries=5e-324), loads(100, 2))
    rate = next(figure for figure in found.figures if figure.name == "deliveries per second")
    assert rate.detail == "nothing in 2 of 2 runs of A"
